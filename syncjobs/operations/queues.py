"""Everything a person or a schedule can do, each thing once: admin, API and commands are thin skins over this file.

Each operation takes an actor, leaves an audit row, and guards the states in which it makes sense. Errors are those of
`exceptions`; after one, nothing has changed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from ..audit.actors import SYSTEM, Actor
from ..audit.record import audited
from ..choices import (
    QueueName,
)
from ..engine import broker
from ..exceptions import (
    InvalidInput,
)
from ..models import Queue, SyncJob

ALL_QUEUES = "all"
MAX_REASON = 500
_CLEAR_BATCH = 500


# ---- Queues


def pause_queue(actor: Actor, name: str, reason: str = "") -> list[str]:
    """From the return of this on, no job of the queue (or of "all") starts. Running ones finish.

    A person who pauses what is paused already, and says why, puts her reason beside it. Returns the queues that were not
    paused before. Raises InvalidInput.
    """
    reason = reason.strip()
    if len(reason) > MAX_REASON:
        raise InvalidInput(_("A reason has at most %(most)s characters.") % {"most": MAX_REASON}, field="reason")
    with audited(actor, "pause_queue", "queue", name) as span:
        states = dict(_queues(name).order_by("name").select_for_update(no_key=True).values_list("name", "paused_at"))
        paused = [queue for queue, paused_at in states.items() if paused_at is None]
        said = {"paused_by": actor.label[:150], "pause_reason": reason}
        Queue.objects.filter(name__in=paused).update(paused_at=Now(), **said)
        if reason and actor.is_personal:
            Queue.objects.filter(name__in=set(states) - set(paused)).update(**said)
        span.message = reason
        span.data = {"paused": paused}
    return paused


def resume_queue(actor: Actor, name: str) -> list[str]:
    """Let the workers go on with the queue (or "all"). Returns the queues that were paused. Raises InvalidInput."""
    with audited(actor, "resume_queue", "queue", name) as span:
        queues = _queues(name).filter(paused_at__isnull=False).order_by("name")
        resumed = list(queues.select_for_update(no_key=True).values_list("name", flat=True))
        Queue.objects.filter(name__in=resumed).update(paused_at=None, paused_by="", pause_reason="")
        for queue in resumed:
            waiting = SyncJob.objects.waiting().filter(queue_id=queue)[: broker.MAX_WAKE_UPS].count()
            broker.notify_on_commit(queue, wake_ups=waiting)
        span.data = {"resumed": resumed}
    return resumed


def pause_for_configuration(message: str) -> None:
    """YouTube refuses our key: no job can work until a person has seen to it."""
    pause_queue(SYSTEM, ALL_QUEUES, f"YouTube refuses the API key: {message}"[:MAX_REASON])


@dataclass(frozen=True, slots=True)
class FailedJobs:
    """The jobs of some queues that had failed by a time, and how many those were."""

    queues: list[str]
    until: dt.datetime
    count: int


def clear_failed(actor: Actor, name: str = ALL_QUEUES) -> int:
    """Delete the failed jobs that a queue (or "all") has now; returns how many. Raises InvalidInput.

    Each batch is a transaction of its own: locks are short however many there are, and what was deleted before a
    failure stays so.
    """
    with audited(actor, "clear_failed", "queue", name) as span:
        failed = failed_of(name)
        span.data = {"count": failed.count}
    return clear(failed)


def clear(failed: FailedJobs) -> int:
    """Delete all of them; returns how many."""
    cleared = 0
    while batch := clear_batch(failed):
        cleared += batch
    return cleared


def failed_of(name: str) -> FailedJobs:
    """The failed jobs that a queue (or "all") has now. Raises InvalidInput."""
    queues = list(_queues(name).values_list("name", flat=True))
    until = timezone.now()
    return FailedJobs(queues, until, _failed(queues, until).count())


@transaction.atomic
def clear_batch(failed: FailedJobs) -> int:
    """Delete some of them; returns how many, 0 when none is left."""
    jobs = _failed(failed.queues, failed.until).order_by("pk")
    # The rows are locked in order first, so that two who clear don't deadlock.
    ids = list(jobs.select_for_update().values_list("pk", flat=True)[:_CLEAR_BATCH])
    # What is not cleared itself of an all-bands job that is outlives it.
    children = SyncJob.objects.filter(parent_id__in=ids)
    children.exclude(Exists(jobs.filter(pk=OuterRef("pk")))).update(parent=None)
    _, deleted = SyncJob.objects.filter(pk__in=ids).delete()
    return deleted.get("syncjobs.SyncJob", 0)


def _failed(queues: Sequence[str], until: dt.datetime) -> QuerySet[SyncJob]:
    jobs = SyncJob.objects.failed().filter(queue_id__in=queues)
    return jobs.filter(Q(completed_at__lte=until) | Q(completed_at=None))


def _queues(name: str) -> QuerySet[Queue]:
    if name == ALL_QUEUES:
        return Queue.objects.all()
    if name not in QueueName.values:
        known = ", ".join([*QueueName.values, ALL_QUEUES])
        said = _("There is no queue “%(name)s”. The queues are %(queues)s.") % {"name": name[:60], "queues": known}
        raise InvalidInput(said, field="queue")
    return Queue.objects.filter(name=name)
