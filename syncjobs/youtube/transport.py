"""HTTP transport for the Google client (httplib2) that sends each request once and removes the API key from responses.

httplib2 itself repeats a request when a connection breaks, which would spend quota that nobody reserved.
"""

from __future__ import annotations

import functools
import http.client
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httplib2

from .parsing import clean_lines
from .proxies import Proxy

REDACTED = "[API key]"
MAX_BYTES = 32_000_000
"""More than any response of YouTube's: 50 videos with the longest descriptions have 2 MB."""
PATIENCE = 6
"""How many time limits a response may take that arrives little by little."""
MIN_SECRET = 8
"""Shorter keys are test keys, and removing them would damage titles. Google's keys have 39 characters."""


class Redactor:
    """Replaces an API key in anything a server sent, plain or encoded in any common way."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._pattern = re.compile("".join(map(_forms, secret))) if len(secret) >= MIN_SECRET else None
        self._bytes_pattern = re.compile(self._pattern.pattern.encode()) if self._pattern else None
        # A page repeats a few names hundreds of times.
        self._name = functools.lru_cache(500)(self.text)

    def raw(self, content: bytes) -> bytes:
        """Redact bytes, which may be logged before they are parsed."""
        return self._bytes_pattern.sub(REDACTED.encode(), content) if self._bytes_pattern else content

    def text(self, text: str) -> str:
        """Redact text. Characters that the parser removes go first: they may split the key."""
        text = clean_lines(text)
        # Nearly every text ends here: the pattern is slow, and a page has hundreds of texts.
        if self._pattern is None or not (
            "\\" in text or "%" in text or "&#" in text or self._secret in text  # Every escape has one of these.
        ):
            return text
        return self._pattern.sub(REDACTED, text)

    def tree(self, value: Any) -> Any:
        """Redact a JSON value. Decoding may have undone an escape."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.tree(item) for item in value]
        if isinstance(value, dict):
            return {self._name(name): self.tree(item) for name, item in value.items()}
        return value


def _forms(character: str) -> str:
    """Return a pattern for an ASCII character: plain, or escaped as in a URL (also twice), JSON or HTML."""
    code = ord(character)
    escapes = f"%(?:25)*{code:02x}|\\\\+u{code:04x}|&#x0*{code:x};|&#0*{code};"
    return rf"(?:\\*{re.escape(character)}|(?i:{escapes}))"


class TooLong(http.client.HTTPException):
    """The response has more bytes than we take."""


class ProxyFailed(Exception):
    """The proxy could not be reached, or refused the connection. The message has no password."""


def _cause(error: OSError) -> str:
    """Return why a proxy failed; of its own words only the status, because it may repeat what we sent."""
    refused = re.match(r"Tunnel connection failed: (\d{3})", str(error))
    if refused is None:
        return error.strerror or type(error).__name__
    wants_login = ", so its user name or password is missing or wrong" if refused[1] == "407" else ""
    return f"it responded with HTTP status {refused[1]}{wants_login}"


class OneShotHttp(httplib2.Http):
    """Sends each request exactly once, follows no redirects, and removes the API key from every response.

    A request to an https:// URL goes through a tunnel of the proxy, which sees only the host name.
    """

    def __init__(
        self,
        *,
        timeout: float,
        redactor: Redactor,
        proxy: Proxy | None = None,
        patience: float = PATIENCE,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        super().__init__(timeout=timeout, proxy_info=None)
        self.follow_redirects = False
        self._redactor = redactor
        self._proxy = proxy
        self._patience = patience * timeout
        self._max_bytes = max_bytes

    def _conn_request(
        self, conn: Any, request_uri: str, method: str, body: Any, headers: dict[str, str]
    ) -> tuple[httplib2.Response, bytes]:
        if conn.sock is not None and _has_input(conn.sock):
            # The only input on an idle connection is its end: a request sent over it would be lost.
            conn.close()
        try:
            if self._proxy is not None:
                request_uri, headers = self._route(conn, self._proxy, request_uri, headers)
            elif conn.sock is None:
                conn.connect()
            deadline = time.monotonic() + self._patience
            conn.request(method, request_uri, body, headers)
            with _ended_after(self._patience, conn.sock):
                raw = conn.getresponse()
                content = _read(raw, deadline, self._max_bytes)
        except BaseException:
            # Also if a time limit interrupts us: the rest of this response would be taken for the next one's.
            conn.close()
            raise
        response = httplib2.Response(raw)
        content = httplib2._decompressContent(response, content, self.limit_kwargs)  # type: ignore[attr-defined]
        return self._redacted(response, content)

    def _route(self, conn: Any, proxy: Proxy, uri: str, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
        """Connect to the proxy; return the URI and headers that it needs."""
        is_secure = isinstance(conn, http.client.HTTPSConnection)
        if conn.sock is None:
            if not hasattr(conn, "target"):
                conn.target = f"[{conn.host}]" if ":" in conn.host else conn.host
                conn.target += f":{conn.port}"
                if is_secure:
                    conn.set_tunnel(conn.host, conn.port, proxy.headers)
                conn.host, conn.port = proxy.host, proxy.port
            try:
                # Not httplib2's own method, which knows no tunnel.
                (http.client.HTTPSConnection if is_secure else http.client.HTTPConnection).connect(conn)
            except (TimeoutError, ssl.SSLError):
                raise
            except OSError as error:
                raise ProxyFailed(f"The proxy {proxy} can't be used: {_cause(error)}.") from None
        if is_secure:
            return uri, headers
        return f"http://{conn.target}{uri}", {**headers, **proxy.headers}

    def _redacted(self, response: httplib2.Response, content: bytes) -> tuple[httplib2.Response, bytes]:
        for name in list(response):
            response[self._redactor.text(name)] = self._redactor.text(str(response.pop(name)))
        response.reason = self._redactor.text(str(response.reason))
        # Only the parser sees the bytes of a success, and its result goes through tree().
        return response, content if response.status < 300 else self._redactor.raw(content)


@contextmanager
def _ended_after(seconds: float, sock: socket.socket) -> Iterator[None]:
    """End a connection after so many seconds: each byte of the headers begins a new time limit of the socket.

    Raises TimeoutError.
    """
    is_over = threading.Event()

    def end() -> None:
        is_over.set()
        with suppress(OSError):
            # Not the method of an SSLSocket, which is not for several threads.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, ValueError, http.client.HTTPException):
        if not is_over.is_set():
            raise
    finally:
        timer.cancel()
    if is_over.is_set():
        raise TimeoutError


def _read(response: http.client.HTTPResponse, deadline: float, max_bytes: int) -> bytes:
    """Read a response that may never end. Raises TimeoutError after the deadline, and IncompleteRead."""
    content = bytearray()
    while chunk := response.read1(65_536):
        content += chunk
        if time.monotonic() > deadline:
            raise TimeoutError
        if len(content) > max_bytes:
            raise TooLong("The response is too long.")
    # The end, which frees the connection. If a part is missing, this raises an error.
    return bytes(content) + response.read()


def _has_input(sock: socket.socket) -> bool:
    """Whether there is something to read. select() would refuse descriptors above 1023."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
