"""Request bodies: counted while they are read, before the view runs, and refused if they are too large or too slow.

A body without Content-Length (chunked) is read like any other, and the view learns its length.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from tempfile import SpooledTemporaryFile
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import BadRequest, RequestAborted, RequestDataTooBig, SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.db import Error
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.multipartparser import MultiPartParserError
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from syncjobs.operations import band_files

from . import errors

logger = logging.getLogger(__name__)
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MOST_BYTES = 64 * 1024
_GRACE_SECONDS, _LEAST_BYTES_PER_SECOND = 20.0, 20_000
"""A body may take this long, plus the time that its bytes take at this rate."""
_LINGER_SECONDS, _SILENCE_SECONDS = 5.0, 1.0
"""What is left of a refused body is read for so long, or until nothing comes for so long."""
_STALL_SECONDS = 20.0
"""The response to a huge body ends if its reader takes nothing for so long."""
_HUGE_BYTES = 1_000_000
_LENGTHS = (b"content-length", b"transfer-encoding")
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_CHARSETS = ("utf-8", "utf8", "us-ascii", "ascii")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a body is refused: the status, the code and the sentence of the response."""

    status: int
    code: str
    message: str | Promise
    retry_after: int = 0
    """Seconds; 0 if trying again is no use."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many bytes the senders whom `is_for` accepts may send to an address."""

    most: int
    is_for: Callable[[HttpRequest], bool]


_TOO_SLOW = Problem(408, "too_slow", _("The request's body arrived too slowly."))
_NO_LENGTH = Problem(400, "invalid", _("The request's Content-Length is not a number."))
_NOT_A_FORM = Problem(400, "invalid", _("The form can't be read."))
_TOO_MANY = Problem(400, "invalid", _("The request has too many parameters."))
_CHARSET = Problem(415, "unsupported_media_type", _("The body must be UTF-8."))
BUSY = Problem(503, "busy", _("Other files are being read at the moment. Try again in a minute."), 60)
_UNKNOWN_SENDER = Problem(
    503, "unavailable", _("The database is away or too busy at the moment. Try again in a few seconds."), 5
)


def too_large(most: int) -> Problem:
    """Return the problem of a body of more than `most` bytes."""
    size = f"{most // 1_000_000} MB" if most >= 1_000_000 else f"{most // 1024} kB"
    return Problem(413, "too_large", format_lazy(_("The request's body is larger than {size}."), size=size))


@cache
def _allowances() -> dict[str, Allowance]:
    return {
        # A file of MAX_BYTES, and what a form adds to it.
        reverse("admin:import"): Allowance(band_files.MAX_BYTES + 100_000, _may_import),
        # 100,000 ids as `id_sets` packs them.
        reverse("admin:syncjobs_bulkaction_add"): Allowance(512 * 1024, _may_see_jobs),
        # 10,000 ids of 18 digits. From anybody, who then reads that a token is missing.
        reverse("job-bulk"): Allowance(256 * 1024, lambda request: True),
    }


def _may_import(request: HttpRequest) -> bool:
    return _session_has_perm(request, "bands.add_band")


def _may_see_jobs(request: HttpRequest) -> bool:
    return _session_has_perm(request, "syncjobs.view_syncjob")


def _session_has_perm(request: HttpRequest, permission: str) -> bool:
    SessionMiddleware(lambda _request: HttpResponse()).process_request(request)
    return get_user(request).has_perm(permission)


class Body:
    """The body of one request. Django calls the object as `receive`, to learn of a disconnect."""

    def __init__(self, scope: dict[str, Any], receive: Receive) -> None:
        self._scope, self._receive = scope, receive
        self.file = SpooledTemporaryFile(max_size=MOST_BYTES)  # noqa: SIM115 - Django closes it
        self.size = 0
        self.problem: Problem | None = None
        self._allowance = _allowances().get(scope["path"].removeprefix(scope.get("root_path", "")))
        self._most = MOST_BYTES

    @property
    def is_huge(self) -> bool:
        """Whether the body takes so much memory that only one may be worked on at a time."""
        return self.size > _HUGE_BYTES

    async def __call__(self) -> Message:
        if self.problem:
            # What is left of the body is for `discard()`.
            await asyncio.Event().wait()
        return await self._receive()

    async def read(self) -> None:
        """Read the body, or find out why it is refused. Raises RequestAborted."""
        length = dict(self._scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit():
            self.problem = _NO_LENGTH
        elif await self._fits(int(length)):
            await self._read()

    def scope(self) -> dict[str, Any]:
        """Return the request's scope, with the true length of the body; a refused body is empty."""
        if self.problem:
            self.file.truncate(0)
            self.size = 0
        self.file.seek(0)
        headers = [(name, value) for name, value in self._scope["headers"] if name not in _LENGTHS]
        if self.size:
            headers.append((b"content-length", str(self.size).encode()))
        return {**self._scope, "headers": headers, "body_problem": self.problem}

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(_GRACE_SECONDS) as deadline:
                while True:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        self.file.close()
                        raise RequestAborted
                    chunk = message.get("body", b"")
                    if not await self._fits(self.size + len(chunk)):
                        return
                    self.size += len(chunk)
                    if self.size > MOST_BYTES:  # The file is on disk, which may be slow.
                        await asyncio.to_thread(self.file.write, chunk)
                    else:
                        self.file.write(chunk)
                    if not message.get("more_body", False):
                        return
                    deadline.reschedule(began + _GRACE_SECONDS + self.size / _LEAST_BYTES_PER_SECOND)
        except TimeoutError:
            self.problem = _TOO_SLOW

    async def _fits(self, size: int) -> bool:
        """Return whether the sender may send so many bytes. Look the sender up only for what not everybody may send."""
        if size > self._most and self._allowance and self._most == MOST_BYTES:
            try:
                if await sync_to_async(self._is_allowed)():
                    self._most = self._allowance.most
            except Error:
                logger.warning("Refused a body: nobody knows who may send it", exc_info=True)
                self.problem = _UNKNOWN_SENDER
                return False
        if size > self._most:
            self.problem = too_large(self._most)
        return size <= self._most

    def _is_allowed(self) -> bool:
        assert self._allowance
        return self._allowance.is_for(ASGIRequest(self._scope, SpooledTemporaryFile()))

    def sender(self, send: Send) -> Send:
        """Return what Django sends the response with."""
        if self.problem:
            return self._discarding(send)
        return self._within_time(send) if self.is_huge else send

    def _within_time(self, send: Send) -> Send:
        """Wrap `send`: end the response if its reader stalls, because the next huge body waits for it."""

        async def wrapped(message: Message) -> None:
            try:
                async with asyncio.timeout(_STALL_SECONDS):
                    await send(message)
            except TimeoutError:
                raise asyncio.CancelledError from None  # As if the client had gone away.

        return wrapped

    def _discarding(self, send: Send) -> Send:
        """Wrap `send`: read what is left of a refused body, for seconds at most, before the connection is closed.

        Otherwise the sender's own writes fail, and it never reads the response.
        """

        async def wrapped(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            if message["type"] != "http.response.body" or message.get("more_body"):
                await send(message)
                return
            await send({**message, "more_body": True})
            await self._discard()
            await send({"type": "http.response.body", "body": b""})

        return wrapped

    async def _discard(self) -> None:
        if (b"expect", b"100-continue") in self._scope["headers"] and not self.size:
            return  # The sender waits for a word before it sends anything.
        loop = asyncio.get_running_loop()
        end = loop.time() + _LINGER_SECONDS
        with suppress(TimeoutError):
            while loop.time() < end:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    if not (await self._receive()).get("more_body"):
                        return


class BodyMiddleware(MiddlewareMixin):
    """Refuse a body that was not read, and parameters that can't be parsed, before anything else looks at them."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        problem = find_problem(request)
        if problem is None:
            return None
        # Nothing else may fail on it: an error page too looks at the parameters.
        request.GET = QueryDict("")
        request._mark_post_parse_error()  # type: ignore[attr-defined]
        response = errors.refuse(request, problem.status, problem.code, str(problem.message))
        if problem.retry_after:
            response["Retry-After"] = str(problem.retry_after)
        return response


def find_problem(request: HttpRequest) -> Problem | None:
    """Return why the request is refused because of its body or its parameters, or None."""
    problem: Problem | None = getattr(request, "scope", {}).get("body_problem")
    return problem or _problem(request)


def _problem(request: HttpRequest) -> Problem | None:
    size = int(request.META.get("CONTENT_LENGTH") or 0)
    allowance = _allowances().get(request.path_info)
    most = allowance.most if allowance else MOST_BYTES
    if size > most:
        return too_large(most)
    charset = (request.content_params or {}).get("charset", "").strip("'\"").lower()
    if charset:
        if size and charset not in _CHARSETS:
            return _CHARSET
        request.encoding = "utf-8"  # Django refuses other names of it.
    try:
        _ = request.GET
        if request.method == "POST" and request.content_type in _FORMS and not errors.is_api(request):
            _ = request.POST
    except RequestDataTooBig:
        return too_large(MOST_BYTES)
    except (BadRequest, MultiPartParserError):
        return _NOT_A_FORM
    except SuspiciousOperation:
        return _TOO_MANY
    return None
