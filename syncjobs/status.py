"""How the queues stand: exact figures, each counting the very rows that the list it links to shows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Min, Q
from django.db.models.functions import Now
from django.utils import timezone

from . import counters
from .choices import QUEUE_OF_TYPE, JobStatus, JobType, QueueName
from .models import Queue, SyncJob, Worker

WORKER_SILENCE_SECONDS = 30
"""A worker whose heartbeat is older is taken for dead."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """A queue's jobs by state. The six counts sum to the jobs there are in it."""

    name: str
    waiting: int
    active: int
    delayed: int
    completed: int
    failed: int
    cancelled: int
    oldest_waiting_since: dt.datetime | None
    workers: int
    paused_at: dt.datetime | None
    paused_by: str
    pause_reason: str
    as_of: dt.datetime

    def as_json(self) -> dict[str, Any]:
        """In the words of the API."""
        age = None if self.oldest_waiting_since is None else (self.as_of - self.oldest_waiting_since).total_seconds()
        return {
            "name": self.name,
            "waiting": self.waiting,
            "active": self.active,
            "delayed": self.delayed,
            "completed": self.completed,
            "failed": self.failed,
            "cancelled": self.cancelled,
            "paused": self.paused_at is not None,
            "pausedAt": self.paused_at,
            "pausedBy": self.paused_by or None,
            "pauseReason": self.pause_reason or None,
            "oldestRunnableAge": age,
            "workers": self.workers,
            "asOf": self.as_of,
        }


_COUNTS = {
    JobStatus.IN_PROGRESS: "active",
    JobStatus.COMPLETED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "cancelled",
}


def queues() -> list[QueueState]:
    """All queues. The counts of ended jobs cost the same however many there are."""
    with transaction.atomic():
        _read_one_snapshot()
        now = timezone.now()
        counted: dict[str, dict[str, int]] = {name: {} for name in QueueName.values}
        for cell in counters.cells(counters.Selection()):
            if cell.status in _COUNTS:
                states, state = counted[QUEUE_OF_TYPE[JobType(cell.job_type)]], _COUNTS[JobStatus(cell.status)]
                states[state] = states.get(state, 0) + cell.n
        queued = SyncJob.objects.filter(status=JobStatus.QUEUED).values("queue_id").order_by()
        waiting: dict[str, dict[str, Any]] = {
            row["queue_id"]: dict(row)
            for row in queued.annotate(
                waiting=Count("pk", filter=Q(run_at__lte=Now())),
                delayed=Count("pk", filter=Q(run_at__gt=Now())),
                oldest=Min("run_at", filter=Q(run_at__lte=Now())),
            )
        }
        alive = Worker.objects.filter(heartbeat_at__gt=now - dt.timedelta(seconds=WORKER_SILENCE_SECONDS))
        consumed = [queue for worker in alive for queue in worker.queues]
        rows = list(Queue.objects.order_by("name"))
    return [
        QueueState(
            name=queue.name,
            waiting=waiting.get(queue.name, {}).get("waiting", 0),
            delayed=waiting.get(queue.name, {}).get("delayed", 0),
            **{state: counted[queue.name].get(state, 0) for state in _COUNTS.values()},
            oldest_waiting_since=waiting.get(queue.name, {}).get("oldest"),
            workers=consumed.count(queue.name),
            paused_at=queue.paused_at,
            paused_by=queue.paused_by,
            pause_reason=queue.pause_reason,
            as_of=now,
        )
        for queue in rows
    ]


def _read_one_snapshot() -> None:
    """What the transaction's statements see is of one moment, so that the states sum to the jobs there are."""
    if not connection.in_atomic_block or len(connection.savepoint_ids):
        return
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
