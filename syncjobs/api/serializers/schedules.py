"""Schedules: what they trigger, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django_celery_beat.models import PeriodicTask
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bands.text import ONE_LINE, VISIBLE

from ...choices import JobStatus
from ...operations import schedules, time_zones
from ..core.fields import Choice, Flag, Strict, Text, Whole


class LastRun(serializers.Serializer[Any]):
    jobId = serializers.CharField(source="pk")
    status = serializers.ChoiceField(choices=JobStatus.choices)
    createdAt = serializers.DateTimeField(source="created_at")
    completedAt = serializers.DateTimeField(source="completed_at", allow_null=True)
    errorCount = serializers.IntegerField(source="error_count", help_text="Of an all-bands job with its children's.")


class Cron(serializers.Serializer[Any]):
    minute = serializers.CharField()
    hour = serializers.CharField()
    dayOfWeek = serializers.CharField(source="day_of_week")
    dayOfMonth = serializers.CharField(source="day_of_month")
    monthOfYear = serializers.CharField(source="month_of_year")
    timezone = serializers.CharField()


class Interval(serializers.Serializer[Any]):
    every = serializers.IntegerField()
    period = serializers.CharField()


class ScheduleSerializer(serializers.Serializer[PeriodicTask]):
    """A schedule with its next run and recent jobs."""

    id = serializers.CharField()
    name = serializers.CharField()
    jobType = serializers.SerializerMethodField()
    cron = Cron(source="crontab", allow_null=True)
    interval = Interval(allow_null=True)
    enabled = serializers.BooleanField()
    nextRunAt = serializers.SerializerMethodField()
    overdue = serializers.SerializerMethodField()
    lastRunAt = serializers.DateTimeField(source="last_run_at", allow_null=True)
    lastRuns = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ChoiceField(choices=schedules.TRIGGERABLE))
    def get_jobType(self, schedule: PeriodicTask) -> str:
        return schedules.job_type_of(schedule)

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_nextRunAt(self, schedule: PeriodicTask) -> Any:
        return schedules.next_run(schedule)

    def get_overdue(self, schedule: PeriodicTask) -> bool:
        """Whether the scheduler has not run it although it was due more than a minute ago."""
        return schedules.is_overdue(schedule, self.context["now"])

    @extend_schema_field(LastRun(many=True))
    def get_lastRuns(self, schedule: PeriodicTask) -> Any:
        # For all schedules of a list at once.
        return LastRun(self.context["last_runs"][schedule.pk], many=True).data


def _numbers(first: int, last: int) -> str:
    """Return a pattern of the numbers from `first` to `last`, below 100, with or without a leading zero."""
    tens = range(first // 10, last // 10 + 1)
    digits = ((ten, max(first, ten * 10) % 10, min(last, ten * 10 + 9) % 10) for ten in tens)
    return "|".join(f"{ten or '0?'}[{low}-{high}]" for ten, low, high in digits)


def _cron_pattern(low: int, high: int, names: Sequence[str] = ()) -> str:
    """Return a pattern of a cron field: stars, numbers or names, rising ranges, steps, and lists of them."""
    words = ["".join(f"[{letter}{letter.upper()}]" for letter in name) for name in names]

    def entries(first: int, last: int) -> str:
        return "|".join([_numbers(first, last), *words[first : last + 1]])

    step = f"(/({_numbers(1, high)}))?"
    # A range that begins with a name ends with one: Celery can't parse "tue-5".
    rising = [f"({_numbers(first, first)})-({entries(first, high)})" for first in range(low, high + 1)]
    ranges = "|".join(rising + [f"{word}-({'|'.join(words[first:])})" for first, word in enumerate(words)])
    entry = rf"(\*{step}|({ranges}){step}|{entries(low, high)})"
    return f"{entry}(,{entry})*"


_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class _CronField(Text):
    """A field of a cron expression."""

    def __init__(self, low: int, high: int, names: Sequence[str] = (), **options: Any) -> None:
        span = f"{low} to {high}" + (f" or {names[0]} to {names[-1]}" if names else "")
        message = f"Must be *, {span}, a range such as {high - 4}-{high} or a step such as */2, or several separated by commas."
        super().__init__(required=False, pattern=_cron_pattern(low, high, names), message=message, **options)


@extend_schema_field(
    {
        "type": "string",
        "maxLength": 64,
        "pattern": "^[A-Z][A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$",
        "description": "The name of a time zone in the IANA database. Default: UTC.",
        "examples": ["America/New_York"],
    }
)
class _TimeZone(Choice):
    """One of 600 names. As an enum of the document they break generators, because some differ only in their signs."""


class CronBody(Strict):
    """Fields left out stay as they are; in a new schedule the minute is 0 and all others are *."""

    keywords = {"minProperties": 1}

    minute = _CronField(0, 59, max_length=240, like="*/15")
    hour = _CronField(0, 23, max_length=96, like="3")
    dayOfWeek = _CronField(0, 6, _DAYS, source="day_of_week", max_length=64, like="mon-fri")
    dayOfMonth = _CronField(1, 31, source="day_of_month", max_length=124, like="*")
    monthOfYear = _CronField(1, 12, source="month_of_year", max_length=64, like="*")
    timezone = _TimeZone(
        required=False,
        choices=time_zones.listed(),
        message="Must be a time zone such as America/New_York.",
    )

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if not data:
            raise serializers.ValidationError("At least one field is required.")
        return data


class IntervalBody(Strict):
    """A number of periods between runs."""

    every = Whole(min_value=1, max_value=100_000)
    period = Choice(choices=schedules.PERIODS)


_OBJECT = {"type": "object"}
_NAME: dict[str, Any] = {"max_length": 180, "pattern": VISIBLE + ONE_LINE, "like": "Nightly"}


class ScheduleBody(Strict):
    """Fields left out stay as they are. Give either cron or interval, or null for the other."""

    keywords: ClassVar[dict[str, Any]] = {
        "not": {"required": ["cron", "interval"], "properties": dict.fromkeys(("cron", "interval"), _OBJECT)}
    }

    name = Text(required=False, **_NAME)
    jobType = Choice(source="job_type", choices=schedules.TRIGGERABLE, required=False)
    cron = CronBody(required=False, allow_null=True)
    interval = IntervalBody(required=False, allow_null=True)
    enabled = Flag(required=False)


class NewScheduleBody(ScheduleBody):
    """Give either cron or interval, or null for the other."""

    keywords: ClassVar[dict[str, Any]] = {
        "oneOf": [{"required": [name], "properties": {name: _OBJECT}} for name in ("cron", "interval")]
    }

    name = Text(**_NAME)
    jobType = Choice(source="job_type", choices=schedules.TRIGGERABLE)
