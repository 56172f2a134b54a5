"""How the queues stand: exact figures, each counting the very rows that the list it links to shows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Min, Q
from django.db.models.functions import Now
from django.utils import timezone

from .choices import JobStatus
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


def queues() -> list[QueueState]:
    """All queues, in one snapshot."""
    now = timezone.now()
    due = Q(status=JobStatus.QUEUED, run_at__lte=Now())
    counted: dict[str, dict[str, Any]] = {
        row["queue_id"]: dict(row)
        for row in SyncJob.objects.values("queue_id")
        .order_by()
        .annotate(
            waiting=Count("pk", filter=due),
            delayed=Count("pk", filter=Q(status=JobStatus.QUEUED, run_at__gt=Now())),
            active=Count("pk", filter=Q(status=JobStatus.IN_PROGRESS)),
            completed=Count("pk", filter=Q(status=JobStatus.COMPLETED)),
            failed=Count("pk", filter=Q(status=JobStatus.FAILED)),
            cancelled=Count("pk", filter=Q(status=JobStatus.CANCELLED)),
            oldest=Min("run_at", filter=due),
        )
    }
    alive = Worker.objects.filter(heartbeat_at__gt=now - dt.timedelta(seconds=WORKER_SILENCE_SECONDS))
    consumed = [queue for worker in alive for queue in worker.queues]
    names = ("waiting", "active", "delayed", "completed", "failed", "cancelled")
    return [
        QueueState(
            name=queue.name,
            **{name: counted.get(queue.name, {}).get(name, 0) for name in names},
            oldest_waiting_since=counted.get(queue.name, {}).get("oldest"),
            workers=consumed.count(queue.name),
            paused_at=queue.paused_at,
            paused_by=queue.paused_by,
            pause_reason=queue.pause_reason,
            as_of=now,
        )
        for queue in Queue.objects.order_by("name")
    ]
