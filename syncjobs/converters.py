"""What stands in addresses."""

from __future__ import annotations

from django.urls import register_converter
from django.urls.converters import IntConverter


class IdConverter(IntConverter):
    """A number that fits into an id, written in the one way there is."""

    regex = "0|[1-9][0-9]{0,17}"


def register() -> None:
    """Make `<id:…>` known to all URL patterns."""
    register_converter(IdConverter, "id")
