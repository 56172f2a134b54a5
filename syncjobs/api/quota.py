"""Queues, errors and quota."""

from __future__ import annotations

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ..listing.parameters import Parameters, Whole
from ..stats import quota
from .core import responses
from .core.etags import Polled
from .core.views import View


class Quota(Polled):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_quotaday"}

    @extend_schema(operation_id="quota", responses=responses.BucketSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Today's buckets: what was used for what, what waits, and what will be used until the reset."""
        return Response([figures.as_json() for figures in quota.today()])


class HistoryParameters(Parameters):
    """The query parameters of the quota's history."""

    days = Whole(max_value=365, initial=30)


class QuotaHistory(View):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_quotaday"}

    takes = {"GET": HistoryParameters}

    @extend_schema(operation_id="quotaHistory", responses=responses.QUOTA_DAYS)
    def get(self, request: Request) -> Response:
        """Units used per bucket and day (America/Los_Angeles), today's last."""
        return Response({"data": quota.history(self.parameters["days"]), "asOf": timezone.now()})
