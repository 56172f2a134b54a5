"""Many jobs at once, estimates and files."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from django.http import QueryDict, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from ..exceptions import NotPermitted
from ..listing import export
from ..listing import parameters as listing_parameters
from ..listing import query as listing_query
from ..live import connections
from ..models import BulkAction
from ..operations import bulk
from ..stats import errors, estimates
from . import lists
from .answers import BulkOutcome
from .events import WhateverIsAsked
from .jobs import band_of, validated
from .permissions import TriggerRate, View
from .serializers import BulkBody, BulkProgress, EstimateAnswer, TriggerBody


class Estimate(View):
    needs: ClassVar[dict[str, str]] = {"POST": "syncjobs.trigger_sync"}
    refers = True

    @extend_schema(operation_id="estimateSync", request=TriggerBody, responses=EstimateAnswer)
    def post(self, request: Request) -> Response:
        """What a sync would cost, without asking for it."""
        body = validated(TriggerBody, request)
        band = band_of(body.get("bandId"))
        chosen = None if band is None else [band]
        found = estimates.estimate(chosen, full=body["syncType"] == "FULL", force=body["forceSync"])
        return Response(
            {
                "units": found.units,
                "secondsP50": found.seconds_p50,
                "secondsP95": found.seconds_p95,
                "bands": found.bands,
                "skippedAsJustSynced": found.skipped_as_just_synced,
                "skippedAsUnsyncable": found.skipped_as_unsyncable,
                "unitsLeft": found.units_left,
                "fitsQuota": found.fits_quota,
            }
        )


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
        return Response(_progress(bulk.get(bulk_id)))


def _matching(filters: dict[str, Any]) -> list[int]:
    """The jobs a filter matches now. It is written like the list's query parameters."""
    query = QueryDict(mutable=True)
    query.update(listing_query.filters_of(filters, "filter"))
    found = listing_query.job_query(query).jobs.order_by("pk").values_list("pk", flat=True)
    return list(found[: bulk.MOST + 1])


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


FORMAT = listing_parameters.choice("format", export.FORMATS, "csv", "json: one object a line.")


def file_of(content: Any, kind: str, name: str) -> StreamingHttpResponse:
    """What `exports` streams, as a download."""
    ending = "ndjson" if kind == "json" else kind
    connections.give_back()
    return StreamingHttpResponse(
        content,
        content_type=export.FORMATS[kind],
        headers={"Content-Disposition": f'attachment; filename="{name}.{ending}"', "Cache-Control": "no-store"},
    )


class FileView(View):
    """A view whose answer is a file, of which a process streams only some at a time."""

    content_negotiation_class = WhateverIsAsked
    is_file = True


FILE = {(200, media_type.partition(";")[0]): OpenApiTypes.STR for media_type in export.FORMATS.values()}


class JobExport(FileView):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_syncjob"}

    takes = {"GET": (FORMAT, *listing_query.PARAMETERS)}

    @extend_schema(
        operation_id="exportSyncJobs",
        responses=FILE,
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """All jobs that the list's filters match, as a file."""
        kind = request.query_params.get("format", "csv")
        parameters = request.query_params.copy()
        parameters.pop("format", None)
        return file_of(export.jobs(listing_query.job_query(parameters).jobs, kind), kind, "sync-jobs")


class ErrorExport(FileView):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_errorgroup"}

    takes = {"GET": (FORMAT, lists.WINDOW, lists.ACKNOWLEDGED)}

    @extend_schema(
        operation_id="exportErrors",
        responses=FILE,
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """The log of errors in the window, the newest first, as a file."""
        kind = request.query_params.get("format", "csv")
        rows = errors.log(lists.since(request), acknowledged=lists.acknowledged(request))
        return file_of(export.errors(rows, kind), kind, "errors")
