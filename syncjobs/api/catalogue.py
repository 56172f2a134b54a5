"""Bands and their videos, to read."""

from __future__ import annotations

from typing import ClassVar

from django.db.models import F, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from bands.models import Band, Video

from ..exceptions import NotFound
from . import listing
from .permissions import View
from .serializers import BandSerializer, VideoSerializer

_PAGING = [OpenApiParameter("search", str), OpenApiParameter("page", int), OpenApiParameter("limit", int)]
_KNOWN = {"search", "page", "limit"}


class BandList(View):
    needs: ClassVar[dict[str, str]] = {"*": "bands.view_band"}

    @extend_schema(operation_id="listBands", parameters=_PAGING, responses=BandSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Bands by name."""
        listing.check_known(request, _KNOWN)
        bands = listing.matching(Band.objects.order_by("name", "pk"), request, "name")
        rows, frame = listing.page_of(request, bands, default_limit=100)
        return Response({"data": BandSerializer(rows, many=True).data, **frame})


class BandDetail(View):
    needs: ClassVar[dict[str, str]] = {"*": "bands.view_band"}

    @extend_schema(operation_id="getBand", responses=BandSerializer)
    def get(self, request: Request, band_id: int) -> Response:
        """One band."""
        return Response(BandSerializer(_band(band_id)).data)


class VideoList(View):
    needs: ClassVar[dict[str, str]] = {"*": "bands.view_video"}

    @extend_schema(operation_id="listVideos", parameters=_PAGING, responses=VideoSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Videos, the newest first."""
        return _videos(request, Video.objects.all())


class BandVideos(View):
    needs: ClassVar[dict[str, str]] = {"*": "bands.view_video"}

    @extend_schema(operation_id="listBandVideos", parameters=_PAGING, responses=VideoSerializer(many=True))
    def get(self, request: Request, band_id: int) -> Response:
        """A band's videos, the newest first."""
        return _videos(request, Video.objects.filter(band=_band(band_id)))


def _videos(request: Request, videos: QuerySet[Video]) -> Response:
    listing.check_known(request, _KNOWN)
    newest = videos.order_by(F("published_at").desc(nulls_last=True), "-pk")
    rows, frame = listing.page_of(request, listing.matching(newest, request, "title"))
    return Response({"data": VideoSerializer(rows, many=True).data, **frame})


def _band(band_id: int) -> Band:
    band = Band.objects.filter(pk=band_id).first()
    if band is None:
        raise NotFound(f"There is no band {band_id}.", field="id")
    return band
