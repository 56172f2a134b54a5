"""ETags for responses that clients poll: a client that has the current one gets 304."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Any

from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from .renderers import OrjsonRenderer

_CLOCKS = {"asOf", "oldestRunnableAge"}
"""Keys that change with the clock: a response that differs in nothing else has not changed."""


def with_etag(action: Callable[..., Response]) -> Callable[..., Response]:
    """Give the response of an action a weak ETag, and honor `If-None-Match`."""

    @functools.wraps(action)
    def wrapped(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = action(view, request, *args, **kwargs)
        tag = f'W/"{_digest(response.data)}"'
        if _matches(tag, request.headers.get("If-None-Match", "")):
            response = Response(status=status.HTTP_304_NOT_MODIFIED)
        response["ETag"] = tag
        response["Cache-Control"] = "private, no-cache"
        patch_vary_headers(response, ["Authorization"])
        return response

    wrapped.has_etag = True  # type: ignore[attr-defined]
    return wrapped


def _matches(tag: str, condition: str) -> bool:
    """Compare weakly, as RFC 9110 (13.1.2) asks for If-None-Match: `*` matches everything, and `W/` doesn't count."""
    wanted = parse_etags(condition)
    return wanted == ["*"] or tag.removeprefix("W/") in {each.removeprefix("W/") for each in wanted}


def _digest(data: Any) -> str:
    rows = data if isinstance(data, list) else [data]
    lasting = [{name: value for name, value in row.items() if name not in _CLOCKS} for row in rows]
    return hashlib.sha256(OrjsonRenderer().render(lasting)).hexdigest()[:32]
