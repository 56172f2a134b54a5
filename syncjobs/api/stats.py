"""Figures of all jobs: metrics, trends and stuck ones."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ..engine import clock
from ..listing.base_filters import Choice, Parameters
from ..stats import jobs
from .core.etags import with_etag
from .core.pagination import Unpaged
from .core.permissions import requires
from .core.viewsets import ViewSet
from .serializers.stats import MetricsSerializer, StuckJobSerializer, TrendsSerializer


class TrendFilters(Parameters):
    """The query parameters of trends."""

    period = Choice(choices=jobs.PERIODS, initial="24h")


class JobStatsViewSet(ViewSet):
    permission_classes = (requires("syncjobs.view_syncjob"),)

    @extend_schema(operation_id="jobMetrics")
    @action(detail=False, serializer_class=MetricsSerializer)
    @with_etag
    def metrics(self, request: Request) -> Response:
        """Get the number of jobs by status; success rate, throughput and times of the last 24 hours."""
        return Response(MetricsSerializer(jobs.metrics()).data)

    @extend_schema(operation_id="jobTrends")
    @action(detail=False, serializer_class=TrendsSerializer, filterset_class=TrendFilters)
    @with_etag
    def trends(self, request: Request) -> Response:
        """Get the number of jobs by hour or day of creation, and by status."""
        period = self.parameters["period"]
        trends = {"period": period, "series": jobs.trends(period), "asOf": clock.approximate()}
        return Response(TrendsSerializer(trends).data)

    @extend_schema(operation_id="stuckJobs", responses=StuckJobSerializer(many=True))
    @action(detail=False, serializer_class=StuckJobSerializer, pagination_class=Unpaged)
    def stuck(self, request: Request) -> Response:
        """List attempts that have run longer than is usual for their job type."""
        stuck = self.paginate_queryset(jobs.stuck())
        return self.get_paginated_response(StuckJobSerializer(stuck, many=True).data)
