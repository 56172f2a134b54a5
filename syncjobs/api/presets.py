"""Saved filters of the list of jobs."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from bands.text import camel_case

from ..listing.filters import filters_of
from ..models import FilterPreset
from ..operations import presets
from .core.etags import Versioned
from .core.pagination import Unpaged
from .core.permissions import requires
from .core.viewsets import location
from .serializers.presets import NewPresetBody, PresetBody, PresetSerializer


class FilterPresetViewSet(ListModelMixin, Versioned):
    serializer_class = PresetSerializer
    permission_classes = (requires("syncjobs.view_filterpreset"),)
    pagination_class = Unpaged
    body_classes = {"create": NewPresetBody, "partial_update": PresetBody}
    lookup_url_kwarg = "preset_id"
    lookup_value_converter = "id"

    def get_queryset(self) -> QuerySet[FilterPreset]:
        return presets.list_presets(self.request.user)

    @extend_schema(operation_id="listFilterPresets")
    def list(self, request: Request) -> Response:
        """List your own filter presets and the shared ones."""
        return super().list(request)

    @extend_schema(operation_id="getFilterPreset")
    def retrieve(self, request: Request, preset_id: int) -> Response:
        """Get one of your own filter presets or a shared one."""
        preset = presets.get(request.user, preset_id)
        return self.versioned(preset, PresetSerializer(preset).data)

    @extend_schema(operation_id="createFilterPreset", responses={201: PresetSerializer})
    def create(self, request: Request) -> Response:
        """Save filters under a name."""
        preset = self._save(None)
        headers = location("preset-detail", preset_id=preset.pk)
        return Response(PresetSerializer(preset).data, status.HTTP_201_CREATED, headers=headers)

    @extend_schema(operation_id="changeFilterPreset", responses=PresetSerializer)
    def partial_update(self, request: Request, preset_id: int) -> Response:
        """Change the fields given; the others stay."""
        preset = self._save(preset_id)
        return self.versioned(preset, PresetSerializer(preset).data)

    @extend_schema(operation_id="deleteFilterPreset", responses={204: None})
    def destroy(self, request: Request, preset_id: int) -> Response:
        """Delete one of your own presets or, for ADMIN and above, a shared one."""
        presets.delete(self.actor, request.user, preset_id, check=self.check)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _save(self, preset_id: int | None) -> FilterPreset:
        values = self.validated()
        if "filters" in values:
            values["filters"] = filters_of(values["filters"], "filters", camel_case)
        check = (lambda preset: None) if preset_id is None else self.check
        preset = presets.save(self.actor, self.request.user, preset_id, **values, check=check)
        preset.refresh_from_db()
        return preset
