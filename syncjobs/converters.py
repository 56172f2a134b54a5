"""URL path converters."""

from __future__ import annotations

from django.urls import register_converter
from django.urls.converters import IntConverter

from bands.text import ID_PATTERN


class IdConverter(IntConverter):
    """An id: a number of at most 18 digits, without leading zeros."""

    regex = f"0|{ID_PATTERN}"


def register() -> None:
    """Register `<id:…>` for all URL patterns."""
    register_converter(IdConverter, "id")
