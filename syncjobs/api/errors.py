"""Error groups: list, acknowledge, retry and export them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.http import StreamingHttpResponse
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ..engine import clock
from ..listing import export
from ..listing.base_filters import MAX_LIMIT, Choice, Parameters, Pattern, Whole
from ..models import BulkAction
from ..operations import bulk, errors
from ..stats import errors as stats
from .core.etags import with_etag
from .core.files import FILE, FORMAT, IgnoreAccept
from .core.idempotency import idempotent_in_steps
from .core.permissions import requires
from .core.viewsets import NoBody, ViewSet, location
from .serializers import Message
from .serializers.errors import ErrorGroups, NoteBody, RetriedGroup


class ErrorFilters(Parameters):
    """The filters of the error groups and of the log of errors."""

    window = Pattern(
        pattern="all|[1-9][0-9]{0,3}[hd]",
        example="7d",
        message=gettext_lazy("Must be a number of hours (24h) or days (7d) up to 9999, or all."),
        help_text="Hours or days back from now, or all.",
        initial="24h",
    )
    acknowledged = Choice(choices=("true", "false"), help_text="Whether somebody has acknowledged the group.")


class ErrorList(ErrorFilters):
    """The query parameters of the error groups."""

    limit = Whole(max_value=MAX_LIMIT, initial=20)


class ErrorExport(ErrorFilters):
    """The query parameters of the log of errors as a file."""

    format = FORMAT


class ErrorGroupViewSet(ViewSet):
    permission_classes = (requires("syncjobs.view_errorgroup"),)
    serializer_class = ErrorGroups
    filterset_class = ErrorList
    lookup_url_kwarg = "fingerprint"
    lookup_value_converter = "slug"

    @extend_schema(operation_id="listErrors")
    @with_etag
    def list(self, request: Request) -> Response:
        """List error groups with an occurrence in the window, most frequent first."""
        groups, total = stats.groups(**self._filters(), limit=self.parameters["limit"])
        figures = {"errors": groups, "totalErrors": total, "asOf": clock.approximate()}
        return Response(ErrorGroups(figures).data)

    @extend_schema(operation_id="exportErrors", responses=FILE)
    @action(detail=False, filterset_class=ErrorExport, content_negotiation_class=IgnoreAccept, is_file=True)
    def export(self, request: Request) -> StreamingHttpResponse:
        """Download the log of errors in the window, newest first."""
        kind = self.parameters["format"]
        return export.file_of(export.errors(stats.log(**self._filters()), kind, person=request.user.pk), kind, "errors")

    @extend_schema(operation_id="acknowledgeError", responses=Message)
    @action(
        detail=True,
        methods=["post"],
        serializer_class=NoteBody,
        permission_classes=[requires("syncjobs.acknowledge_errors")],
    )
    def acknowledge(self, request: Request, fingerprint: str) -> Response:
        """Acknowledge an error group."""
        errors.acknowledge_errors(self.actor, fingerprint, self.validated().get("note"))
        return Response({"message": "Acknowledged."})

    @extend_schema(operation_id="reopenError", responses={204: None})
    @acknowledge.mapping.delete
    def reopen(self, request: Request, fingerprint: str) -> Response:
        """Reopen an error group; its note stays."""
        errors.reopen_errors(self.actor, fingerprint)
        return Response(status=204)

    @extend_schema(operation_id="retryError", responses={202: RetriedGroup})
    @action(
        detail=True,
        methods=["post"],
        serializer_class=NoBody,
        permission_classes=[requires("syncjobs.retry_job")],
        is_limited=True,
    )
    @idempotent_in_steps
    def retry(self, request: Request, fingerprint: str) -> Response:
        """Retry the failed jobs of an error group that nobody has retried yet."""
        outcome = bulk.retry_group(self.actor, fingerprint)
        headers: dict[str, str] = {}
        if isinstance(outcome, BulkAction):
            message = f"{outcome.total} jobs are being retried in the background."
            result = {
                "message": message,
                "bulkId": outcome.pk,
                "retried": {},
                "queued": 0,
                "covered_by": {},
                "refused": {},
            }
            headers = location("job-bulk-progress", bulk_id=outcome.pk)
        else:
            result = {
                "message": bulk.summary(BulkAction.Action.RETRY, outcome),
                "retried": outcome.retried,
                "queued": outcome.queued,
                "covered_by": outcome.covered_by,
                "refused": outcome.refused,
            }
        return Response(RetriedGroup(result).data, 202, headers=headers)

    def _filters(self) -> dict[str, Any]:
        """Return the beginning of the window (None for all time) and `acknowledged` (None for both)."""
        window, acknowledged = self.parameters["window"], self.parameters["acknowledged"]
        since = None
        if window != "all":
            since = clock.now() - dt.timedelta(**{"hours" if window.endswith("h") else "days": int(window[:-1])})
        return {"since": since, "acknowledged": None if acknowledged is None else acknowledged == "true"}
