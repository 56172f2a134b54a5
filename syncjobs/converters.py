"""URL path converters."""

from __future__ import annotations

from django.urls import register_converter
from django.urls.converters import IntConverter


class IdConverter(IntConverter):
    """An id: a number of at most 18 digits, without leading zeros."""

    regex = "0|[1-9][0-9]{0,17}"


def register() -> None:
    """Register `<id:…>` for all URL patterns."""
    register_converter(IdConverter, "id")
