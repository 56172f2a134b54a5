"""Going on after the database was away, without losing or repeating a claim, a lease or an outcome."""

from __future__ import annotations

import threading

import pytest
from django.conf import LazySettings
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from syncjobs import tasks
from syncjobs.choices import AttemptOutcome, JobStatus, JobType, QueueName
from syncjobs.engine import claim as claims
from syncjobs.engine import database, lease, outcomes
from syncjobs.exceptions import is_away, unavailable
from syncjobs.models import Attempt, SyncJob
from syncjobs.sync import run
from syncjobs.sync.context import JobContext, JobMeter, LeaseRenewal
from syncmonitor.celery import app
from tests.concurrency import in_thread
from tests.factories import claim, queue_job, wait_for, worker

pytestmark = pytest.mark.django_db(transaction=True)


def break_connection() -> None:
    """End this thread's database session, as a restart of PostgreSQL does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]

    def terminate() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    in_thread(terminate)


def error_of(statement: str) -> Exception:
    with pytest.raises(DatabaseError) as caught, connection.cursor() as cursor:
        cursor.execute(statement)
    return caught.value


def test_an_ended_session_is_an_outage() -> None:
    break_connection()
    assert is_away(error_of("SELECT 1"))
    connection.close()


def test_a_read_only_database_is_an_outage_and_a_wrong_statement_is_not() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    assert is_away(error_of("DELETE FROM syncjobs_worker"))
    connection.close()
    assert not is_away(error_of("SELECT 1/0"))
    assert not is_away(error_of("SELECT nothing"))
    assert not is_away(ValueError())


@pytest.mark.parametrize("code", ["40P01", "40001", "55P03", "25P03", "25P04", "53200", "57P01", "08006"])
def test_an_error_that_passes_is_an_outage_for_workers_and_for_people(code: str) -> None:
    error = error_of(f"DO $$ BEGIN RAISE EXCEPTION 'busy' USING ERRCODE = '{code}'; END $$")
    assert is_away(error)
    assert unavailable(error) is not None
    connection.close()


def test_a_closed_cursor_is_a_bug_and_a_closed_connection_is_an_outage() -> None:
    with connection.cursor() as cursor:
        pass
    with pytest.raises(InterfaceError) as caught:
        cursor.execute("SELECT 1")
    assert not is_away(caught.value)
    assert unavailable(caught.value) is None
    connection.connection.close()
    assert is_away(InterfaceError("connection already closed"))
    connection.close()


def test_an_outage_is_logged_once_a_minute(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    monkeypatch.setattr(database.time, "monotonic", lambda: now)
    outage = database.OutageLog(database.logger)
    for _ in range(130):
        outage.warn("Away")
        now += 1
    assert caplog.text.count("Away") == 3
    assert outage.end()
    assert not outage.end()
    outage.warn("Away")
    assert caplog.text.count("Away") == 4


def test_a_claim_replaces_a_stale_connection() -> None:
    queue_job()
    break_connection()
    assert claims.claim_when_back(QueueName.VIDEO_SYNC, worker()) is not None


def test_a_claim_whose_commit_was_not_confirmed_is_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    job = queue_job()
    other = queue_job(dedupe_key="other")
    real, calls = claims.claim_next, []

    def claim_and_break(*arguments: object) -> Attempt | None:
        attempt = real(*arguments)  # type: ignore[arg-type]
        calls.append(attempt)
        if len(calls) == 1:
            raise OperationalError("server closed the connection unexpectedly")
        return attempt

    monkeypatch.setattr(claims, "claim_next", claim_and_break)
    attempt = claims.claim_when_back(QueueName.VIDEO_SYNC, worker())
    assert attempt is not None
    assert (attempt.job_id, len(calls)) == (job.pk, 1)
    other.refresh_from_db()
    assert other.status == JobStatus.QUEUED


def test_a_job_that_loses_the_database_goes_back_to_its_queue_and_completes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = queue_job(JobType.PRUNE)
    times = []

    def break_once(context: JobContext) -> None:
        times.append(context)
        if len(times) == 1:
            break_connection()
            SyncJob.objects.count()

    monkeypatch.setitem(run._HANDLERS, JobType.PRUNE, break_once)
    result = tasks.drain.apply(args=[QueueName.MAINTENANCE])
    assert result.get() == {"jobs": [job.pk, job.pk]}
    job.refresh_from_db()
    assert (job.status, job.error_count) == (JobStatus.COMPLETED, 0)
    ends = list(job.attempts.order_by("number").values_list("outcome", flat=True))
    assert ends == [AttemptOutcome.RELEASED, AttemptOutcome.SUCCEEDED]


def test_an_outcome_whose_commit_was_not_confirmed_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    job = queue_job(JobType.PRUNE)
    real = outcomes.complete

    def complete_and_break(attempt: Attempt) -> None:
        real(attempt)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(outcomes, "complete", complete_and_break)
    assert run.run_attempt(claim(QueueName.MAINTENANCE))
    job.refresh_from_db()
    assert (job.status, job.attempts_made) == (JobStatus.COMPLETED, 1)


def test_a_job_that_loses_the_database_each_time_fails_in_the_end(
    monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    settings.SYNC_MAX_ATTEMPTS = 3
    job = queue_job(JobType.PRUNE)

    def lose(context: JobContext) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setitem(run._HANDLERS, JobType.PRUNE, lose)
    tasks.drain.apply(args=[QueueName.MAINTENANCE])
    job.refresh_from_db()
    assert (job.status, job.attempts_made) == (JobStatus.FAILED, 3)
    assert job.attempts.order_by("number").last().error_reason == "databaseAway"  # type: ignore[union-attr]


def test_a_lease_is_renewed_again_after_renewals_that_failed(
    monkeypatch: pytest.MonkeyPatch, settings: LazySettings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SYNC_LEASE_SECONDS = 30
    queue_job()
    attempt = claim()
    real, failures = lease.renew_lease, iter(range(2))

    def renew(attempt: Attempt) -> bool:
        if next(failures, None) is not None:
            raise OperationalError("the database system is starting up\nline 2")
        return real(attempt)

    monkeypatch.setattr(lease, "renew_lease", renew)
    end = Attempt.objects.get().lease_expires_at
    settings.SYNC_LEASE_SECONDS = 1  # Renewed every quarter of it.
    with LeaseRenewal(attempt, JobMeter(attempt)):
        wait_for(lambda: Attempt.objects.get().lease_expires_at != end, 20, lambda: str(threading.enumerate()))
    warnings = [record.getMessage() for record in caplog.records if "lease" in record.getMessage()]
    assert len(warnings) == 1
    assert all("\n" not in text and "starting up" in text for text in warnings)


def test_celery_makes_no_log_entry_of_each_line_that_is_printed() -> None:
    assert app.conf.worker_redirect_stdouts is False
