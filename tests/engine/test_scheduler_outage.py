"""Beat while the database is away: it waits, and then sends what is due."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from syncjobs.engine.scheduler import Scheduler
from syncjobs.models import Worker
from syncmonitor.celery import app
from syncmonitor.postgresql.base import DatabaseWrapper

pytestmark = pytest.mark.django_db(transaction=True)


@contextlib.contextmanager
def database_away() -> Iterator[None]:
    """Refuse connections to the database, as it does while it restarts."""

    def refuse(*_: object) -> None:
        raise OperationalError("connection refused\nIs the server running?")

    connections.close_all()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseWrapper, "get_new_connection", refuse)
        yield
        connections.close_all()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the schedules that were sent, without a broker."""
    names: list[str] = []

    def send(self: Scheduler, entry: Any, producer: object = None) -> None:
        names.append(entry.name)

    monkeypatch.setattr(Scheduler, "apply_entry", send)
    return names


def make_scheduler() -> Scheduler:
    return Scheduler(app=app)


def schedule(name: str, *, hours_ago: float) -> PeriodicTask:
    every, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.HOURS)
    last = timezone.now() - dt.timedelta(hours=hours_ago)
    return PeriodicTask.objects.create(name=name, task="syncjobs.reconcile", interval=every, last_run_at=last)


def tick(scheduler: Scheduler) -> None:
    for _ in range(5):
        scheduler.tick()


def test_a_scheduler_that_starts_without_a_database_waits_for_it(
    sent: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    schedule("hourly", hours_ago=2)
    with database_away():
        scheduler = make_scheduler()
        assert scheduler.tick() == 1.0
    assert [record.exc_info for record in caplog.records if record.levelno >= logging.WARNING] == [None]
    tick(scheduler)
    assert sent == ["hourly"]
    assert Worker.objects.filter(is_scheduler=True).exists()
    assert PeriodicTask.objects.filter(name="celery.backend_cleanup").exists()


def test_an_outage_while_schedules_are_installed_is_made_up_for(
    sent: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    scheduler = make_scheduler()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scheduler.Entry, "from_entry", lambda *_, **__: (_ for _ in ()).throw(OperationalError("gone")))
        assert scheduler.tick() == 1.0
    assert [record.exc_info for record in caplog.records if record.levelno >= logging.WARNING] == [None]
    tick(scheduler)
    assert PeriodicTask.objects.filter(name="celery.backend_cleanup").exists()


def test_an_outage_is_one_sentence_a_tick(sent: list[str], caplog: pytest.LogCaptureFixture) -> None:
    scheduler = make_scheduler()
    tick(scheduler)
    with database_away():
        assert scheduler.tick() == 1.0
    (record,) = (each for each in caplog.records if each.levelno >= logging.WARNING)
    assert record.getMessage().endswith("OperationalError: connection refused")


def test_a_change_that_a_tick_missed_is_read_by_the_next(sent: list[str]) -> None:
    scheduler = make_scheduler()
    tick(scheduler)
    schedule("new", hours_ago=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scheduler, "all_as_schedule", lambda self: (_ for _ in ()).throw(OperationalError("gone")))
        assert scheduler.tick() == 1.0
    tick(scheduler)
    assert sent == ["new"]


def test_a_scheduler_that_ends_is_not_shown_as_dead(sent: list[str]) -> None:
    scheduler = make_scheduler()
    scheduler.tick()
    assert Worker.objects.filter(is_scheduler=True).exists()
    scheduler.close()
    scheduler.close()
    assert not Worker.objects.filter(is_scheduler=True).exists()


def test_a_scheduler_ends_without_a_database(sent: list[str], caplog: pytest.LogCaptureFixture) -> None:
    scheduler = make_scheduler()
    scheduler.tick()
    with database_away():
        scheduler.close()
    (record,) = (each for each in caplog.records if each.levelno >= logging.WARNING)
    assert record.getMessage().startswith("Could not delete the row of beat@")


def test_a_scheduler_stopped_within_a_statement_of_a_tick_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler of SIGTERM closes the scheduler. A statement there would wait for ever for the one that it interrupts."""
    schedule("hourly", hours_ago=2)
    scheduler = make_scheduler()

    def interrupt(self: Scheduler, entry: Any, producer: object = None) -> None:
        scheduler.close()
        raise SystemExit

    monkeypatch.setattr(Scheduler, "apply_entry", interrupt)
    with pytest.raises(SystemExit):
        tick(scheduler)
    assert Worker.objects.filter(is_scheduler=True).exists()
    scheduler.close()
    assert not Worker.objects.filter(is_scheduler=True).exists()
