"""Messages arrive at least once, in order, with the same key each time, or are given up after their deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.conf import LazySettings
from django.core import mail as django_mail
from django.db import connection
from django.db.models.functions import Now

from syncjobs.alerts import courier, deliveries, digests
from syncjobs.choices import AlertStep, AttemptResult, ChannelKind, DeliveryKind, DeliveryState
from syncjobs.engine import broker, clock
from syncjobs.engine.heartbeat import Heartbeat
from syncjobs.models import Alert, AlertChannel, AlertDelivery, AlertDeliveryAttempt, AlertNotice
from syncjobs.senders import http, webhook
from tests.alerts.channels import SECRET, make_alert, make_channel, pass_time, take
from tests.concurrency import in_parallel, in_thread
from tests.factories import wait_for
from tests.processes import free_port
from tests.receivers import WebReceiver, web_receiver

pytestmark = pytest.mark.django_db


@pytest.fixture
def receiver(settings: LazySettings) -> Iterator[WebReceiver]:
    settings.ALERTS_ALLOW_LOCAL_ADDRESSES = True
    with web_receiver() as started:
        yield started


def make_delivery(channel: AlertChannel, title: str = "It broke", **fields: Any) -> AlertDelivery:
    values = {"kind": DeliveryKind.ALERTS, "text": title, "payload": {"title": title}} | fields
    return AlertDelivery.objects.create(
        channel=channel, title=title, deadline_at=clock.now() + digests.DEADLINE, **values
    )


def send_all() -> int:
    sent = 0
    while deliveries.deliver_next("test"):
        sent += 1
    return sent


def state(delivery: AlertDelivery) -> str:
    delivery.refresh_from_db()
    return delivery.state


def results(delivery: AlertDelivery) -> list[str]:
    return list(delivery.attempts.values_list("result", flat=True))


def test_an_alert_arrives_signed(receiver: WebReceiver) -> None:
    channel = make_channel(url=receiver.url)
    take(AlertStep.OPENED, make_alert())
    pass_time(seconds=21)
    digests.collect()
    assert send_all() == 1
    [request] = receiver.requests
    timestamp = request.headers[webhook.TIMESTAMP_HEADER]
    assert request.headers[webhook.SIGNATURE_HEADER] == webhook.signature(SECRET, timestamp, request.body)
    delivery = channel.deliveries.get()
    assert state(delivery) == DeliveryState.DELIVERED
    assert receiver.keys() == [str(delivery.key)] == [request.json["key"]]
    assert [(each.result, each.status) for each in delivery.attempts.all()] == [(AttemptResult.DELIVERED, 200)]


def test_a_failing_receiver_is_tried_again_with_the_same_key_and_longer_pauses(receiver: WebReceiver) -> None:
    receiver.answer = lambda number: 500 if number < 4 else 200
    delivery = make_delivery(make_channel(url=receiver.url))
    pauses = []
    for _attempt in range(3):
        assert send_all() == 1
        assert state(delivery) == DeliveryState.PENDING
        assert delivery.problem == "The receiver answered 500."
        pauses.append((delivery.next_attempt_at - clock.now()).total_seconds())
        assert not deliveries.deliver_next("test")
        pass_time(seconds=pauses[-1])
    assert 7 < pauses[0] < 13 < pauses[1] < 25 < pauses[2] < 49
    assert send_all() == 1
    assert state(delivery) == DeliveryState.DELIVERED
    assert delivery.problem == ""
    assert receiver.keys() == [str(delivery.key)] * 4
    assert results(delivery) == [AttemptResult.FAILED] * 3 + [AttemptResult.DELIVERED]


def test_retry_after_is_obeyed(receiver: WebReceiver) -> None:
    receiver.answer, receiver.headers = lambda number: 429, {"Retry-After": "300"}
    delivery = make_delivery(make_channel(url=receiver.url))
    send_all()
    delivery.refresh_from_db()
    assert 290 < (delivery.next_attempt_at - clock.now()).total_seconds() <= 300


@pytest.mark.parametrize("trouble", ["hang", "drop", "away"])
def test_other_troubles_are_tried_again_too(
    receiver: WebReceiver, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "READ_SECONDS", 0.2)
    receiver.answer = lambda number: trouble
    url = f"http://127.0.0.1:{free_port()}/" if trouble == "away" else receiver.url
    delivery = make_delivery(make_channel(url=url))
    send_all()
    assert state(delivery) == DeliveryState.PENDING
    assert delivery.problem
    assert results(delivery) == [AttemptResult.FAILED]


def test_after_its_deadline_a_message_is_given_up_with_its_reason(receiver: WebReceiver) -> None:
    receiver.answer = lambda number: 503
    delivery = make_delivery(make_channel(url=receiver.url))
    send_all()
    pass_time(hours=24)
    assert not deliveries.deliver_next("test")
    assert state(delivery) == DeliveryState.FAILED
    assert delivery.problem == "The receiver answered 503."
    assert len(receiver.requests) == 1


def test_a_forbidden_address_fails_at_once(receiver: WebReceiver, settings: LazySettings) -> None:
    settings.ALERTS_ALLOW_LOCAL_ADDRESSES = False
    delivery = make_delivery(make_channel(url=receiver.url))
    send_all()
    assert state(delivery) == DeliveryState.FAILED
    assert "is this machine" in delivery.problem
    assert receiver.requests == []


def test_an_address_that_can_not_be_decrypted_waits_for_the_old_key(
    receiver: WebReceiver, settings: LazySettings
) -> None:
    delivery = make_delivery(make_channel(url=receiver.url))
    old, settings.SECRET_KEY = settings.SECRET_KEY, "b" * 50
    send_all()
    assert state(delivery) == DeliveryState.PENDING
    assert "SECRET_KEY was changed" in delivery.problem
    settings.SECRET_KEY_FALLBACKS = [old]
    pass_time(seconds=15)
    send_all()
    assert state(delivery) == DeliveryState.DELIVERED


def test_messages_arrive_in_order_also_if_the_first_attempt_fails(receiver: WebReceiver) -> None:
    receiver.answer = lambda number: 500 if number == 1 else 200
    channel = make_channel(url=receiver.url)
    first, second = make_delivery(channel, "It broke"), make_delivery(channel, "It is over")
    assert send_all() == 1
    assert not deliveries.due().filter(pk=second.pk).exists()
    pass_time(seconds=15)
    assert send_all() == 2
    assert [request.json["title"] for request in receiver.requests] == ["It broke", "It broke", "It is over"]
    assert state(first) == state(second) == DeliveryState.DELIVERED


def test_a_message_that_its_receiver_never_accepts_does_not_block_the_others(receiver: WebReceiver) -> None:
    channel = make_channel(url=receiver.url)
    first, second = make_delivery(channel, "poison"), make_delivery(channel, "fine")
    receiver.answer = lambda number: 400 if receiver.requests[number - 1].json["title"] == "poison" else 200
    for _attempt in range(deliveries.IN_ORDER_ATTEMPTS):
        send_all()
        pass_time(minutes=11)
    send_all()
    assert state(second) == DeliveryState.DELIVERED
    assert state(first) == DeliveryState.PENDING


def test_when_the_receiver_works_again_everything_is_sent_at_once(receiver: WebReceiver) -> None:
    receiver.answer = lambda number: 500
    channel = make_channel(url=receiver.url)
    made = [make_delivery(channel, f"{number}") for number in range(3)]
    for _attempt in range(8):
        send_all()
        pass_time(minutes=4)
    send_all()
    receiver.answer = lambda number: 200
    AlertDelivery.objects.filter(pk=made[1].pk).update(next_attempt_at=clock.now())
    send_all()
    assert [state(each) for each in made] == [DeliveryState.DELIVERED] * 3


def test_a_channel_that_hangs_does_not_hold_up_another(receiver: WebReceiver) -> None:
    stuck, fine = make_channel("stuck", url=f"http://127.0.0.1:{free_port()}/"), make_channel(url=receiver.url)
    make_delivery(stuck)
    delivery = make_delivery(fine)
    send_all()
    assert state(delivery) == DeliveryState.DELIVERED


def test_the_deliveries_of_a_disabled_channel_are_cancelled(receiver: WebReceiver) -> None:
    channel = make_channel(url=receiver.url, is_enabled=False)
    delivery, test = make_delivery(channel), make_delivery(channel, kind=DeliveryKind.TEST)
    send_all()
    assert (state(delivery), state(test)) == (DeliveryState.CANCELLED, DeliveryState.DELIVERED)


def test_an_email_is_sent_by_djangos_backend() -> None:
    delivery = make_delivery(make_channel(kind=ChannelKind.EMAIL, url="mo@example.org"))
    send_all()
    assert state(delivery) == DeliveryState.DELIVERED
    [message] = django_mail.outbox
    assert message.to == ["mo@example.org"]
    assert message.extra_headers["X-Idempotency-Key"] == str(delivery.key)


def test_an_attempt_whose_process_died_is_lost_and_repeated(receiver: WebReceiver) -> None:
    delivery = make_delivery(make_channel(url=receiver.url))
    assert deliveries._claim("dead") is not None
    assert not deliveries.deliver_next("test")
    pass_time(seconds=60)
    assert send_all() == 1
    assert state(delivery) == DeliveryState.DELIVERED
    assert results(delivery) == [AttemptResult.LOST, AttemptResult.DELIVERED]
    assert receiver.keys() == [str(delivery.key)]


def test_a_late_failure_does_not_undo_what_a_later_attempt_did(receiver: WebReceiver) -> None:
    delivery = make_delivery(make_channel(url=receiver.url))
    late = deliveries._claim("slow")
    assert late is not None
    pass_time(seconds=60)
    send_all()
    deliveries._fail(late, 1, deliveries.SendFailed("It was slow."))
    assert state(delivery) == DeliveryState.DELIVERED
    assert delivery.problem == ""


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_a_message_is_sent(receiver: WebReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    states = []
    monkeypatch.setattr(webhook, "send", lambda *arguments, **options: states.append(connection.in_atomic_block))
    make_delivery(make_channel(url=receiver.url))
    send_all()
    assert states == [False]


@pytest.mark.django_db(transaction=True)
def test_several_processes_send_each_message_once(receiver: WebReceiver) -> None:
    made = [make_delivery(make_channel(f"{number}", url=receiver.url), f"{number}") for number in range(12)]
    in_parallel(4, lambda number: send_all())
    assert sorted(receiver.keys()) == sorted(str(each.key) for each in made)
    assert {state(each) for each in made} == {DeliveryState.DELIVERED}


@pytest.mark.django_db(transaction=True)
def test_several_processes_make_one_message_of_the_same_notices() -> None:
    make_channel()
    take(AlertStep.OPENED, *(make_alert(number) for number in range(30)))
    pass_time(seconds=21)
    assert sum(in_parallel(4, lambda number: digests.collect())) == 1
    assert AlertDelivery.objects.get().alert_count == 30


@pytest.mark.django_db(transaction=True)
def test_an_alert_that_is_resolved_while_its_message_is_made_is_told_completely_or_not_at_all() -> None:
    """The two wait for each other at the channel's row."""
    for number in range(8):
        channel = make_channel(f"{number}")
        alert = make_alert(number)
        take(AlertStep.OPENED, alert)
        pass_time(seconds=21)
        start = threading.Barrier(2)

        def act(which: int, alert: Any = alert, start: threading.Barrier = start) -> None:
            start.wait(10)
            if which:
                take(AlertStep.RESOLVED, alert)
            else:
                digests.collect()

        in_parallel(2, act)
        told = list(channel.notices.order_by("pk").values_list("step", "delivery"))
        assert [step for step, _delivery in told] in ([], ["opened", "resolved"]), told
        AlertChannel.objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_the_courier_sends_what_nobody_else_sends(receiver: WebReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker is alive, or Redis is away: the scheduler's courier makes the message and delivers it."""
    monkeypatch.setattr(broker, "_send", lambda *arguments: False)
    make_channel(url=receiver.url)
    take(AlertStep.OPENED, make_alert())
    pass_time(seconds=21)
    courier.run_round("beat", is_elected=False)
    assert not AlertDelivery.objects.exists(), "the elected one has ten seconds to do it"
    pass_time(seconds=10)
    courier.run_round("beat", is_elected=False)
    assert not receiver.requests
    pass_time(seconds=10)
    courier.run_round("beat", is_elected=False)
    assert len(receiver.requests) == 1
    assert AlertDeliveryAttempt.objects.get().process == "beat"


@pytest.mark.django_db(transaction=True)
def test_the_elected_courier_wakes_celery_up(receiver: WebReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    monkeypatch.setattr(broker, "_send", lambda task, queue, *rest: bool(sent.append(task)) or True)
    monkeypatch.setattr(broker, "pending_wake_ups", lambda queue: 0)
    make_channel(url=receiver.url)
    take(AlertStep.OPENED, make_alert())
    pass_time(seconds=21)
    courier.run_round("worker", is_elected=True)
    assert sent == [broker.DELIVER_TASK]
    courier.run_round("worker", is_elected=True)
    assert sent == [broker.DELIVER_TASK] * 2, "the first wake-up may be lost"
    monkeypatch.setattr(broker, "pending_wake_ups", lambda queue: 1)
    courier.run_round("worker", is_elected=True)
    assert len(sent) == 2, "more of them would pile up"


def test_an_idle_round_costs_one_statement(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        courier.run_round("worker", is_elected=True)


@pytest.mark.django_db(transaction=True)
def test_the_thread_goes_on_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[bool] = []

    def run_round(process: str, *, is_elected: bool) -> None:
        rounds.append(is_elected)
        raise RuntimeError

    monkeypatch.setattr(courier, "run_round", run_round)
    monkeypatch.setattr(courier, "WATCH_SECONDS", 0.01)
    worker, other = courier.courier("worker", is_worker=True), courier.courier("beat", is_worker=False)
    worker.start()
    other.start()
    wait_for(lambda: len(rounds) >= 3, 10)
    assert not any(rounds), "a worker's courier looks only if it is told to"
    for number in (1, 2):
        worker.wake()
        wait_for(lambda number=number: rounds.count(True) == number, 10)  # type: ignore[misc]
    for thread in (worker, other):
        thread.stop()
        thread.join(10)
        assert not thread.is_alive()
    assert in_thread(lambda: True)


def _unrouted() -> None:
    make_alert()
    Alert.objects.update(needs_routing=True)


def _noted() -> None:
    AlertNotice.objects.create(channel=make_channel(), alert=make_alert(), step=AlertStep.OPENED, due_at=Now())


def _made() -> None:
    make_delivery(make_channel())


def _switch() -> None:
    make_channel(kind=ChannelKind.PING)


@pytest.mark.parametrize("make_due", [_unrouted, _noted, _made, _switch])
def test_the_worker_that_reconciles_wakes_its_courier_when_something_is_due(make_due: Callable[[], None]) -> None:
    woken: list[str] = []
    elected, other = (
        Heartbeat(name, ["video-sync"], 1, wake_courier=partial(woken.append, name)) for name in ("elected", "other")
    )
    make_channel("Another")
    elected._run_round()
    assert not woken
    make_due()
    other._run_round()
    assert not woken
    elected._run_round()
    assert woken == ["elected"]
