"""Heartbeats: what a worker reports, and which worker reconciles."""

from __future__ import annotations

import datetime as dt
import logging
import multiprocessing
import os
import time
from collections.abc import Iterator
from unittest.mock import Mock

import pytest
from django.db import OperationalError, ProgrammingError, connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from syncjobs import tasks
from syncjobs.engine import broker, pool
from syncjobs.engine.claim import WorkerIdentity, claim_when_back
from syncjobs.engine.heartbeat import ELECTED_SILENCE_SECONDS, ROUNDS_PER_HEARTBEAT, Heartbeat, Reporter
from syncjobs.engine.reconcile import reconcile
from syncjobs.models import Worker
from syncjobs.models.workers import WorkerQuerySet
from tests.factories import queue_job

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sound_pool() -> Iterator[None]:
    pool.succeeded()
    yield
    pool.succeeded()


@pytest.fixture
def first() -> Reporter:
    reporter = Reporter("z first", ["video-sync"], 4)
    reporter.report()
    _age("z first", started=60)
    return reporter


@pytest.fixture
def second(first: Reporter) -> Reporter:
    reporter = Reporter("a second", ["video-sync"], 4)
    reporter.report()
    return reporter


def _age(name: str, *, started: float = 0, silent: float = 0) -> None:
    rows = Worker.objects.filter(name=name)
    if started:
        rows.update(started_at=Now() - dt.timedelta(seconds=started))
    rows.update(heartbeat_at=Now() - dt.timedelta(seconds=silent))


def test_the_worker_that_started_first_reconciles(first: Reporter, second: Reporter) -> None:
    assert (first.report(), second.report()) == (True, False)


def test_another_worker_takes_over_while_the_first_is_silent(first: Reporter, second: Reporter) -> None:
    _age("z first", silent=ELECTED_SILENCE_SECONDS + 0.1)
    assert second.report()
    assert first.report()
    assert not second.report()


def test_a_worker_that_stops_or_lost_the_broker_comes_last_but_reconciles_alone(
    first: Reporter, second: Reporter
) -> None:
    assert not first.report(broker_failed=True)
    assert second.report()
    Worker.objects.filter(name="a second").update(stopping_at=Now())
    assert (first.report(), second.report()) == (True, False)
    Worker.objects.filter(name="z first").delete()
    assert second.report()


def test_a_worker_that_no_longer_reconciles_does_not_report_the_broker_again(
    first: Reporter, second: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_job()
    monkeypatch.setattr(broker, "pending_wake_ups", lambda queue: None)
    heartbeat = Heartbeat("z first", ["video-sync"], 4)
    heartbeat._reporter = first
    for _ in range(2):
        heartbeat._run_round()
    assert not heartbeat._is_elected
    failed_at = Worker.objects.get(name="z first").broker_failed_at
    assert failed_at is not None
    for _ in range(2 * ROUNDS_PER_HEARTBEAT):
        heartbeat._run_round()
    assert Worker.objects.get(name="z first").broker_failed_at == failed_at


@pytest.mark.parametrize(("error", "traces"), [(OperationalError("gone"), 0), (ProgrammingError("no such column"), 3)])
def test_an_outage_is_one_warning_and_a_bug_leaves_its_traceback(
    error: Exception, traces: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("syncjobs.engine.heartbeat.reconcile", Mock(side_effect=error))
    monkeypatch.setattr("syncjobs.engine.heartbeat.connections", Mock())
    heartbeat = Heartbeat("z first", ["video-sync"], 4)
    for _ in range(3):
        heartbeat._run_round()
    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [bool(record.exc_info) for record in records] == ([True] * traces or [False])


def test_a_scheduler_is_never_elected_and_elects_nobody() -> None:
    scheduler, worker = Reporter("beat", [], 0, is_scheduler=True), Reporter("worker", ["maintenance"], 1)
    assert (scheduler.report(), worker.report()) == (False, True)


def test_a_worker_replaces_the_row_of_its_predecessor_and_claims(first: Reporter) -> None:
    """Its predecessor was stopping and could not delete the row, because the database stopped too."""
    Worker.objects.filter(name="z first").update(stopping_at=Now(), process_id=1)
    _age("z first", started=3600)
    job, me = queue_job(), WorkerIdentity("z first", os.getpid())
    assert claim_when_back(job.queue_id, me) is None
    Reporter("z first", ["video-sync"], 4).report()
    worker = Worker.objects.get()
    assert (worker.stopping_at, worker.process_id) == (None, os.getpid())
    assert worker.heartbeat_at - worker.started_at < dt.timedelta(minutes=30)
    attempt = claim_when_back(job.queue_id, me)
    assert attempt is not None
    assert attempt.job == job


def test_a_first_report_that_fails_replaces_the_row_later(first: Reporter, monkeypatch: pytest.MonkeyPatch) -> None:
    first.report()
    Worker.objects.update(stopping_at=Now())
    reporter = Reporter("z first", ["video-sync"], 4)
    with monkeypatch.context() as patch:
        patch.setattr(WorkerQuerySet, "delete", Mock(side_effect=OperationalError))
        with pytest.raises(OperationalError):
            reporter.report()
    reporter.report()
    assert Worker.objects.get().stopping_at is None


def test_only_the_first_report_replaces_the_row(first: Reporter) -> None:
    Worker.objects.update(stopping_at=Now())
    first.report()
    assert Worker.objects.get().stopping_at is not None


def test_a_heartbeat_and_a_round_without_work_are_one_statement_each(first: Reporter) -> None:
    reconcile()
    with CaptureQueriesContext(connection) as queries:
        first.report()
        assert not reconcile()
    assert len(queries) == 2, queries.captured_queries


def test_a_heartbeat_stores_the_skew_of_the_hosts_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 300)
    Reporter("slow", [], 1).report()
    skew = Worker.objects.get().clock_skew
    assert skew is not None
    assert abs(skew + 300) < 5


def test_a_worker_fails_while_the_tasks_of_one_of_its_processes_fail(first: Reporter) -> None:
    tasks.count_failures(state="FAILURE")
    first.report()
    assert Worker.objects.get().failing_since is None
    tasks.count_failures(state="FAILURE")
    first.report()
    since = Worker.objects.get().failing_since
    assert since is not None
    first.report()
    assert Worker.objects.get().failing_since == since
    tasks.count_failures(state="IGNORED")
    first.report()
    assert Worker.objects.get().failing_since is None


def _fail() -> None:
    for _number in range(pool.FAILURES):
        pool.failed()


def test_the_main_process_sees_the_failures_of_its_children() -> None:
    child = multiprocessing.get_context("fork").Process(target=_fail)
    child.start()
    child.join()
    assert pool.is_failing()


def test_a_worker_that_cannot_reach_the_broker_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    queue_job()
    monkeypatch.setattr(broker, "pending_wake_ups", lambda queue: None)
    assert not reconcile().broker_answered
    monkeypatch.setattr(broker, "pending_wake_ups", lambda queue: 1)
    assert reconcile().broker_answered
