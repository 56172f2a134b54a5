"""Many jobs at once, estimates and files."""

from __future__ import annotations

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ..stats import estimates
from .core.views import View
from .jobs import band_of, validated
from .serializers import EstimateAnswer, TriggerBody


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
