"""How a job moves while workers have it: claimed, renewed, ended, handed back, lost.

Every change is one conditional UPDATE whose row count is checked, in one transaction with its line in the timeline.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from bands.models import Band

from ..choices import BAND_SYNC_TYPES, AttemptOutcome, DelayReason, EventKind, JobStatus
from ..exceptions import Fenced
from ..models import Attempt, SeenVideo, SyncJob
from . import broker, errors
from .attempts import check_interrupts, write_fenced
from .enqueue import create_enrich_child
from .errors import ErrorReport
from .timeline import note, note_each

MAX_ERROR_TEXT = 4000
MAX_TRACEBACK = 20000


def complete(attempt: Attempt) -> None:
    """The work is done. Raises Fenced."""
    with transaction.atomic():
        _end_job(attempt, JobStatus.COMPLETED, AttemptOutcome.SUCCEEDED, EventKind.COMPLETED)
        job = attempt.job
        if job.band_id and job.job_type in BAND_SYNC_TYPES:
            Band.objects.filter(pk=job.band_id).update(
                consecutive_failures=0, channel_problem="", channel_problem_since=None
            )


def leave_to_children(attempt: Attempt) -> None:
    """The attempt of an all-bands job is over when its children are queued; the job goes on until they have ended.

    Raises Fenced; CancelRequested if that was asked for meanwhile (whoever asked has cancelled the children).
    """
    with transaction.atomic():
        write_fenced(attempt, failures_in_a_row=0)
        check_interrupts(attempt.job_id)
        _end_attempt(attempt, AttemptOutcome.SUCCEEDED)
        transaction.on_commit(lambda: complete_parents(attempt.job_id))


def fail(attempt: Attempt, error: str, *, reason: str, trace: str = "", permanent: bool = True) -> None:
    """The work can't be done, and trying again would not help. Raises Fenced."""
    with transaction.atomic():
        _end_job(attempt, JobStatus.FAILED, AttemptOutcome.FAILED, EventKind.FAILED, error, reason=reason, trace=trace)
        errors.record(attempt, [ErrorReport(reason, error, permanent)])
        _count_band_failure(attempt.job)


def retry_later(attempt: Attempt, error: str, *, reason: str, trace: str = "") -> bool:
    """The attempt failed in a way that may pass: back to the queue with backoff, or FAILED after the last try.

    Returns whether another attempt follows. Raises Fenced.
    """
    with transaction.atomic():
        if _ends_by_cancel(attempt):
            return False
        job = SyncJob.objects.get(pk=attempt.job_id)
        failures = job.failures_in_a_row + 1
        if failures >= settings.SYNC_MAX_ATTEMPTS:
            fail(attempt, error, reason=reason, trace=trace, permanent=False)
            return False
        delay = backoff(failures)
        write_fenced(
            attempt,
            status=JobStatus.QUEUED,
            failures_in_a_row=failures,
            run_at=Now() + delay,
            delay_reason=DelayReason.RETRY,
        )
        _end_attempt(attempt, AttemptOutcome.FAILED, error, reason=reason, trace=trace)
        note(
            attempt.job_id,
            EventKind.RETRYING,
            error[:MAX_ERROR_TEXT],
            attempt=attempt.number,
            seconds=round(delay.total_seconds()),
            failures=failures,
        )
        errors.record(attempt, [ErrorReport(reason, error, is_permanent=False, will_retry=True)])
    return True


def backoff(failures: int) -> dt.timedelta:
    """Doubling from SYNC_RETRY_BASE_SECONDS to SYNC_RETRY_MAX_SECONDS, with half of it random (jitter)."""
    longest = min(settings.SYNC_RETRY_BASE_SECONDS * 2 ** (failures - 1), settings.SYNC_RETRY_MAX_SECONDS)
    return dt.timedelta(seconds=longest * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret


def delay(attempt: Attempt, until: dt.datetime, why: DelayReason, message: str) -> None:
    """Quota stopped the attempt, which is no failure: the job goes on when the bucket resets. Raises Fenced."""
    with transaction.atomic():
        if _ends_by_cancel(attempt):
            return
        write_fenced(attempt, status=JobStatus.QUEUED, run_at=until, delay_reason=why)
        _end_attempt(attempt, AttemptOutcome.DELAYED, message)
        note(attempt.job_id, EventKind.DELAYED, message, attempt=attempt.number, until=until.isoformat())


def release(attempt: Attempt, message: str) -> None:
    """The worker can't go on, through no fault of the job: back to its place in the queue. Raises Fenced."""
    with transaction.atomic():
        if _ends_by_cancel(attempt):
            return
        write_fenced(attempt, status=JobStatus.QUEUED, run_at=Now(), handback_requested_at=None)
        _end_attempt(attempt, AttemptOutcome.HANDED_BACK, message)
        note(attempt.job_id, EventKind.HANDED_BACK, message, attempt=attempt.number)
        broker.notify_on_commit(attempt.job.queue_id)


def _ends_by_cancel(attempt: Attempt) -> bool:
    """Whether somebody wants the job cancelled: it is, then, rather than to wait for an attempt that would see it.

    The job's row stays locked, so that whoever asks later finds the job as the attempt has left it.
    """
    asked = SyncJob.objects.select_for_update().filter(pk=attempt.job_id).values_list("cancel_requested_at", flat=True)
    if asked.get() is None:
        return False
    acknowledge_cancel(attempt)
    return True


def acknowledge_cancel(attempt: Attempt) -> None:
    """The worker has seen that it should stop, and does. Raises Fenced."""
    with transaction.atomic():
        write_fenced(attempt, cancel_acknowledged_at=Coalesce("cancel_acknowledged_at", Now()))
        _end_job(attempt, JobStatus.CANCELLED, AttemptOutcome.CANCELLED, EventKind.CANCELLED)


def request_release(worker: str) -> int:
    """Ask for all that the worker has running to go back to its queue; returns how many jobs that is."""
    running = Attempt.objects.running().filter(worker=worker, job_id=OuterRef("pk"))
    return SyncJob.objects.filter(Exists(running), status=JobStatus.IN_PROGRESS).update(handback_requested_at=Now())


def mark_lost(attempt_id: int) -> bool:
    """Take the job from an attempt whose lease has expired. False if it is no longer so."""
    with transaction.atomic():
        attempt = (
            Attempt.objects.expired()
            .select_for_update(of=("self",))
            .filter(pk=attempt_id)
            .select_related("job")
            .first()
        )
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
            _close([job], JobStatus.CANCELLED, EventKind.CANCELLED)
        elif failures >= settings.SYNC_MAX_ATTEMPTS:
            _close([job], JobStatus.FAILED, EventKind.FAILED, message, failures_in_a_row=failures)
            errors.record(attempt, [ErrorReport("workerLost", message, is_permanent=False)])
            _count_band_failure(job)
        else:
            SyncJob.objects.filter(pk=job.pk).update(status=JobStatus.QUEUED, run_at=Now(), failures_in_a_row=failures)
            broker.notify_on_commit(job.queue_id)
    return True


def kill(job_id: int) -> str | None:
    """Take a job whose cancel went unheard past the grace period from its worker; returns the Celery task to kill.

    From the commit on nothing the worker writes takes effect, so it doesn't matter when the kill arrives.
    """
    overdue = timezone.now() - dt.timedelta(seconds=settings.SYNC_CANCEL_GRACE_SECONDS)
    with transaction.atomic():
        job = (
            SyncJob.objects.select_for_update()
            .filter(pk=job_id, status=JobStatus.IN_PROGRESS, cancel_requested_at__lte=overdue)
            .first()
        )
        if job is None:
            return None
        attempt = Attempt.objects.running().filter(job=job, number=job.attempts_made).first()
        if attempt is not None:
            _end_attempt(attempt, AttemptOutcome.KILLED, "Cancelled, and did not stop by itself in time.")
        killed = "Killed after the grace period."
        acknowledged_at = Coalesce("cancel_acknowledged_at", Now())
        _close([job], JobStatus.CANCELLED, EventKind.CANCELLED, killed, cancel_acknowledged_at=acknowledged_at)
    return attempt.task_id if attempt else ""


def complete_parents(job_id: int | None = None) -> int:
    """Complete the all-bands jobs (or this one) whose children have all ended; returns how many.

    Called after each child's commit, when the last of several that end together sees the others' end.
    """
    ready = SyncJob.objects.childless_parents()
    if job_id is not None:
        ready = ready.filter(pk=job_id)
    done = 0
    for parent in ready:
        if parent.checkpoint.get("enrich") and create_enrich_child(parent):
            continue
        with transaction.atomic():
            ended = SyncJob.objects.childless_parents().filter(pk=parent.pk)
            if ended.update(status=JobStatus.COMPLETED, completed_at=Now(), handback_requested_at=None):
                note(parent.pk, EventKind.COMPLETED)
                done += 1
    return done


def _is_waiting_for_children(job: SyncJob) -> bool:
    return job.fans_out and bool(job.checkpoint.get("fanned_out"))


def _end_job(
    attempt: Attempt,
    status: JobStatus,
    outcome: AttemptOutcome,
    kind: EventKind,
    error: str = "",
    *,
    reason: str = "",
    trace: str = "",
) -> None:
    write_fenced(attempt, handback_requested_at=None)
    _end_attempt(attempt, outcome, error, reason=reason, trace=trace)
    _close([attempt.job], status, kind, error)


def _close(jobs: Sequence[SyncJob], status: JobStatus, kind: EventKind, message: str = "", **changes: Any) -> None:
    """End the jobs, whose rows the caller has locked."""
    ids = [job.pk for job in jobs]
    SyncJob.objects.filter(pk__in=ids).update(status=status, completed_at=Now(), delay_reason="", **changes)
    SeenVideo.objects.filter(job_id__in=ids).delete()
    note_each(jobs, kind, message[:MAX_ERROR_TEXT])
    ended = Counter(job.parent_id for job in jobs if job.parent_id is not None)
    for parent_id in sorted(ended):
        SyncJob.objects.filter(pk=parent_id).update(progress_done=F("progress_done") + ended[parent_id])
        transaction.on_commit(partial(complete_parents, parent_id))


def _end_attempt(
    attempt: Attempt, outcome: AttemptOutcome, error: str = "", *, reason: str = "", trace: str = ""
) -> None:
    ended = (
        Attempt.objects.running()
        .filter(pk=attempt.pk)
        .update(
            outcome=outcome,
            ended_at=Now(),
            error=error[:MAX_ERROR_TEXT],
            error_reason=reason[:80],
            traceback=trace[-MAX_TRACEBACK:],
        )
    )
    if not ended:
        raise Fenced


def _count_band_failure(job: SyncJob) -> None:
    if job.band_id and job.job_type in BAND_SYNC_TYPES:
        Band.objects.filter(pk=job.band_id).update(consecutive_failures=F("consecutive_failures") + 1)


def cancel_unclaimed(jobs: Sequence[SyncJob]) -> None:
    """Cancel those of the jobs that no worker has. The caller has locked the rows of all."""
    executed = Attempt.objects.running().filter(job__in=jobs, number=F("job__attempts_made"))
    claimed = set(executed.values_list("job_id", flat=True))
    unclaimed = [job for job in jobs if job.pk not in claimed]
    acknowledged_at = Coalesce("cancel_acknowledged_at", Now())
    _close(unclaimed, JobStatus.CANCELLED, EventKind.CANCELLED, cancel_acknowledged_at=acknowledged_at)
