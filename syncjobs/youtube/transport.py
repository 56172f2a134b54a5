"""HTTP as the google client wants it (httplib2), without what it does behind our back.

httplib2 sends a request again when a connection breaks: a call nobody reserved. And whatever a server answers, an API
key in it must get no further than this.
"""

from __future__ import annotations

import re
import select
import socket
from typing import Any

import httplib2

from .parsing import clean

REDACTED = "[API key]"
_ESCAPES = set("%\\&")
MIN_SECRET = 8
"""Shorter keys are no secrets, and blotting them out would tear holes into titles. Google's have 39 characters."""


class Redactor:
    """Blots an API key out of whatever a server sent, in plain and in every encoding a server may have put it into."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._pattern = re.compile("".join(map(_forms, secret))) if len(secret) >= MIN_SECRET else None
        self._bytes_pattern = re.compile(self._pattern.pattern.encode()) if self._pattern else None

    def raw(self, content: bytes) -> bytes:
        """Bytes that others may log before they are parsed."""
        return self._bytes_pattern.sub(REDACTED.encode(), content) if self._bytes_pattern else content

    def text(self, text: str) -> str:
        """Text, which loses what PostgreSQL can't store first: that may be all that parted the key."""
        text = clean(text)
        # Nearly every text is let through here: the pattern is slow, and pages have hundreds of texts.
        if self._pattern is None or (self._secret not in text and not _ESCAPES & set(text)):
            return text
        return self._pattern.sub(REDACTED, text)

    def tree(self, value: Any) -> Any:
        """A JSON value, of which decoding may have undone an escape."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.tree(item) for item in value]
        if isinstance(value, dict):
            return {self.text(name): self.tree(item) for name, item in value.items()}
        return value


def _forms(character: str) -> str:
    """A pattern of one ASCII character: plain, or in a URL's (also twice), JSON's or HTML's way to write it."""
    code = ord(character)
    escapes = f"%(?:25)*{code:02x}|\\\\+u{code:04x}|&#x0*{code:x};|&#0*{code};"
    return rf"(?:\\*{re.escape(character)}|(?i:{escapes}))"


class OneShotHttp(httplib2.Http):
    """Sends each request exactly once, follows no redirect, and blots the API key out of every answer."""

    def __init__(self, *, timeout: float, redactor: Redactor) -> None:
        super().__init__(timeout=timeout)
        self.follow_redirects = False
        self._redactor = redactor

    def _conn_request(
        self, conn: Any, request_uri: str, method: str, body: Any, headers: dict[str, str]
    ) -> tuple[httplib2.Response, bytes]:
        if conn.sock is not None and _has_news(conn.sock):
            # Nothing is due on an idle connection but its end: a request sent over it would be lost.
            conn.close()
        try:
            if conn.sock is None:
                conn.connect()
            conn.request(method, request_uri, body, headers)
            raw = conn.getresponse()
            content = raw.read()
        except BaseException:
            # Also when a time limit interrupts us: half an answer left behind would be taken for the next one's.
            conn.close()
            raise
        response = httplib2.Response(raw)
        content = httplib2._decompressContent(response, content, self.limit_kwargs)  # type: ignore[attr-defined]
        return self._without_secret(response, content)

    def _without_secret(self, response: httplib2.Response, content: bytes) -> tuple[httplib2.Response, bytes]:
        for name in list(response):
            response[self._redactor.text(name)] = self._redactor.text(str(response.pop(name)))
        response.reason = self._redactor.text(str(response.reason))
        # Of a good answer nothing but the parser sees the bytes, and what comes out of that goes through tree().
        return response, content if response.status < 300 else self._redactor.raw(content)


def _has_news(sock: socket.socket) -> bool:
    """Whether there is something to read. Not by select(), which refuses descriptors past 1023."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
