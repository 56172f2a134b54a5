"""Answers that are asked for again and again: whoever has the newest one already gets 304."""

from __future__ import annotations

import hashlib
from typing import Any

from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from .renderers import OrjsonRenderer
from .views import View

_MOVES_BY_ITSELF = {"asOf", "oldestRunnableAge"}
"""What goes with the clock: an answer that differs in nothing else is no news."""


class Polled(View):
    """A view whose answers have a weak ETag; `If-None-Match` is honoured."""

    polled = True

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        if request.method in ("GET", "HEAD") and response.status_code == status.HTTP_200_OK:
            tag = f'W/"{_digest(response.data)}"'
            if tag in parse_etags(request.headers.get("If-None-Match", "")):
                response = Response(status=status.HTTP_304_NOT_MODIFIED)
            response["ETag"] = tag
            response["Cache-Control"] = "private, no-cache"
            patch_vary_headers(response, ["Authorization"])
        return super().finalize_response(request, response, *args, **kwargs)


def _digest(data: Any) -> str:
    return hashlib.sha256(OrjsonRenderer().render(_still(data))).hexdigest()[:32]


def _still(data: Any) -> Any:
    rows = data if isinstance(data, list) else [data]
    return [{name: value for name, value in row.items() if name not in _MOVES_BY_ITSELF} for row in rows]
