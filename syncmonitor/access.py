"""The id of each request, and one line in the log when it has been answered."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponseBase
from django.utils.functional import LazyObject, empty

from syncjobs.engine import log_context, tracing

logger = logging.getLogger(__name__)
Message = Mapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

HEADER = "X-Request-ID"
_WELL_FORMED = re.compile(r"[A-Za-z0-9._:/=+@~-]{1,128}")
"""UUIDs, and the ids of the usual proxies. Nothing that could end a line of the log or a header."""
_PROBES = ("/healthz", "/readyz", "/metrics")
_MOST_PATH = 500
_CALLBACK = re.compile(r"(/websub/)[^/?#\s\"']+")
"""The rest of this address is known to YouTube's hub only."""


def without_callbacks(text: str) -> str:
    """Remove from the text what only YouTube's hub knows of its addresses."""
    return _CALLBACK.sub(r"\1...", text) if "/websub/" in text else text


class Access:
    """A request while it is being answered, and what the log says of it."""

    def __init__(self, header: str, method: str, path: str, address: str) -> None:
        self.id = header if _WELL_FORMED.fullmatch(header) else secrets.token_hex(16)
        self.request: HttpRequest | None = None
        self.status: int | None = None
        self._method, self._path, self._address = method, without_callbacks(path)[:_MOST_PATH], address
        self._began = time.monotonic()
        self._bytes = 0

    @property
    def user_id(self) -> int | None:
        """The id of the person who sent the request, if somebody has looked them up. This never asks the database."""
        user = getattr(self.request, "user", None)
        if isinstance(user, LazyObject) and user.__dict__.get("_wrapped", empty) is empty:
            return None
        return getattr(user, "pk", None)

    @property
    def route(self) -> str:
        """The pattern of the address, which has no ids in it; empty if no view has been found."""
        match = getattr(self.request, "resolver_match", None)
        return f"/{match.route}" if match else ""

    def note(self, message: Message) -> Message:
        """Note a message of the response. Return it, with our header if it is the first one."""
        if message["type"] != "http.response.start":
            self._bytes += len(message.get("body", b""))
            return message
        self.status = message["status"]
        headers = [
            (name, value) for name, value in message.get("headers", ()) if name.lower() != HEADER.lower().encode()
        ]
        return {**message, "headers": [*headers, (HEADER.encode(), self.id.encode())]}

    def log(self) -> None:
        """Write the line. Successful probes of load balancers and Prometheus are written at the level DEBUG."""
        is_probe = self._path in _PROBES and self.status is not None and self.status < 400
        seconds = round(time.monotonic() - self._began, 4)
        logger.log(
            logging.DEBUG if is_probe else logging.INFO,
            "%s %s %s in %.0f ms, %d bytes",
            self._method,
            self._path,
            self.status or "was not answered: the client went away",
            seconds * 1000,
            self._bytes,
            extra={
                "event": "request",
                "method": self._method,
                "path": self._path,
                "status": self.status,
                "seconds": seconds,
                "bytes": self._bytes,
                "address": self._address,
            },
        )


_current: ContextVar[Access | None] = ContextVar("access", default=None)


def current() -> Access | None:
    """Return the request that is being answered, or None."""
    return _current.get()


@contextmanager
def logged(scope: Mapping[str, Any], send: Send) -> Iterator[Send]:
    """Log a request of the ASGI server from its first byte to the last one of its response. Yield what sends the response."""
    headers = dict(scope["headers"])
    path = scope.get("raw_path") or quote(scope["path"]).encode()
    client = scope.get("client") or ("",)
    header = headers.get(HEADER.lower().encode(), b"")
    # The path is percent-encoded, so it can't forge a line of the log.
    access = Access(header.decode("latin-1"), scope["method"], path.decode("latin-1"), str(client[0]))

    async def sending(message: Message) -> None:
        await send(access.note(message))

    token = _current.set(access)
    traced = {"traceparent": headers.get(b"traceparent", b"").decode("latin-1")}
    try:
        with tracing.request_span(scope["method"], traced) as note:
            try:
                yield sending
            finally:
                note(access.status, access.route)
    finally:
        access.log()
        _current.reset(token)


class AccessMiddleware:
    """Lets log lines name the person who sent a request. Without an ASGI server, it also answers with the request's id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        access = current()
        if access is not None:
            access.request = request
            return self._get_response(request)
        access = Access(request.headers.get(HEADER, ""), request.method or "", request.path, "")
        access.request = request
        token = _current.set(access)
        try:
            response = self._get_response(request)
        finally:
            _current.reset(token)
        response.headers[HEADER] = access.id
        return response


class Context(logging.Filter):
    """Adds the request's id, its user's id, and the job, attempt, band and worker to each line that lacks them.

    It also removes the secret addresses of callbacks, which Django and we log when a request fails.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record, with more fields."""
        if isinstance(record.args, tuple):
            record.args = tuple(without_callbacks(each) if isinstance(each, str) else each for each in record.args)
        fields = log_context.current()
        if (request := current()) is not None:
            fields["request_id"] = request.id
            if (user_id := request.user_id) is not None:
                fields["user_id"] = user_id
        for name, value in fields.items():
            record.__dict__.setdefault(name, value)
        return True
