"""Claim the next job of a queue, in order of priority and age. A claim starts an attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from ..models import Attempt, Queue, Worker
from ..sql import query
from . import database, job_log


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """The worker, the process and the Celery task that run an attempt."""

    name: str
    process_id: int
    task_id: str = ""


def claim_when_back(queue: str, worker: WorkerIdentity) -> Attempt | None:
    """Claim like `claim_next` once the database answers. Return None also if the worker has been asked to stop.

    The connection may break while a claim is committed, so a repeated call first looks for the attempt of that claim.
    """
    is_repeated = False

    def claim() -> Attempt | None:
        nonlocal is_repeated
        attempt = _claimed_by(worker) if is_repeated else None
        is_repeated = True
        if attempt is None and not _is_stopping(worker):
            attempt = claim_next(queue, worker)
        return attempt

    return database.when_back(claim)


def _claimed_by(worker: WorkerIdentity) -> Attempt | None:
    mine = Attempt.objects.running().filter(worker=worker.name, process_id=worker.process_id, task_id=worker.task_id)
    return mine.filter(lease_expires_at__gt=Now()).select_related("job__band", "job__parent").order_by("pk").last()


def _is_stopping(worker: WorkerIdentity) -> bool:
    return Worker.objects.filter(name=worker.name, stopping_at__isnull=False).exists()


def claim_next(queue: str, worker: WorkerIdentity) -> Attempt | None:
    """Claim the best runnable job of the queue: by priority, then age. Return None if there is no such job.

    A statement of its own locks the queue's row first, so that the next one sees everything committed before. Claims of
    one queue are therefore serial and exactly in order. With SKIP LOCKED alone, a claim could overtake an earlier one.
    A pause updates the same row, so no claim commits after a pause has.
    """
    values: dict[str, Any] = {
        "queue": queue,
        "worker": worker.name,
        "process_id": worker.process_id,
        "task_id": worker.task_id,
        "lease": settings.SYNC_LEASE_SECONDS,
    }
    with transaction.atomic():
        if Queue.objects.select_for_update(no_key=True).filter(pk=queue, paused_at__isnull=True).first() is None:
            return None
        with connection.cursor() as cursor:
            cursor.execute(query("claim_job"), values)
            row = cursor.fetchone()
    if row is None:
        return None
    attempt = Attempt.objects.select_related("job__band", "job__parent").get(pk=row[0])
    job_log.started(attempt)
    return attempt
