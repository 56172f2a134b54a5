"""HTTP as the google client wants it (httplib2), without what it does behind our back.

httplib2 sends a request again when a connection breaks: a call nobody reserved. And whatever a server answers, an API
key in it must get no further than this.
"""

from __future__ import annotations

import http.client
import json
import select
from typing import Any
from urllib.parse import quote

import httplib2


class OneShotHttp(httplib2.Http):
    """Sends each request exactly once, follows no redirect, and blots the API key out of every answer."""

    def __init__(self, *, timeout: float, secret: str) -> None:
        super().__init__(timeout=timeout)
        self.follow_redirects = False
        forms = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]} if secret else set()
        self._forms = sorted(forms, key=len, reverse=True)

    def _conn_request(
        self, conn: Any, request_uri: str, method: str, body: Any, headers: dict[str, str]
    ) -> tuple[httplib2.Response, bytes]:
        if conn.sock is not None and select.select([conn.sock], [], [], 0)[0]:
            # Nothing is due on an idle connection but its end: a request sent over it would be lost.
            conn.close()
        try:
            if conn.sock is None:
                conn.connect()
            conn.request(method, request_uri, body, headers)
            raw = conn.getresponse()
            content = raw.read()
        except (OSError, http.client.HTTPException):
            conn.close()
            raise
        response = httplib2.Response(raw)
        content = httplib2._decompressContent(response, content, self.limit_kwargs)  # type: ignore[attr-defined]
        return self._without_secret(response, content)

    def _without_secret(self, response: httplib2.Response, content: bytes) -> tuple[httplib2.Response, bytes]:
        for form in self._forms:
            content = content.replace(form.encode(), b"[API key]")
            for name, value in response.items():
                response[name] = value.replace(form, "[API key]")
            response.reason = str(response.reason).replace(form, "[API key]")
        return response, content
