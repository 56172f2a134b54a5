"""Recurrences: when beat triggers what. Over django-celery-beat, of which only the schedules of jobs are shown."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from ..audit.actors import Actor, for_schedule
from ..audit.record import audited
from ..choices import BAND_SYNC_TYPES, JobType
from ..engine.enqueue import Created
from ..exceptions import Conflict, InvalidInput, NotFound
from ..models import AuditEntry, SyncJob
from . import triggers

TASK = "syncjobs.trigger"
TRIGGERABLE = [kind for kind in JobType if kind != JobType.SINGLE_VIDEO]
_CRON = {
    "minute": "minute",
    "hour": "hour",
    "dayOfWeek": "day_of_week",
    "dayOfMonth": "day_of_month",
    "monthOfYear": "month_of_year",
    "timezone": "timezone",
}
_NEW_CRON = {"minute": "0", "timezone": "UTC"}
"""What isn't said of a new one. An hour alone means once in it, not sixty times."""
_RUN = "run_schedule"
SHORTEST = dt.timedelta(minutes=1)
PERIODS = ("days", "hours", "minutes", "seconds")


def list_schedules() -> QuerySet[PeriodicTask]:
    """Those that trigger jobs, by name."""
    found: QuerySet[PeriodicTask] = PeriodicTask.objects.filter(task=TASK).select_related("crontab", "interval")
    return found.order_by("name")


def get(schedule_id: int) -> PeriodicTask:
    """Raises NotFound."""
    return _found(list_schedules(), schedule_id)


def _found(among: QuerySet[PeriodicTask], schedule_id: int) -> PeriodicTask:
    found = among.filter(pk=schedule_id).first()
    if found is None:
        raise NotFound(_("There is no schedule %(id)s.") % {"id": schedule_id}, field="id")
    return found


def job_type_of(schedule: PeriodicTask) -> str:
    """What it triggers."""
    return str(json.loads(schedule.kwargs or "{}").get("job_type", ""))


def requester_label(schedule: PeriodicTask) -> str:
    """By which name its jobs say who requested them."""
    return for_schedule(schedule.name).label


def next_run(schedule: PeriodicTask) -> dt.datetime | None:
    """None while it is disabled."""
    if not schedule.enabled:
        return None
    now = timezone.now()
    return max(_due_after(schedule, _last_run(schedule) or now), now).astimezone(dt.UTC)


def runs_between(schedule: PeriodicTask, start: dt.datetime, end: dt.datetime, most: int) -> int:
    """How often it is due from `start` until `end`, but at most `most` times."""
    due, times = start + max(schedule.schedule.remaining_estimate(_last_run(schedule) or start), dt.timedelta()), 0
    while due < end and times < most:
        times += 1
        due = _due_after(schedule, due)
    return times


def _last_run(schedule: PeriodicTask) -> dt.datetime | None:
    """From when on beat counts: of a schedule that has never run, its last change. None if it isn't saved."""
    counted_from: dt.datetime | None = schedule.last_run_at or schedule.date_changed
    return counted_from


def _due_after(schedule: PeriodicTask, last: dt.datetime) -> dt.datetime:
    """When it is due next, after it has run."""
    start, remaining = last, schedule.schedule.run_every if schedule.interval else None
    if remaining is None:
        start, remaining, _now = schedule.schedule.remaining_delta(last)
    due: dt.datetime = start + remaining
    return due


def next_runs(schedule: PeriodicTask, count: int) -> list[dt.datetime]:
    """The next times it would be due, were it enabled; also of one that isn't saved."""
    due, found = timezone.now(), []
    for _number in range(count):
        due = _due_after(schedule, due)
        found.append(due)
    return found


def last_runs(found: Sequence[PeriodicTask], count: int) -> dict[int, list[SyncJob]]:
    """By schedule, the newest jobs that it or a person who ran it asked for, the newest first.

    In two queries, however many schedules there are.
    """
    if not found:
        return {}
    labels = {requester_label(schedule): schedule.pk for schedule in found}
    own = SyncJob.objects.filter(parent=None).order_by("-created_at", "-pk")
    of_people = AuditEntry.objects.filter(action=_RUN, target_type="schedule", result="ok").order_by("-pk")
    ran = {
        int(entry["data"]["job"]): int(entry["target_id"])
        for entry in _united(
            [of_people.filter(target_id=str(schedule.pk)).values("target_id", "data")[:count] for schedule in found]
        )
        if "job" in entry["data"]
    }
    of_beat = _united([own.filter(requested_by_label=label).values("pk")[:count] for label in labels])
    runs: dict[int, list[SyncJob]] = {schedule.pk: [] for schedule in found}
    for job in own.filter(Q(pk__in=of_beat) | Q(pk__in=list(ran))):
        runs[ran.get(job.pk) or labels[job.requested_by_label]].append(job)
    return {schedule_id: jobs[:count] for schedule_id, jobs in runs.items()}


def _united(stretches: list[QuerySet[Any, Any]]) -> QuerySet[Any, Any]:
    first, *others = stretches
    return first.union(*others, all=True) if others else first


def as_cron(schedule: PeriodicTask) -> dict[str, str] | None:
    """Its cron fields, if it has them."""
    if schedule.crontab is None:
        return None
    return {name: str(getattr(schedule.crontab, column)) for name, column in _CRON.items()}


def preview(values: dict[str, Any]) -> PeriodicTask:
    """What `save` would make of `cron` or `interval`, to look at; nothing is written. Raises InvalidInput."""
    if interval := values.get("interval"):
        return PeriodicTask(task=TASK, interval=IntervalSchedule(every=interval["every"], period=interval["period"]))
    return PeriodicTask(task=TASK, crontab=_crontab({**_NEW_CRON, **values["cron"]}))


def save(actor: Actor, schedule: PeriodicTask | None, values: dict[str, Any]) -> PeriodicTask:
    """Create a schedule, or change one by what is given: name, jobType, cron or interval, enabled.

    Raises InvalidInput, Conflict, and NotFound when it was deleted meanwhile.
    """
    with audited(
        actor, "change_schedule" if schedule else "create_schedule", "schedule", schedule.pk if schedule else None
    ) as span:
        task = (
            _found(list_schedules().select_for_update(of=("self",)), schedule.pk)
            if schedule
            else PeriodicTask(task=TASK)
        )
        before = {field.attname: getattr(task, field.attname) for field in PeriodicTask._meta.concrete_fields}
        if "name" in values:
            task.name = values["name"]
            if PeriodicTask.objects.filter(name=task.name).exclude(pk=task.pk).exists():
                raise Conflict(_("Another schedule has this name."), field="name")
        if "jobType" in values:
            task.kwargs = json.dumps({"job_type": values["jobType"]})
        if "enabled" in values:
            task.enabled = values["enabled"]
        _set_times(task, values.get("cron"), values.get("interval"))
        if task.crontab is None and task.interval is None:
            raise InvalidInput(_("Say when: give cron or interval."), field="cron")
        _store(task, [name for name, value in before.items() if getattr(task, name) != value])
        span.target_id = str(task.pk)
        span.data = values
    return get(task.pk)


def _store(task: PeriodicTask, changed: list[str]) -> None:
    if task.pk is None:
        task.save()
    elif changed:
        # Beat keeps its last run and its count in the same row, and may have written them since it was read here.
        forgets = ["last_run_at"] if "enabled" in changed and not task.enabled else []
        task.save(update_fields=[*changed, "date_changed", *forgets])


def _set_times(task: PeriodicTask, cron: dict[str, str] | None, interval: dict[str, Any] | None) -> None:
    if cron and interval:
        raise InvalidInput(_("Give either cron or interval."), field="cron")
    if cron:
        if unknown := set(cron) - set(_CRON):
            said = _("There is no %(name)s. There are: %(names)s.")
            raise InvalidInput(said % {"name": sorted(unknown)[0][:40], "names": ", ".join(_CRON)}, field="cron")
        crontab = _crontab({**(as_cron(task) or _NEW_CRON), **cron})
        same = {column: getattr(crontab, column) for column in _CRON.values()}
        known = CrontabSchedule.objects.filter(**same).first()
        if known is None:
            crontab.save()
        task.crontab, task.interval = known or crontab, None
    elif interval:
        if dt.timedelta(**{interval["period"]: interval["every"]}) < SHORTEST:
            raise InvalidInput(_("At least a minute must lie between two runs."), field="interval")
        task.interval, _created = IntervalSchedule.objects.get_or_create(
            every=interval["every"], period=interval["period"]
        )
        task.crontab = None


def _crontab(cron: dict[str, str]) -> CrontabSchedule:
    """Not saved. Raises InvalidInput naming the field."""
    try:
        zone = CrontabSchedule._meta.get_field("timezone").to_python(cron["timezone"])
    except ValidationError:
        raise InvalidInput(_("Must be a time zone such as America/New_York."), field="cron.timezone") from None
    crontab = CrontabSchedule(
        **{_CRON[name]: value for name, value in cron.items() if name != "timezone"}, timezone=zone
    )
    try:
        crontab.full_clean()
    except ValidationError as error:
        column, said = next(iter(error.message_dict.items()))
        name = next((name for name, other in _CRON.items() if other == column), column)
        raise InvalidInput(" ".join(said), field=f"cron.{name}") from None
    try:
        crontab.schedule.remaining_estimate(timezone.now())
    except ValueError:
        raise InvalidInput(_("No such day is in these months."), field="cron.dayOfMonth") from None
    return crontab


def delete(actor: Actor, schedule_id: int) -> None:
    """Raises NotFound."""
    with audited(actor, "delete_schedule", "schedule", schedule_id) as span:
        schedule = get(schedule_id)
        span.message = schedule.name
        schedule.delete()


def run_now(actor: Actor, schedule_id: int) -> Created:
    """What beat would do, at once and for a person. Raises NotFound and what triggering raises."""
    schedule = get(schedule_id)
    with audited(actor, _RUN, "schedule", schedule_id) as span:
        span.message = schedule.name
        kind = JobType(job_type_of(schedule))
        if kind in BAND_SYNC_TYPES:
            created = triggers.trigger_sync(actor, None, full=kind == JobType.FULL_SYNC)
        else:
            created = triggers.trigger_maintenance(actor, kind)
        span.data = {"job": created.job.pk}
    return created


def upcoming(limit: int) -> list[tuple[dt.datetime, PeriodicTask]]:
    """What is triggered next, and when, the soonest first."""
    due = [(at, schedule) for schedule in list_schedules() if (at := next_run(schedule)) is not None]
    return sorted(due, key=lambda pair: (pair[0], pair[1].name))[:limit]
