"""Slow senders, huge bodies and endless responses, with no server between the test and the application."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from django.http import HttpResponse, StreamingHttpResponse

from syncmonitor import bodies, threads
from syncmonitor.threads import OneThreadHandler

pytestmark = pytest.mark.django_db(transaction=True)


class Sender:
    """One request to the application, whose body the test sends piece by piece."""

    def __init__(self, application: OneThreadHandler, path: str, length: int, method: str = "POST") -> None:
        headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"), (b"content-length", b"%d" % length)]
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
        }
        self._pieces: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.is_stalled = False
        self.answer: list[dict[str, Any]] = []
        self.task = asyncio.create_task(application(scope, self._pieces.get, self._receive))

    async def _receive(self, message: dict[str, Any]) -> None:
        if self.is_stalled:
            await asyncio.Event().wait()
        self.answer.append(message)

    def send(self, body: bytes, *, more: bool = False) -> None:
        self._pieces.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def leave(self) -> None:
        self._pieces.put_nowait({"type": "http.disconnect"})

    @property
    def status(self) -> int:
        return int(self.answer[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return {name.lower(): value for name, value in self.answer[0]["headers"]}

    @property
    def body(self) -> dict[str, Any]:
        return dict(json.loads(b"".join(message.get("body", b"") for message in self.answer[1:])))


HUGE, PATH = b" " * (bodies._HUGE_BYTES + 1), "/api/auth/token"


class Views:
    """Stand for the views: those of huge bodies run until the test lets them go on."""

    def __init__(self) -> None:
        self.running = self.most = self.begun = 0
        self.may_end = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, request: Any) -> HttpResponse:
        with self._lock:
            self.begun += 1
            self.running += 1
            self.most = max(self.most, self.running)
        self.may_end.wait(30)
        with self._lock:
            self.running -= 1
        return HttpResponse("done")


@pytest.fixture
def views(monkeypatch: pytest.MonkeyPatch) -> Views:
    """Let anybody send huge bodies to PATH, whose view waits."""
    allowance = bodies.Allowance(20_000_000, lambda _request: True)
    monkeypatch.setattr(bodies, "_allowances", lambda: {PATH: allowance})
    answer, views = OneThreadHandler.get_response, Views()

    def get_response(handler: OneThreadHandler, request: Any) -> Any:
        is_read = request.path == PATH and not request.scope["body_problem"]
        return views(request) if is_read else answer(handler, request)

    monkeypatch.setattr(OneThreadHandler, "get_response", get_response)
    return views


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("path", ["/api/bands", "/admin/login/", "/nowhere"])
def test_a_slow_body_is_refused_before_it_takes_a_thread(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_GRACE_SECONDS", 0.1)
    monkeypatch.setattr(bodies, "_SILENCE_SECONDS", 0.01)

    async def talk() -> Sender:
        sender, before = Sender(OneThreadHandler(), path, 100), threading.active_count()
        sender.send(b"{", more=True)
        await asyncio.sleep(0.05)
        assert threading.active_count() <= before
        async with asyncio.timeout(30):
            await sender.task
        return sender

    sender = asyncio.run(talk())
    assert (sender.status, sender.headers[b"connection"]) == (408, b"close")
    if path.startswith("/api/"):
        assert [error["code"] for error in sender.body["errors"]] == ["too_slow"]


def test_a_body_at_a_fair_rate_has_more_time_than_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_GRACE_SECONDS", 0.2)
    monkeypatch.setattr(bodies, "_LEAST_BYTES_PER_SECOND", 1)

    async def talk() -> int:
        sender = Sender(OneThreadHandler(), PATH, 102)
        sender.send(b" " * 100, more=True)
        await asyncio.sleep(0.4)
        sender.send(b"{}")
        async with asyncio.timeout(30):
            await sender.task
        return sender.status

    assert asyncio.run(talk()) == 400  # The view has read it.


def test_many_deliveries_share_a_few_threads_and_keep_nobody_waiting(
    views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, path = OneThreadHandler.get_response, "/websub/unknown"
    monkeypatch.setattr(OneThreadHandler, "get_response", lambda handler, request: (
        views(request) if request.path == path else answer(handler, request)
    ))  # fmt: skip

    async def talk() -> list[Sender]:
        application = OneThreadHandler()
        senders = [Sender(application, path, 2) for _ in range(3 * threads._DELIVERY_THREADS)]
        for sender in senders:
            sender.send(b"{}")
        await until(lambda: views.running == threads._DELIVERY_THREADS)
        others = [
            Sender(application, "/healthz", 0, "GET"),
            Sender(application, "/websub/unknown", 0, "PUT"),
            Sender(application, path, bodies.MOST_BYTES + 1),
        ]
        for other in others:
            other.send(b"")
        monkeypatch.setattr(OneThreadHandler, "get_response", answer)
        await asyncio.gather(*(other.task for other in others))
        views.may_end.set()
        await asyncio.gather(*(sender.task for sender in senders))
        return [*others, *senders]

    statuses = [sender.status for sender in asyncio.run(talk())]
    assert statuses[:3] == [200, 405, 413]
    assert set(statuses[3:]) == {200, 410}, "those that began later have the project's own view"
    assert views.most == threads._DELIVERY_THREADS


def test_of_many_huge_bodies_one_is_worked_on_and_the_rest_are_refused(
    views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "_TURN_SECONDS", 0.2)

    async def talk() -> list[Sender]:
        application = OneThreadHandler()
        senders = [Sender(application, PATH, len(HUGE)) for _ in range(20)]
        for sender in senders:
            sender.send(HUGE)
        await until(lambda: sum(bool(sender.answer) for sender in senders) == 19)
        views.may_end.set()
        await asyncio.gather(*(sender.task for sender in senders))
        return senders

    senders = asyncio.run(talk())
    assert sorted(sender.status for sender in senders) == [200] + [503] * 19
    refused = [sender for sender in senders if sender.status == 503]
    assert {sender.headers[b"retry-after"] for sender in refused} == {b"60"}
    assert {sender.body["errors"][0]["code"] for sender in refused} == {"busy"}
    assert views.most == 1


def test_a_sender_who_goes_away_does_not_let_the_next_huge_body_in(views: Views) -> None:
    """The thread of the first can't be interrupted."""

    async def talk() -> None:
        application = OneThreadHandler()
        first, second = (Sender(application, PATH, len(HUGE)) for _ in range(2))
        first.send(HUGE)
        await until(lambda: views.running == 1)
        first.leave()
        second.send(HUGE)
        await asyncio.sleep(0.2)
        views.may_end.set()
        await asyncio.gather(first.task, second.task)
        assert (second.status, first.answer) == (200, [])

    asyncio.run(talk())
    assert (views.most, views.begun) == (1, 2)


def test_a_reader_who_stalls_does_not_keep_the_next_huge_body_waiting(
    views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "_STALL_SECONDS", 0.1)
    views.may_end.set()

    async def talk() -> int:
        application = OneThreadHandler()
        first, second = (Sender(application, PATH, len(HUGE)) for _ in range(2))
        first.is_stalled = True
        first.send(HUGE)
        await until(lambda: views.begun == 1)
        second.send(HUGE)
        async with asyncio.timeout(10):
            await asyncio.gather(first.task, second.task)
        return second.status

    assert asyncio.run(talk()) == 200


def test_head_of_a_stream_that_never_ends_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    monkeypatch.setattr(OneThreadHandler, "get_response", lambda *_: StreamingHttpResponse(endless()))

    async def talk() -> Sender:
        sender = Sender(OneThreadHandler(), "/api/admin/events", 0, "HEAD")
        sender.send(b"")
        async with asyncio.timeout(30):
            await sender.task
        return sender

    sender = asyncio.run(talk())
    assert sender.status == 200
    assert not any(message.get("body") for message in sender.answer)
