"""Many jobs at once, estimates and files."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from django.http import QueryDict
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from ..exceptions import NotPermitted
from ..listing import query as listing_query
from ..models import BulkAction
from ..operations import bulk
from .core.responses import BulkOutcome
from .core.views import TriggerRate, View
from .jobs import validated
from .serializers import BulkBody, BulkProgress


class Bulk(View):
    needs: ClassVar[dict[str, str]] = {"POST": "syncjobs.view_syncjob"}
    throttle_classes = (TriggerRate,)

    @extend_schema(operation_id="bulkSyncJobs", request=BulkBody, responses={200: BulkOutcome, 202: BulkProgress})
    def post(self, request: Request) -> Response:
        """Retry or cancel the jobs named, or all that a filter matches now; more than 1,000 in the background."""
        body = validated(BulkBody, request)
        if not request.user.has_perm(f"syncjobs.{body['action']}_job"):
            raise NotPermitted("You may not do this.")
        ids = body.get("ids")
        if ids is None:
            ids = _matching(body["filter"])
        outcome = bulk.start(self.actor(request), body["action"], [int(job_id) for job_id in ids])
        if isinstance(outcome, BulkAction):
            return Response(_progress(outcome), status.HTTP_202_ACCEPTED)
        told = asdict(outcome)
        return Response(
            {
                "message": f"{outcome.succeeded} of {len(set(ids))} done.",
                "retried": {str(old): str(new) for old, new in told["retried"].items()},
                "cancelled": [str(job_id) for job_id in told["cancelled"]],
                "refused": {str(job_id): why for job_id, why in told["refused"].items()},
            }
        )


class BulkDetail(View):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_syncjob"}

    @extend_schema(operation_id="getBulk", responses=BulkProgress)
    def get(self, request: Request, bulk_id: int) -> Response:
        """How far a bulk action in the background is."""
        return Response(_progress(bulk.get_bulk_action(bulk_id)))


def _matching(filters: dict[str, Any]) -> list[int]:
    """The jobs a filter matches now. It is written like the list's query parameters."""
    data = QueryDict(mutable=True)
    data.update(listing_query.filters_of(filters, "filter"))
    found = listing_query.job_query(data).jobs.order_by("pk").values_list("pk", flat=True)
    return list(found[: bulk.MAX_JOBS + 1])


def _progress(action: BulkAction) -> dict[str, Any]:
    return {
        "id": str(action.pk),
        "action": action.action,
        "total": action.total,
        "done": action.done,
        "succeeded": action.succeeded,
        "refused": action.refused,
        "endedAt": action.ended_at,
    }
