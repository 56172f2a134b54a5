"""Acting on many jobs at once; past a bound in the background, with progress."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from ..audit.actors import Actor
from ..audit.record import audited
from ..choices import ACTIVE_STATUSES, RETRYABLE_STATUSES, JobStatus, Origin
from ..engine import broker
from ..engine.enqueue import Created
from ..exceptions import DomainError, InvalidInput, NotFound
from ..models import BulkAction, SyncJob
from . import errors, queues
from . import jobs as job_operations

logger = logging.getLogger(__name__)

MAX_FOREGROUND = 1000
MAX_FOREGROUND_CLEAR = 5000
MAX_REFUSALS_KEPT = 1000
"""Of one bulk action in the background: the reasons of so many refusals are told."""
MAX_JOBS = 100_000
ELIGIBLE_STATUSES: dict[str, tuple[JobStatus, ...]] = {
    BulkAction.Action.RETRY: RETRYABLE_STATUSES,
    BulkAction.Action.CANCEL: ACTIVE_STATUSES,
}
"""In which states a job can be acted on; all others are refused one by one."""
_CHUNK = 50
_Operation = Callable[[Actor, Sequence[int]], Mapping[int, Created | DomainError | None]]


@dataclass(slots=True)
class BulkResult:
    """What became of each job: the retried one's new job, True for a cancelled one, or why not."""

    retried: dict[int, int] = field(default_factory=dict)
    cancelled: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)

    @property
    def succeeded(self) -> int:
        return len(self.retried) + len(self.cancelled)


def eligible_ids(jobs: QuerySet[SyncJob], action: str) -> list[int]:
    """The ids of those jobs whose state allows the action, oldest first. Raises InvalidInput when they are too many."""
    _check(action)
    found = jobs.filter(status__in=ELIGIBLE_STATUSES[action]).order_by("pk").values_list("pk", flat=True)
    ids = list(found[: MAX_JOBS + 1])
    if len(ids) > MAX_JOBS:
        raise InvalidInput(
            _("More than %(most)s jobs can be acted on. Narrow the filter.") % {"most": MAX_JOBS}, field="filter"
        )
    return ids


def _check(action: str) -> None:
    if action not in ELIGIBLE_STATUSES:
        raise InvalidInput(
            _("Action is one of %(actions)s.") % {"actions": ", ".join(ELIGIBLE_STATUSES)}, field="action"
        )


def start(actor: Actor, action: str, job_ids: Sequence[int]) -> BulkResult | BulkAction:
    """Do it now, or queue it when there are more than MAX_FOREGROUND jobs. Raises InvalidInput."""
    ids = list(dict.fromkeys(job_ids))
    _check(action)
    if len(ids) > MAX_JOBS:
        raise InvalidInput(
            _("These are %(count)s jobs; at most %(most)s can be acted on at once. Narrow the filter.")
            % {"count": len(ids), "most": MAX_JOBS},
            field="filter",
        )
    if len(ids) <= MAX_FOREGROUND:
        with audited(actor, f"bulk_{action}", "jobs") as span:
            span.data = {"count": len(ids)}
        return apply(actor, action, ids)
    with audited(actor, f"bulk_{action}", "jobs") as span:
        bulk = _queue(actor, action, len(ids), job_ids=ids)
        span.data = {"count": len(ids), "bulk": bulk.pk}
    return bulk


def clear_failed(actor: Actor, name: str = queues.ALL_QUEUES) -> int | BulkAction:
    """Delete the failed jobs of a queue (or "all") now, or in the background when they are many. Raises InvalidInput.

    Returns how many were deleted.
    """
    with audited(actor, "clear_failed", "queue", name) as span:
        failed = queues.failed_of(name)
        span.data = {"count": failed.count}
        if failed.count > MAX_FOREGROUND_CLEAR:
            failed_jobs = {**asdict(failed), "until": failed.until.isoformat()}
            bulk = _queue(actor, BulkAction.Action.CLEAR, failed.count, failed_jobs=failed_jobs)
            span.data["bulk"] = bulk.pk
            return bulk
    return queues.clear(failed)


def _queue(actor: Actor, action: str, total: int, **jobs: Any) -> BulkAction:
    """In the caller's transaction."""
    broker.notify_bulk_on_commit()
    return BulkAction.objects.create(
        action=action,
        total=total,
        actor_id=actor.user_id,
        actor_label=actor.label,
        origin=actor.origin,
        address=actor.address,
        **jobs,
    )


def retry_group(actor: Actor, fingerprint: str) -> BulkResult | BulkAction:
    """Retry the failed jobs of an error group that nobody has retried yet. Raises NotFound, InvalidInput."""
    with audited(actor, "retry_group", "error", fingerprint[:16]) as span:
        errors.get_error_group(fingerprint)
        ids = list(errors.unretried_jobs(fingerprint=fingerprint).values_list("pk", flat=True)[: MAX_JOBS + 1])
        span.data = {"jobs": len(ids)}
    return start(actor, BulkAction.Action.RETRY, ids)


def apply(actor: Actor, action: str, job_ids: Sequence[int]) -> BulkResult:
    """Retry or cancel each of them by the operation that a single one goes through."""
    outcome = BulkResult()
    act_on = job_operations.retry_jobs if action == BulkAction.Action.RETRY else job_operations.cancel_jobs
    for first in range(0, len(job_ids), _CHUNK):
        _act_on(actor, act_on, job_ids[first : first + _CHUNK], outcome)
    return outcome


def _act_on(actor: Actor, act_on: _Operation, job_ids: Sequence[int], outcome: BulkResult) -> None:
    try:
        outcomes = act_on(actor, job_ids)
    except Exception:
        # One job that can't be acted on must not keep the others, and all later bulk actions, waiting for ever.
        if len(job_ids) > 1:
            logger.warning("%s failed for %s jobs; now one by one", act_on.__name__, len(job_ids), exc_info=True)
            for job_id in job_ids:
                _act_on(actor, act_on, [job_id], outcome)
            return
        logger.exception("%s failed for job #%s", act_on.__name__, job_ids[0])
        outcome.refused[job_ids[0]] = _("Something went wrong on the server. It has been logged.")
        return
    for job_id, became in outcomes.items():
        if isinstance(became, DomainError):
            outcome.refused[job_id] = became.message
        elif became is None:
            outcome.cancelled.append(job_id)
        else:
            outcome.retried[job_id] = became.job.pk


def get_bulk_action(bulk_id: int) -> BulkAction:
    """Raises NotFound."""
    bulk = BulkAction.objects.filter(pk=bulk_id).defer("job_ids").first()
    if bulk is None:
        raise NotFound(_("There is no bulk action %(id)s.") % {"id": bulk_id}, field="id")
    return bulk


def run_pending() -> int:
    """Do what is queued; returns how many jobs were acted on. What another worker is at is left to it."""
    done = 0
    while (chunk := _next_chunk()) is not None:
        done += chunk
    return done


@transaction.atomic
def _next_chunk() -> int | None:
    """One transaction: the row's lock keeps other workers off, and `done` moves with what was done."""
    unfinished = BulkAction.objects.select_for_update(skip_locked=True).filter(ended_at=None).defer("job_ids")
    bulk = unfinished.order_by("pk").first()
    if bulk is None:
        return None
    acted_on = _clear(bulk) if bulk.action == BulkAction.Action.CLEAR else _act_on_chunk(bulk)
    bulk.done += acted_on
    # Of failed jobs there are some till none is found; others may have deleted them meanwhile.
    if not acted_on or (bulk.action != BulkAction.Action.CLEAR and bulk.done >= bulk.total):
        bulk.ended_at = Now()
    bulk.save(update_fields=["done", "succeeded", "refused", "ended_at"])
    return acted_on


def _act_on_chunk(bulk: BulkAction) -> int:
    chunk = BulkAction.objects.filter(pk=bulk.pk).values_list(f"job_ids__{bulk.done}_{bulk.done + _CHUNK}", flat=True)
    ids: list[int] = chunk.get()
    outcome = apply(Actor(bulk.actor_label, Origin(bulk.origin), bulk.actor_id, bulk.address), bulk.action, ids)
    bulk.succeeded += outcome.succeeded
    # They are rewritten with each chunk, so there is a bound; how many there were in all, `done` and `succeeded` tell.
    for job_id, why in list(outcome.refused.items())[: MAX_REFUSALS_KEPT - len(bulk.refused)]:
        bulk.refused[str(job_id)] = why
    return len(ids)


def _clear(bulk: BulkAction) -> int:
    until = dt.datetime.fromisoformat(bulk.failed_jobs["until"])
    cleared = queues.clear_batch(queues.FailedJobs(**{**bulk.failed_jobs, "until": until}))
    bulk.succeeded += cleared
    return cleared
