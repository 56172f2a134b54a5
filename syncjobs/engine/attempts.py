"""How a job moves while workers have it: claimed, renewed, ended, handed back, lost.

Every change is one conditional UPDATE whose row count is checked, in one transaction with its line in the timeline.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, QuerySet
from django.db.models.functions import Now

from ..choices import AttemptOutcome, EventKind, JobStatus
from ..exceptions import CancelRequested, Fenced, ReleaseRequested
from ..models import Attempt, Queue, SyncJob, Worker
from .timeline import note


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """Which worker, which process of it, and which Celery task executes an attempt."""

    name: str
    process_id: int
    task_id: str = ""


def claim_next(queue: str, worker: WorkerIdentity) -> Attempt | None:
    """Claim the best runnable job of the queue, or None.

    The queue's row is locked first, and by a statement of its own, so that what follows sees all that was committed
    before. So claims of one queue come one after the other, exactly in order: with SKIP LOCKED alone, a claim would
    overtake one that still waits. And a pause, which updates that row, commits after the last claim before it.
    """
    with transaction.atomic():
        if Queue.objects.select_for_update(no_key=True).filter(pk=queue).first() is None:
            return None
        claimed = _take_best(queue)
        if claimed is None:
            return None
        job_id, number = claimed
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
    """Whether the worker was told to stop: what it hands back, and what waits, is for others."""
    return Worker.objects.filter(name=worker.name, stopping_at__isnull=False).exists()


def _take_best(queue: str) -> tuple[int, int] | None:
    best = SyncJob.objects.runnable().filter(queue_id=queue).in_claim_order().values("pk")[:1]
    picked, params = best.query.sql_with_params()
    jobs = SyncJob._meta.db_table
    # A row that someone is just cancelling is passed over rather than waited for.
    statement = f"""
        WITH best (id) AS ({picked} FOR NO KEY UPDATE OF "{jobs}" SKIP LOCKED)
        UPDATE "{jobs}" AS job
           SET status = %s, attempts_made = attempts_made + 1, delay_reason = '', handback_requested_at = NULL,
               started_at = COALESCE(started_at, clock_timestamp())
          FROM best WHERE job.id = best.id
        RETURNING job.id, job.attempts_made"""  # noqa: S608 - only names of our own tables are put in
    with connection.cursor() as cursor:
        cursor.execute(statement, [*params, JobStatus.IN_PROGRESS])
        row = cursor.fetchone()
    return (int(row[0]), int(row[1])) if row else None


def _lease_end() -> Any:
    return Now() + dt.timedelta(seconds=settings.SYNC_LEASE_SECONDS)


def renew_lease(attempt: Attempt) -> bool:
    """Push the lease's end; False once it has expired or the attempt was ended: then it stays so."""
    return bool(
        Attempt.objects.running()
        .filter(pk=attempt.pk, lease_expires_at__gt=Now())
        .update(lease_expires_at=_lease_end())
    )


def held_by(attempt: Attempt) -> QuerySet[SyncJob]:
    """The attempt's job, as long as the attempt may write to it: it is the newest, not ended, and its lease runs.

    `.update()` on this is the fence: 0 rows means that someone else has the job.
    """
    alive = Attempt.objects.filter(pk=attempt.pk, outcome=AttemptOutcome.RUNNING, lease_expires_at__gt=Now())
    return SyncJob.objects.filter(
        Exists(alive), pk=attempt.job_id, status=JobStatus.IN_PROGRESS, attempts_made=attempt.number
    )


def write_fenced(attempt: Attempt, **changes: Any) -> None:
    """Change the attempt's job and keep its row locked for the rest of the transaction. Raises Fenced."""
    if not held_by(attempt).update(**changes):
        raise Fenced


def check_interrupts(job_id: int) -> None:
    """Raise CancelRequested or ReleaseRequested if someone wants the job to stop."""
    asked = SyncJob.objects.filter(pk=job_id).values_list("cancel_requested_at", "handback_requested_at").first()
    if asked is None:
        raise Fenced
    if asked[0]:
        raise CancelRequested
    if asked[1]:
        raise ReleaseRequested


def save_progress(attempt: Attempt, *, checkpoint: dict[str, Any], **changes: Any) -> None:
    """Save the checkpoint and counts in the caller's transaction. Progress made forgives the failures before it."""
    write_fenced(attempt, checkpoint=checkpoint, failures_in_a_row=0, **changes)
