"""Content negotiation that honors the quality values of the Accept header."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http.request import MediaType
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class Negotiation(DefaultContentNegotiation):
    """Leave out what the client refuses with q=0 (RFC 9110, 12.4.2), which Django REST framework would send."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        wanted = list(renderers)
        if "=0" in request.headers.get("Accept", "").replace(" ", ""):
            ranges = [MediaType(each) for each in self.get_accept_list(request)]
            wanted = [renderer for renderer in wanted if _quality(MediaType(renderer.media_type), ranges)]
        if not wanted:
            raise NotAcceptable(available_renderers=list(renderers))
        selected: tuple[BaseRenderer, str] = super().select_renderer(request, wanted, format_suffix)
        return selected


def _quality(kind: Any, ranges: Iterable[Any]) -> float:
    """Return the quality that the most specific of the matching media ranges gives to a media type; 0 refuses it."""
    matching = [
        each
        for each in ranges
        if each.main_type in ("*", kind.main_type) and each.sub_type in ("*", kind.sub_type) and each.main_type
    ]
    best = max(matching, key=lambda each: (each.specificity, each.quality), default=None)
    return best.quality if best else 0
