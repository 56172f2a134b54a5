"""Responses that are files or streams."""

from __future__ import annotations

from collections.abc import Iterable

from drf_spectacular.types import OpenApiTypes
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from ...listing import export
from ...listing.base_filters import Choice

FORMAT = Choice(choices=export.FORMATS, initial="csv", help_text="json: one object per line.")
FILE = {(200, media_type.partition(";")[0]): OpenApiTypes.STR for media_type in export.FORMATS.values()}


class IgnoreAccept(BaseContentNegotiation):
    """Answer with the address's only type, whatever the Accept header asks for; errors are JSON."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, first.media_type
