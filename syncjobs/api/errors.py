"""Queues, errors and quota."""

from __future__ import annotations

from typing import ClassVar

from django.utils import timezone
from django.utils.translation import ngettext
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ..listing.parameters import MAX_LIMIT, Whole
from ..models import BulkAction
from ..operations import bulk, errors
from ..stats import errors as stats_errors
from .core import lists, responses
from .core.etags import Polled
from .core.views import TriggerRate, View
from .jobs import validated
from .serializers import ErrorGroupSerializer, Message, NoteBody


class ErrorListParameters(lists.ErrorFilters):
    """The query parameters of the error groups."""

    limit = Whole(max_value=MAX_LIMIT, initial=20)


class Errors(Polled):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_errorgroup"}
    takes = {"GET": ErrorListParameters}

    @extend_schema(operation_id="listErrors", responses=responses.ErrorGroups)
    def get(self, request: Request) -> Response:
        """Error groups with something in the window, the most frequent first."""
        values = self.parameters
        groups, total = stats_errors.groups(
            lists.since(values), acknowledged=lists.acknowledged(values), limit=values["limit"]
        )
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

    @extend_schema(operation_id="retryError", request=None, responses={202: responses.RetriedGroup})
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
