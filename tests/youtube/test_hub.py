"""The simulated hub: verification, leases, signatures, and everything that may go wrong with a delivery."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import HUB_DELIVER, HUB_SUBSCRIBE, HUB_VERIFY, Fault

CALLBACK = "https://site.example.org/push/1"


class Subscriber:
    """A callback: it confirms everything, unless it is told not to."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.bodies: list[tuple[bytes, Mapping[str, str]]] = []
        self.status = 204
        self.confirms = True

    def __call__(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        if method == "POST":
            self.bodies.append((body, headers))
            return self.status, b""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        self.asked.append(query)
        return (200, query.get("hub.challenge", "").encode()) if self.confirms else (404, b"")


@pytest.fixture
def server() -> Iterator[Simulator]:
    simulator = Simulator()
    simulator.hub.start = lambda: None  # type: ignore[method-assign]  # The test does what is due.
    with simulator:
        simulator.world.add_channel("@Band")
        yield simulator


@pytest.fixture
def subscriber(server: Simulator) -> Subscriber:
    server.hub.send = subscriber = Subscriber()
    return subscriber


def _topic(server: Simulator) -> str:
    return f"https://www.youtube.com/xml/feeds/videos.xml?channel_id={next(iter(server.world.channels))}"


def _ask(server: Simulator, mode: str = "subscribe", **changes: str) -> Any:
    form = {"hub.mode": mode, "hub.topic": _topic(server), "hub.callback": CALLBACK, "hub.secret": "s3cret"} | {
        f"hub.{name}": value for name, value in changes.items()
    }
    try:
        with urllib.request.urlopen(server.hub_url, urlencode(form).encode()) as response:
            return response.status, response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers


def _publish(server: Simulator) -> str:
    return server.world.publish(next(iter(server.world.channels)), server.now()).id


def _pass(server: Simulator, **time: float) -> None:
    server.clock_offset += dt.timedelta(**time)
    server.hub.run_due()


def test_a_subscription_counts_from_its_verification_to_the_end_of_its_lease(
    server: Simulator, subscriber: Subscriber
) -> None:
    assert _ask(server, lease_seconds="3600")[0] == 202
    _publish(server)
    _pass(server)
    assert subscriber.asked[0]["hub.lease_seconds"] == "3600"
    assert subscriber.bodies == []
    video = _publish(server)
    _pass(server)
    [(body, headers)] = subscriber.bodies
    assert video.encode() in body
    assert headers["X-Hub-Signature"] == "sha1=" + hmac.new(b"s3cret", body, hashlib.sha1).hexdigest()
    server.world.set_privacy(video, "private")
    _pass(server, minutes=59)
    assert b"deleted-entry" in subscriber.bodies[1][0]
    _pass(server, minutes=2)
    _publish(server)
    _pass(server)
    assert len(subscriber.bodies) == 2
    assert _ask(server)[0] == 202
    _pass(server)
    assert subscriber.asked[-1]["hub.lease_seconds"] == "432000"
    _ask(server, "unsubscribe")
    _pass(server)
    assert server.hub.subscriptions == {}


def test_a_request_that_makes_no_sense_is_refused(server: Simulator) -> None:
    for changes in (
        {"callback": "ftp://x/"}, {"callback": ""}, {"topic": "https://example.org/"}, {"mode": "publish"},
        {"lease_seconds": "soon"}, {"secret": "x" * 200},
    ):  # fmt: skip
        assert _ask(server, **changes)[0] == 400


def test_a_subscription_stands_until_a_verification_replaces_it(server: Simulator, subscriber: Subscriber) -> None:
    _ask(server)
    _pass(server)
    [before] = server.hub.subscriptions.values()
    server.faults.add(Fault("unavailable", HUB_SUBSCRIBE, headers={"Retry-After": "3600"}, times=1))
    status, headers = _ask(server)
    assert (status, headers["Retry-After"]) == (503, "3600")
    for fault in (Fault("deny", HUB_VERIFY, times=1), Fault("lose", HUB_VERIFY, times=1)):
        server.faults.add(fault)
        assert _ask(server, secret="another")[0] == 202
        _pass(server)
    assert [query["hub.mode"] for query in subscriber.asked] == ["subscribe", "denied"]
    subscriber.confirms = False
    _ask(server, secret="another")
    _pass(server)
    assert list(server.hub.subscriptions.values()) == [before]


def test_deliveries_are_repeated_lost_late_doubled_and_wrongly_signed(
    server: Simulator, subscriber: Subscriber
) -> None:
    _ask(server)
    _pass(server)

    def delivered(*faults: Fault, **time: float) -> list[Mapping[str, str]]:
        server.faults.clear()
        server.faults.add(*faults)
        subscriber.bodies.clear()
        _publish(server)
        _pass(server, **time)
        return [headers for _body, headers in subscriber.bodies]

    assert delivered(Fault("lose", HUB_DELIVER)) == []
    assert len(delivered(Fault("duplicate", HUB_DELIVER))) == 2
    assert delivered(Fault("delay", HUB_DELIVER, seconds=600)) == []
    _pass(server, seconds=600)
    assert len(subscriber.bodies) == 1
    assert "X-Hub-Signature" not in delivered(Fault("unsigned", HUB_DELIVER))[0]
    assert delivered(Fault("forged", HUB_DELIVER))[0]["X-Hub-Signature"].startswith("sha1=")
    subscriber.status = 503
    assert len(delivered()) == 1
    subscriber.status = 204
    _pass(server, seconds=5)
    assert len(subscriber.bodies) == 2
    _pass(server, hours=1)
    assert len(subscriber.bodies) == 2
    assert [entry["status"] for entry in server.hub.log if entry["operation"] == HUB_DELIVER][-2:] == [503, 204]


def test_the_hub_delivers_by_itself_over_http() -> None:
    """With the real thread and a real request, to a port that refuses it."""
    with Simulator() as server:
        server.world.add_channel("@Band")
        _ask(server, callback="http://127.0.0.1:9/")
        deadline = dt.datetime.now() + dt.timedelta(seconds=30)
        while not [entry for entry in server.hub.log if entry["operation"] == HUB_VERIFY]:
            assert dt.datetime.now() < deadline
        assert server.hub.subscriptions == {}
