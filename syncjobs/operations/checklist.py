"""What a new site still needs: a key, a band, a worker, a schedule, an alert channel."""

from __future__ import annotations

from enum import StrEnum

from django.conf import settings
from django.db.models import Exists, QuerySet

from bands.models import Band

from ..audit.actors import Actor
from ..audit.record import audited
from ..models import AlertChannel, Attempt, AuditEntry, Queue, Worker
from . import schedules

_ACTION, _TARGET = "dismiss_checklist", "checklist"


class Step(StrEnum):
    """The steps, in the order in which people do them."""

    KEY = "key"
    BAND = "band"
    WORKER = "worker"
    SCHEDULE = "schedule"
    CHANNEL = "channel"


def remaining() -> dict[Step, bool] | None:
    """Return for each step whether it is done, or None if all are or if somebody has dismissed the checklist. One query.

    A worker that has ever run counts, because alerts tell when it stops. Workers don't start without a key, but
    for those of a simulated YouTube.
    """
    found = Queue.objects.values_list(
        Exists(Band.objects.all()),
        Exists(Worker.objects.workers()),
        Exists(Attempt.objects.all()),
        Exists(schedules.list_schedules().order_by().filter(enabled=True)),
        Exists(AlertChannel.objects.all()),
        # The audit is the memory: an entry can't be changed, and AUDIT_KEEP_DAYS is longer than anybody sets up a site.
        Exists(_dismissals()),
    ).first()
    has_band, has_worker, has_run, has_schedule, has_channel, is_dismissed = found or (False,) * 6
    has_worker = has_worker or has_run
    done = {
        Step.KEY: (bool(settings.YOUTUBE_API_KEY) or has_worker) and not settings.YOUTUBE_SIMULATED,
        Step.BAND: has_band,
        Step.WORKER: has_worker,
        Step.SCHEDULE: has_schedule,
        Step.CHANNEL: has_channel,
    }
    return None if is_dismissed or all(done.values()) else done


def dismiss(actor: Actor) -> bool:
    """Show the checklist to nobody any more. Return False if it was dismissed before."""
    if _dismissals().exists():
        return False
    with audited(actor, _ACTION, _TARGET):
        return True


def _dismissals() -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(target_type=_TARGET, target_id="", action=_ACTION, result="ok")
