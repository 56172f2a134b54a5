"""Heads of requests: not larger than 64 kB, not slower than 20 seconds, and no WebSockets."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from syncmonitor import protocol
from tests.factories import wait_for
from tests.processes import ROOT, UVICORN, free_port

GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
MUCH = b"y" * 1_000_000


async def _application(scope: Any, receive: Any, send: Any) -> None:
    """Read the body, and answer with its length."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    body = str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _talk(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Any]]) -> Any:
    """Serve the application, and let `talk` speak to it over one connection."""

    async def run() -> Any:
        config = uvicorn.Config(_application, http=protocol.Protocol, ws="none", lifespan="off", log_level="critical")
        config.load()
        server = await asyncio.get_running_loop().create_server(
            lambda: protocol.Protocol(config, ServerState(), {}), "127.0.0.1", 0
        )
        async with server, asyncio.timeout(60):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            try:
                return await talk(reader, writer)
            finally:
                writer.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (GET + b"X: ", MUCH),
        (GET, b"X: y\r\n" * 200_000),
        (b"GET /", MUCH),
        (CHUNKED + b"2;", MUCH),
        (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: y\r\n" * 200_000),
    ],
    ids=["a header", "headers", "an address", "a chunk extension", "trailers"],
)
def test_a_head_without_end_ends_the_connection(start: bytes, piece: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(start)
        with suppress(ConnectionError):
            for _ in range(100):
                writer.write(piece)
                await writer.drain()
            return b"everything was read"
        with suppress(ConnectionError):
            return await reader.read()
        return b""

    answer = _talk(talk)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")


def test_an_ordinary_head_and_a_large_body_pass() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            writer.write(GET + b"X: " + b"y" * 30_000 + b"\r\n\r\n")
            assert await reader.readuntil(b"\r\n\r\n0")
            writer.write(CHUNKED + 100 * (b"2710\r\n" + b"z" * 10_000 + b"\r\n") + b"0\r\n\r\n")
            assert await reader.readuntil(b"\r\n\r\n1000000")

    _talk(talk)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", b""),
        (b"GET", b"HTTP/1.1 408 "),
        (GET + b"X: y\r\n", b"HTTP/1.1 408 "),
        (GET + b"\r\n" + GET, b"HTTP/1.1 200 "),
    ],
    ids=["nothing", "a method", "headers", "a second request"],
)
def test_a_slow_head_ends_the_connection(sent: bytes, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 1.0)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(sent)
        return await reader.read()

    received = _talk(talk)
    assert received.startswith(answer)
    assert bool(received) is bool(answer)


def test_a_slow_body_is_not_a_slow_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 2.0)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{")
        await asyncio.sleep(2.5)
        writer.write(b"}")
        return await reader.readuntil(b"\r\n\r\n2")

    assert _talk(talk).startswith(b"HTTP/1.1 200 ")


def test_a_websocket_is_answered_like_any_request() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        upgrade = (
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"
        )
        writer.write(GET + upgrade + b"\r\n")
        return await reader.readline()

    assert _talk(talk) == b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("name", ["syncmonitor/run.py", "docs/operations.md"])
def test_the_site_is_served_with_this_protocol(name: str) -> None:
    words = (ROOT / name).read_text().replace('", "', " ")
    assert " ".join(UVICORN[3:]) in words


def test_the_web_server_of_a_deployed_site_has_this_protocol() -> None:
    port = free_port()

    def answer() -> bytes:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 30) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000)
            return connection.recv(12)
        return b""

    process = subprocess.Popen([sys.executable, "-m", "syncmonitor.web", "--port", str(port)], cwd=ROOT)
    try:
        assert wait_for(answer, 60) == b"HTTP/1.1 431"
    finally:
        process.kill()
        process.wait()
