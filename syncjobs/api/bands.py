"""Bands."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from bands.models import Band, BandQuerySet, BandState

from ..exceptions import NotFound
from ..listing.parameters import MAX_LIMIT, Choice, Paged, Text, Whole
from ..operations import bands as band_operations
from .core import lists, responses
from .core.band_serializers import BandBody, BandSerializer, NewBandBody
from .core.views import View


class BandListParameters(Paged):
    """The query parameters of the list of bands."""

    search = Text("name", "icontains", help_text="Part of the name.")
    state = Choice(
        method="in_state",
        choices=BandState.values,
        help_text="A band may be in several states, such as active and failing.",
    )
    limit = Whole(max_value=MAX_LIMIT, initial=100)

    def in_state(self, bands: BandQuerySet, name: str, value: str) -> BandQuerySet:
        return bands.in_state(BandState(value))


class BandList(View):
    needs: ClassVar[dict[str, str]] = {"GET": "bands.view_band", "POST": "bands.add_band"}
    takes = {"GET": BandListParameters}

    @extend_schema(operation_id="listBands", responses=responses.BANDS)
    def get(self, request: Request) -> Response:
        """Bands by name, each with how its syncs are doing."""
        bands = Band.objects.with_video_counts().order_by("name", "pk")
        rows, frame = lists.page_of(self.parameters, BandListParameters.narrow(bands, self.parameters))
        return Response({"data": BandSerializer(rows, many=True).data, **frame})

    @extend_schema(operation_id="createBand", request=NewBandBody, responses={201: BandSerializer})
    def post(self, request: Request) -> Response:
        """A new band. Nothing is synced by it."""
        band = band_operations.create(self.actor(request), _values(NewBandBody, request))
        return Response(_told(band.pk), status.HTTP_201_CREATED)


class BandDetail(View):
    needs: ClassVar[dict[str, str]] = {
        "GET": "bands.view_band",
        "PATCH": "bands.change_band",
        "DELETE": "bands.delete_band",
    }

    @extend_schema(operation_id="getBand", responses=BandSerializer)
    def get(self, request: Request, band_id: int) -> Response:
        """One band, with how its syncs are doing."""
        return Response(_told(band_id))

    @extend_schema(operation_id="changeBand", request=BandBody, responses=BandSerializer)
    def patch(self, request: Request, band_id: int) -> Response:
        """Change what is given; the rest stays."""
        band_operations.change(self.actor(request), band_id, _values(BandBody, request, band_id))
        return Response(_told(band_id))

    @extend_schema(operation_id="deleteBand", responses={204: None})
    def delete(self, request: Request, band_id: int) -> Response:
        """Delete a band and its videos; its ended jobs stay. 409 while a job of it is queued or running."""
        band_operations.delete(self.actor(request), band_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _told(band_id: int) -> object:
    return BandSerializer(_band(band_id)).data


def _band(band_id: int) -> Band:
    band = Band.objects.with_video_counts().filter(pk=band_id).first()
    if band is None:
        raise NotFound(f"There is no band {band_id}.", field="id")
    return band


def _values(body: type[BandBody], request: Request, band_id: int | None = None) -> dict[str, Any]:
    """The body; if something in it is wrong, what the operation would refuse of the rest is said along with it."""
    checked = body(data=request.data)
    if checked.is_valid():
        return dict(checked.validated_data)
    wrong = dict(checked.errors)
    if isinstance(request.data, dict):
        rest = {name: value for name, value in request.data.items() if name in checked.fields and name not in wrong}
        for name, said in band_operations.find_problems(rest, band_id):
            wrong.setdefault(name, [said])
    raise ValidationError(wrong)
