"""The audit log: who did what."""

from __future__ import annotations

from django.http import StreamingHttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from ..audit.labels import ACTIONS, RESULTS, TARGETS
from ..listing import export
from ..listing.base_filters import Choice, Instant, Paged, Parameters, Text
from ..models import AuditEntry
from .core.files import FILE, FORMAT, IgnoreAccept
from .core.pagination import Pages
from .core.permissions import ModelPermissions
from .core.viewsets import ViewSet
from .serializers.audit import AuditSerializer


class AuditFilters(Parameters):
    """The filters of the audit log."""

    action = Choice("action", choices=ACTIONS)
    actor = Text("actor_label", help_text="Who did it: a user's name, or “schedule: ” and the schedule's name.")
    target_type = Choice("target_type", choices=TARGETS)
    target_id = Text("target_id", help_text="The id of the job, band and so on, or the name of the queue.")
    result = Choice("result", choices=RESULTS, help_text="ok, or the code of the error.")
    start_date = Instant("at", "gte", help_text="Done at this time or later.")
    end_date = Instant(
        "at", "lt", is_end=True, help_text="Done at this time or earlier; a date includes its whole day."
    )


class AuditList(AuditFilters, Paged):
    """The query parameters of the audit log."""


class AuditExport(AuditFilters):
    """The query parameters of the audit log as a file."""

    format = FORMAT


class AuditViewSet(ListModelMixin, ViewSet):
    queryset = AuditEntry.objects.all()
    serializer_class = AuditSerializer
    permission_classes = (ModelPermissions,)
    filterset_class = AuditList
    pagination_class = Pages
    ordering = ("-pk",)

    @extend_schema(operation_id="listAudit")
    def list(self, request: Request) -> Response:
        """List audit entries, newest first."""
        return super().list(request)

    @extend_schema(operation_id="exportAudit", responses=FILE)
    @action(detail=False, filterset_class=AuditExport, content_negotiation_class=IgnoreAccept, is_file=True)
    def export(self, request: Request) -> StreamingHttpResponse:
        """Download audit entries, newest first."""
        kind = self.parameters["format"]
        return export.file_of(
            export.audit(self.filter_queryset(self.get_queryset()), kind, person=request.user.pk), kind, "audit"
        )
