"""Schedules that trigger jobs: the periodic tasks of django-celery-beat that run our trigger task."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from ..audit.actors import Actor, for_schedule
from ..audit.record import audited, details
from ..choices import BAND_SYNC_TYPES, JobType
from ..engine import clock
from ..engine.broker import TRIGGER_TASK as TASK
from ..engine.crontab import Crontab
from ..engine.enqueue import Created
from ..exceptions import Conflict, InvalidInput, NotFound
from ..models import AuditEntry, SyncJob
from . import triggers
from .rates import limited
from .texts import check_text

TRIGGERABLE = [kind for kind in JobType if kind != JobType.SINGLE_VIDEO]
_CRON = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year", "timezone")
_NEW_CRON = {"minute": "0", "timezone": "UTC"}
"""Defaults of a new schedule. An hour without a minute means once in that hour, not sixty times."""
_RUN = "run_schedule"
SHORTEST = dt.timedelta(minutes=1)
OVERDUE = dt.timedelta(minutes=1)
"""The scheduler looks every few seconds. A schedule that was due longer ago is overdue."""
PERIODS = ("days", "hours", "minutes", "seconds")


def list_schedules() -> QuerySet[PeriodicTask]:
    """Return the schedules that trigger jobs, by name."""
    tasks: QuerySet[PeriodicTask] = PeriodicTask.objects.filter(task=TASK).select_related("crontab", "interval")
    return tasks.order_by("name")


def get(schedule_id: int) -> PeriodicTask:
    """Return the schedule with this id. Raises NotFound."""
    return _get(list_schedules(), schedule_id)


def _get(schedules: QuerySet[PeriodicTask], schedule_id: int) -> PeriodicTask:
    schedule = schedules.filter(pk=schedule_id).first()
    if schedule is None:
        raise NotFound(_("There is no schedule %(id)s.") % {"id": schedule_id}, field="id")
    return schedule


def job_type_of(schedule: PeriodicTask) -> str:
    """Return the type of the jobs that the schedule triggers."""
    return str(json.loads(schedule.kwargs or "{}").get("job_type", ""))


def requester_label(schedule: PeriodicTask) -> str:
    """Return `requested_by_label` of the schedule's jobs."""
    return for_schedule(schedule.name).label


def next_run(schedule: PeriodicTask) -> dt.datetime | None:
    """Return when the schedule is due next, in UTC; None if it is disabled. An overdue one was due in the past."""
    if not schedule.enabled:
        return None
    return next(_due_times(schedule, _last_run(schedule) or clock.approximate())).astimezone(dt.UTC)


def is_overdue(schedule: PeriodicTask, now: dt.datetime) -> bool:
    """Whether the scheduler has not run the schedule although it was due a while before `now`, the database's time."""
    due = next_run(schedule)
    return due is not None and due < now - OVERDUE


def runs_between(schedule: PeriodicTask, start: dt.datetime, end: dt.datetime, most: int) -> int:
    """Count how often the schedule is due from `start` until `end`, up to `most`."""
    first = max(next(_due_times(schedule, min(_last_run(schedule) or start, start))), start)
    due = itertools.chain([first], _due_times(schedule, first))
    return sum(1 for _time in itertools.islice(itertools.takewhile(lambda time: time < end, due), most))


def _last_run(schedule: PeriodicTask) -> dt.datetime | None:
    """Return the time from which beat counts: the last run, or the last change if it has never run; None if unsaved."""
    last: dt.datetime | None = schedule.last_run_at or schedule.date_changed
    return last


def _due_times(schedule: PeriodicTask, last: dt.datetime) -> Iterator[dt.datetime]:
    """Yield when the schedule is due after a run at `last`, as beat computes it."""
    if schedule.crontab:
        return Crontab.of(schedule.crontab.schedule).due_times(last)
    return (last + number * schedule.schedule.run_every for number in itertools.count(1))


def next_runs(schedule: PeriodicTask, number: int) -> list[dt.datetime]:
    """Return the next times at which a schedule, even a disabled or unsaved one, would be due."""
    return list(itertools.islice(_due_times(schedule, clock.approximate()), number))


def last_runs(schedules: Sequence[PeriodicTask], count: int) -> dict[int, list[SyncJob]]:
    """Return, by schedule id, the newest jobs that it or a person running it has triggered, newest first.

    Two queries for any number of schedules.
    """
    if not schedules:
        return {}
    labels = {requester_label(schedule): schedule.pk for schedule in schedules}
    jobs = SyncJob.objects.filter(parent=None).order_by("-created_at", "-pk")
    shown = jobs.with_child_sums()
    by_people = AuditEntry.objects.filter(action=_RUN, target_type="schedule", result="ok").order_by("-pk")
    entries = _union(
        [by_people.filter(target_id=str(schedule.pk)).values("target_id", "data")[:count] for schedule in schedules]
    )
    schedule_of_job = {int(e["data"]["job"]): int(e["target_id"]) for e in entries if "job" in e["data"]}
    by_beat = _union([jobs.filter(requested_by_label=label).values("pk")[:count] for label in labels])
    runs: dict[int, list[SyncJob]] = {schedule.pk: [] for schedule in schedules}
    for job in shown.filter(Q(pk__in=by_beat) | Q(pk__in=list(schedule_of_job))):
        job.add_child_sums()
        runs[schedule_of_job.get(job.pk) or labels[job.requested_by_label]].append(job)
    return {schedule_id: newest[:count] for schedule_id, newest in runs.items()}


def _union(querysets: list[QuerySet[Any, Any]]) -> QuerySet[Any, Any]:
    first, *others = querysets
    return first.union(*others, all=True) if others else first


def as_cron(schedule: PeriodicTask) -> dict[str, str] | None:
    """Return the schedule's cron fields, or None if it has an interval."""
    if schedule.crontab is None:
        return None
    return {name: str(getattr(schedule.crontab, name)) for name in _CRON}


def preview(values: dict[str, Any]) -> PeriodicTask:
    """Return an unsaved schedule with `values["cron"]` or `values["interval"]`. Raises InvalidInput."""
    if interval := values.get("interval"):
        return PeriodicTask(task=TASK, interval=IntervalSchedule(every=interval["every"], period=interval["period"]))
    return PeriodicTask(task=TASK, crontab=_crontab({**_NEW_CRON, **values["cron"]}))


def save(
    actor: Actor,
    schedule: PeriodicTask | None,
    values: dict[str, Any],
    *,
    check: Callable[[PeriodicTask], None] = lambda schedule: None,
) -> PeriodicTask:
    """Create a schedule, or change the given fields of one.

    Fields of `values`: name, job_type, enabled, and cron (fields of a crontab) or interval (`every` and `period`).
    Raises InvalidInput, Conflict if the name is taken, and NotFound if the schedule has been deleted.
    """
    action = "change_schedule" if schedule else "create_schedule"
    with audited(actor, action, "schedule", schedule.pk if schedule else None) as span:
        task = (
            _get(list_schedules().select_for_update(of=("self",)), schedule.pk) if schedule else PeriodicTask(task=TASK)
        )
        check(task)
        before = {field.attname: getattr(task, field.attname) for field in PeriodicTask._meta.concrete_fields}
        if "name" in values:
            check_text(values["name"], "name")
            task.name = values["name"]
            if PeriodicTask.objects.filter(name=task.name).exclude(pk=task.pk).exists():
                raise Conflict(_("Another schedule has this name."), field="name")
        if "job_type" in values:
            task.kwargs = json.dumps({"job_type": values["job_type"]})
        if "enabled" in values:
            task.enabled = values["enabled"]
        _set_times(task, values.get("cron"), values.get("interval"))
        if task.crontab is None and task.interval is None:
            raise InvalidInput(_("Give cron or interval."), field="cron")
        changed = [name for name, value in before.items() if getattr(task, name) != value]
        if changed:
            _save(task, changed)
        span.target_id = str(task.pk)
        span.data = details(values)
    return get(task.pk)


def _save(task: PeriodicTask, changed: list[str]) -> None:
    if task.pk is None:
        task.save()
    else:
        # Only the changed columns: beat may have written its own columns of the row since it was read.
        reset = ["last_run_at"] if "enabled" in changed and not task.enabled else []
        last, is_moved = task.last_run_at, {"crontab_id", "interval_id"} & set(changed)
        if is_moved and last is not None and next(_due_times(task, last)) <= clock.now():
            # A new time that has passed since the last run would be run at once. Beat counts from now.
            task.last_run_at, reset = None, ["last_run_at"]
        task.save(update_fields=[*changed, "date_changed", *reset])
    # Beat counts from it if the schedule has never run, by the database's clock.
    PeriodicTask.objects.filter(pk=task.pk).update(date_changed=Now())


def _set_times(task: PeriodicTask, cron: dict[str, str] | None, interval: dict[str, Any] | None) -> None:
    if cron and interval:
        raise InvalidInput(_("Give either cron or interval."), field="cron")
    if cron:
        if unknown := set(cron) - set(_CRON):
            message = _("Unknown field %(name)s. The fields are %(names)s.")
            raise InvalidInput(message % {"name": sorted(unknown)[0][:40], "names": ", ".join(_CRON)}, field="cron")
        crontab = _crontab({**(as_cron(task) or _NEW_CRON), **cron})
        columns = {name: getattr(crontab, name) for name in _CRON}
        existing = CrontabSchedule.objects.filter(**columns).first()
        if existing is None:
            crontab.save()
        task.crontab, task.interval = existing or crontab, None
    elif interval:
        if dt.timedelta(**{interval["period"]: interval["every"]}) < SHORTEST:
            raise InvalidInput(_("Must be at least one minute."), field="interval")
        task.interval, _created = IntervalSchedule.objects.get_or_create(
            every=interval["every"], period=interval["period"]
        )
        task.crontab = None


def _crontab(cron: dict[str, str]) -> CrontabSchedule:
    """Return an unsaved crontab. Raises InvalidInput with the name of the invalid field."""
    try:
        zone = CrontabSchedule._meta.get_field("timezone").to_python(cron["timezone"])
    except ValidationError:
        raise InvalidInput(_("Must be a time zone such as America/New_York."), field="cron.timezone") from None
    crontab = CrontabSchedule(**{**cron, "timezone": zone})
    try:
        crontab.full_clean()
    except ValidationError as error:
        name, messages = next(iter(error.message_dict.items()))
        raise InvalidInput(" ".join(messages), field=f"cron.{name}") from None
    try:
        next(Crontab.of(crontab.schedule).due_times(clock.approximate()))
    except ValueError:
        raise InvalidInput(_("These months don't have such a day."), field="cron.day_of_month") from None
    return crontab


def delete(actor: Actor, schedule_id: int, *, check: Callable[[PeriodicTask], None] = lambda schedule: None) -> None:
    """Delete a schedule if it passes `check`. Raises NotFound."""
    with audited(actor, "delete_schedule", "schedule", schedule_id) as span:
        schedule = _get(list_schedules().select_for_update(of=("self",)), schedule_id)
        check(schedule)
        span.message = schedule.name
        schedule.delete()


@limited
def run_now(actor: Actor, schedule_id: int) -> Created:
    """Trigger the schedule's job now, for a person, or end the delay of an equal job.

    Raises NotFound and the errors of `triggers`.
    """
    schedule = get(schedule_id)
    with audited(actor, _RUN, "schedule", schedule_id) as span:
        span.message = schedule.name
        kind = JobType(job_type_of(schedule))
        if kind in BAND_SYNC_TYPES:
            created = triggers.run_now(actor, triggers.trigger_sync(actor, None, full=kind == JobType.FULL_SYNC))
        else:
            created = triggers.trigger_maintenance(actor, kind)
        span.data = {"job": created.job.pk}
    return created


def next_run_of(job_type: JobType) -> dt.datetime | None:
    """Return when the next job of this type is due by a schedule, or None if no schedule queues one."""
    rows = (schedule for schedule in list_schedules() if job_type_of(schedule) == job_type)
    return min((at for schedule in rows if (at := next_run(schedule)) is not None), default=None)


def upcoming(limit: int) -> list[tuple[dt.datetime, PeriodicTask]]:
    """Return the next run of each enabled schedule, soonest first, up to `limit`."""
    due = [(at, schedule) for schedule in list_schedules() if (at := next_run(schedule)) is not None]
    return sorted(due, key=lambda pair: (pair[0], pair[1].name))[:limit]
