"""Requests under ASGI: their bodies and their threads."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from contextvars import copy_context
from typing import Any

from asgiref.sync import sync_to_async
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.urls import set_script_prefix

from . import access, bodies, deliveries

_TURN_SECONDS = 30.0
"""How long a request with a huge body waits for the one before it."""
_DELIVERY_THREADS = 4
"""So many deliveries of the hub are worked on at once. The others wait, and leave connections to people's requests."""


def _keep_large_blocks_apart() -> None:
    """Let the C library return each block over a megabyte as soon as it is freed: by default it soon keeps up to 32 MB."""
    m_mmap_threshold = -3
    with suppress(AttributeError, OSError):  # Another C library than glibc.
        ctypes.CDLL(None).mallopt(m_mmap_threshold, 1_000_000)


def _give_memory_back() -> None:
    """Return freed memory to the system. The C library would keep it for the thread that has ended."""
    with suppress(AttributeError, OSError):  # Another C library than glibc.
        ctypes.CDLL(None).malloc_trim(0)


class OneThreadHandler(ASGIHandler):
    """Runs all middleware and the view in one thread, without returning to the event loop in between.

    Django's handler switches several times, which takes as long as a quick view. The event loop still sends streams.
    """

    def __init__(self) -> None:
        super().__init__()
        _keep_large_blocks_apart()
        self._huge_bodies = asyncio.Semaphore(1)
        self._delivery_threads = ThreadPoolExecutor(_DELIVERY_THREADS, "delivery")

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def handle(self, scope: Any, receive: bodies.Receive, send: bodies.Send) -> None:
        """Read the body within limits, which Django's handler doesn't have, before it takes a thread. Log the request."""
        with access.logged(scope, send) as logged:
            await self._handle(scope, receive, logged)

    async def _handle(self, scope: Any, receive: bodies.Receive, send: bodies.Send) -> None:
        body = bodies.Body(scope, receive)
        async with AsyncExitStack() as stack:
            try:
                await body.read()
            except RequestAborted:
                return
            if deliveries.is_delivery(scope["method"], scope["path"]) and not body.problem:
                await self._answer_at_once(body, send)
                return
            if body.is_huge:
                try:
                    async with asyncio.timeout(_TURN_SECONDS):
                        await stack.enter_async_context(self._huge_bodies)
                except TimeoutError:
                    body.problem = bodies.BUSY
            await super().handle(body.scope(), body, body.sender(send))
            if body.is_huge:
                await asyncio.to_thread(_give_memory_back)

    async def _answer_at_once(self, body: bodies.Body, send: bodies.Send) -> None:
        """Do everything in a thread that is kept. For a view that takes milliseconds, new threads would take as long again."""

        def answer(scope: dict[str, Any]) -> HttpResponseBase:
            set_script_prefix(get_script_prefix(scope))
            signals.request_started.send(sender=type(self), scope=scope)
            request, refusal = self.create_request(scope, body.file)
            response = refusal if request is None else self.get_response(request)
            assert response is not None
            response._handler_class = type(self)  # type: ignore[attr-defined]
            # The thread keeps no connection to the database.
            response.close()
            return response

        loop, context = asyncio.get_running_loop(), copy_context()
        response = await loop.run_in_executor(self._delivery_threads, context.run, answer, body.scope())
        await self.send_response(response, send)
        body.file.close()

    async def read_body(self, receive: Any) -> Any:
        """Return the body that `handle` has read."""
        return receive.file

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        response = await sync_to_async(self.get_response, thread_sensitive=True)(request)
        if request.method == "HEAD" and isinstance(response, StreamingHttpResponse):
            # The server would read the whole stream, which may never end, and send nothing of it.
            response.streaming_content = _nothing()
        return response


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield
