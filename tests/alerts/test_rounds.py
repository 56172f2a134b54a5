"""Which process runs a round, when the next one is due, and what it costs."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from syncjobs.alerts import conditions, rounds, transitions
from syncjobs.choices import AlertRuleName as Rule
from syncjobs.choices import JobType, QueueName
from syncjobs.engine import clock, quota
from syncjobs.engine.heartbeat import Heartbeat
from syncjobs.engine.scheduler import Scheduler
from syncjobs.live.health import YOUTUBE_SILENCE_SECONDS
from syncjobs.models import Alert, AlertRound, AlertRule, QuotaCall, Worker
from syncjobs.models.workers import WORKER_SILENCE_SECONDS
from syncjobs.operations import queues
from syncjobs.youtube.costs import Bucket, quota_day
from syncmonitor.celery import app
from tests.factories import failed_job, make_band, queue_job

pytestmark = pytest.mark.django_db(transaction=True)
STATEMENTS_OF_ROUNDS = 12
"""The statements of a round of the rules and one of the forecast, if there is no alert."""


def make_due(seconds: float = 1) -> None:
    AlertRound.objects.update(due_at=Now() - dt.timedelta(seconds=seconds))


def pause() -> float:
    """Return how many seconds after the end of the last round the next one is due, however long the test has taken since."""
    last = AlertRound.objects.get()
    assert last.ended_at is not None
    return float((last.due_at - last.ended_at).total_seconds())


def number() -> int:
    return int(AlertRound.objects.get().number)


def statements_of_a_round() -> int:
    make_due()
    with CaptureQueriesContext(connection) as queries:
        rounds.run_if_due()
    return len(queries)


def test_a_round_runs_once_and_the_forecast_follows_after_a_second() -> None:
    make_due()
    assert rounds.run_if_due() == []
    assert rounds.run_if_due() is None
    assert number() == 1
    assert 0 < pause() <= rounds.FORECAST_AFTER_SECONDS
    make_due()
    rounds.run_if_due()
    assert 10 < pause() <= rounds.ROUND_SECONDS
    ended = AlertRound.objects.get()
    assert ended.began_at is not None
    assert ended.ended_at is not None
    assert ended.ended_at >= ended.began_at


def test_a_round_that_is_late_evaluates_the_rules_even_if_it_is_the_turn_of_the_forecast() -> None:
    queue_job()
    AlertRound.objects.update(number=7)
    make_due(rounds.LATE_SECONDS + 1)
    rounds.run_if_due()
    assert number() == 8
    assert Alert.objects.filter(rule=Rule.NO_WORKER).exists()


def test_of_many_processes_that_look_at_the_same_time_one_runs_the_round() -> None:
    make_due()
    gate, results = threading.Barrier(6), []

    def look() -> None:
        gate.wait()
        try:
            results.append(rounds.run_if_due())
        finally:
            connection.close()

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result is None for result in results) == [False] + 5 * [True]
    assert number() == 1


def test_the_next_round_does_not_wait_longer_than_until_a_worker_counts_as_silent() -> None:
    AlertRule.objects.create(name=Rule.QUOTA_FORECAST, is_enabled=False)
    heartbeat_at = Now() - dt.timedelta(seconds=14)
    Worker.objects.create(name="w@a", process_id=1, queues=["video-sync"], concurrency=1, heartbeat_at=heartbeat_at)
    make_due()
    rounds.run_if_due()
    silent_at = Worker.objects.get().heartbeat_at + dt.timedelta(seconds=WORKER_SILENCE_SECONDS)
    assert AlertRound.objects.get().due_at == silent_at + rounds.A_LITTLE


def test_a_worker_that_falls_silent_just_before_the_turn_of_the_forecast_is_seen_at_once() -> None:
    Worker.objects.create(name="w@a", process_id=1, queues=["video-sync"], concurrency=1)
    Worker.objects.update(heartbeat_at=Now() - dt.timedelta(seconds=15))
    make_due()
    rounds.run_if_due()
    Worker.objects.update(heartbeat_at=Now() - dt.timedelta(seconds=20.5))
    make_due()
    rounds.run_if_due()
    assert number() == 2
    assert not Alert.objects.exists()
    assert pause() <= 0
    rounds.run_if_due()
    assert Alert.objects.filter(rule=Rule.WORKER_SILENT).exists()
    assert pause() > 0


def test_the_next_round_does_not_wait_longer_than_until_youtube_counts_as_silent() -> None:
    QuotaCall.objects.create(
        bucket="main", operation="videos.list", day=quota_day(clock.now()), units=1, seconds=3, reason="timeout"
    )
    QuotaCall.objects.update(at=Now() - dt.timedelta(seconds=14))
    make_due()
    rounds.run_if_due()
    silent_at = QuotaCall.objects.get().at + dt.timedelta(seconds=YOUTUBE_SILENCE_SECONDS)
    assert AlertRound.objects.get().due_at == silent_at + rounds.A_LITTLE
    # The round in between is not left to the forecast.
    QuotaCall.objects.update(at=Now() - dt.timedelta(seconds=19), seconds=18)
    make_due()
    rounds.run_if_due()
    assert Alert.objects.filter(rule=Rule.YOUTUBE_SILENT).exists()
    assert 0 < pause() <= rounds.FORECAST_AFTER_SECONDS
    # One answer ends it.
    QuotaCall.objects.update(reason="", http_status=200)
    AlertRound.objects.update(number=2)
    make_due()
    rounds.run_if_due()
    assert not Alert.objects.filter(rule=Rule.YOUTUBE_SILENT, resolved_at=None).exists()


def test_a_process_that_is_frozen_in_its_round_does_not_block_the_others() -> None:
    make_due()
    has_lock, may_end = threading.Event(), threading.Event()

    def freeze() -> None:
        with transaction.atomic():
            AlertRound.objects.update(number=number() + 1)
            has_lock.set()
            may_end.wait(20)
        connection.close()

    thread = threading.Thread(target=freeze)
    thread.start()
    try:
        assert has_lock.wait(10)
        assert rounds.run_if_due() is None
    finally:
        may_end.set()
        thread.join()


def test_a_round_that_was_overtaken_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    queue_job()

    def overtake(*_args: object, **_values: object) -> list[object]:
        AlertRound.objects.update(number=number() + 1)
        return []

    monkeypatch.setattr(rounds.conditions, "_redis", overtake)
    make_due()
    assert rounds.run_if_due() is None
    assert not Alert.objects.exists()


def test_a_round_takes_few_statements_however_much_is_wrong() -> None:
    for name in range(30):
        make_band(f"band-{name}", f"@band{name}", consecutive_failures=5)
        failed_job(f"Error {'abcdefghijklmnopqrstuvwxyzäöüß'[name]}")
    for job_type in JobType:
        queue_job(job_type)
    Worker.objects.create(name="w@a", process_id=1, queues=[], concurrency=1, clock_skew=9)
    Worker.objects.create(name="beat@a", process_id=2, queues=[], concurrency=0, is_scheduler=True)
    counts = [statements_of_a_round() for _ in range(4)]
    assert Alert.objects.count() >= 60
    assert max(counts) <= 10, counts


def test_the_rounds_of_a_site_without_alerts_hardly_ask_the_database() -> None:
    Worker.objects.create(name="w@a", process_id=1, queues=QueueName.values, concurrency=1)
    Worker.objects.create(name="beat@a", process_id=2, queues=[], concurrency=0, is_scheduler=True)
    assert statements_of_a_round() + statements_of_a_round() <= STATEMENTS_OF_ROUNDS
    assert not Alert.objects.exists()


def test_the_rules_are_evaluated_in_each_round_if_the_forecast_is_switched_off() -> None:
    AlertRule.objects.create(name=Rule.QUOTA_FORECAST, is_enabled=False)
    make_due()
    rounds.run_if_due()
    assert pause() > 10
    queue_job()
    make_due()
    rounds.run_if_due()
    assert number() == 2
    assert Alert.objects.filter(rule=Rule.NO_WORKER).exists()


def test_an_outage_is_logged_and_the_next_round_runs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(rounds, "_claim", lambda late: (_ for _ in ()).throw(OperationalError("gone")))
        rounds.look()
    assert "The alerts wait for the database" in caplog.text
    make_due()
    rounds.look()
    assert number() == 1


def test_a_rule_that_breaks_is_logged_and_does_not_stop_the_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(transitions, "notify", lambda written: 1 / 0)
    queue_job()
    make_due()
    with caplog.at_level(logging.ERROR):
        rounds.look()
    assert "A round of the alerts failed" in caplog.text


# ---- Who looks


def test_the_worker_that_reconciles_runs_the_round() -> None:
    make_due()
    heartbeat = Heartbeat("w@a", ["video-sync"], 1, run_alerts=rounds.look)
    heartbeat._run_round()
    assert number() == 1
    heartbeat._run_round()
    assert number() == 1


def test_a_worker_that_does_not_reconcile_runs_no_round() -> None:
    Heartbeat("first@a", ["video-sync"], 1)._run_round()
    make_due()
    Heartbeat("second@a", ["video-sync"], 1, run_alerts=rounds.look)._run_round()
    assert number() == 0


def test_the_scheduler_runs_a_round_that_is_late() -> None:
    app.loader.import_default_modules()
    AlertRound.objects.update(due_at=Now() + dt.timedelta(minutes=1))
    scheduler = Scheduler(app=app)
    scheduler.tick()
    assert number() == 0
    make_due(rounds.SCHEDULER_LATE_SECONDS + 1)
    scheduler._reported_at = None
    scheduler.tick()
    assert number() == 1


def test_a_web_process_looks_when_the_next_round_is_late() -> None:
    make_due()
    assert rounds.seconds_until_late() == rounds.LATE_SECONDS, "no round has ended yet"
    rounds.run_if_due()
    AlertRound.objects.update(due_at=Now() + dt.timedelta(seconds=10))
    assert 12 < rounds.seconds_until_late() <= 10 + rounds.LATE_SECONDS
    AlertRound.objects.update(due_at=Now() + dt.timedelta(hours=1))
    assert rounds.seconds_until_late() == rounds.ROUND_SECONDS + rounds.LATE_SECONDS, "it may be made due meanwhile"
    make_due(60)
    assert rounds.seconds_until_late() == rounds.LATE_SECONDS, "the process that runs it may hang"


def test_a_web_process_looks_soon_while_a_round_is_running(monkeypatch: pytest.MonkeyPatch) -> None:
    most, found = conditions.most, []

    def look_meanwhile(*args: Any) -> Any:
        found.append(rounds.seconds_until_late())
        return most(*args)

    monkeypatch.setattr(conditions, "most", look_meanwhile)
    make_due()
    rounds.run_if_due()
    assert found == [rounds.LATE_SECONDS]


def test_a_web_process_looks_soon_while_the_database_is_away() -> None:
    def fail(*args: object) -> None:
        raise OperationalError("gone")

    make_due()
    rounds.run_if_due()
    with connection.execute_wrapper(fail):
        assert rounds.seconds_until_late() == rounds.LATE_SECONDS


# ---- What makes a round due


@pytest.mark.parametrize("happens", ["key", "quota", "error"])
def test_what_happens_makes_the_next_round_due_at_once(happens: str) -> None:
    AlertRound.objects.update(due_at=Now() + dt.timedelta(minutes=1))
    if happens == "key":
        queues.pause_for_configuration("API key not valid.")
    elif happens == "quota":
        quota.close(Bucket.MAIN, "quotaExceeded")
    else:
        failed_job("Never seen before")
    assert AlertRound.objects.due().exists()
