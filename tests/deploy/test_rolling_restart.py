"""Web servers restarted one after the other behind nginx, under load. ROLLING_SECONDS=300 restarts them for so long (-s)."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from bands.models import Band
from syncjobs.choices import Role
from syncjobs.operations import people
from tests.clients import PASSWORD
from tests.deploy.web import HOST, NGINX, OPENSSL, WebServer, listening_socket, nginx
from tests.factories import PERSON, wait_for
from tests.processes import Workers, environment, free_port

SECONDS = float(os.environ.get("ROLLING_SECONDS", "0"))
PER_SECOND = 50 if SECONDS else 20
pytestmark = [
    pytest.mark.faults,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not NGINX or not OPENSSL, reason="nginx and openssl are not installed."),
    pytest.mark.timeout(int(SECONDS) + 300),
]


@dataclass
class Load:
    """Requests at a steady rate, however long the answers take: reads, requests that write, and a stream of events."""

    url: str
    context: ssl.SSLContext
    token: str
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    slowest: float = 0.0
    streams: int = 0
    longest_stream: float = 0.0
    """Seconds from the first event to the end. Zero, if a proxy kept the events until the end."""

    async def run(self, work: Callable[[], None]) -> None:
        """Send requests until the work, which runs in another thread, is done."""
        done = asyncio.Event()
        limits = httpx.Limits(max_connections=1000, max_keepalive_connections=20)
        async with (
            httpx.AsyncClient(base_url=self.url, verify=self.context, limits=limits, timeout=60) as client,
            asyncio.TaskGroup() as tasks,
        ):
            watching = tasks.create_task(self._watch(client))
            sending = tasks.create_task(self._send(client, tasks, done))
            try:
                await asyncio.to_thread(work)
            finally:
                done.set()
                await sending
                watching.cancel()

    async def _send(self, client: httpx.AsyncClient, tasks: asyncio.TaskGroup, done: asyncio.Event) -> None:
        begin, number = time.monotonic(), 0
        while not done.is_set():
            tasks.create_task(self._request(client, number))
            number += 1
            await asyncio.sleep(max(0.0, begin + number / PER_SECOND - time.monotonic()))

    async def _request(self, client: httpx.AsyncClient, number: int) -> None:
        method, path, body = "GET", ("/healthz", "/api/bands?limit=1", "/api/admin/queue/status")[number % 3], None
        if number % 4 == 0:
            method, path, body = "POST", "/api/bands", {"name": f"Band {number}", "slug": f"band-{number}"}
        elif number % PER_SECOND == 1:  # An event for the stream.
            path = f"/api/admin/queue/{'pause' if number % (2 * PER_SECOND) == 1 else 'resume'}"
            method, body = "POST", {"queue": "maintenance"}
        try:
            answer = await client.request(method, path, json=body, **self._options())
        except httpx.TransportError as error:
            self.failures.append(f"{method} {path}: {error!r}")
            return
        self.answers[method, answer.status_code] += 1
        self.slowest = max(self.slowest, answer.elapsed.total_seconds())
        if answer.is_error:
            self.failures.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        elif body and "slug" in body:
            self.created.append(body["slug"])

    async def _watch(self, client: httpx.AsyncClient) -> None:
        """Read events, and connect again as browsers do. A stream must end as a complete response does."""
        while True:
            try:
                async with client.stream("GET", "/api/admin/events", **self._options()) as answer:
                    self.streams += 1
                    began = None
                    async for _ in answer.aiter_bytes():
                        began = began or time.monotonic()
                        self.longest_stream = max(self.longest_stream, time.monotonic() - began)
                if answer.is_error:
                    self.failures.append(f"events: {answer.status_code}")
            except httpx.TransportError as error:
                self.failures.append(f"events: {error!r}")
            await asyncio.sleep(0.5)

    def _options(self) -> dict[str, object]:
        headers = {"Host": HOST, "Authorization": f"Bearer {self.token}"}
        return {"headers": headers, "extensions": {"sni_hostname": HOST}}


@pytest.fixture
def variables(workers: Workers, tmp_path: Path) -> dict[str, str]:
    """Settings of a site in production. The fixture `workers` ends the database sessions of what the test kills."""
    production = {
        "DEBUG": "false",
        "SECRET_KEY": "only-for-this-test" * 4,
        "ALLOWED_HOSTS": HOST,
        "PGAPPNAME": "rolling",
    }
    return environment("http://127.0.0.1:9") | production


@pytest.fixture(params=["one socket", "two ports"])
def servers(
    request: pytest.FixtureRequest, variables: dict[str, str], tmp_path: Path
) -> Iterator[tuple[list[WebServer], list[int]]]:
    """Two web servers: on one socket, as systemd starts them; or on two ports, like two hosts."""
    with ExitStack() as stack:
        if request.param == "one socket":
            listener = stack.enter_context(listening_socket())
            ports = [listener.getsockname()[1]]
            servers = [WebServer(variables, tmp_path / f"web{number}.log", listener) for number in (1, 2)]
        else:
            ports = [free_port(), free_port()]
            servers = [WebServer(variables, tmp_path / f"web{port}.log", None, "--port", str(port)) for port in ports]
        for server in servers:
            stack.callback(server.kill)
            server.start()
        yield servers, ports


def test_a_rolling_restart_loses_no_request(servers: tuple[list[WebServer], list[int]], tmp_path: Path) -> None:
    logging.getLogger("httpx").setLevel(logging.WARNING)
    people.save_user(PERSON, "ada", PASSWORD, Role.ADMIN)
    webs, ports = servers
    restarts = 0

    def restart_each() -> None:
        nonlocal restarts
        end = time.monotonic() + SECONDS
        while not restarts or time.monotonic() < end:
            for web in webs:
                web.restart()
                restarts += 1

    with nginx(tmp_path, ports) as (url, context):
        login = {"username": "ada", "password": PASSWORD}
        with httpx.Client(base_url=url, verify=context, headers={"Host": HOST}, timeout=60) as site:
            answer = site.post("/api/auth/token", json=login, extensions={"sni_hostname": HOST})
        load = Load(url, context, answer.json()["access"])
        asyncio.run(load.run(restart_each))
    figures = {f"{method} {status}": count for (method, status), count in sorted(load.answers.items())}
    sys.stdout.write(
        f"\n{json.dumps(figures | {'restarts': restarts, 'slowest': load.slowest, 'streams': load.streams})}\n"
    )
    assert load.failures == []
    assert sum(load.answers.values()) > 10 * PER_SECOND
    assert load.streams > 1
    assert load.longest_stream > 3
    # Each request that writes was done once.
    assert sorted(load.created) == sorted(Band.objects.values_list("slug", flat=True))


def test_a_server_that_stops_says_so_and_closes_its_connections(variables: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    web = WebServer(variables, tmp_path / "web.log", None, "--port", str(port), "--drain", "8")
    web.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Host": HOST}, timeout=30) as site:
            ready = site.get("/readyz")
            assert (ready.status_code, ready.headers.get("Connection")) == (200, None)
            web.terminate()
            wait_for(lambda: site.get("/readyz").status_code == 503, 6, "the server to say that it stops")
            stopping = site.get("/readyz")
            assert (stopping.json(), stopping.headers["Connection"]) == ({"status": "stopping"}, "close")
            assert site.get("/healthz").status_code == 200
        assert web.process.wait(30) == -15
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{port}/healthz")
    finally:
        web.kill()


@pytest.mark.parametrize(
    "signals", [(signal.SIGINT,), (signal.SIGTERM, signal.SIGTERM)], ids=["SIGINT", "SIGTERM twice"]
)
def test_nobody_has_to_wait_for_the_drain(
    signals: tuple[signal.Signals, ...], variables: dict[str, str], tmp_path: Path
) -> None:
    web = WebServer(variables, tmp_path / "web.log", None, "--port", str(free_port()), "--drain", "600")
    web.start()
    try:
        for number in signals:
            web.process.send_signal(number)
            time.sleep(0.2)  # Equal signals that are pending at once are one.
        web.process.wait(60)
    finally:
        web.kill()
