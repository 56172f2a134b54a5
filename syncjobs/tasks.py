"""Celery tasks: claim, delegate, nothing else."""

from __future__ import annotations

import os
from typing import Any

from celery import Task, shared_task
from celery.exceptions import Ignore
from django.conf import settings

from .audit import actors
from .choices import BAND_SYNC_TYPES, JobType
from .engine import (
    attempts,
    broker,
    heartbeat,  # noqa: F401 - connects itself to the worker's signals
)
from .engine import reconcile as reconciling
from .operations import bulk, cleanup
from .operations import jobs as job_operations
from .sync.run import run_attempt


@shared_task(bind=True, name=broker.DRAIN_TASK)
def drain(self: Task[Any, Any], queue: str) -> dict[str, list[int]]:
    """Execute jobs of the queue, one after the other, until there is none or the bound is reached; then ring again."""
    identity = attempts.WorkerIdentity(self.request.hostname or "", os.getpid(), self.request.id or "")
    jobs: list[int] = []
    while len(jobs) < settings.SYNC_JOBS_PER_WAKE_UP and not attempts.is_stopping(identity):
        attempt = attempts.claim_next(queue, identity)
        if attempt is None:
            break
        jobs.append(attempt.job_id)
        if not run_attempt(attempt):
            break
    else:
        broker.notify(queue)
    if not jobs:
        raise Ignore  # A bell that found nothing leaves no row among the results.
    return {"jobs": jobs}


@shared_task(name=broker.BULK_TASK, ignore_result=True)
def work_off_bulk() -> None:
    """Retry or cancel what people asked for in the background."""
    bulk.run_pending()


@shared_task(name="syncjobs.reconcile", ignore_result=True)
def reconcile() -> None:
    """The second line behind the keepers of the workers."""
    reconciling.reconcile()
    bulk.run_pending()


@shared_task(bind=True, name="syncjobs.trigger", ignore_result=True)
def trigger(self: Task[Any, Any], job_type: str) -> None:
    """What the schedules of beat call."""
    actor = actors.for_schedule(_schedule_name(self.request))
    kind = JobType(job_type)
    if kind in BAND_SYNC_TYPES:
        job_operations.trigger_sync(actor, None, full=kind == JobType.FULL_SYNC)
    else:
        job_operations.trigger_maintenance(actor, kind)


@shared_task(bind=True, name=cleanup.TASK, ignore_result=True)
def delete_expired(self: Task[Any, Any]) -> None:
    """What beat calls once a day."""
    cleanup.delete_expired(actors.for_schedule(_schedule_name(self.request)))


def _schedule_name(request: Any) -> str:
    return str(getattr(request, "periodic_task_name", "") or "")
