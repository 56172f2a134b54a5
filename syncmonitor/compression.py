"""Compression of pages, which are mostly markup that repeats: a list of jobs needs a seventh of its bytes."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.middleware.gzip import GZipMiddleware


class PageCompression(GZipMiddleware):
    """Compresses HTML for browsers that accept it, with random bytes against guesses from the length (BREACH).

    Not the streams, whose events must leave at once, nor the API's responses, whose clients are usually near.
    """

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        if response.streaming or not response.headers.get("Content-Type", "").startswith("text/html"):
            return response
        return super().process_response(request, response)
