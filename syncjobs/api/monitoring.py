"""Queues, errors and quota."""

from __future__ import annotations

from typing import ClassVar

from django.utils import timezone
from django.utils.translation import ngettext
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ..choices import QueueName
from ..listing import query
from ..models import BulkAction
from ..operations import bulk, errors, queues
from ..stats import errors as stats_errors
from ..stats import queues as queue_status
from ..stats import quota
from . import answers, lists
from .jobs import validated
from .permissions import TriggerRate, View
from .polling import Polled
from .serializers import ClearBody, Cleared, ErrorGroupSerializer, Message, NoteBody, PauseBody, QueueBody


class QueueStatus(Polled):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_queue"}

    @extend_schema(operation_id="queueStatus", responses=answers.QueueSerializer(many=True))
    def get(self, request: Request) -> Response:
        """How each queue stands; the states of all queues sum to the jobs there are."""
        return Response([queue.as_json() for queue in queue_status.queues()])


class QueuePause(View):
    needs: ClassVar[dict[str, str]] = {"POST": "syncjobs.pause_queue"}

    @extend_schema(operation_id="pauseQueue", request=PauseBody, responses=Message)
    def post(self, request: Request) -> Response:
        """From the answer on, no job of the queue starts."""
        body = validated(PauseBody, request)
        paused = queues.pause_queue(self.actor(request), body.get("queue", QueueName.VIDEO_SYNC), body["reason"])
        return Response({"message": f"Paused: {', '.join(paused)}." if paused else "It was paused already."})


class QueueResume(View):
    needs: ClassVar[dict[str, str]] = {"POST": "syncjobs.pause_queue"}

    @extend_schema(operation_id="resumeQueue", request=QueueBody, responses=Message)
    def post(self, request: Request) -> Response:
        """Let the workers go on."""
        body = validated(QueueBody, request)
        resumed = queues.resume_queue(self.actor(request), body.get("queue", QueueName.VIDEO_SYNC))
        return Response({"message": f"Resumed: {', '.join(resumed)}." if resumed else "It was not paused."})


class ClearFailed(View):
    needs: ClassVar[dict[str, str]] = {"POST": "syncjobs.clear_failed"}

    @extend_schema(operation_id="clearFailed", request=ClearBody, responses={200: Cleared, 202: answers.Clearing})
    def post(self, request: Request) -> Response:
        """Delete failed jobs for good; more than 5,000 in the background."""
        body = validated(ClearBody, request)
        cleared = bulk.clear_failed(self.actor(request), body.get("queue", queues.ALL_QUEUES))
        if isinstance(cleared, BulkAction):
            message = f"{cleared.total} failed jobs are deleted in the background."
            return Response({"message": message, "count": cleared.total, "bulkId": str(cleared.pk)}, 202)
        message = ngettext("%(count)s failed job deleted.", "%(count)s failed jobs deleted.", cleared)
        return Response({"message": message % {"count": cleared}, "count": cleared})


class Errors(Polled):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_errorgroup"}
    takes = {"GET": (lists.WINDOW, query.LIMIT, lists.ACKNOWLEDGED)}

    @extend_schema(operation_id="listErrors", responses=answers.ErrorGroups)
    def get(self, request: Request) -> Response:
        """Error groups with something in the window, the most frequent first."""
        limit = query.whole_number(request, "limit", 20, query.MAX_LIMIT)
        groups, total = stats_errors.groups(lists.since(request), acknowledged=lists.acknowledged(request), limit=limit)
        rows = ErrorGroupSerializer(groups, many=True).data
        return Response({"errors": rows, "totalErrors": total, "asOf": timezone.now()})


class AcknowledgeError(View):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.acknowledge_errors"}

    @extend_schema(operation_id="acknowledgeError", request=NoteBody, responses=Message)
    def post(self, request: Request, fingerprint: str) -> Response:
        """Say that somebody has seen to it."""
        errors.acknowledge_errors(self.actor(request), fingerprint, validated(NoteBody, request).get("note"))
        return Response({"message": "Acknowledged."})

    @extend_schema(operation_id="reopenError", responses={204: None})
    def delete(self, request: Request, fingerprint: str) -> Response:
        """Take that back; the note stays."""
        errors.reopen_errors(self.actor(request), fingerprint)
        return Response(status=204)


class RetryErrors(View):
    needs: ClassVar[dict[str, str]] = {"POST": "syncjobs.retry_job"}
    bodiless = ("POST",)
    throttle_classes = (TriggerRate,)

    @extend_schema(operation_id="retryError", request=None, responses={202: answers.RetriedGroup})
    def post(self, request: Request, fingerprint: str) -> Response:
        """Retry the failed jobs of the group that nobody has retried yet."""
        outcome = bulk.retry_group(self.actor(request), fingerprint)
        if isinstance(outcome, BulkAction):
            message = f"{outcome.total} jobs are retried in the background."
            return Response({"message": message, "bulkId": str(outcome.pk), "retried": {}, "refused": {}}, 202)
        retried = {str(old): str(new) for old, new in outcome.retried.items()}
        refused = {str(job_id): why for job_id, why in outcome.refused.items()}
        message = ngettext("%(count)s job retried.", "%(count)s jobs retried.", len(retried)) % {"count": len(retried)}
        return Response({"message": message, "retried": retried, "refused": refused}, 202)


class Quota(Polled):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_quotaday"}

    @extend_schema(operation_id="quota", responses=answers.BucketSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Today's buckets: what was used for what, what waits, and what will be used until the reset."""
        return Response([figures.as_json() for figures in quota.today()])
