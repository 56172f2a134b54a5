"""Bands, and the videos of one."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from bands.models import Band, Video

from ..exceptions import NotFound
from ..listing.bands import BandStates
from ..listing.base_filters import MAX_LIMIT, Text, Whole
from ..operations import band_pauses, bands
from ..stats.freshness import with_bands
from .core.etags import Versioned
from .core.fields import key_of
from .core.pagination import Pages
from .core.permissions import ModelPermissions, requires
from .core.viewsets import NoBody, location
from .serializers import Message
from .serializers.bands import BandBody, BandPauseBody, BandSerializer, NewBandBody
from .serializers.videos import VideoSerializer
from .videos import BandVideoList, video_ordering


class BandList(BandStates):
    """The query parameters of the list of bands."""

    search = Text("name", "icontains", help_text="Part of the name.")
    state = Text(
        "state", "iexact", strip=True, help_text="The state of the USA, as the band has it; case doesn't matter."
    )
    conference = Text("conference", "iexact", strip=True, help_text="As the band has it; case doesn't matter.")
    limit = Whole(max_value=MAX_LIMIT, initial=100)


class BandViewSet(ListModelMixin, Versioned):
    queryset = Band.objects.with_video_counts().prefetch_related(*with_bands())
    serializer_class = BandSerializer
    permission_classes = (ModelPermissions,)
    filterset_class = BandList
    pagination_class = Pages
    ordering = ("name", "pk")
    body_classes = {"create": NewBandBody, "partial_update": BandBody}
    lookup_url_kwarg = "band_id"
    lookup_value_converter = "id"

    def get_band(self, band_id: int) -> Band:
        """Return the band with the state of its syncs. Raises NotFound."""
        band: Band | None = self.get_queryset().filter(pk=band_id).first()
        if band is None:
            raise NotFound(f"There is no band {band_id}.", field="id")
        return band

    @extend_schema(operation_id="listBands")
    def list(self, request: Request) -> Response:
        """List bands by name, each with the state of its syncs."""
        return super().list(request)

    @extend_schema(operation_id="getBand")
    def retrieve(self, request: Request, band_id: int) -> Response:
        """Get a band with the state of its syncs."""
        return self._answer(band_id)

    @extend_schema(operation_id="createBand", responses={201: BandSerializer})
    def create(self, request: Request) -> Response:
        """Add a band. This syncs nothing."""
        band = bands.create(self.actor, self.validated())
        created = BandSerializer(self.get_band(band.pk)).data
        return Response(created, status.HTTP_201_CREATED, headers=location("band-detail", band_id=band.pk))

    @extend_schema(operation_id="changeBand", responses=BandSerializer)
    def partial_update(self, request: Request, band_id: int) -> Response:
        """Change the fields given; the others stay."""
        bands.change(self.actor, band_id, self.validated(), check=self.check)
        return self._answer(band_id)

    @extend_schema(operation_id="deleteBand", responses={204: None})
    def destroy(self, request: Request, band_id: int) -> Response:
        """Delete a band and its videos; its ended jobs stay. 409 while a job of it is queued or running."""
        bands.delete(self.actor, band_id, check=self.check)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="listBandVideos", responses=VideoSerializer(many=True))
    @action(
        detail=True,
        serializer_class=VideoSerializer,
        permission_classes=[requires("bands.view_video")],
        filterset_class=BandVideoList,
    )
    def videos(self, request: Request, band_id: int) -> Response:
        """List a band's videos, newest first."""
        videos = BandVideoList.narrow(Video.objects.filter(band=self.get_band(band_id)), self.parameters)
        page = self.paginate_queryset(videos.order_by(*video_ordering(self.parameters)))
        return self.get_paginated_response(VideoSerializer(page, many=True).data)

    @extend_schema(operation_id="pauseBand", request=BandPauseBody, responses=Message)
    @action(
        detail=True,
        methods=["post"],
        serializer_class=BandPauseBody,
        permission_classes=[requires("syncjobs.trigger_sync")],
    )
    def pause(self, request: Request, band_id: int) -> Response:
        """Pause a band: none of its jobs starts after the response. Running jobs finish."""
        body = self.get_serializer(data=request.data)
        body.is_valid(raise_exception=True)
        band = self.get_band(band_id)
        is_new = band_pauses.pause_band(self.actor, band_id, body.validated_data["reason"])
        return Response({"message": f"{band.name} is paused." if is_new else f"{band.name} was paused already."})

    @extend_schema(operation_id="resumeBand", request=None, responses=Message)
    @action(
        detail=True,
        methods=["post"],
        serializer_class=NoBody,
        permission_classes=[requires("syncjobs.trigger_sync")],
    )
    def resume(self, request: Request, band_id: int) -> Response:
        """Resume a band: its jobs start again."""
        band = self.get_band(band_id)
        resumed = band_pauses.resume_band(self.actor, band_id)
        return Response({"message": f"{band.name} is resumed." if resumed else f"{band.name} was not paused."})

    def _answer(self, band_id: int) -> Response:
        band = self.get_band(band_id)
        return self.versioned(band, BandSerializer(band).data)

    def validated(self) -> dict[str, Any]:
        """Return the body. If it is wrong, report what the operation would refuse of its other fields as well."""
        body: Any = self.get_serializer(data=self.request.data)
        if body.is_valid():
            return dict(body.validated_data)
        problems = dict(body.errors)
        if isinstance(self.request.data, dict):
            rest = {
                body.fields[key].source: value
                for key, value in self.request.data.items()
                if key in body.fields and key not in problems
            }
            for name, message in bands.find_problems(rest, self.kwargs.get("band_id")):
                problems.setdefault(key_of(body, name), [message])
        raise ValidationError(problems)
