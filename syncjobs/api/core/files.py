"""Lists as files: their parameter, and how the OpenAPI document describes them."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes

from ...listing import export
from ...listing.parameters import Choice

FORMAT = Choice(choices=export.FORMATS, initial="csv", help_text="json: one object per line.")
FILE = {(200, media_type.partition(";")[0]): OpenApiTypes.STR for media_type in export.FORMATS.values()}
