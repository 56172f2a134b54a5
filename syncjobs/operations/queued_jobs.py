"""Change jobs that wait in a queue: run them now, delay them, change their priority, or move them to the front."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Q
from django.utils.translation import gettext as _

from ..audit.actors import Actor
from ..audit.record import audited, record_each
from ..choices import MAX_FRONT, DelayReason, EventKind, JobStatus, Priority
from ..engine import clock, timeline
from ..engine.enqueue import end_delay
from ..exceptions import DomainError, InvalidInput, WrongState
from ..models import BulkAction, Queue, SyncJob
from ..sql import query
from .jobs import get_job, lock, not_found, status_of
from .triggers import check_priority, priority_note

Action = BulkAction.Action
MAX_DELAY = dt.timedelta(days=30)
ACTIONS = (Action.RUN, Action.DELAY, Action.PRIORITY, Action.FRONT)
_AUDITED: dict[str, str] = {
    Action.RUN: "run_job",
    Action.DELAY: "delay_job",
    Action.PRIORITY: "prioritize_job",
    Action.FRONT: "move_job",
}


@dataclass(frozen=True, slots=True)
class Change:
    """What to do with jobs: one of ACTIONS, with `until` for a delay and `priority` for a priority; or another bulk action.

    A retry with `once` leaves out the jobs that somebody has retried.
    """

    action: str
    until: dt.datetime | None = None
    priority: int | None = None
    once: bool = False

    def values(self) -> dict[str, Any]:
        """Return what JSON can store of it besides the action."""
        if self.until is not None:
            return {"until": self.until.isoformat()}
        if self.once:
            return {"once": True}
        return {} if self.priority is None else {"priority": self.priority}

    @classmethod
    def of(cls, action: str, values: Mapping[str, Any]) -> Change:
        """Return the change of which `values()` has been stored."""
        until = values.get("until")
        return cls(action, until and dt.datetime.fromisoformat(until), values.get("priority"), bool(values.get("once")))


@dataclass(frozen=True, slots=True)
class Changed:
    """A changed job, or one with changed children: `children` are those."""

    children: frozenset[int]


def run_now(actor: Actor, job_id: int) -> SyncJob:
    """End the delay of a job, whatever it waits for; of an all-bands job, also those of its children.

    Raises NotFound, and WrongState if nothing of it is delayed.
    """
    return _change_one(actor, job_id, Change(Action.RUN))


def delay(actor: Actor, job_id: int, until: dt.datetime) -> SyncJob:
    """Let a queued job wait until then, whatever it waits for now; of an all-bands job, also its queued children.

    Raises NotFound, InvalidInput for a time that is not within the next 30 days, and WrongState if nothing of it is queued.
    """
    return _change_one(actor, job_id, Change(Action.DELAY, until=until))


def prioritize(actor: Actor, job_id: int, priority: int) -> SyncJob:
    """Change the priority of a queued job; of an all-bands job, also that of its queued children.

    Raises NotFound, InvalidInput for an unknown priority, and WrongState if nothing of it is queued.
    """
    return _change_one(actor, job_id, Change(Action.PRIORITY, priority=priority))


def move_to_front(actor: Actor, job_id: int) -> SyncJob:
    """Let a queued job start before all others of its queue once it is due; of an all-bands job, also its queued children.

    Raises NotFound, and WrongState if nothing of it is queued.
    """
    return _change_one(actor, job_id, Change(Action.FRONT))


def changes_only_children(job: SyncJob) -> bool:
    """Return whether a change concerns only child jobs, because the all-bands job itself doesn't wait any more."""
    return job.fans_out and job.status != JobStatus.QUEUED


def problem(job: SyncJob, action: str) -> DomainError | None:
    """Return why the action can't be done with the job now, if so."""
    queued = SyncJob.objects.delayed() if action == Action.RUN else SyncJob.objects.filter(status=JobStatus.QUEUED)
    is_possible = queued.filter(Q(pk=job.pk) | Q(parent=job.pk)).exists()
    return None if is_possible else _refusal(job.pk, job, action)


def _change_one(actor: Actor, job_id: int, change: Change) -> SyncJob:
    with audited(actor, _AUDITED[change.action], "job", job_id) as span:
        check(change)
        span.data = change.values()
        result = _change(actor, [job_id], change)[job_id]
        if isinstance(result, DomainError):
            raise result
    return get_job(job_id)


def change_jobs(actor: Actor, job_ids: Sequence[int], change: Change) -> dict[int, Changed | DomainError]:
    """Change several jobs in one transaction; return each one's result or error, by id.

    Jobs that are moved to the front together keep their order by age.
    """
    with transaction.atomic():
        results = _change(actor, job_ids, change)
        record_each(actor, _AUDITED[change.action], "job", results, lambda _changed: change.values())
    return results


def check(change: Change) -> None:
    """Raise InvalidInput for a time that is not within the next 30 days, or an unknown priority."""
    if change.action == Action.DELAY:
        now = clock.now()
        if change.until is None or not now < change.until <= now + MAX_DELAY:
            raise InvalidInput(_("Must be a time within the next 30 days."), field="until")
    if change.action == Action.PRIORITY:
        check_priority(change.priority or 0)


def _change(actor: Actor, job_ids: Sequence[int], change: Change) -> dict[int, Changed | DomainError]:
    """Change those of the jobs and their children that are queued. Their rows stay locked, so no worker claims them before."""
    # The jobs that were asked for are locked in any state: a running one may be about to return to its queue.
    locked = {job.pk: job for job in lock(Q(pk__in=job_ids) | Q(parent__in=job_ids, status=JobStatus.QUEUED))}
    if any(job.fans_out for job in locked.values()):
        # Children that were queued before their parent was locked. From now on no more can be added.
        locked |= {job.pk: job for job in lock(Q(parent__in=job_ids, status=JobStatus.QUEUED) & ~Q(pk__in=locked))}
    eligible = [job for job in locked.values() if job.status == JobStatus.QUEUED]
    if change.action == Action.RUN:
        delayed = set(
            SyncJob.objects.delayed().filter(pk__in=[job.pk for job in eligible]).values_list("pk", flat=True)
        )
        eligible = [job for job in eligible if job.pk in delayed]
    _APPLY[change.action](actor, eligible, change)
    children: dict[int, set[int]] = {}
    for job in eligible:
        if job.parent_id is not None:
            children.setdefault(job.parent_id, set()).add(job.pk)
    own = {job.pk for job in eligible}
    return {
        job_id: Changed(frozenset(children.get(job_id, ())))
        if job_id in own or job_id in children
        else _refusal(job_id, locked.get(job_id), change.action)
        for job_id in job_ids
    }


def _refusal(job_id: int, job: SyncJob | None, action: str) -> DomainError:
    if job is None:
        return not_found(job_id)
    messages = {
        Action.RUN: _("Job #%(id)s is %(status)s; only a delayed job can be run now."),
        Action.DELAY: _("Job #%(id)s is %(status)s; only a queued job can be delayed."),
        Action.PRIORITY: _("Job #%(id)s is %(status)s; only a queued job's priority can be changed."),
        Action.FRONT: _("Job #%(id)s is %(status)s; only a queued job can be moved to the front."),
    }
    return WrongState(messages[Action(action)] % status_of(job), status=job.status)


def event_of(author: str, change: Change) -> tuple[EventKind, str]:
    """Return the kind and message of the event that the author's change leaves on a job's timeline."""
    if change.until is not None:
        return EventKind.DELAYED, f"{author}: until {change.until.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    if change.priority is not None:
        return EventKind.NOTE, f"{author}: {priority_note(change.priority)}"
    return EventKind.NOTE, f"{author}: {'run now' if change.action == Action.RUN else 'moved to the front'}"


def _run(actor: Actor, jobs: Sequence[SyncJob], change: Change) -> None:
    end_delay(jobs, event_of(actor.label, change)[1])


def _delay(actor: Actor, jobs: Sequence[SyncJob], change: Change) -> None:
    _update(jobs, run_at=change.until, delay_reason=DelayReason.SCHEDULED)
    timeline.note_each(jobs, *event_of(actor.label, change))


def _prioritize(actor: Actor, jobs: Sequence[SyncJob], change: Change) -> None:
    _update(jobs, priority=change.priority)
    timeline.note_each(jobs, *event_of(actor.label, change))


def _move(actor: Actor, jobs: Sequence[SyncJob], change: Change) -> None:
    # Of two people who move jobs at once, the second waits here. A worker's claim holds this lock too, but waits for no job.
    queues = Queue.objects.filter(pk__in={job.queue_id for job in jobs}).order_by("pk")
    for queue in list(queues.select_for_update(no_key=True)):
        highest = _highest(queue)
        if highest >= MAX_FRONT:
            _renumber(queue)
            highest = _highest(queue)
        _update(
            [job for job in jobs if job.queue_id == queue.pk],
            priority=min(max(highest, Priority.URGENT) + 1, MAX_FRONT),
        )
    timeline.note_each(jobs, *event_of(actor.label, change))


def _highest(queue: Queue) -> int:
    queued = SyncJob.objects.filter(queue=queue, status=JobStatus.QUEUED)
    return queued.aggregate(highest=Max("priority"))["highest"] or 0


def _renumber(queue: Queue) -> None:
    """Give the jobs in front of a queue the lowest priorities that keep their order. The caller has locked the queue's row.

    Jobs that somebody else has locked are left out: waiting for them could deadlock.
    """
    with connection.cursor() as cursor:
        cursor.execute(query("renumber_front"), {"queue": queue.pk, "urgent": Priority.URGENT})


def _update(jobs: Sequence[SyncJob], **values: Any) -> None:
    SyncJob.objects.filter(pk__in=[job.pk for job in jobs], status=JobStatus.QUEUED).update(**values)


_APPLY: dict[str, Callable[[Actor, Sequence[SyncJob], Change], None]] = {
    Action.RUN: _run,
    Action.DELAY: _delay,
    Action.PRIORITY: _prioritize,
    Action.FRONT: _move,
}
