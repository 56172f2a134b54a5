"""What the list of jobs is measured against: the same rows as somebody writes it who uses the libraries as they come."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import django_filters
import orjson
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from rest_framework import authentication, generics, pagination, permissions, renderers, serializers
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication

from bands.models import Band
from syncjobs.api.jobs import SyncJobViewSet
from syncjobs.listing.filters import for_display
from syncjobs.models import JobError, SyncJob


class BandOfJob(serializers.ModelSerializer[Band]):
    class Meta:
        model = Band
        fields = ("id", "name")


class ErrorOfJob(serializers.ModelSerializer[JobError]):
    class Meta:
        model = JobError
        fields = ("message",)


class StockSerializer(serializers.ModelSerializer[SyncJob]):
    band = BandOfJob()
    errors = ErrorOfJob(source="job_errors", many=True)
    queuePosition = serializers.IntegerField(source="queue_position")
    duration = serializers.SerializerMethodField()

    class Meta:
        model = SyncJob
        fields = (
            "id", "band", "job_type", "status", "queue", "priority", "videos_found", "videos_added", "videos_updated",
            "videos_unavailable", "errors", "started_at", "completed_at", "created_at", "duration", "queuePosition",
            "progress_done", "progress_total", "quota_used", "run_at", "delay_reason", "attempts_made", "retry_of",
            "requested_by_label", "cancel_requested_at", "parent",
        )  # fmt: skip

    def get_duration(self, job: SyncJob) -> int | None:
        if not (job.started_at and job.completed_at):
            return None
        return round((job.completed_at - job.started_at).total_seconds() * 1000)


class StockFilters(django_filters.FilterSet):
    startDate = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    endDate = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lte")

    class Meta:
        model = SyncJob
        fields: ClassVar[list[str]] = ["status", "job_type", "band", "queue", "parent"]


class StockPagination(pagination.PageNumberPagination):
    page_size = 20
    page_size_query_param = "limit"
    max_page_size = 100


class StockList(generics.ListAPIView[SyncJob]):
    queryset = SyncJob.objects.with_queue_position().select_related("band").prefetch_related("job_errors")
    serializer_class = StockSerializer
    filter_backends = (django_filters.rest_framework.DjangoFilterBackend,)
    filterset_class = StockFilters
    pagination_class = StockPagination
    authentication_classes = (JWTAuthentication,)
    permission_classes = (permissions.DjangoModelPermissions,)
    renderer_classes = (renderers.JSONRenderer,)


_COLUMNS = (
    "id", "band_id", "band_name", "job_type", "status", "queue_id", "priority", "videos_found", "videos_added",
    "videos_updated", "videos_unavailable", "error_texts", "started_at", "completed_at", "created_at", "queue_position",
    "progress_done", "progress_total", "quota_used", "run_at", "delay_reason", "attempts_made", "retry_of_id",
    "requested_by_label", "cancel_requested_at", "parent_id",
)  # fmt: skip


def plain(request: HttpRequest) -> HttpResponse:
    """Plain Django: no authentication, no framework, values() and orjson."""
    limit = int(request.GET.get("limit", "20"))
    jobs = for_display(SyncJob.objects.order_by("-created_at", "-id"))
    body = {"data": list(jobs.values(*_COLUMNS)[:limit]), "total": SyncJob.objects.count()}
    return HttpResponse(orjson.dumps(body), content_type="application/json")


@functools.cache
def _somebody() -> Any:
    user = get_user_model().objects.get(username="bench")
    user.get_all_permissions()
    return user


class Preset(authentication.BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Any, None]:
        return _somebody(), None


urlpatterns = [
    path("bench/stock", StockList.as_view()),
    path("bench/plain", plain),
    path("bench/preset", SyncJobViewSet.as_view({"get": "list"}, authentication_classes=[Preset])),
    path("", include("syncmonitor.urls")),
]
