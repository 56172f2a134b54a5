"""Repairs what crashes leave behind. One worker's heartbeat runs this every second, and beat every 30 seconds.

It may run at any time and in several places at once, because each change is conditional on still being needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from bands.models import DETAILS_DUE, DETAILS_NEVER_ASKED, Video

from .. import counters
from ..choices import JobType
from ..live import changes
from ..models import (
    Alert,
    AlertChannel,
    AlertDelivery,
    AlertNotice,
    AlertRound,
    Attempt,
    BandImport,
    BulkAction,
    ErrorDelta,
    JobDelta,
    JobMarkDelta,
    MetricDelta,
    Queue,
    SyncJob,
)
from ..youtube.client import PAGE_SIZE
from . import broker, outcomes, quota
from .enqueue import create_enrich


@dataclass(slots=True)
class Report:
    """The number of repairs of each kind. True if anything was repaired; folding and purging are routine.

    `alerts_due` says that a round of the alerts is due, `messages_due` that there is something to be sent or to be made a
    message of; the caller sees to it.
    """

    lost: int = 0
    killed: int = 0
    parents_completed: int = 0
    wake_ups_sent: int = 0
    enrich_queued: int = 0
    quota_woken: int = 0
    counts_folded: int = 0
    changes_purged: int = 0
    broker_answered: bool = True
    alerts_due: bool = False
    messages_due: bool = False

    def add_wake_ups(self, missing: int, *, sent: int) -> None:
        """Count the wake-ups that the broker accepted. It may answer and still refuse them: it is full or read-only."""
        self.wake_ups_sent += sent
        self.broker_answered &= sent == missing

    def __bool__(self) -> bool:
        routine = ("counts_folded", "changes_purged", "broker_answered", "alerts_due", "messages_due")
        return any(value for name, value in asdict(self).items() if name not in routine)


def reconcile() -> Report:
    """Repair everything. No lock keeps others from doing the same: a process frozen with it would block them all.

    One statement says what there is to do, so an idle site costs only that.
    """
    queues = _look()
    report = Report()
    if not queues:
        return report
    needs = queues[0]
    report.alerts_due, report.messages_due = needs["has_alerts_due"], needs["has_messages_due"]
    if needs["has_lost"]:
        report.lost = _mark_lost()
    if needs["has_overdue"]:
        report.killed = _kill_overdue()
    if needs["has_parents"]:
        report.parents_completed = outcomes.complete_parents()
    if needs["has_details_due"]:
        report.enrich_queued = _queue_enrich()
    if needs["has_waiting_for_quota"]:
        report.quota_woken = quota.wake_delayed()
    if needs["has_deltas"]:
        report.counts_folded = counters.fold()
    if needs["has_old_changes"]:
        report.changes_purged = changes.purge()
    if needs["has_bulk_actions"] or needs["has_imports"]:
        _wake_for_bulk_actions(report)
    for queue in queues:
        # The repairs above notify the queues of the jobs that they release.
        if queue["has_runnable"]:
            _send_missing_wake_ups(queue["name"], report)
    return report


def _look() -> Sequence[Mapping[str, Any]]:
    """Return each queue with whether it has runnable jobs, and what needs to be repaired in any of them."""
    return list(
        Queue.objects.annotate(
            has_runnable=Exists(SyncJob.objects.runnable().filter(queue_id=OuterRef("pk"))),
            has_lost=Exists(Attempt.objects.expired()),
            has_overdue=Exists(SyncJob.objects.past_cancel_grace()),
            has_parents=Exists(SyncJob.objects.completable_parents()),
            has_details_due=Exists(Video.objects.filter(DETAILS_DUE))
            | Exists(Video.objects.filter(DETAILS_NEVER_ASKED).order_by()[PAGE_SIZE - 1 : PAGE_SIZE]),
            has_bulk_actions=Exists(BulkAction.objects.filter(ended_at=None)),
            has_imports=Exists(BandImport.objects.filter(ended_at=None)),
            has_waiting_for_quota=Exists(quota.waiting_jobs()),
            has_deltas=Exists(JobDelta.objects.all())
            | Exists(JobMarkDelta.objects.all())
            | Exists(ErrorDelta.objects.all())
            | Exists(MetricDelta.objects.all()),
            has_old_changes=changes.has_old(),
            has_alerts_due=Exists(AlertRound.objects.due()),
            has_messages_due=Exists(Alert.objects.unrouted())
            | Exists(AlertNotice.objects.due())
            | Exists(AlertDelivery.objects.due())
            | Exists(AlertChannel.objects.to_ping()),
        ).values()
    )


def _mark_lost() -> int:
    return sum(outcomes.mark_lost(attempt_id) for attempt_id in Attempt.objects.expired().values_list("pk", flat=True))


def _kill_overdue() -> int:
    killed = 0
    for job_id in SyncJob.objects.past_cancel_grace().values_list("pk", flat=True):
        task_id = outcomes.kill(job_id)
        if task_id is None:
            continue
        killed += 1
        if task_id:
            broker.terminate(task_id)
    return killed


def _queue_enrich() -> int:
    """Queue an ENRICH job for pending details, unless one is active or a parent in progress will queue its own."""
    enriching = SyncJob.objects.active().filter(job_type=JobType.ENRICH)
    syncing = SyncJob.objects.in_progress().filter(job_type=JobType.INCREMENTAL_SYNC)
    if enriching.exists() or syncing.exists():
        return 0
    return int(create_enrich().is_new)


def _wake_for_bulk_actions(report: Report) -> None:
    """Tell a worker about bulk actions and imports that no worker is running, if its message was lost."""
    with transaction.atomic():
        is_waiting = any(
            kind._default_manager.filter(ended_at=None)
            .select_for_update(skip_locked=True, no_key=True)
            .values_list("pk")
            .first()
            for kind in (BulkAction, BandImport)
        )
    if not is_waiting:
        return
    pending = broker.pending_wake_ups(broker.BULK_QUEUE)
    if pending is None:
        report.broker_answered = False
    elif pending == 0:
        report.add_wake_ups(1, sent=int(broker.notify_bulk()))


def _send_missing_wake_ups(queue: str, report: Report) -> None:
    """Notify a queue that has runnable jobs but no wake-up in the broker. More wake-ups would only pile up."""
    pending = broker.pending_wake_ups(queue)
    if pending is None:
        report.broker_answered = False
    elif pending == 0:
        wake_ups = SyncJob.objects.runnable().filter(queue_id=queue)[: broker.MAX_WAKE_UPS].count()
        report.add_wake_ups(wake_ups, sent=broker.notify(queue, wake_ups))
