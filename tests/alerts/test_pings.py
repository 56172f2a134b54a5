"""The dead man's switch is pinged each minute while the site is healthy, and only then."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import LazySettings
from django.db.models.functions import Now

from syncjobs.alerts import courier, pings
from syncjobs.choices import ChannelKind, QueueName
from syncjobs.models import AlertChannel, AlertRound, Worker
from tests.alerts.channels import make_channel, pass_time
from tests.concurrency import in_parallel
from tests.receivers import WebReceiver, web_receiver

pytestmark = pytest.mark.django_db


@pytest.fixture
def receiver(settings: LazySettings) -> Iterator[WebReceiver]:
    settings.ALERTS_ALLOW_LOCAL_ADDRESSES = True
    with web_receiver() as started:
        yield started


@pytest.fixture
def switch(receiver: WebReceiver) -> AlertChannel:
    return make_channel(url=receiver.url, kind=ChannelKind.PING)


@pytest.fixture
def healthy() -> None:
    Worker.objects.create(name="w", process_id=1, queues=QueueName.values, concurrency=1)
    Worker.objects.create(name="beat", process_id=2, queues=[], concurrency=0, is_scheduler=True)
    AlertRound.objects.update(ended_at=Now())


def test_a_healthy_site_pings_once_a_minute(receiver: WebReceiver, switch: AlertChannel, healthy: None) -> None:
    assert pings.ping_next()
    assert not pings.ping_next()
    pass_time(seconds=59)
    assert not pings.ping_next()
    pass_time(seconds=1)
    assert pings.ping_next()
    assert [request.method for request in receiver.requests] == ["GET", "GET"]
    switch.refresh_from_db()
    assert switch.pinged_at is not None
    assert switch.ping_problem == ""


@pytest.mark.parametrize(
    ("break_it", "problem"),
    [
        (
            lambda: Worker.objects.filter(name="w").delete(),
            "no worker serves video-sync, video-processing, maintenance",
        ),
        (lambda: Worker.objects.filter(name="w").update(queues=["maintenance"]), "no worker serves video-sync"),
        (lambda: Worker.objects.filter(name="w").update(failing_since=Now()), "no worker serves"),
        (lambda: Worker.objects.filter(name="beat").update(heartbeat_at="2026-01-01T00:00Z"), "no scheduler"),
        (lambda: AlertRound.objects.update(ended_at="2026-01-01T00:00Z"), "are not evaluated"),
    ],
)
def test_a_site_that_is_not_healthy_does_not_ping(
    receiver: WebReceiver, switch: AlertChannel, healthy: None, break_it: object, problem: str
) -> None:
    break_it()  # type: ignore[operator]
    assert pings.ping_next()
    assert receiver.requests == []
    switch.refresh_from_db()
    assert problem in switch.ping_problem
    assert switch.pinged_at is None


def test_a_ping_that_fails_is_repeated_soon(receiver: WebReceiver, switch: AlertChannel, healthy: None) -> None:
    receiver.answer = lambda number: 500 if number == 1 else 200
    pings.ping_next()
    switch.refresh_from_db()
    assert switch.ping_problem == "The receiver answered 500."
    pass_time(seconds=15)
    pings.ping_next()
    switch.refresh_from_db()
    assert switch.ping_problem == ""


def test_a_disabled_switch_is_not_pinged(receiver: WebReceiver, switch: AlertChannel, healthy: None) -> None:
    AlertChannel.objects.update(is_enabled=False)
    courier.run_round("w", is_elected=True)
    assert receiver.requests == []


@pytest.mark.django_db(transaction=True)
def test_several_processes_ping_once(receiver: WebReceiver, switch: AlertChannel, healthy: None) -> None:
    in_parallel(4, lambda number: courier.run_round(f"{number}", is_elected=True))
    assert len(receiver.requests) == 1
