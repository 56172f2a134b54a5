"""A schedule's recurrence as a sentence ("Mondays and Thursdays at 06:30"), and as the values of a form.

A recurrence that no short sentence covers is told field by field, with its cron expression. Not cron-descriptor: its
Spanish keeps English weekdays ("sólo el Monday"), and it can't say which of the form's fields apply.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.utils.dates import MONTHS
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy
from django_celery_beat.models import PeriodicTask


class Kind(models.TextChoices):
    """The kinds of recurrence the form offers."""

    DAILY = "daily", pgettext_lazy("kind of schedule", "Every day")
    WEEKLY = "weekly", gettext_lazy("On selected weekdays")
    MONTHLY = "monthly", gettext_lazy("On a day of the month")
    HOURLY = "hourly", gettext_lazy("Hourly")
    INTERVAL = "interval", gettext_lazy("At a fixed interval")
    CRON = "cron", gettext_lazy("Cron expression")


WEEKDAYS = {
    # cron's number → the name, as in "Mondays at 06:30"
    1: gettext_lazy("Mondays"),
    2: gettext_lazy("Tuesdays"),
    3: gettext_lazy("Wednesdays"),
    4: gettext_lazy("Thursdays"),
    5: gettext_lazy("Fridays"),
    6: gettext_lazy("Saturdays"),
    0: gettext_lazy("Sundays"),
}
CRON_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
"""In the order of a cron expression."""
MAX_TIMES = 4
"""The most times of day that a sentence lists; more are no easier to read than cron."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """When a schedule is due. `kind` decides which fields apply; every kind but INTERVAL has `cron`."""

    kind: Kind
    zone: str = ""
    times: tuple[dt.time, ...] = ()
    weekdays: tuple[int, ...] = ()
    """Cron's numbers, Monday first and Sunday (0) last."""
    days: tuple[int, ...] = ()
    """Days of the month, 1 to 31."""
    every: int = 1
    """HOURLY: the number of hours, counted from midnight. INTERVAL: the number of `period`s."""
    minute: int = 0
    period: str = ""
    """seconds, minutes, hours or days."""
    cron: tuple[str, ...] = ()
    """The five fields, in the order of CRON_FIELDS."""
    numbers: tuple[tuple[int, ...], ...] = ()
    """CRON: what each field matches, in order."""


def of_schedule(schedule: PeriodicTask) -> Recurrence:
    """Return the recurrence of a schedule's crontab or interval."""
    if schedule.interval:
        return Recurrence(Kind.INTERVAL, every=schedule.interval.every, period=schedule.interval.period)
    if schedule.crontab is None:
        return Recurrence(Kind.CRON)
    crontab = schedule.crontab
    fields = (crontab.minute, crontab.hour, crontab.day_of_month, crontab.month_of_year, crontab.day_of_week)
    return _of_cron(schedule.schedule, tuple(map(str, fields)), str(crontab.timezone))


def _of_cron(due: Any, cron: tuple[str, ...], zone: str) -> Recurrence:
    """`due` holds each field as the set of the numbers it matches."""
    minutes, hours = sorted(due.minute), sorted(due.hour)
    is_any_day, is_any_weekday = len(due.day_of_month) == 31, len(due.day_of_week) == 7
    if len(due.month_of_year) == 12 and (is_any_day or is_any_weekday):
        if is_any_day and is_any_weekday and len(hours) == 24 and (step := _step(minutes, 60)):
            return Recurrence(Kind.INTERVAL, every=step, period="minutes", zone=zone, cron=cron)
        if is_any_day and is_any_weekday and len(minutes) == 1 and (step := _step(hours, 24)):
            return Recurrence(Kind.HOURLY, zone, every=step, minute=minutes[0], cron=cron)
        if len(minutes) * len(hours) <= MAX_TIMES:
            times = tuple(dt.time(hour, minute) for hour in hours for minute in minutes)
            if not is_any_weekday:
                weekdays = tuple(day for day in WEEKDAYS if day in due.day_of_week)
                return Recurrence(Kind.WEEKLY, zone, times, weekdays=weekdays, cron=cron)
            if not is_any_day:
                return Recurrence(Kind.MONTHLY, zone, times, days=tuple(sorted(due.day_of_month)), cron=cron)
            return Recurrence(Kind.DAILY, zone, times, cron=cron)
    matched = (due.minute, due.hour, due.day_of_month, due.month_of_year, due.day_of_week)
    return Recurrence(Kind.CRON, zone, cron=cron, numbers=tuple(tuple(sorted(field)) for field in matched))


def _step(numbers: Sequence[int], size: int) -> int:
    """Return the distance between evenly spaced numbers that start at 0 and fill `size`; otherwise 0."""
    if len(numbers) < 2 or numbers[0] != 0:
        return 0
    step = numbers[1]
    return step if size % step == 0 and list(numbers) == list(range(0, size, step)) else 0


def values(recurrence: Recurrence) -> dict[str, Any]:
    """Return the recurrence as `operations.schedules.save` takes it: `cron` or `interval`."""
    if recurrence.kind == Kind.INTERVAL and not recurrence.cron:
        return {"interval": {"every": recurrence.every, "period": recurrence.period}}
    return {"cron": {**dict(zip(CRON_FIELDS, _cron_of(recurrence), strict=True)), "timezone": recurrence.zone}}


def _cron_of(recurrence: Recurrence) -> tuple[str, ...]:
    if recurrence.cron:
        return recurrence.cron
    if recurrence.kind == Kind.HOURLY:
        hours = "*" if recurrence.every == 1 else f"*/{recurrence.every}"
        return (str(recurrence.minute), hours, "*", "*", "*")
    minutes = ",".join(map(str, sorted({time.minute for time in recurrence.times})))
    hours = ",".join(map(str, sorted({time.hour for time in recurrence.times})))
    days = ",".join(map(str, recurrence.days)) or "*"
    weekdays = ",".join(map(str, recurrence.weekdays)) or "*"
    return (minutes, hours, days, "*", weekdays)


def sentence(recurrence: Recurrence) -> str:
    """Describe the recurrence: "Every day at 03:00, America/New_York"."""
    words = _sentence(recurrence)
    if recurrence.kind == Kind.INTERVAL or (recurrence.kind == Kind.HOURLY and recurrence.every == 1):
        return words
    return _("%(when)s, %(zone)s") % {"when": words, "zone": recurrence.zone}


def _sentence(recurrence: Recurrence) -> str:
    times = listed([f"{time:%H:%M}" for time in recurrence.times])
    match recurrence.kind:
        case Kind.DAILY:
            return _("Every day at %(times)s") % {"times": times}
        case Kind.WEEKLY:
            return _("%(weekdays)s at %(times)s") % {"weekdays": _weekdays(recurrence.weekdays), "times": times}
        case Kind.MONTHLY:
            days = listed([str(day) for day in recurrence.days])
            pattern = ngettext(
                "Every month on day %(days)s at %(times)s",
                "Every month on days %(days)s at %(times)s",
                len(recurrence.days),
            )
            return pattern % {"days": days, "times": times}
        case Kind.HOURLY:
            pattern = ngettext(
                "Every hour at minute %(minute)s", "Every %(every)s hours at minute %(minute)s", recurrence.every
            )
            return pattern % {"every": recurrence.every, "minute": recurrence.minute}
        case Kind.INTERVAL:
            return _every(recurrence.every, recurrence.period)
    return f"{_field_by_field(recurrence)} ({' '.join(recurrence.cron)})" if recurrence.numbers else ""


def _field_by_field(recurrence: Recurrence) -> str:
    """Describe what each field of a cron expression matches; all of them have to."""
    minutes, hours, days, months, weekdays = recurrence.numbers
    if len(minutes) * len(hours) <= MAX_TIMES:
        times = listed([f"{dt.time(hour, minute):%H:%M}" for hour in hours for minute in minutes])
        parts = [_("At %(times)s") % {"times": times}]
    else:
        every = len(minutes) == 60
        parts = [
            _("Every minute")
            if every
            else ngettext("At minute %(n)s", "At minutes %(n)s", len(minutes)) % {"n": ranges(minutes)}
        ]
        if len(hours) < 24:
            parts.append(ngettext("of hour %(n)s", "of the hours %(n)s", len(hours)) % {"n": ranges(hours)})
        elif not every:
            parts.append(_("of every hour"))
    words = " ".join(parts)
    if len(weekdays) < 7:
        words += ", " + _weekdays(tuple(day for day in WEEKDAYS if day in weekdays))
    if len(days) < 31:
        words += ", " + ngettext("on day %(n)s of the month", "on days %(n)s of the month", len(days)) % {
            "n": ranges(days)
        }
    if len(months) < 12:
        words += ", " + _("in %(months)s") % {"months": listed([str(MONTHS[month]) for month in months])}
    return words


def ranges(numbers: Sequence[int]) -> str:
    """Write sorted numbers with runs of three or more as ranges: "0, 5 and 9–17"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words: list[str] = []
    for run in runs:
        words += [f"{run[0]}–{run[-1]}"] if len(run) > 2 else map(str, run)
    return listed(words)


def _every(number: int, period: str) -> str:
    patterns = {
        "seconds": ngettext("Every second", "Every %(n)s seconds", number),
        "minutes": ngettext("Every minute", "Every %(n)s minutes", number),
        "hours": ngettext("Every hour", "Every %(n)s hours", number),
        "days": ngettext("Every day", "Every %(n)s days", number),
    }
    return patterns.get(period, f"%(n)s {period}") % {"n": number}


def _weekdays(numbers: tuple[int, ...]) -> str:
    if numbers == (1, 2, 3, 4, 5):
        return _("Mondays to Fridays")
    return listed([str(WEEKDAYS[number]) for number in numbers])


def listed(words: Sequence[str]) -> str:
    """Join the words: "one", "one and two", "one, two and three"."""
    if len(words) < 2:
        return "".join(words)
    return _("%(first)s and %(last)s") % {"first": ", ".join(words[:-1]), "last": words[-1]}
