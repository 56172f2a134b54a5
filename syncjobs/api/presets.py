"""Saved filters of the list of jobs."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from bands.text import VISIBLE

from ..listing import query
from ..operations import presets
from .core.fields import ANYTHING, Flag, Strict, Text
from .core.views import View
from .jobs import validated
from .serializers import Filter

_SEEN = "syncjobs.view_filterpreset"


class PresetBody(Strict):
    """What may be written of a preset; what is left out stays as it is."""

    name = Text(required=False, max_length=presets.MAX_NAME, pattern=VISIBLE + ANYTHING, like="Failed today")
    filters = Filter(required=False)
    shared = Flag(required=False, help_text="Seen by everybody; written by ADMIN and up.")


class NewPresetBody(PresetBody):
    """A new preset."""

    name = Text(max_length=presets.MAX_NAME, pattern=VISIBLE + ANYTHING, like="Failed today")
    filters = Filter()


class PresetSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    filters = serializers.DictField(child=serializers.CharField(), help_text="As the list's query parameters.")
    shared = serializers.BooleanField(source="is_shared")
    createdBy = serializers.CharField(source="created_by")
    createdAt = serializers.DateTimeField(source="created_at")


_LIST = inline_serializer("FilterPresets", {"data": PresetSerializer(many=True), "asOf": serializers.DateTimeField()})


class Presets(View):
    needs: ClassVar[dict[str, str]] = {"*": _SEEN}

    @extend_schema(operation_id="listFilterPresets", responses=_LIST)
    def get(self, request: Request) -> Response:
        """Your own filter presets, and those that are shared."""
        rows = PresetSerializer(presets.list_presets(request.user), many=True).data
        return Response({"data": rows, "asOf": timezone.now()})

    @extend_schema(operation_id="createFilterPreset", request=NewPresetBody, responses={201: PresetSerializer})
    def post(self, request: Request) -> Response:
        """Save a filter under a name."""
        return Response(_saved(self, request, None, NewPresetBody), status.HTTP_201_CREATED)


class PresetDetail(View):
    needs: ClassVar[dict[str, str]] = {"*": _SEEN}

    @extend_schema(operation_id="changeFilterPreset", request=PresetBody, responses=PresetSerializer)
    def patch(self, request: Request, preset_id: int) -> Response:
        """Change what is given; the rest stays."""
        return Response(_saved(self, request, preset_id, PresetBody))

    @extend_schema(operation_id="deleteFilterPreset", responses={204: None})
    def delete(self, request: Request, preset_id: int) -> Response:
        """Delete one of your own; a shared one as ADMIN and up."""
        presets.delete(self.actor(request), request.user, preset_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _saved(view: View, request: Request, preset_id: int | None, body: type[PresetBody]) -> object:
    values = validated(body, request)
    if "filters" in values:
        values["filters"] = query.filters_of(values["filters"], "filters")
    preset = presets.save(view.actor(request), request.user, preset_id, **values)
    preset.refresh_from_db()
    return PresetSerializer(preset).data
