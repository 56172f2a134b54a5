"""Queues, errors and quota."""

from __future__ import annotations

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ..listing import parameters, query
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


MAX_DAYS = 365


class QuotaHistory(View):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_quotaday"}

    takes = {"GET": (parameters.whole("days", MAX_DAYS, 30),)}

    @extend_schema(operation_id="quotaHistory", responses=responses.QUOTA_DAYS)
    def get(self, request: Request) -> Response:
        """Units used per bucket and day (America/Los_Angeles), today's last."""
        days = query.whole_number(request, "days", 30, MAX_DAYS)
        return Response({"data": quota.history(days), "asOf": timezone.now()})
