"""Cron schedules on days when the clocks change: what pages show is what beat does."""

from __future__ import annotations

import datetime as dt
import itertools
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from syncjobs.engine.crontab import Crontab
from syncjobs.operations import schedules
from tests.factories import PERSON

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")


def crontab(cron: str, zone: ZoneInfo = LOS_ANGELES) -> Crontab:
    saved = CrontabSchedule(**dict(zip(FIELDS, cron.split(), strict=True)), timezone=zone)
    return Crontab.of(saved.schedule)


def local_times(cron: str, day: str, zone: ZoneInfo = LOS_ANGELES) -> list[str]:
    """Return the wall-clock times and offsets of a day at which the schedule is due."""
    start = dt.datetime.combine(dt.date.fromisoformat(day), dt.time(), zone)
    end = (start + dt.timedelta(days=1)).astimezone(dt.UTC)
    times = crontab(cron, zone).due_times(start - dt.timedelta(seconds=1))
    return [f"{time.astimezone(zone):%H:%M%z}" for time in itertools.takewhile(lambda time: time < end, times)]


def test_an_hourly_schedule_runs_every_real_hour() -> None:
    autumn = local_times("10 * * * *", "2026-11-01")
    assert autumn[:4] == ["00:10-0700", "01:10-0700", "01:10-0800", "02:10-0800"]
    assert len(autumn) == 25
    spring = local_times("10 * * * *", "2027-03-14")
    assert spring[:4] == ["00:10-0800", "01:10-0800", "03:10-0700", "04:10-0700"]
    assert len(spring) == 23
    assert len(local_times("*/15 * * * *", "2026-11-01")) == 100


@pytest.mark.parametrize(
    ("cron", "day", "expected"),
    [
        ("30 1 * * *", "2026-11-01", ["01:30-0700"]),
        ("30 2 * * *", "2026-11-01", ["02:30-0800"]),
        ("30 2 * * *", "2027-03-14", ["03:30-0700"]),
        ("0 2,3 * * *", "2027-03-14", ["03:00-0700"]),
        ("0 */6 * * *", "2026-11-01", ["00:00-0700", "06:00-0800", "12:00-0800", "18:00-0800"]),
        ("0 3 * * 0", "2027-03-14", ["03:00-0700"]),
        ("0 3 * * 1", "2027-03-14", []),
        ("0 3 14 3 *", "2027-03-14", ["03:00-0700"]),
    ],
)
def test_a_time_of_the_day_is_due_once(cron: str, day: str, expected: list[str]) -> None:
    assert local_times(cron, day) == expected


@pytest.mark.parametrize(
    ("cron", "day", "number", "expected"),
    [
        ("*/15 * * * *", "2026-04-05", 98, "01:45+1030"),
        ("*/15 * * * *", "2026-10-04", 94, "02:30+1100"),
        ("45 1 * * *", "2026-04-05", 1, "01:45+1100"),
        ("15 2 * * *", "2026-10-04", 1, "02:45+1100"),
    ],
)
def test_clocks_may_also_change_by_half_an_hour(cron: str, day: str, number: int, expected: str) -> None:
    times = local_times(cron, day, ZoneInfo("Australia/Lord_Howe"))
    assert len(times) == len(set(times)) == number
    assert expected in times


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", "2026-11-01", 25),
        ("Europe/Berlin", "2026-10-25", 25),
        ("America/Havana", "2026-11-01", 25),
        ("America/Havana", "2027-03-14", 23),
        ("Asia/Kolkata", "2026-11-01", 24),
        ("UTC", "2026-11-01", 24),
    ],
)
def test_hourly_schedules_are_an_hour_apart_in_every_zone(zone: str, day: str, hours: int) -> None:
    assert len(local_times("0 * * * *", day, ZoneInfo(zone))) == hours
    times = list(itertools.islice(crontab("0 * * * *", ZoneInfo(zone)).due_times(timezone.now()), 9000))
    assert {later - earlier for earlier, later in itertools.pairwise(times)} == {dt.timedelta(hours=1)}


@pytest.mark.parametrize("cron", ["10 * * * *", "*/20 1-3 * * *", "30 2 * * *", "0 0 * * *", "59 23 * * *"])
@pytest.mark.parametrize("start", ["2026-10-31T20:03+00:00", "2027-03-13T20:03+00:00"])
def test_beat_runs_at_the_times_that_are_shown(cron: str, start: str) -> None:
    """Let time pass as in beat, which asks `is_due` again after at most five minutes."""
    schedule, now = crontab(cron), dt.datetime.fromisoformat(start)
    shown = list(itertools.takewhile(lambda time: time < now + dt.timedelta(days=3), schedule.due_times(now)))
    runs, last = [], now
    schedule.nowfun = lambda: now.astimezone(LOS_ANGELES)
    end = now + dt.timedelta(days=3)
    while now < end:
        due, seconds = schedule.is_due(last.astimezone(dt.UTC))
        if due:
            runs.append(now)
            last = now
        now += dt.timedelta(seconds=min(max(float(seconds), 1), 300))  # type: ignore[arg-type]
    assert [run.replace(second=0, microsecond=0) for run in runs] == shown


def test_a_day_that_is_never_due_is_refused_and_a_rare_one_is_found() -> None:
    with pytest.raises(ValueError, match="never"):
        next(crontab("0 0 30 2 *").due_times(timezone.now()))
    rare = next(crontab("0 0 29 2 1").due_times(dt.datetime(2026, 1, 1, tzinfo=dt.UTC)))
    assert rare.astimezone(LOS_ANGELES).date() == dt.date(2044, 2, 29)


@pytest.mark.django_db
def test_beat_and_pages_agree_on_every_schedule() -> None:
    scheduler = import_string(settings.CELERY_BEAT_SCHEDULER.replace(":", "."))
    for task in schedules.list_schedules():
        entry = scheduler.Entry(task)
        due = schedules.next_run(schedules.get(task.pk))
        assert due is not None
        remaining = entry.schedule.remaining_estimate(entry.last_run_at)
        assert abs(timezone.now() + remaining - due) < dt.timedelta(seconds=5)


@pytest.mark.django_db
def test_beat_also_runs_what_became_overdue_while_it_was_stopped() -> None:
    scheduler = import_string(settings.CELERY_BEAT_SCHEDULER.replace(":", "."))
    hour = (timezone.now().hour + 12) % 24
    cron = {"minute": "0", "hour": str(hour), "timezone": "UTC"}
    task = schedules.save(PERSON, None, {"name": "A", "job_type": "PRUNE", "enabled": True, "cron": cron})
    PeriodicTask.objects.filter(pk=task.pk).update(last_run_at=timezone.now() - dt.timedelta(days=2))
    found = scheduler.enabled_models_qs(scheduler.__new__(scheduler)).get(pk=task.pk)
    assert scheduler.Entry(found).is_due().is_due
    overdue = schedules.next_run(schedules.get(task.pk))
    assert overdue is not None
    assert overdue <= timezone.now()


@pytest.mark.django_db
def test_a_changed_time_of_today_that_has_passed_is_due_tomorrow() -> None:
    now = timezone.now()
    task = schedules.save(
        PERSON, None, {"name": "A", "job_type": "PRUNE", "enabled": True, "cron": {"hour": str((now.hour + 2) % 24)}}
    )
    PeriodicTask.objects.filter(pk=task.pk).update(last_run_at=now - dt.timedelta(hours=22))
    saved = schedules.save(PERSON, schedules.get(task.pk), {"cron": {"hour": str((now.hour - 1) % 24)}})
    due = schedules.next_run(saved)
    assert due is not None
    assert due > timezone.now() + dt.timedelta(hours=20)
    assert due == schedules.next_runs(saved, 1)[0]
