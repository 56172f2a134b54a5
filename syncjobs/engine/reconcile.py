"""Puts right what crashes leave behind. Run every second by the keeper of each worker, and now and then by beat.

Everything here may run at any time, in several places at once: each change is conditional on still being needed.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass

from django.conf import settings
from django.utils import timezone

from bands.models import Video

from .. import counters
from ..choices import JobType, QueueName
from ..live import changes
from ..models import Attempt, SyncJob
from . import broker, outcomes
from .enqueue import create_enrich


@dataclass(slots=True)
class Report:
    """What was put right."""

    lost: int = 0
    killed: int = 0
    parents_completed: int = 0
    wake_ups_sent: int = 0
    enrich_queued: int = 0
    counts_folded: int = 0
    changes_purged: int = 0

    def __bool__(self) -> bool:
        return any(value for name, value in asdict(self).items() if name not in ("counts_folded", "changes_purged"))


def reconcile() -> Report:
    """Put right what there is. No lock keeps others from doing so too: one who froze with it would stop them all."""
    return Report(
        lost=_lose_expired(),
        killed=_kill_overdue(),
        parents_completed=outcomes.complete_parents(),
        enrich_queued=_queue_enrich(),
        wake_ups_sent=_notify_unnotified(),
        counts_folded=counters.fold(),
        changes_purged=changes.purge(),
    )


def _lose_expired() -> int:
    return sum(outcomes.mark_lost(attempt_id) for attempt_id in Attempt.objects.expired().values_list("pk", flat=True))


def _kill_overdue() -> int:
    overdue = timezone.now() - dt.timedelta(seconds=settings.SYNC_CANCEL_GRACE_SECONDS)
    killed = 0
    for job_id in SyncJob.objects.in_progress().filter(cancel_requested_at__lte=overdue).values_list("pk", flat=True):
        task_id = outcomes.kill(job_id)
        if task_id is None:
            continue
        killed += 1
        if task_id:
            broker.terminate(task_id)
    return killed


def _queue_enrich() -> int:
    """Pending details nobody is about to fetch; a parent in progress queues its own job for them."""
    if not Video.objects.filter(details_pending=True).exists():
        return 0
    fetching = SyncJob.objects.active().filter(job_type=JobType.ENRICH)
    passing = SyncJob.objects.in_progress().filter(job_type=JobType.INCREMENTAL_SYNC)
    if fetching.exists() or passing.exists():
        return 0
    return int(create_enrich().is_new)


def _notify_unnotified() -> int:
    """Notify queues that have runnable jobs but no wake-up in the broker. More than that would only pile up."""
    sent = 0
    for queue in QueueName.values:
        runnable = SyncJob.objects.runnable().filter(queue_id=queue)
        # The jobs are looked for first: an idle system must not ask the broker every second.
        if not runnable.exists() or broker.pending_wake_ups(queue) != 0:
            continue
        wake_ups = min(runnable[: broker.MAX_WAKE_UPS].count(), broker.MAX_WAKE_UPS)
        broker.notify(queue, wake_ups)
        sent += wake_ups
    return sent
