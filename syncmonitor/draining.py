"""The end of a web server that loses no request.

After SIGTERM it goes on for a while: `/readyz` answers 503, so that load balancers send requests elsewhere; each response
closes its connection; and the proxy closes those that it keeps. Only then does it stop accepting connections. A socket
that systemd passes on stays open, so that a process that starts, or another one, takes the connections that wait in it.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import uvicorn

from syncjobs.engine import liveness
from syncjobs.live import hub

from . import health

DRAIN_SECONDS = 8.0
"""Longer than the proxy keeps an idle connection (deploy/nginx: keepalive_timeout), and than a load balancer takes to see
that a process is not ready."""
KEEP_ALIVE_SECONDS = 75
"""Longer than the proxy keeps an idle connection: a request that meets a closed one can't be repeated if it writes."""
GRACE_SECONDS = 30
"""How long responses that have begun may take after the drain."""
_LAST_SECONDS = 1.0
"""How long a connection that was accepted last may take to send its request."""
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Closing:
    """The application. While the process stops, each response asks to close its connection."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        async def closing(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and health.is_stopping.is_set():
                headers = [header for header in message.get("headers", ()) if header[0].lower() != b"connection"]
                message = {**message, "headers": [*headers, (b"connection", b"close")]}
            await send(message)

        await self._app(scope, receive, closing)


class Server(uvicorn.Server):
    """Drains before it shuts down. Ctrl-C skips the drain."""

    def __init__(self, config: uvicorn.Config, drain_seconds: float) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        liveness.notify_systemd("READY=1")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        health.is_stopping.set()
        # Pages reconnect by themselves, most of them to another process.
        hub.close_all()
        if signal.SIGINT not in self._captured_signals:
            await self._wait(self._drain_seconds)
            for server in self.servers:
                server.close()
            await self._wait(_LAST_SECONDS)
            hub.close_all()
        await super().shutdown(sockets)

    async def _wait(self, seconds: float) -> None:
        """Wait, and go on serving. A second signal ends it."""
        for tick in range(round(seconds * 10)):
            if len(self._captured_signals) > 1:
                return
            await self.on_tick(tick)
            await asyncio.sleep(0.1)
