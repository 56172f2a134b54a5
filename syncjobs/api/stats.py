"""Figures over time, workers, the audit, the quota's history and the schedules."""

from __future__ import annotations

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ..listing.parameters import Choice, Parameters
from ..stats import jobs as stats_jobs
from .core import responses
from .core.etags import Polled
from .core.views import View


class Metrics(Polled):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_syncjob"}

    @extend_schema(operation_id="jobMetrics", responses=responses.MetricsSerializer)
    def get(self, request: Request) -> Response:
        """Counts by status; success rate, jobs per minute and times of the last 24 hours."""
        return Response(stats_jobs.metrics())


class TrendParameters(Parameters):
    """The query parameters of trends."""

    period = Choice(choices=stats_jobs.PERIODS, initial="24h")


class Trends(Polled):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_syncjob"}
    takes = {"GET": TrendParameters}

    @extend_schema(operation_id="jobTrends", responses=responses.TRENDS)
    def get(self, request: Request) -> Response:
        """Jobs by the hour or day of their creation, and what became of them."""
        period = self.parameters["period"]
        series = stats_jobs.trends(period)
        for point in series:
            point["inProgress"] = point.pop("in_progress")
        return Response({"period": period, "series": series, "asOf": timezone.now()})


class Stuck(View):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_syncjob"}

    @extend_schema(operation_id="stuckJobs", responses=responses.STUCK)
    def get(self, request: Request) -> Response:
        """Attempts that run longer than is usual for their type."""
        return Response({"data": stats_jobs.stuck(), "asOf": timezone.now()})
