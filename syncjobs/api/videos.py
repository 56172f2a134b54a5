"""Videos, of all bands or of one."""

from __future__ import annotations

from typing import ClassVar

from django.db.models import F, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from bands.models import Availability, Video

from ..listing import parameters, query
from .bands import _band
from .core import lists, responses
from .core.band_serializers import VideoSerializer
from .core.views import View

_SORTS = {"publishedAt": "published_at", "viewCount": "view_count"}
_OF_VIDEOS = (
    parameters.text("search", "Part of the title."),
    parameters.choices("availability", Availability.values),
    parameters.choice("sortBy", _SORTS, "publishedAt", "Ties by id; videos without it come last."),
    query.SORT_ORDER,
    *query.PAGING,
)


class VideoList(View):
    needs: ClassVar[dict[str, str]] = {"GET": "bands.view_video"}
    takes = {"GET": (parameters.number_of("bandId"), *_OF_VIDEOS)}

    @extend_schema(operation_id="listVideos", responses=responses.VIDEOS)
    def get(self, request: Request) -> Response:
        """Videos, the newest first."""
        band_id = request.query_params.get("bandId")
        return _videos(request, Video.objects.filter(band=int(band_id)) if band_id else Video.objects.all())


class BandVideos(View):
    needs: ClassVar[dict[str, str]] = {"GET": "bands.view_video"}
    takes = {"GET": _OF_VIDEOS}

    @extend_schema(operation_id="listBandVideos", responses=responses.VIDEOS)
    def get(self, request: Request, band_id: int) -> Response:
        """A band's videos, the newest first."""
        return _videos(request, Video.objects.filter(band=_band(band_id)))


def _videos(request: Request, videos: QuerySet[Video]) -> Response:
    wanted = query.choices_of(request.query_params, "availability", Availability.values)
    if wanted:
        videos = videos.filter(availability__in=wanted)
    by = F(_SORTS[request.query_params.get("sortBy", "publishedAt")])
    down = request.query_params.get("sortOrder") != "asc"
    order = (by.desc(nulls_last=True), "-pk") if down else (by.asc(nulls_last=True), "pk")
    rows, frame = lists.page_of(request, lists.matching(videos.order_by(*order), request, "title"))
    return Response({"data": VideoSerializer(rows, many=True).data, **frame})
