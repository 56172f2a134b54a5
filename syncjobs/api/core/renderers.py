"""JSON by orjson, several times as fast as the standard library's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from rest_framework.renderers import JSONRenderer
from rest_framework.utils.encoders import JSONEncoder

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
_other_types = JSONEncoder().default


class _AsciiRenderer(JSONRenderer):
    ensure_ascii = True


class OrjsonRenderer(JSONRenderer):
    """The same JSON as Django REST framework's own."""

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> Any:
        if data is None or self.get_indent(accepted_media_type or "", dict(renderer_context or {})):
            return super().render(data, accepted_media_type, renderer_context)
        try:
            return orjson.dumps(data, default=_other_types, option=_OPTIONS)
        except TypeError:  # such as integers past 64 bits
            try:
                return super().render(data, accepted_media_type, renderer_context)
            except UnicodeEncodeError:  # half of a surrogate pair: an error names what was sent
                return _AsciiRenderer().render(data, accepted_media_type, renderer_context)
