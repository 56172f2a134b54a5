"""When a cron schedule is due, also on days when the clocks change. Beat and every page compute it here.

Celery adds wall-clock times, so an hourly schedule would pause for two hours when an hour is repeated in autumn.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry
from django_celery_beat.tzcrontab import TzAwareCrontab

from . import clock

HORIZON_DAYS = 366 * 41
"""How far to look for a day. 29 February falls on a given weekday at least once in 40 years."""
_DAY = dt.timedelta(days=1)


class Crontab(TzAwareCrontab):  # type: ignore[misc]
    """A cron schedule in a time zone.

    A time that the clocks skip in spring is due as long after midnight as it would be without the change: 02:30 at
    03:30. A time that they repeat in autumn is due the first time only, unless the schedule runs every hour: then every
    real hour counts.
    """

    @classmethod
    def of(cls, schedule: TzAwareCrontab) -> Crontab:
        """Return the same schedule as a Crontab."""
        new: Crontab = cls(*schedule.__reduce__()[1])
        return new

    def due_times(self, after: dt.datetime) -> Iterator[dt.datetime]:
        """Yield the times after `after` at which the schedule is due, in UTC. Raises ValueError if there is none."""
        last = after.astimezone(dt.UTC)
        # The clocks may have moved a time of the day before to after midnight.
        day = after.astimezone(self.tz).date() - _DAY
        found = day
        while day - found < dt.timedelta(days=HORIZON_DAYS):
            if self._is_on(day):
                for time in self._times_on(day):
                    if time > last:
                        yield time
                        last, found = time, day
            day += _DAY
        raise ValueError("The schedule is never due.")

    def remaining_estimate(self, last_run_at: dt.datetime, ffwd: Any = None) -> dt.timedelta:
        """Return the time until the schedule is due after a run; negative if it is overdue. Celery's `is_due` uses it."""
        now: dt.datetime = self.now()
        return next(self.due_times(last_run_at)) - now.astimezone(dt.UTC)

    def _is_on(self, day: dt.date) -> bool:
        return (
            day.month in self.month_of_year
            and day.day in self.day_of_month
            and day.isoweekday() % 7 in self.day_of_week
        )

    def _times_on(self, day: dt.date) -> list[dt.datetime]:
        """Return when the schedule is due on a day, in UTC and in order."""
        midnight = dt.datetime.combine(day, dt.time(), self.tz)
        may_repeat = len(self.hour) == 24 and (midnight + _DAY).utcoffset() != midnight.utcoffset()
        times = set()
        for hour in self.hour:
            for minute in self.minute:
                local = dt.datetime.combine(day, dt.time(hour, minute), self.tz)
                times.add(local.astimezone(dt.UTC))
                again = local.replace(fold=1)
                # Both are also different if the time is skipped; then the second has the greater offset.
                if may_repeat and again.utcoffset() < local.utcoffset():  # type: ignore[operator]
                    times.add(again.astimezone(dt.UTC))
        return sorted(times)


class Entry(ModelEntry):  # type: ignore[misc]
    """A schedule in beat's memory, which is due by the database's clock."""

    schedule: Any

    def __init__(self, model: PeriodicTask, app: Any = None) -> None:
        super().__init__(model, app=app)
        if isinstance(self.schedule, TzAwareCrontab):
            self.schedule = Crontab.of(self.schedule)
        self.schedule.nowfun = clock.approximate

    def _default_now(self) -> dt.datetime:
        return clock.approximate()


class CronScheduler(DatabaseScheduler):  # type: ignore[misc]
    """A scheduler whose cron schedules are due when `Crontab` says."""

    Entry = Entry

    def enabled_models_qs(self) -> QuerySet[PeriodicTask]:
        """Return all enabled schedules. The superclass omits those due in other hours, even if they are overdue."""
        enabled: QuerySet[PeriodicTask] = self.Model.objects.enabled()
        return enabled
