"""Error groups: list them, say what is done about them, and retry their jobs."""

from __future__ import annotations

from django.http import StreamingHttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ..choices import UNHANDLED_STATES, ErrorState
from ..engine import clock
from ..listing import export
from ..listing.base_filters import MAX_LIMIT, Choice, Choices, Parameters, Pattern, Text, Whole
from ..models import BulkAction
from ..operations import bulk, errors
from ..stats import errors as stats
from .core.etags import with_etag
from .core.files import FILE, FORMAT, IgnoreAccept
from .core.idempotency import idempotent_in_steps
from .core.permissions import requires
from .core.viewsets import NoBody, ViewSet, location
from .serializers import Message
from .serializers.errors import (
    AssignBody,
    ErrorGroups,
    ErrorGroupWithNotes,
    IgnoreBody,
    NewNoteBody,
    NoteBody,
    NoteSerializer,
    RetriedGroup,
)


class ErrorFilters(Parameters):
    """The filters of the error groups and of the log of errors."""

    window = Pattern(
        pattern=stats.WINDOW,
        example="7d",
        message=stats.BAD_WINDOW,
        help_text="Hours or days back from now, or all.",
        initial="24h",
    )
    acknowledged = Choice(
        choices=("true", "false"),
        help_text="Whether somebody has dealt with the group: true stands for the states acknowledged, ignored and resolved,"
        " false for open and regressed.",
    )
    state = Choices(choices=ErrorState.values, help_text="Repeatable, or separated by commas.")
    assignee = Text(help_text="A username, or nobody.")
    is_new = Choice(choices=("true",), help_text="Only open groups whose first occurrence is less than 24 hours ago.")


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
        page = stats.groups(self._filter(), limit=self.parameters["limit"])
        return Response(ErrorGroups(page, context={"as_of": clock.approximate()}).data)

    @extend_schema(operation_id="getError", responses=ErrorGroupWithNotes)
    @with_etag
    def retrieve(self, request: Request, fingerprint: str) -> Response:
        """Get an error group with its figures of all time and its thread of notes."""
        return self._group(fingerprint)

    @extend_schema(operation_id="exportErrors", responses=FILE)
    @action(detail=False, filterset_class=ErrorExport, content_negotiation_class=IgnoreAccept, is_file=True)
    def export(self, request: Request) -> StreamingHttpResponse:
        """Download the log of errors in the window, newest first."""
        kind = self.parameters["format"]
        return export.file_of(export.errors(stats.log(self._filter()), kind, person=request.user.pk), kind, "errors")

    @extend_schema(operation_id="acknowledgeError", responses=Message)
    @action(
        detail=True,
        methods=["post"],
        serializer_class=NoteBody,
        permission_classes=[requires(errors.MAY_ACT)],
    )
    def acknowledge(self, request: Request, fingerprint: str) -> Response:
        """Acknowledge an error group until its next occurrence that is not retried. One that is resolved is a 409."""
        errors.acknowledge_errors(self.actor, fingerprint, self.validated().get("note"))
        return Response({"message": "Acknowledged."})

    @extend_schema(operation_id="reopenError", responses={204: None})
    @acknowledge.mapping.delete
    def reopen(self, request: Request, fingerprint: str) -> Response:
        """Reopen an error group that is acknowledged, ignored or resolved; its notes stay."""
        errors.reopen_errors(self.actor, fingerprint)
        return Response(status=204)

    @extend_schema(operation_id="resolveError", responses=ErrorGroupWithNotes)
    @action(detail=True, methods=["post"], serializer_class=NoteBody, permission_classes=[requires(errors.MAY_ACT)])
    def resolve(self, request: Request, fingerprint: str) -> Response:
        """Resolve an error group. Its next occurrence that is not retried makes it regressed. One that is resolved is a 409."""
        errors.resolve_errors(self.actor, fingerprint, self.validated().get("note"))
        return self._group(fingerprint)

    @extend_schema(operation_id="ignoreError", responses=ErrorGroupWithNotes)
    @action(detail=True, methods=["post"], serializer_class=IgnoreBody, permission_classes=[requires(errors.MAY_ACT)])
    def ignore(self, request: Request, fingerprint: str) -> Response:
        """Ignore an error group until a time, whatever occurs. One that is resolved is a 409."""
        body = self.validated()
        errors.ignore_errors(self.actor, fingerprint, body["until"], body.get("note"))
        return self._group(fingerprint)

    @extend_schema(operation_id="assignError", responses=ErrorGroupWithNotes)
    @action(detail=True, methods=["post"], serializer_class=AssignBody, permission_classes=[requires(errors.MAY_ACT)])
    def assign(self, request: Request, fingerprint: str) -> Response:
        """Assign an error group to a person, or to nobody."""
        errors.assign_errors(self.actor, fingerprint, self.validated()["assignee"] or "")
        return self._group(fingerprint)

    @extend_schema(operation_id="addErrorNote", responses={201: NoteSerializer})
    @action(detail=True, methods=["post"], serializer_class=NewNoteBody, permission_classes=[requires(errors.MAY_ACT)])
    def notes(self, request: Request, fingerprint: str) -> Response:
        """Add a note to the thread of an error group."""
        note = errors.add_error_note(self.actor, fingerprint, self.validated()["note"])
        note.refresh_from_db()
        return Response(NoteSerializer(note).data, 201)

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

    def _group(self, fingerprint: str) -> Response:
        group, notes = stats.group(fingerprint), stats.notes(fingerprint, MAX_LIMIT)
        return Response(ErrorGroupWithNotes(group, context={"notes": notes}).data)

    def _filter(self) -> stats.GroupFilter:
        given = self.parameters
        states = given["state"] or None
        if acknowledged := given["acknowledged"]:
            is_wanted = acknowledged == "false"
            states = [state for state in states or ErrorState.values if (state in UNHANDLED_STATES) == is_wanted]
        return stats.GroupFilter(
            since=stats.start_of(given["window"]),
            states=states,
            assignee=stats.assignee_id(given["assignee"]) if given["assignee"] else None,
            is_new=given["is_new"] == "true",
        )
