"""Figures over time, workers, the audit, the quota's history and the schedules."""

from __future__ import annotations

from typing import ClassVar

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ..audit.labels import ACTIONS, RESULTS, TARGETS
from ..listing import export, parameters, query
from ..listing.export import file_of
from ..models import AuditEntry
from .core import lists, responses
from .core.views import View
from .exports import FILE, FORMAT, FileView
from .serializers import AuditSerializer

_AUDIT_FILTERS = {
    "action": "action",
    "actor": "actor_label",
    "targetType": "target_type",
    "targetId": "target_id",
    "result": "result",
}
_AUDIT_PARAMETERS = (
    parameters.choice("action", ACTIONS),
    parameters.text("actor", "Who did it: a user's name, or “schedule: ” and its name."),
    parameters.choice("targetType", TARGETS),
    parameters.text("targetId", "Of what: the id of a job, a band and so on, the name of a queue."),
    parameters.choice("result", RESULTS, description="ok, or the code of the error."),
    parameters.instant("startDate", "Done from then on."),
    parameters.instant("endDate", "Done before then; a bare date includes its day. Must be after startDate."),
)


class Audit(View):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_auditentry"}

    takes = {"GET": (*_AUDIT_PARAMETERS, *query.PAGING)}

    @extend_schema(operation_id="listAudit", responses=responses.AUDIT)
    def get(self, request: Request) -> Response:
        """Who did what, the newest first."""
        rows, frame = lists.page_of(request, _audit(request))
        return Response({"data": AuditSerializer(rows, many=True).data, **frame})


def _audit(request: Request) -> QuerySet[AuditEntry]:
    entries = AuditEntry.objects.order_by("-pk")
    for name, column in _AUDIT_FILTERS.items():
        value = request.query_params.get(name)
        if value is not None:
            entries = entries.filter(**{column: value})
    start, end = query.dates(request.query_params)
    if start:
        entries = entries.filter(at__gte=start)
    return entries.filter(at__lt=end) if end else entries


class AuditExport(FileView):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_auditentry"}
    takes = {"GET": (FORMAT, *_AUDIT_PARAMETERS)}

    @extend_schema(operation_id="exportAudit", responses=FILE)
    def get(self, request: Request) -> StreamingHttpResponse:
        """Who did what, the newest first, as a file."""
        kind = request.query_params.get("format", "csv")
        return file_of(export.audit(_audit(request), kind), kind, "audit")
