"""YouTube's quota: today's buckets and the days before."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ..listing.base_filters import Parameters, Whole
from ..operations.quota import reopen_bucket
from ..stats import quota
from .core.etags import with_etag
from .core.pagination import Unpaged
from .core.permissions import requires
from .core.viewsets import ViewSet
from .serializers import Message
from .serializers.quota import BucketBody, BucketSerializer, QuotaDaySerializer


class QuotaHistory(Parameters):
    """The query parameters of the quota's history."""

    days = Whole(max_value=365, initial=30)


class QuotaViewSet(ViewSet):
    permission_classes = (requires("syncjobs.view_quotaday"),)
    serializer_class = BucketSerializer
    pagination_class = None

    @extend_schema(operation_id="quota")
    @with_etag
    def list(self, request: Request) -> Response:
        """Get today's buckets: their usage, the jobs that wait for them and a forecast until the reset."""
        return Response(BucketSerializer(quota.today(), many=True).data)

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
