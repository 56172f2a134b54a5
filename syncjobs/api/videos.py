"""Videos, of all bands or of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import F, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from bands.models import Availability, Video

from ..listing.parameters import Choice, Choices, Id, Paged, SortOrder, Text
from .bands import _band
from .core import lists, responses
from .core.band_serializers import VideoSerializer
from .core.views import View

_SORTS = {"publishedAt": "published_at", "viewCount": "view_count"}


class BandVideoParameters(Paged):
    """The query parameters of a band's videos."""

    search = Text("title", "icontains", help_text="Part of the title.")
    availability = Choices("availability", choices=Availability.values)
    sortBy = Choice(choices=_SORTS, initial="publishedAt", help_text="Ties by id; videos without it come last.")
    sortOrder = SortOrder()


class VideoParameters(BandVideoParameters):
    """The query parameters of all videos."""

    bandId = Id("band")


class VideoList(View):
    needs: ClassVar[dict[str, str]] = {"GET": "bands.view_video"}
    takes = {"GET": VideoParameters}

    @extend_schema(operation_id="listVideos", responses=responses.VIDEOS)
    def get(self, request: Request) -> Response:
        """Videos, the newest first."""
        return _videos(self.parameters, VideoParameters.narrow(Video.objects.all(), self.parameters))


class BandVideos(View):
    needs: ClassVar[dict[str, str]] = {"GET": "bands.view_video"}
    takes = {"GET": BandVideoParameters}

    @extend_schema(operation_id="listBandVideos", responses=responses.VIDEOS)
    def get(self, request: Request, band_id: int) -> Response:
        """A band's videos, the newest first."""
        videos = Video.objects.filter(band=_band(band_id))
        return _videos(self.parameters, BandVideoParameters.narrow(videos, self.parameters))


def _videos(values: Mapping[str, Any], videos: QuerySet[Video]) -> Response:
    by = F(_SORTS[values["sortBy"]])
    down = values["sortOrder"] == "desc"
    order = (by.desc(nulls_last=True), "-pk") if down else (by.asc(nulls_last=True), "pk")
    rows, frame = lists.page_of(values, videos.order_by(*order))
    return Response({"data": VideoSerializer(rows, many=True).data, **frame})
