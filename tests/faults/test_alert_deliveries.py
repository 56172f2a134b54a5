"""Messages are delivered while every process that sends them is killed, and while receivers fail."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from pathlib import Path

import pytest
import redis
from django.db.models.functions import Now

from syncjobs.alerts import digests
from syncjobs.choices import AlertStep, AttemptResult, DeliveryState
from syncjobs.engine import clock
from syncjobs.models import AlertDelivery, AlertDeliveryAttempt
from syncjobs.youtube.simulator import Simulator
from tests.alerts.channels import make_alert, make_channel, pass_time, take
from tests.factories import wait_for
from tests.processes import Workers, environment
from tests.receivers import web_receiver

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True), pytest.mark.timeout(280)]
MESSAGES, CHANNELS = 60, 10
DEAD = dt.timedelta(seconds=3)


@pytest.fixture
def senders(youtube: Simulator, broker: redis.Redis, tmp_path: Path) -> Workers:
    """Return processes that may send messages to this machine."""
    return Workers(environment(youtube.url) | {"ALERTS_ALLOW_LOCAL_ADDRESSES": "true"}, tmp_path)


def delivered() -> int:
    """Return how many of the test's messages have arrived. The rules add some about the processes that are killed."""
    return AlertDelivery.objects.filter(state=DeliveryState.DELIVERED, payload__has_key="number").count()


def is_over() -> bool:
    """Let the leases of killed processes end early, so that the test need not wait for them."""
    running = AlertDeliveryAttempt.objects.filter(result=AttemptResult.RUNNING, started_at__lt=Now() - DEAD)
    AlertDelivery.objects.pending().filter(attempts__in=running).update(next_attempt_at=Now())
    return delivered() == MESSAGES


def test_no_message_is_lost_while_each_process_is_killed_and_the_receiver_fails(senders: Workers) -> None:
    def answer(number: int) -> int | str:
        time.sleep(0.03)
        return 500 if number % 13 == 0 else "drop" if number % 17 == 0 else 200

    with web_receiver() as receiver:
        receiver.answer = answer
        try:
            senders.start("one")
            senders.start("two")
            senders.start_beat()
            channels = [make_channel(f"{number}", url=receiver.url) for number in range(CHANNELS)]
            deadline = clock.now() + digests.DEADLINE
            made = AlertDelivery.objects.bulk_create(
                AlertDelivery(
                    channel=channels[number % CHANNELS],
                    kind="ALERTS",
                    title=f"{number}",
                    text="x",
                    payload={"number": number},
                    deadline_at=deadline,
                )
                for number in range(MESSAGES)
            )
            for name, least in (("one", 10), ("beat", 20), ("two", 32)):
                wait_for(lambda least=least: is_over() or delivered() >= least, 60, "some deliveries")  # type: ignore[misc]
                senders.kill(name)
                if name == "beat":
                    senders.start_beat()
                else:
                    senders.start(name, wait=False)
            wait_for(lambda: is_over(), 150, lambda: f"{delivered()} of all: {senders.logs()[-3000:]}")
        finally:
            senders.kill_all()
        arrived = Counter(receiver.keys())
        assert set(arrived) >= {str(each.key) for each in made}
        # Each request beyond one per message is another attempt at that message.
        attempts = AlertDeliveryAttempt.objects.count()
        assert sum(arrived.values()) <= attempts


def test_the_scheduler_delivers_an_alert_when_no_worker_is_alive(senders: Workers) -> None:
    with web_receiver() as receiver:
        try:
            senders.start_beat()
            make_channel(url=receiver.url)
            take(AlertStep.OPENED, make_alert(last_seen_at=clock.now() + dt.timedelta(hours=1)))
            pass_time(seconds=40)
            wait_for(lambda: bool(receiver.requests), 60, lambda: senders.log("beat"))
        finally:
            senders.kill_all()
        titles = [request.json["title"] for request in receiver.requests]
        assert any("Band 7" in title or "alert" in title for title in titles), titles
