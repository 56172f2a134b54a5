"""Attempts at a job: claim it, renew the lease, and write to the job only while that lease is live."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce, Now

from ..choices import EventKind, JobStatus
from ..exceptions import CancelRequested, Fenced, ReleaseRequested
from ..models import Attempt, Queue, SyncJob, Worker
from .timeline import note


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """The worker, the process and the Celery task that run an attempt."""

    name: str
    process_id: int
    task_id: str = ""


def claim_next(queue: str, worker: WorkerIdentity) -> Attempt | None:
    """Claim the best runnable job of the queue: by priority, then age. Return None if there is no such job.

    A statement of its own locks the queue's row first, so that the next one sees everything committed before. Claims of
    one queue are therefore serial and exactly in order. With SKIP LOCKED alone, a claim could overtake an earlier one.
    A pause updates the same row, so it commits after the last claim before it.
    """
    with transaction.atomic():
        if Queue.objects.select_for_update(no_key=True).filter(pk=queue).first() is None:
            return None
        # SKIP LOCKED passes over a job that somebody is cancelling right now.
        runnable = SyncJob.objects.runnable().filter(queue_id=queue).in_claim_order()
        best = runnable.select_for_update(of=("self",), no_key=True, skip_locked=True)
        row = best.values_list("pk", "attempts_made").first()
        if row is None:
            return None
        job_id, number = row[0], row[1] + 1
        SyncJob.objects.filter(pk=job_id).update(
            status=JobStatus.IN_PROGRESS,
            attempts_made=number,
            delay_reason="",
            handback_requested_at=None,
            started_at=Coalesce("started_at", Now()),
        )
        attempt = Attempt.objects.create(
            job_id=job_id,
            number=number,
            worker=worker.name,
            process_id=worker.process_id,
            task_id=worker.task_id,
            lease_expires_at=_lease_end(),
        )
        note(job_id, EventKind.STARTED, worker.name, attempt=number)
    return Attempt.objects.select_related("job__band", "job__parent").get(pk=attempt.pk)


def is_stopping(worker: WorkerIdentity) -> bool:
    """Return True if the worker has been asked to stop."""
    return Worker.objects.filter(name=worker.name, stopping_at__isnull=False).exists()


def _lease_end() -> CombinedExpression:
    return Now() + dt.timedelta(seconds=settings.SYNC_LEASE_SECONDS)


def renew_lease(attempt: Attempt) -> bool:
    """Extend the lease. Return False if it has expired or the attempt has ended; neither can be undone."""
    return bool(
        Attempt.objects.running()
        .filter(pk=attempt.pk, lease_expires_at__gt=Now())
        .update(lease_expires_at=_lease_end())
    )


def write_fenced(attempt: Attempt, **changes: Any) -> None:
    """Update the attempt's job and keep its row locked for the rest of the transaction.

    Raises Fenced unless the attempt is the job's newest, is still running and has a live lease.
    """
    live = Attempt.objects.running().filter(pk=attempt.pk, lease_expires_at__gt=Now())
    job = SyncJob.objects.in_progress().filter(Exists(live), pk=attempt.job_id, attempts_made=attempt.number)
    if not job.update(**changes):
        raise Fenced


def save_progress(attempt: Attempt, *, checkpoint: dict[str, Any], **changes: Any) -> None:
    """Save the checkpoint and counts in the caller's transaction, and reset the count of failures in a row.

    Raises Fenced.
    """
    write_fenced(attempt, checkpoint=checkpoint, failures_in_a_row=0, **changes)


def check_interrupts(job_id: int) -> None:
    """Raise CancelRequested or ReleaseRequested if the job should stop, Fenced if it was deleted."""
    requests = SyncJob.objects.filter(pk=job_id).values_list("cancel_requested_at", "handback_requested_at").first()
    if requests is None:
        raise Fenced
    cancel_requested_at, release_requested_at = requests
    if cancel_requested_at:
        raise CancelRequested
    if release_requested_at:
        raise ReleaseRequested
