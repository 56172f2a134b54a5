"""How an attempt ends, and what becomes of its job: completed, failed, retried, delayed, released, lost or cancelled.

Every change is one conditional UPDATE whose row count is checked, in one transaction with its timeline event. A function
that takes an attempt raises Fenced if that attempt may no longer write to the job.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, Exists, F, OuterRef, When
from django.db.models.functions import Coalesce, Now

from bands.models import Band

from ..choices import BAND_SYNC_TYPES, AlertSubject, AttemptOutcome, DelayReason, EventKind, JobStatus
from ..exceptions import Fenced
from ..models import AlertRound, Attempt, SeenVideo, SyncJob
from ..sql import query
from . import broker, errors, job_log
from .enqueue import create_enrich_child
from .errors import ErrorReport
from .lease import check_interrupts, write_fenced
from .timeline import note, note_each

MAX_ERROR_TEXT = 4000
MAX_TRACEBACK = 20000
MAX_LOGGED_TEXT = 500


def complete(attempt: Attempt) -> None:
    """Complete the job."""
    with transaction.atomic():
        _end_job(attempt, JobStatus.COMPLETED, AttemptOutcome.SUCCEEDED)
        job = attempt.job
        if job.band_id and job.job_type in BAND_SYNC_TYPES:
            Band.objects.filter(pk=job.band_id).update(
                consecutive_failures=0, failing_since=None, channel_problem="", channel_problem_since=None
            )
            AlertRound.objects.request_about(AlertSubject.BAND, job.band_id)


def wait_for_children(attempt: Attempt) -> None:
    """End the attempt of an all-bands job whose children are queued. The job stays in progress until they have ended.

    Raises CancelRequested or ReleaseRequested if the job should stop; a cancel has then cancelled the children too.
    """
    with transaction.atomic():
        write_fenced(attempt, failures_in_a_row=0)
        check_interrupts(attempt.job_id)
        _end_attempt(attempt, AttemptOutcome.SUCCEEDED, event="fanned_out")
        transaction.on_commit(lambda: complete_parents(attempt.job_id))


def fail(attempt: Attempt, error: str, *, reason: str, trace: str = "", permanent: bool = True) -> None:
    """End the attempt and mark the job as failed."""
    with transaction.atomic():
        _end_job(attempt, JobStatus.FAILED, AttemptOutcome.FAILED, error, reason=reason, trace=trace)
        errors.record(attempt, [ErrorReport(reason, error, permanent)])
        _count_band_failure(attempt.job)


def retry_later(attempt: Attempt, error: str, *, reason: str, trace: str = "") -> bool:
    """Queue the job again with backoff after a temporary failure, or fail it after its last attempt.

    Return True if another attempt follows.
    """
    with transaction.atomic():
        if _cancel_if_requested(attempt):
            return False
        job = SyncJob.objects.get(pk=attempt.job_id)
        failures = job.failures_in_a_row + 1
        if failures >= settings.SYNC_MAX_ATTEMPTS:
            fail(attempt, error, reason=reason, trace=trace, permanent=False)
            return False
        wait = backoff(failures)
        write_fenced(
            attempt,
            status=JobStatus.QUEUED,
            failures_in_a_row=failures,
            run_at=Now() + wait,
            delay_reason=DelayReason.RETRY,
        )
        facts = {"seconds": round(wait.total_seconds()), "failures": failures}
        texts = {"reason": reason, "trace": trace, "event": "retrying"}
        _end_attempt(attempt, AttemptOutcome.FAILED, error, **texts, retry_in_seconds=facts["seconds"])
        note(attempt.job_id, EventKind.RETRYING, error[:MAX_ERROR_TEXT], attempt=attempt.number, **facts)
        errors.record(attempt, [ErrorReport(reason, error, is_permanent=False, will_retry=True)])
    return True


def backoff(failures: int) -> dt.timedelta:
    """Return the wait before the next attempt: doubled after each failure up to SYNC_RETRY_MAX_SECONDS, half of it random."""
    longest = min(settings.SYNC_RETRY_BASE_SECONDS * 2 ** (failures - 1), settings.SYNC_RETRY_MAX_SECONDS)
    return dt.timedelta(seconds=longest * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret


def delay(attempt: Attempt, until: dt.datetime, reason: DelayReason, message: str) -> None:
    """Queue the job again for when the quota resets. This is not a failure."""
    with transaction.atomic():
        if _cancel_if_requested(attempt):
            return
        write_fenced(attempt, status=JobStatus.QUEUED, run_at=until, delay_reason=reason)
        _end_attempt(attempt, AttemptOutcome.DELAYED, message, until=until.isoformat())
        note(attempt.job_id, EventKind.DELAYED, message, attempt=attempt.number, until=until.isoformat())


def release(attempt: Attempt, message: str, **changes: Any) -> None:
    """Return the job to its place in the queue because this worker can't go on. This is not a failure."""
    with transaction.atomic():
        if _cancel_if_requested(attempt):
            return
        write_fenced(attempt, status=JobStatus.QUEUED, run_at=Now(), release_requested_at=None, **changes)
        _end_attempt(attempt, AttemptOutcome.RELEASED, message)
        note(attempt.job_id, EventKind.RELEASED, message, attempt=attempt.number)
        broker.notify_on_commit(attempt.job.queue_id)


def release_after_outage(attempt: Attempt) -> None:
    """Return the job to its place in the queue because the database was away while it ran.

    The outage is hardly the job's fault. A job that makes no progress between several outages is treated as failed all
    the same, because it may be what crashes the database.
    """
    message = "The database was away while the job ran."
    with transaction.atomic():
        failures = SyncJob.objects.values_list("failures_in_a_row", flat=True).get(pk=attempt.job_id) + 1
        if failures < settings.SYNC_MAX_ATTEMPTS:
            release(attempt, message, failures_in_a_row=failures)
        else:
            retry_later(attempt, message, reason="databaseAway")


def _cancel_if_requested(attempt: Attempt) -> bool:
    """Cancel the job now if somebody asked for that, instead of queueing it for an attempt that would only cancel it.

    The job's row stays locked, so a later request finds the job in its new state. Return True if it was cancelled.
    """
    job = SyncJob.objects.select_for_update().filter(pk=attempt.job_id)
    if job.values_list("cancel_requested_at", flat=True).get() is None:
        return False
    acknowledge_cancel(attempt)
    return True


def acknowledge_cancel(attempt: Attempt) -> None:
    """Cancel the job on behalf of its worker, which has seen the request."""
    with transaction.atomic():
        _end_job(
            attempt,
            JobStatus.CANCELLED,
            AttemptOutcome.CANCELLED,
            changes={"cancel_acknowledged_at": _acknowledged_at()},
        )


def request_release(worker: str) -> int:
    """Ask the worker to release all its running jobs; return their number."""
    running = Attempt.objects.running().filter(worker=worker, job_id=OuterRef("pk"))
    return SyncJob.objects.filter(Exists(running), status=JobStatus.IN_PROGRESS).update(release_requested_at=Now())


def mark_lost(attempt_id: int) -> bool:
    """Mark an attempt lost and queue its job again, or end the job. Return False if the lease is live after all."""
    with transaction.atomic():
        expired = Attempt.objects.expired().filter(pk=attempt_id).select_related("job")
        attempt = expired.select_for_update(of=("self",)).first()
        if attempt is None:
            return False
        job = SyncJob.objects.select_for_update().get(pk=attempt.job_id)
        message = f"Worker {attempt.worker} stopped renewing its lease."
        _end_attempt(attempt, AttemptOutcome.LOST, message)
        if job.status != JobStatus.IN_PROGRESS or job.attempts_made != attempt.number:
            return True
        if _is_waiting_for_children(job) and not job.cancel_requested_at:
            return True
        note(job.pk, EventKind.LOST, message, attempt=attempt.number)
        failures = job.failures_in_a_row + 1
        if job.cancel_requested_at:
            _close([job], JobStatus.CANCELLED)
        elif failures >= settings.SYNC_MAX_ATTEMPTS:
            _close([job], JobStatus.FAILED, message, failures_in_a_row=failures)
            errors.record(attempt, [ErrorReport("workerLost", message, is_permanent=False)])
            _count_band_failure(job)
        else:
            SyncJob.objects.filter(pk=job.pk).update(status=JobStatus.QUEUED, run_at=Now(), failures_in_a_row=failures)
            broker.notify_on_commit(job.queue_id)
    return True


def cancel_unclaimed(jobs: Sequence[SyncJob]) -> None:
    """Cancel those of the jobs that no worker is running. The caller has locked the rows of all."""
    running = Attempt.objects.running().filter(job__in=jobs, number=F("job__attempts_made"))
    claimed = set(running.values_list("job_id", flat=True))
    unclaimed = [job for job in jobs if job.pk not in claimed]
    _close(unclaimed, JobStatus.CANCELLED, cancel_acknowledged_at=_acknowledged_at())


def _acknowledged_at() -> Coalesce:
    return Coalesce("cancel_acknowledged_at", Now())


def kill(job_id: int) -> str | None:
    """Cancel a job whose worker has ignored the request for longer than the grace period.

    Return the id of the Celery task to kill, "" if no attempt is running, or None if the job isn't overdue. Once this is
    committed, nothing that the worker writes takes effect, so it doesn't matter when the kill arrives.
    """
    with transaction.atomic():
        job = SyncJob.objects.past_cancel_grace().filter(pk=job_id).select_for_update().first()
        if job is None:
            return None
        attempt = Attempt.objects.running().filter(job=job, number=job.attempts_made).first()
        if attempt is not None:
            _end_attempt(attempt, AttemptOutcome.KILLED, "The job did not stop within the grace period.")
        message = "Killed after the grace period."
        _close([job], JobStatus.CANCELLED, message, cancel_acknowledged_at=_acknowledged_at())
    return attempt.task_id if attempt else ""


def complete_parents(job_id: int | None = None) -> int:
    """Complete the all-bands jobs (or only the given one) whose children have all ended; return their number.

    Children of paused bands are left to run later, on their own.

    Each child calls this after its commit, so the last of several that end together sees that all have ended.
    """
    ready = SyncJob.objects.completable_parents()
    if job_id is not None:
        ready = ready.filter(pk=job_id)
    completed = 0
    for parent in ready:
        if parent.checkpoint.get("enrich") and create_enrich_child(parent):
            continue
        with transaction.atomic():
            still_ready = SyncJob.objects.completable_parents().filter(pk=parent.pk)
            if still_ready.update(status=JobStatus.COMPLETED, completed_at=Now(), release_requested_at=None):
                note(parent.pk, EventKind.COMPLETED, _without_paused(parent.pk))
                ended = SyncJob.objects.with_child_sums().get(pk=parent.pk)
                ended.add_child_sums()
                job_log.closed([ended], JobStatus.COMPLETED)
                completed += 1
    return completed


def _without_paused(parent_id: int) -> str:
    paused = SyncJob.objects.filter(parent=parent_id).of_paused_bands().count()
    if paused == 1:
        return "Without 1 job of a paused band, which waits until the band is resumed."
    return f"Without {paused} jobs of paused bands, which wait until their bands are resumed." if paused else ""


def _is_waiting_for_children(job: SyncJob) -> bool:
    return job.fans_out and bool(job.checkpoint.get("fanned_out"))


def _end_job(
    attempt: Attempt,
    status: JobStatus,
    outcome: AttemptOutcome,
    error: str = "",
    *,
    reason: str = "",
    trace: str = "",
    changes: dict[str, Any] | None = None,
) -> None:
    write_fenced(attempt, release_requested_at=None, **_closed(status), **(changes or {}))
    _end_attempt(attempt, outcome, error, reason=reason, trace=trace)
    _after_close([attempt.job], status, error)


def _close(jobs: Sequence[SyncJob], status: JobStatus, message: str = "", **changes: Any) -> None:
    """End the jobs with this status, and an event of the same name. The caller has locked their rows."""
    SyncJob.objects.filter(pk__in=[job.pk for job in jobs]).update(**_closed(status), **changes)
    _after_close(jobs, status, message)
    job_log.closed(jobs, status, message)


def _closed(status: JobStatus) -> dict[str, Any]:
    return {"status": status, "completed_at": Now(), "delay_reason": ""}


def _after_close(jobs: Sequence[SyncJob], status: JobStatus, message: str) -> None:
    readers = [job.pk for job in jobs if job.job_type in BAND_SYNC_TYPES]
    if readers:
        SeenVideo.objects.filter(job_id__in=readers).delete()
    note_each(jobs, EventKind(status.value), message[:MAX_ERROR_TEXT])
    ended = Counter(job.parent_id for job in jobs if job.parent_id is not None)
    for parent_id in sorted(ended):
        SyncJob.objects.filter(pk=parent_id).update(progress_done=F("progress_done") + ended[parent_id])
        transaction.on_commit(partial(complete_parents, parent_id))


def _end_attempt(
    attempt: Attempt,
    outcome: AttemptOutcome,
    error: str = "",
    *,
    reason: str = "",
    trace: str = "",
    event: str = "",
    **more: Any,
) -> None:
    """End the attempt, and log it after the commit with the facts in `more`. Raises Fenced if it has ended already."""
    values: dict[str, Any] = {
        "attempt": attempt.pk,
        "outcome": outcome,
        "error": error[:MAX_ERROR_TEXT],
        "reason": reason[:80],
        "traceback": trace[-MAX_TRACEBACK:],
    }
    with connection.cursor() as cursor:
        cursor.execute(query("end_attempt"), values)
        figures = cursor.fetchone()
    if figures is None:
        raise Fenced
    if reason:
        more["error_reason"] = reason
    job_log.ended(attempt, outcome, figures, error[:MAX_LOGGED_TEXT], event, **more)


def _count_band_failure(job: SyncJob) -> None:
    if job.band_id and job.job_type in BAND_SYNC_TYPES:
        since = Case(When(consecutive_failures=0, then=Now()), default=F("failing_since"))
        Band.objects.filter(pk=job.band_id).update(
            consecutive_failures=F("consecutive_failures") + 1, failing_since=since
        )
