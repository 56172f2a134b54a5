"""Queues, errors and quota."""

from __future__ import annotations

from typing import ClassVar

from django.utils.translation import ngettext
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ..choices import QueueName
from ..models import BulkAction
from ..operations import bulk, queues
from ..stats import queues as queue_status
from .core import responses
from .core.etags import Polled
from .core.views import View
from .jobs import validated
from .serializers import ClearBody, Cleared, Message, PauseBody, QueueBody


class QueueStatus(Polled):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_queue"}

    @extend_schema(operation_id="queueStatus", responses=responses.QueueSerializer(many=True))
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

    @extend_schema(operation_id="clearFailed", request=ClearBody, responses={200: Cleared, 202: responses.Clearing})
    def post(self, request: Request) -> Response:
        """Delete failed jobs for good; more than 5,000 in the background."""
        body = validated(ClearBody, request)
        cleared = bulk.clear_failed(self.actor(request), body.get("queue", queues.ALL_QUEUES))
        if isinstance(cleared, BulkAction):
            message = f"{cleared.total} failed jobs are deleted in the background."
            return Response({"message": message, "count": cleared.total, "bulkId": str(cleared.pk)}, 202)
        message = ngettext("%(count)s failed job deleted.", "%(count)s failed jobs deleted.", cleared)
        return Response({"message": message % {"count": cleared}, "count": cleared})
