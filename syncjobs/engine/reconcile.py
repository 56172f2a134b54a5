"""Repairs what crashes leave behind. The heartbeat of each worker runs this every second, and beat every 30 seconds.

It may run at any time and in several places at once, because each change is conditional on still being needed.
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
    """The number of repairs of each kind. True if anything was repaired; folding and purging are routine."""

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
    """Repair everything. Takes no lock, because a frozen holder would block everyone."""
    return Report(
        lost=_mark_lost(),
        killed=_kill_overdue(),
        parents_completed=outcomes.complete_parents(),
        enrich_queued=_queue_enrich(),
        wake_ups_sent=_send_missing_wake_ups(),
        counts_folded=counters.fold(),
        changes_purged=changes.purge(),
    )


def _mark_lost() -> int:
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
    """Queue an ENRICH job for pending details, unless one is active or a parent in progress will queue its own."""
    if not Video.objects.filter(details_pending=True).exists():
        return 0
    enriching = SyncJob.objects.active().filter(job_type=JobType.ENRICH)
    syncing = SyncJob.objects.in_progress().filter(job_type=JobType.INCREMENTAL_SYNC)
    if enriching.exists() or syncing.exists():
        return 0
    return int(create_enrich().is_new)


def _send_missing_wake_ups() -> int:
    """Notify queues that have runnable jobs but no wake-up in the broker. More wake-ups would only pile up."""
    sent = 0
    for queue in QueueName.values:
        runnable = SyncJob.objects.runnable().filter(queue_id=queue)
        # The database comes first, so that an idle system doesn't ask the broker every second.
        if not runnable.exists() or broker.pending_wake_ups(queue) != 0:
            continue
        wake_ups = runnable[: broker.MAX_WAKE_UPS].count()
        broker.notify(queue, wake_ups)
        sent += wake_ups
    return sent
