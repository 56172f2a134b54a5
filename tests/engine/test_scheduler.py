"""Beat's schedules run once each, by the database's clock, whatever happens to Redis, to the database or to a second beat."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import pytest
import redis
from django.db import OperationalError, connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTask, PeriodicTasks

from syncjobs.choices import JobStatus
from syncjobs.engine import clock
from syncjobs.engine.scheduler import Scheduler
from syncjobs.models import AuditEntry, SyncJob, Worker
from syncjobs.operations import schedules, triggers
from syncmonitor.celery import app
from tests.factories import PERSON, queue_job

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = dt.timedelta(hours=1)


@pytest.fixture(autouse=True)
def tasks() -> None:
    app.loader.import_default_modules()


def _schedule(
    name: str = "Prune", ago: dt.timedelta = 2 * HOUR, *, job_type: str = "PRUNE", **fields: Any
) -> PeriodicTask:
    """Create an hourly schedule that last ran so long ago."""
    values = {"name": name, "job_type": job_type, "enabled": True, "interval": {"every": 1, "period": "hours"}}
    task = schedules.save(PERSON, None, values)
    PeriodicTask.objects.filter(pk=task.pk).update(**{"last_run_at": clock.now() - ago} | fields)
    return task


def _run(scheduler: Scheduler, ticks: int = 8) -> None:
    for _ in range(ticks):
        scheduler.tick()


def _jobs() -> int:
    return SyncJob.objects.filter(requested_by_label="schedule: Prune").count()


def _end_jobs() -> None:
    """End the jobs, so that another run would queue a new one."""
    SyncJob.objects.update(status=JobStatus.COMPLETED, completed_at=clock.now())


def test_a_due_schedule_triggers_its_job_without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise redis.ConnectionError("Connection refused")

    monkeypatch.setattr(app.amqp, "send_task_message", refuse)
    task = _schedule()
    scheduler = Scheduler(app)
    _run(scheduler)
    assert _jobs() == 1
    task.refresh_from_db()
    assert clock.now() - task.last_run_at < dt.timedelta(minutes=1)
    assert task.total_run_count == 1
    assert AuditEntry.objects.filter(actor_label="schedule: Prune", result="ok").exists()
    monkeypatch.undo()
    _end_jobs()
    _run(Scheduler(app))
    assert _jobs() == 1


def test_two_beats_run_a_schedule_once() -> None:
    _schedule()
    first, second = Scheduler(app), Scheduler(app)
    for scheduler in (first, second):
        _ = scheduler.schedule  # Both have read it as due.
    _run(first)
    _end_jobs()
    _run(second)
    assert _jobs() == 1


def test_a_run_that_is_not_stored_triggers_nothing_and_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    _schedule()
    real, calls = triggers.trigger_maintenance, []

    def lose_the_connection(*arguments: Any, **options: Any) -> Any:
        created = real(*arguments, **options)
        calls.append(created)
        if len(calls) == 1:
            raise OperationalError("the connection is closed")
        return created

    monkeypatch.setattr(triggers, "trigger_maintenance", lose_the_connection)
    scheduler = Scheduler(app)
    _run(scheduler)
    assert not SyncJob.objects.exists()
    scheduler._read_again_at = 0.0
    _run(scheduler)
    assert len(calls) == 2
    assert _jobs() == 1


def test_a_run_that_ends_in_a_deadlock_is_repeated_and_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = _schedule()
    other = _schedule("Other", job_type="ENRICH")
    real, calls = triggers.trigger_maintenance, []

    def conflict(actor: Any, job_type: Any) -> Any:
        created = real(actor, job_type)
        calls.append(actor.label)
        if calls.count("schedule: Prune") == 1 and actor.label == "schedule: Prune":
            with connection.cursor() as cursor:
                cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END $$")
        return created

    monkeypatch.setattr(triggers, "trigger_maintenance", conflict)
    scheduler = Scheduler(app)
    _run(scheduler)
    other.refresh_from_db()
    assert (_jobs(), other.total_run_count) == (0, 1)
    task.refresh_from_db()
    assert task.total_run_count == 0
    scheduler._read_again_at = 0.0
    _run(scheduler)
    assert (_jobs(), sorted(calls)) == (1, ["schedule: Other", "schedule: Prune", "schedule: Prune"])


def test_a_schedule_runs_once_although_the_databases_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    _schedule()
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() - 3 * HOUR)
    _run(Scheduler(app))
    assert _jobs() == 1
    _end_jobs()
    _run(Scheduler(app))
    assert _jobs() == 1


def test_the_clock_is_read_again_after_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = Scheduler(app)
    scheduler.tick()
    with monkeypatch.context() as patch:
        patch.setattr(Scheduler, "_store_run", lambda *_: (_ for _ in ()).throw(OperationalError("gone")))
        _schedule()
        assert any(scheduler.tick() == 1.0 for _ in range(8))
    assert scheduler._reported_at is None


def test_a_run_whose_connection_breaks_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    _schedule()
    real, calls = triggers.trigger_maintenance, []

    def end_the_session(*arguments: Any) -> Any:
        calls.append(arguments)
        created = real(*arguments)
        if len(calls) == 1:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return created

    monkeypatch.setattr(triggers, "trigger_maintenance", end_the_session)
    _run(Scheduler(app))
    assert (len(calls), _jobs()) == (2, 1)


def test_a_schedule_that_fails_is_logged_and_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = _schedule("Broken")
    PeriodicTask.objects.filter(pk=broken.pk).update(kwargs='{"job_type": "NONSENSE"}')
    _schedule()
    _run(Scheduler(app))
    assert _jobs() == 1
    assert caplog.text.count("The schedule Broken failed") == 1


def test_a_refused_trigger_counts_as_a_run(caplog: pytest.LogCaptureFixture) -> None:
    task = _schedule("All bands")
    PeriodicTask.objects.filter(pk=task.pk).update(kwargs='{"job_type": "FULL_SYNC"}')
    queue_job(dedupe_key="FULL_SYNC:all", fans_out=True)
    SyncJob.objects.update(status=JobStatus.IN_PROGRESS, cancel_requested_at=clock.now())
    _run(Scheduler(app))
    assert caplog.text.count("schedule: All bands triggered no job") == 1
    assert (
        AuditEntry.objects.filter(actor_label="schedule: All bands").values_list("result", flat=True)[0] == "conflict"
    )
    assert not Worker.objects.filter(failing_since__isnull=False).exists()


@pytest.mark.parametrize("minutes", [-5, 5])
def test_the_databases_clock_says_what_is_due(minutes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real_time, real_now = time.time, timezone.now
    monkeypatch.setattr(time, "time", lambda: real_time() + 60 * minutes)
    monkeypatch.setattr(timezone, "now", lambda: real_now() + dt.timedelta(minutes=minutes))
    monkeypatch.setattr(app, "now", lambda: real_now() + dt.timedelta(minutes=minutes))
    _schedule("Soon", HOUR - dt.timedelta(minutes=2))
    _schedule("Prune", HOUR + dt.timedelta(minutes=2))
    _run(Scheduler(app))
    assert set(SyncJob.objects.values_list("requested_by_label", flat=True)) == {"schedule: Prune"}
    run = PeriodicTask.objects.get(name="Prune").last_run_at
    assert abs(clock.now() - run) < dt.timedelta(minutes=1)


def test_a_change_by_a_web_server_with_a_slow_clock_is_noticed() -> None:
    task = _schedule(ago=dt.timedelta(0))
    scheduler = Scheduler(app)
    _run(scheduler)
    PeriodicTask.objects.filter(pk=task.pk).update(last_run_at=clock.now() - 2 * HOUR)
    PeriodicTasks.objects.update(last_update=timezone.now() - 3 * HOUR)
    _run(scheduler)
    assert _jobs() == 1


def test_a_task_that_redis_does_not_accept_stays_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cleanup, for example, is sent to a worker, because it may take minutes."""
    PeriodicTask.objects.exclude(task="celery.backend_cleanup").delete()
    task = PeriodicTask.objects.create(
        name="Cleanup", task="syncjobs.housekeep", interval=_schedule().interval, last_run_at=clock.now() - 2 * HOUR
    )
    sent: list[str] = []
    is_away = True

    def send(_producer: Any, name: str, *_: Any, **__: Any) -> None:
        if is_away:
            raise redis.ConnectionError("Connection refused")
        sent.append(name)

    monkeypatch.setattr(app.amqp, "send_task_message", send)
    scheduler = Scheduler(app)
    _run(scheduler)
    due = PeriodicTask.objects.get(pk=task.pk)
    assert due.last_run_at == task.last_run_at
    assert _jobs() == 1, "the task that could not be sent must not stop the others"
    is_away = False
    scheduler._read_again_at = 0.0
    _run(scheduler)
    assert "syncjobs.housekeep" in sent
    assert PeriodicTask.objects.get(pk=task.pk).last_run_at > task.last_run_at
