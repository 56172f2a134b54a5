"""Videos of all bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import F
from drf_spectacular.utils import extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from bands.models import Availability, Video

from ..listing.base_filters import Choices, Id, Paged, SortBy, SortOrder, Text
from .core.pagination import Pages
from .core.permissions import ModelPermissions
from .core.viewsets import ViewSet
from .serializers.videos import VideoSerializer


class BandVideoList(Paged):
    """The query parameters of a band's videos."""

    search = Text("title", "icontains", help_text="Part of the title.")
    availability = Choices("availability", choices=Availability.values)
    sort_by = SortBy(
        ("published_at", "view_count"), initial="published_at", help_text="Then by id. Videos without it come last."
    )
    sort_order = SortOrder()


class VideoList(BandVideoList):
    """The query parameters of the videos of all bands."""

    band_id = Id("band")


def video_ordering(values: Mapping[str, Any]) -> Sequence[Any]:
    """Return the order that the parameters ask for."""
    column = F(values["sort_by"])
    if values["sort_order"] == "desc":
        return column.desc(nulls_last=True), "-pk"
    return column.asc(nulls_last=True), "pk"


class VideoViewSet(ListModelMixin, ViewSet):
    queryset = Video.objects.all()
    serializer_class = VideoSerializer
    permission_classes = (ModelPermissions,)
    filterset_class = VideoList
    pagination_class = Pages

    def get_ordering(self) -> Sequence[Any]:
        return video_ordering(self.parameters)

    @extend_schema(operation_id="listVideos")
    def list(self, request: Request) -> Response:
        """List videos, newest first."""
        return super().list(request)
