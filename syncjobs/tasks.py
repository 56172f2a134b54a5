"""Celery's entry points: the tasks, and the signals that start and stop a worker's heartbeat."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

from celery import Task, shared_task, states
from celery.exceptions import Ignore
from celery.signals import (
    beat_init,
    task_postrun,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)
from django.conf import settings

from .alerts import courier, deliveries, rounds
from .audit import actors
from .choices import BAND_SYNC_TYPES, JobType, QueueName
from .engine import broker, database, heartbeat, pool, tracing
from .engine import reconcile as engine_reconcile
from .engine.claim import WorkerIdentity, claim_when_back
from .exceptions import DomainError
from .freshness import feeds, hub
from .operations import bulk, cleanup, imports, triggers
from .sync.run import run_attempt

logger = logging.getLogger(__name__)

_MESSAGES_PER_TASK = 10
"""A task sends so many messages before others have their turn."""


@shared_task(bind=True, name=broker.DRAIN_TASK)
def drain(self: Task[Any, Any], queue: str) -> dict[str, list[int]]:
    """Run jobs of the queue one after the other, until none is left.

    After SYNC_JOBS_PER_WAKE_UP jobs, notify the queue again instead, so that other queues get their turn.
    """
    identity = WorkerIdentity(self.request.hostname or "", os.getpid(), self.request.id or "")
    jobs: list[int] = []
    while len(jobs) < settings.SYNC_JOBS_PER_WAKE_UP:
        attempt = claim_when_back(queue, identity)
        if attempt is None:
            break
        jobs.append(attempt.job_id)
        if not run_attempt(attempt):
            break
    else:
        broker.notify(queue)
    if not jobs:
        raise Ignore  # A wake-up that found no job stores no task result.
    return {"jobs": jobs}


@shared_task(name=broker.BULK_TASK, ignore_result=True)
def run_bulk_actions() -> None:
    """Run the pending bulk actions and imports."""
    database.when_back(bulk.run_pending)
    database.when_back(imports.run_pending)


@shared_task(bind=True, name=broker.DELIVER_TASK, ignore_result=True, time_limit=300)
def deliver(self: Task[Any, Any]) -> None:
    """Send the messages that are due. One whose receiver hangs all the same ends with this process, and is sent again."""
    process = f"{self.request.hostname or ''}/{os.getpid()}"
    for _message in range(_MESSAGES_PER_TASK):
        if not deliveries.deliver_next(process):
            return
    broker.notify_deliveries()


@shared_task(name="syncjobs.reconcile", ignore_result=True)
def reconcile() -> None:
    """Reconcile even if no heartbeat does, and continue bulk actions and imports whose wake-up was lost."""
    database.when_back(engine_reconcile.reconcile)
    database.when_back(bulk.run_pending)
    database.when_back(imports.run_pending)


@shared_task(bind=True, name=broker.TRIGGER_TASK, ignore_result=True)
def trigger(self: Task[Any, Any], job_type: str) -> None:
    """Trigger a job for a schedule. The scheduler runs this itself, so that a job doesn't depend on a message."""
    actor = actors.for_schedule(_schedule_name(self.request))
    kind = JobType(job_type)
    try:
        if kind in BAND_SYNC_TYPES:
            database.when_back(triggers.trigger_sync, actor, None, full=kind == JobType.FULL_SYNC)
        else:
            database.when_back(triggers.trigger_maintenance, actor, kind)
    except DomainError as error:  # The audit log has it.
        logger.warning("%s triggered no job: %s", actor.label, error)


@shared_task(name=broker.ALERTS_TASK, ignore_result=True)
def run_alerts() -> None:
    """Run a round of the alerts in the scheduler, if the workers don't."""
    rounds.look(rounds.SCHEDULER_LATE_SECONDS)


@shared_task(bind=True, name=cleanup.TASK, ignore_result=True)
def delete_expired(self: Task[Any, Any]) -> None:
    """Delete expired rows for the daily schedule."""
    database.when_back(cleanup.delete_expired, actors.for_schedule(_schedule_name(self.request)))


def _schedule_name(request: Any) -> str:
    headers = getattr(request, "headers", None) or {}
    return str(getattr(request, "periodic_task_name", "") or headers.get("periodic_task_name", ""))


@task_postrun.connect
def count_failures(state: str, **_: object) -> None:
    """Note whether this process's tasks fail, for the heartbeat of its worker."""
    if state == states.FAILURE:
        pool.failed()
    else:
        pool.succeeded()


@worker_process_init.connect
def forget_failures(**_: object) -> None:
    """Forget the failures of the process that this one replaces."""
    pool.succeeded()


@worker_process_shutdown.connect
def send_spans(**_: object) -> None:
    """Send the spans of the last seconds before the process ends."""
    tracing.flush()


@worker_ready.connect
def start_heartbeat(sender: Any, **_: object) -> None:
    """Start the heartbeat of a worker; `sender` is Celery's consumer."""
    queues = sorted(set(sender.app.amqp.queues.consume_from) & set(QueueName.values))
    courier.start(sender.hostname, is_worker=True)
    concurrency = int(sender.controller.concurrency or 1)
    heartbeat.start(sender.hostname, queues, concurrency, run_alerts=rounds.look, wake_courier=courier.wake)
    hub.start(heartbeat.is_elected)
    feeds.start(heartbeat.is_elected)


@beat_init.connect
def start_courier(**_: object) -> None:
    """Let the scheduler send what no worker sends."""
    courier.start(f"beat@{socket.gethostname()}")


@worker_shutting_down.connect
def release_jobs(sender: str, **_: object) -> None:
    """Release the running jobs of a worker that was asked to stop; `sender` is the worker's name."""
    heartbeat.release_jobs(sender)


@worker_shutdown.connect
def stop_heartbeat(**_: object) -> None:
    """Stop the heartbeat of a worker that has ended."""
    courier.stop()
    hub.stop()
    feeds.stop()
    heartbeat.stop()
