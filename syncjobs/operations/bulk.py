"""Act on many jobs at once: retry, cancel, change queued ones, or delete failed ones. Large actions run in the background."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import BigIntegerField, Exists, Func, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..audit.actors import Actor
from ..audit.record import audited
from ..choices import ACTIVE_STATUSES, RETRYABLE_STATUSES, TERMINAL_STATUSES, EventKind, JobStatus, Origin
from ..engine import broker, clock
from ..engine.enqueue import Created
from ..exceptions import DomainError, InvalidInput, NotFound, is_away
from ..models import BulkAction, JobEvent, SyncJob
from ..models.querysets import SyncJobQuerySet
from . import errors, queued_jobs, queues
from . import jobs as job_operations
from .jobs import Cancelled
from .queued_jobs import Change, Changed
from .rates import limited
from .waiting import pauses

logger = logging.getLogger(__name__)

MAX_JOBS = 100_000
MAX_FOREGROUND = 1000
"""With more jobs than this, a retry or cancel runs in the background."""
MAX_FOREGROUND_CLEAR = 5000
"""With more jobs than this, deleting failed jobs runs in the background."""
MAX_REFUSALS_KEPT = 1000
"""A background action stores the reasons of this many refusals."""
PERMISSIONS: dict[str, str] = {
    BulkAction.Action.RETRY: "syncjobs.retry_job",
    BulkAction.Action.CANCEL: "syncjobs.cancel_job",
    **dict.fromkeys(queued_jobs.ACTIONS, "syncjobs.trigger_sync"),
}
"""What may be done to selected jobs, with the permission for it."""
_CHUNK = 50
_CLEAR_BATCH = 500


@dataclass(slots=True)
class BulkResult:
    """Results by job id: `retried` has the job that runs in its place, `refused` the error message.

    The retried jobs in `covered_by` got no job of their own: the job there does the same for them. Of the cancelled jobs,
    those in `stopping` still run. `changed` are queued jobs that now run at another time or in another order. `children`
    are further jobs that were cancelled or changed with their parents, and `ended` those of the refused ones that had ended.
    """

    retried: dict[int, int] = field(default_factory=dict)
    covered_by: dict[int, int] = field(default_factory=dict)
    cancelled: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    stopping: set[int] = field(default_factory=set)
    children: set[int] = field(default_factory=set)
    refused: dict[int, str] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)

    @property
    def succeeded(self) -> int:
        return len(self.retried) + len(self.cancelled) + len(self.changed)

    @property
    def queued(self) -> int:
        """The number of new jobs."""
        return len(self.retried) - len(self.covered_by)

    def add(self, job_id: int, outcome: Created | Cancelled | Changed | DomainError) -> None:
        """Add the result of one job."""
        if isinstance(outcome, Created):
            self.retried[job_id] = outcome.job.pk
            # A second retry of a job is answered with the first one.
            if not outcome.is_new:
                self.covered_by[job_id] = outcome.job.pk
        elif isinstance(outcome, Cancelled):
            self.cancelled.append(job_id)
            self.children |= outcome.children
            if outcome.is_stopping:
                self.stopping.add(job_id)
        elif isinstance(outcome, Changed):
            self.changed.append(job_id)
            self.children |= outcome.children
        elif job_id in self.children:
            (self.changed or self.cancelled).append(job_id)
        else:
            self.refused[job_id] = outcome.message
            if outcome.details.get("status") in TERMINAL_STATUSES:
                self.ended.add(job_id)


def summary(action: str, result: BulkResult) -> str:
    """Return the number of jobs in each state after the action, the first reason of a refusal, and what the jobs wait for."""
    is_retry = action == BulkAction.Action.RETRY
    tell = {BulkAction.Action.RETRY.value: _retry_parts, BulkAction.Action.CANCEL.value: _cancel_parts}.get(action)
    parts = tell(result) if tell else _change_parts(action, result)
    refused = [why for job_id, why in result.refused.items() if is_retry or job_id not in result.ended]
    is_to_start = action in (BulkAction.Action.RUN, BulkAction.Action.FRONT)
    to_run = {*result.retried.values(), *(result.changed if is_to_start else ())}
    if refused:
        refusals = ngettext("%(n)s refused: %(why)s", "%(n)s refused, the first because: %(why)s", len(refused))
        parts.append(refusals % {"n": _number(len(refused)), "why": refused[0]})
    return f"{'; '.join(parts)}{'' if refused else '.'} {pauses(to_run)}".rstrip()


def _retry_parts(result: BulkResult) -> list[str]:
    new = {job_id for old, job_id in result.retried.items() if old not in result.covered_by}
    by_new = sum(covering in new for covering in result.covered_by.values())
    by_others = len(result.covered_by) - by_new
    covered = ngettext(
        "%(n)s is covered by a job that was already queued or running",
        "%(n)s are covered by jobs that were already queued or running",
        by_others,
    )
    return _counted(
        (result.queued, _("%(n)s queued")),
        (by_new, ngettext("%(n)s is covered by them", "%(n)s are covered by them", by_new)),
        (by_others, covered),
    )


def _cancel_parts(result: BulkResult) -> list[str]:
    return _counted(
        (len(result.cancelled) - len(result.stopping), _("%(n)s cancelled")),
        (len(result.stopping), _("%(n)s stopping")),
        (len(result.children), _("%(n)s child jobs cancelled or stopping with them")),
        (len(result.ended), _("%(n)s had ended")),
    )


def _change_parts(action: str, result: BulkResult) -> list[str]:
    done = {
        BulkAction.Action.RUN: _("%(n)s no longer delayed"),
        BulkAction.Action.DELAY: _("%(n)s delayed"),
        BulkAction.Action.PRIORITY: _("%(n)s given another priority"),
        BulkAction.Action.FRONT: _("%(n)s moved to the front"),
    }
    return _counted(
        (len(result.changed), done[BulkAction.Action(action)]),
        (len(result.children), _("%(n)s child jobs changed with them")),
        (len(result.ended), _("%(n)s had ended")),
    )


def _counted(*states: tuple[int, str]) -> list[str]:
    """Name each state that has jobs, the first one in any case."""
    return [text % {"n": _number(n)} for place, (n, text) in enumerate(states) if n or not place]


def _number(value: int) -> str:
    return number_format(value, force_grouping=True)


def eligible_ids(jobs: QuerySet[SyncJob], action: str) -> list[int]:
    """Return the ids of the jobs whose state allows the action, oldest first. Raises InvalidInput for too many.

    Jobs in any other state are refused one by one.
    """
    _check_action(action)
    ids = list(jobs.filter(_is_eligible(action)).order_by("pk").values_list("pk", flat=True)[: MAX_JOBS + 1])
    _check_count(ids)
    return ids


def _is_eligible(action: str) -> Q:
    if action == BulkAction.Action.RETRY:
        return Q(status__in=RETRYABLE_STATUSES)
    if action == BulkAction.Action.CANCEL:
        return Q(status__in=ACTIVE_STATUSES, cancel_requested_at=None)
    queued = Q(status=JobStatus.QUEUED)
    if action == BulkAction.Action.RUN:
        queued &= Q(run_at__gt=Now())
    return queued | Q(status=JobStatus.IN_PROGRESS, fans_out=True)


def _check_action(action: str) -> None:
    if action not in PERMISSIONS:
        allowed = ", ".join(PERMISSIONS)
        raise InvalidInput(_("Action must be one of %(actions)s.") % {"actions": allowed}, field="action")


def _check_count(ids: Sequence[int]) -> None:
    if len(ids) > MAX_JOBS:
        message = _("More than %(most)s jobs are selected. Narrow the filter.")
        raise InvalidInput(message % {"most": MAX_JOBS}, field="filter")


@limited
def start(actor: Actor, action: str, job_ids: Sequence[int], change: Change | None = None) -> BulkResult | BulkAction:
    """Act on jobs: at once, or in the background if there are more than MAX_FOREGROUND.

    `change` has the time of a delay, the priority, or `once` for a retry. Raises InvalidInput.
    """
    ids = list(dict.fromkeys(job_ids))
    _check_action(action)
    _check_count(ids)
    change = change or Change(action)
    with audited(actor, f"bulk_{action}", "jobs") as span:
        span.data = {"count": len(ids), **change.values()}
        queued_jobs.check(change)
        if action == BulkAction.Action.FRONT:
            # Each chunk goes before the last one, so that the oldest of all comes first.
            ids.sort(reverse=True)
        if len(ids) > MAX_FOREGROUND:
            # A worker of an older release cancels the jobs of an action that it doesn't know. It finds none by these ids.
            kept = [-job_id for job_id in ids] if action in queued_jobs.ACTIONS else ids
            bulk = _enqueue(actor, action, len(ids), job_ids=kept, values=change.values())
            span.data["bulk"] = bulk.pk
            return bulk
    return apply(actor, action, ids, change)


@limited
def retry_group(actor: Actor, fingerprint: str) -> BulkResult | BulkAction:
    """Retry the jobs of an error group that nobody has retried yet. Raises NotFound, InvalidInput."""
    with audited(actor, "retry_group", "error", fingerprint[:16]) as span:
        errors.get_error_group(fingerprint)
        ids = list(errors.unretried_jobs(fingerprint=fingerprint).values_list("pk", flat=True)[: MAX_JOBS + 1])
        span.data = {"jobs": len(ids)}
    return start(actor, BulkAction.Action.RETRY, ids, Change(BulkAction.Action.RETRY, once=True))


def failed_jobs(queue_names: Sequence[str], until: dt.datetime) -> SyncJobQuerySet:
    """Return the jobs that `clear_failed` deletes: failed by `until`, retried or not."""
    jobs = SyncJob.objects.failed().filter(queue_id__in=queue_names)
    return jobs.filter(Q(completed_at__lte=until) | Q(completed_at=None))


def clear_failed(actor: Actor, queue: str = queues.ALL_QUEUES, until: dt.datetime | None = None) -> int | BulkAction:
    """Delete the failed jobs of a queue or of "all": at once, or in the background if there are many.

    Jobs that fail after `until` (default: now) stay. Return how many were deleted, or the background action.
    Each batch is a transaction of its own: locks are short, and a failure keeps what was deleted before it.
    Raises InvalidInput.
    """
    until = until or clock.now()
    with audited(actor, "clear_failed", "queue", queue) as span:
        names = queues.queue_names(queue)
        count = failed_jobs(names, until).count()
        span.data = {"count": count}
        if count > MAX_FOREGROUND_CLEAR:
            selection = {"queues": names, "until": until.isoformat()}
            bulk = _enqueue(actor, BulkAction.Action.CLEAR, count, failed_jobs=selection)
            span.data["bulk"] = bulk.pk
            return bulk
    cleared = 0
    while batch := _clear_batch(names, until):
        cleared += batch
    return cleared


@transaction.atomic
def _clear_batch(queue_names: Sequence[str], until: dt.datetime) -> int:
    """Delete some of the jobs; return how many, 0 if none is left."""
    jobs = failed_jobs(queue_names, until).order_by("pk")
    # Lock in order first: two concurrent deletions must not deadlock.
    ids = list(jobs.select_for_update().values_list("pk", flat=True)[:_CLEAR_BATCH])
    # Children that are not deleted themselves outlive their all-bands job.
    children = SyncJob.objects.filter(parent_id__in=ids)
    children.exclude(Exists(jobs.filter(pk=OuterRef("pk")))).update(parent=None)
    _total, deleted = SyncJob.objects.filter(pk__in=ids).delete()
    return deleted.get("syncjobs.SyncJob", 0)


def _enqueue(actor: Actor, action: str, total: int, **selection: Any) -> BulkAction:
    """Save the action for the workers, in the caller's transaction."""
    broker.notify_bulk_on_commit()
    return BulkAction.objects.create(
        action=action,
        total=total,
        actor_id=actor.user_id,
        actor_label=actor.label,
        origin=actor.origin,
        address=actor.address,
        **selection,
    )


def apply(actor: Actor, action: str, job_ids: Sequence[int], change: Change | None = None) -> BulkResult:
    """Act on the jobs now, each as the operation for one job does."""
    result = BulkResult()
    for first in range(0, len(job_ids), _CHUNK):
        _apply_chunk(actor, change or Change(action), job_ids[first : first + _CHUNK], result)
    result.children.difference_update(result.cancelled, result.changed)
    return result


def _act(
    actor: Actor, change: Change, job_ids: Sequence[int]
) -> Mapping[int, Created | Cancelled | Changed | DomainError]:
    if change.action == BulkAction.Action.RETRY:
        return job_operations.retry_jobs(actor, job_ids, once=change.once)
    if change.action == BulkAction.Action.CANCEL:
        return job_operations.cancel_jobs(actor, job_ids)
    return queued_jobs.change_jobs(actor, job_ids, change)


def _apply_chunk(actor: Actor, change: Change, job_ids: Sequence[int], result: BulkResult) -> None:
    try:
        outcomes = _act(actor, change, job_ids)
    except Exception as error:
        if is_away(error):
            raise  # The caller answers so, or tries again later.
        # One job that breaks must not block the others and all later bulk actions for ever.
        if len(job_ids) > 1:
            logger.warning("%s failed for %s jobs; trying one by one", change.action, len(job_ids), exc_info=True)
            for job_id in job_ids:
                _apply_chunk(actor, change, [job_id], result)
            return
        logger.exception("%s failed for job #%s", change.action, job_ids[0])
        result.refused[job_ids[0]] = _("Something went wrong on the server. It has been logged.")
        return
    for job_id, outcome in outcomes.items():
        result.add(job_id, outcome)


def get_bulk_action(bulk_id: int) -> BulkAction:
    """Return the background action without its job ids. Raises NotFound."""
    bulk = BulkAction.objects.filter(pk=bulk_id).defer("job_ids").first()
    if bulk is None:
        raise NotFound(_("There is no bulk action %(id)s.") % {"id": bulk_id}, field="id")
    return bulk


def run_pending() -> int:
    """Run the background actions that no other worker is running; return the number of jobs acted on."""
    total = 0
    while (acted_on := _run_chunk()) is not None:
        total += acted_on
    return total


@transaction.atomic
def _run_chunk() -> int | None:
    """Act on the next jobs of the oldest unfinished action; None if there is none.

    The lock on its row keeps other workers off, and `done` is saved in the transaction that acts on the jobs.
    """
    unfinished = BulkAction.objects.select_for_update(skip_locked=True).filter(ended_at=None).defer("job_ids")
    bulk = unfinished.order_by("pk").first()
    if bulk is None:
        return None
    is_clear = bulk.action == BulkAction.Action.CLEAR
    acted_on = _clear_chunk(bulk) if is_clear else _act_on_chunk(bulk)
    bulk.done += acted_on
    # Deleting ends when no failed job is left: other people may have deleted some meanwhile.
    if not acted_on or (not is_clear and bulk.done >= bulk.total):
        bulk.ended_at = Now()
    bulk.save(update_fields=["done", "succeeded", "covered", "refused", "ended_at"])
    return acted_on


def _act_on_chunk(bulk: BulkAction) -> int:
    chunk = BulkAction.objects.filter(pk=bulk.pk).values_list(f"job_ids__{bulk.done}_{bulk.done + _CHUNK}", flat=True)
    ids = [abs(job_id) for job_id in chunk.get()]
    actor = Actor(bulk.actor_label, Origin(bulk.origin), bulk.actor_id, bulk.address)
    result = apply(actor, bulk.action, ids, Change.of(bulk.action, bulk.values))
    for job_id in _done_before(bulk, result.refused):
        del result.refused[job_id]
        (result.cancelled if bulk.action == BulkAction.Action.CANCEL else result.changed).append(job_id)
    bulk.succeeded += result.succeeded
    bulk.covered += len(result.covered_by)
    # Each chunk rewrites all reasons, so their number is limited. `done` and `succeeded` give the number of refusals.
    for job_id, reason in list(result.refused.items())[: MAX_REFUSALS_KEPT - len(bulk.refused)]:
        bulk.refused[str(job_id)] = reason
    return len(ids)


def _done_before(bulk: BulkAction, refused: Collection[int]) -> list[int]:
    """Return those of the jobs that earlier chunks of the action have cancelled or changed with their parents."""
    if not refused or bulk.action == BulkAction.Action.RETRY:
        return []
    selected = Func("job_ids", template="abs(unnest(%(expressions)s))", output_field=BigIntegerField())
    parents = BulkAction.objects.filter(pk=bulk.pk).values_list(selected)
    jobs = SyncJob.objects.filter(pk__in=refused, parent__in=parents)
    if bulk.action == BulkAction.Action.CANCEL:
        jobs, kind, message = jobs.filter(status=JobStatus.CANCELLED), EventKind.CANCEL_REQUESTED, bulk.actor_label
    else:
        kind, message = queued_jobs.event_of(bulk.actor_label, Change.of(bulk.action, bulk.values))
    events = JobEvent.objects.filter(job=OuterRef("pk"), kind=kind, message=message, at__gte=bulk.created_at)
    return list(jobs.filter(Exists(events)).values_list("pk", flat=True))


def _clear_chunk(bulk: BulkAction) -> int:
    cleared = _clear_batch(bulk.failed_jobs["queues"], dt.datetime.fromisoformat(bulk.failed_jobs["until"]))
    bulk.succeeded += cleared
    return cleared
