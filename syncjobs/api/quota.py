"""YouTube's quota: today's buckets and the days before."""

from __future__ import annotations

from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ..listing.base_filters import Parameters, Pattern, Spelled, Whole
from ..operations.quota import reopen_bucket
from ..stats import quota, quota_usage
from ..stats.quota_usage import Grouping
from .core.etags import with_etag
from .core.pagination import Unpaged
from .core.permissions import requires
from .core.viewsets import ViewSet
from .serializers import Message
from .serializers.quota import BucketBody, BucketSerializer, QuotaDaySerializer, UsageSerializer


class QuotaHistory(Parameters):
    """The query parameters of the quota's history."""

    days = Whole(max_value=365, initial=30)


class QuotaUsage(Parameters):
    """The query parameters of what used the quota."""

    group_by = Spelled(Grouping, initial=Grouping.OPERATION, help_text="What the calls are grouped by.")
    day = Pattern(
        pattern=r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
        example="2026-11-24",
        message=gettext_lazy("Must be a date, such as 2026-11-24."),
        help_text="Begins at midnight America/Los_Angeles. Default: today.",
    )


class QuotaViewSet(ViewSet):
    permission_classes = (requires("syncjobs.view_quotaday"),)
    serializer_class = BucketSerializer
    pagination_class = None

    @extend_schema(operation_id="quota")
    @with_etag
    def list(self, request: Request) -> Response:
        """Get today's buckets: their usage, the jobs that wait for them and a forecast until the reset."""
        return Response(BucketSerializer(quota.today(), many=True).data)

    @extend_schema(operation_id="quotaUsage")
    @action(detail=False, serializer_class=UsageSerializer, filterset_class=QuotaUsage)
    @with_etag
    def usage(self, request: Request) -> Response:
        """Get what used the units of a day, by operation, job type, band or person. The groups of a bucket sum to `used`."""
        day = self.parameters["day"]
        usage = quota_usage.usage(Grouping(self.parameters["group_by"]), quota_usage.parse_day(day) if day else None)
        return Response(UsageSerializer(usage).data)

    @extend_schema(operation_id="quotaHistory", responses=QuotaDaySerializer(many=True))
    @action(detail=False, serializer_class=QuotaDaySerializer, filterset_class=QuotaHistory, pagination_class=Unpaged)
    def history(self, request: Request) -> Response:
        """List the units used per bucket and day (America/Los_Angeles), today's last."""
        days = self.paginate_queryset(quota.history(self.parameters["days"]))
        return self.get_paginated_response(QuotaDaySerializer(days, many=True).data)

    @extend_schema(operation_id="reopenQuota", responses=Message)
    @action(
        detail=False,
        methods=["post"],
        serializer_class=BucketBody,
        permission_classes=[requires("syncjobs.pause_queue")],
    )
    def reopen(self, request: Request) -> Response:
        """Ask YouTube again about a bucket that it has closed, and wake the jobs that wait for it."""
        bucket = self.validated()["bucket"]
        reopened = reopen_bucket(self.actor, bucket)
        return Response({"message": f"Reopened: {bucket}." if reopened else "The bucket is not closed."})
