"""Figures over time, workers, the audit, the quota's history and the schedules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ..audit.labels import ACTIONS, RESULTS, TARGETS
from ..listing import export
from ..listing.export import file_of
from ..listing.parameters import Choice, Instant, Paged, Parameters, Text
from ..models import AuditEntry
from .core import lists, responses
from .core.views import View
from .exports import FILE, FORMAT, FileView
from .serializers import AuditSerializer


class AuditFilters(Parameters):
    """What the audit can be filtered by."""

    action = Choice("action", choices=ACTIONS)
    actor = Text("actor_label", help_text="Who did it: a user's name, or “schedule: ” and the schedule's name.")
    targetType = Choice("target_type", choices=TARGETS)
    targetId = Text("target_id", help_text="The id of the job, band and so on, or the name of the queue.")
    result = Choice("result", choices=RESULTS, help_text="ok, or the code of the error.")
    startDate = Instant("at", "gte", help_text="Done at this time or later.")
    endDate = Instant(
        "at",
        "lt",
        is_end=True,
        help_text="Done before this time; a bare date includes its day. Must be after startDate.",
    )


class AuditList(AuditFilters, Paged):
    """The query parameters of the audit."""


class AuditExportParameters(AuditFilters):
    """The query parameters of the audit as a file."""

    format = FORMAT


class Audit(View):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_auditentry"}

    takes = {"GET": AuditList}

    @extend_schema(operation_id="listAudit", responses=responses.AUDIT)
    def get(self, request: Request) -> Response:
        """Who did what, the newest first."""
        rows, frame = lists.page_of(self.parameters, _audit(self.parameters))
        return Response({"data": AuditSerializer(rows, many=True).data, **frame})


def _audit(values: Mapping[str, Any]) -> QuerySet[AuditEntry]:
    return AuditFilters.narrow(AuditEntry.objects.order_by("-pk"), values)


class AuditExport(FileView):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_auditentry"}
    takes = {"GET": AuditExportParameters}

    @extend_schema(operation_id="exportAudit", responses=FILE)
    def get(self, request: Request) -> StreamingHttpResponse:
        """Who did what, the newest first, as a file."""
        kind = self.parameters["format"]
        return file_of(export.audit(_audit(self.parameters), kind), kind, "audit")
