"""Saved filters of the list of jobs."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from bands.text import ONE_LINE, VISIBLE, camel_case

from ...models import FilterPreset
from ...operations import presets
from ..core.fields import Flag, Strict, Text
from .bulk import Filter


class PresetBody(Strict):
    """The fields of a preset to change; the others stay as they are."""

    name = Text(required=False, max_length=presets.MAX_NAME, pattern=VISIBLE + ONE_LINE, like="Failed today")
    filters = Filter(required=False)
    shared = Flag(required=False, help_text="Visible to everybody; only ADMIN and up can change it.")


class NewPresetBody(PresetBody):
    """A new preset."""

    name = Text(max_length=presets.MAX_NAME, pattern=VISIBLE + ONE_LINE, like="Failed today")
    filters = Filter()


class _Filters(serializers.DictField):
    """Saved filters, with the names of the API's query parameters."""

    def to_representation(self, value: dict[str, str]) -> dict[str, Any]:
        filters = super().to_representation(presets.respell(value, camel_case))
        # The shortest names first, as PostgreSQL ordered them when it stored these names.
        return dict(sorted(filters.items(), key=lambda pair: (len(pair[0]), pair[0])))


class PresetSerializer(serializers.ModelSerializer[FilterPreset]):
    id = serializers.CharField()
    filters = _Filters(child=serializers.CharField(), help_text="As the list's query parameters.")
    shared = serializers.BooleanField(source="is_shared")
    createdBy = serializers.CharField(source="created_by")
    createdAt = serializers.DateTimeField(source="created_at")

    class Meta:
        model = FilterPreset
        fields = ("id", "name", "filters", "shared", "createdBy", "createdAt")
