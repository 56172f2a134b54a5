"""Use of YouTube's quota, jobs that wait for it, and a forecast until it resets."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Min, Q, Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django_celery_beat.models import PeriodicTask

from bands.models import Band

from ..choices import TERMINAL_STATUSES, JobType
from ..engine import clock, quota
from ..engine.quota import BucketState
from ..models import QuotaCall, QuotaDay
from ..operations import schedules
from ..sql import query
from ..youtube.costs import Bucket, quota_day
from .snapshot import one_snapshot

TOP_BANDS = 10
RATE_HOURS = 5
"""Manual syncs are projected from the median of the last hours, so that one big sync is not the rate of those to come."""
HISTORY_DAYS = 7
"""Schedules are projected from their runs of the last days."""
_SAMPLE = 20
_MAX_RUNS = 3000


@dataclass(slots=True)
class Spent:
    """Units and calls of an operation, a job type or a band. Failed calls are charged too."""

    units: int = 0
    calls: int = 0
    failed: int = 0

    def add(self, units: int, calls: int, failed: int) -> None:
        self.units += units
        self.calls += calls
        self.failed += failed


@dataclass(slots=True)
class Forecast:
    """The units that will be used when the bucket resets, regardless of its limit.

    They are what is used now, plus manual syncs at their `hourly_rates()`, plus what active jobs still need (by
    their estimate, or like earlier jobs), plus what schedules will use until then (like their runs of the last
    HISTORY_DAYS days). `unknown` names what can't be projected; then `units` is None.
    """

    used: int
    people: int = 0
    queued: int = 0
    scheduled: int = 0
    unknown: list[str] = field(default_factory=list)

    @property
    def at_least(self) -> int:
        """The units that will be used without those that can't be projected."""
        return self.used + self.people + self.queued + self.scheduled

    @property
    def units(self) -> int | None:
        return None if self.unknown else self.at_least


@dataclass(slots=True)
class BucketFigures:
    """A bucket today. `operations` and `job_types` ("" for calls without a job) each sum to all calls."""

    state: BucketState
    forecast: Forecast
    waiting_jobs: int
    waiting_until: dt.datetime | None
    operations: dict[str, Spent] = field(default_factory=dict)
    job_types: dict[str, Spent] = field(default_factory=dict)
    bands: dict[int, Spent] = field(default_factory=dict)
    band_names: dict[int, str] = field(default_factory=dict)
    as_of: dt.datetime = field(default_factory=clock.now)

    @property
    def exceeds_limit(self) -> bool | None:
        """Whether the forecast is over the limit, which its known part may be already; None if that is unknown."""
        if self.forecast.at_least > self.state.limit:
            return True
        return None if self.forecast.unknown else False

    @property
    def runs_out_at(self) -> dt.datetime | None:
        """When the limit is reached if units are used evenly from now on; None if the forecast is within the limit."""
        used, limit = self.state.used, self.state.limit
        if not self.exceeds_limit:
            return None
        share = max(limit - used, 0) / max(self.forecast.at_least - used, 1)
        return self.as_of + (self.state.resets_at - self.as_of) * share

    def top_bands(self) -> list[tuple[int, str | None, Spent]]:
        """Return the TOP_BANDS with the most units: id, name (None if deleted since) and use."""
        most = sorted(self.bands.items(), key=lambda item: (-item[1].units, item[0]))[:TOP_BANDS]
        return [(band_id, self.band_names.get(band_id), spent) for band_id, spent in most]


def today() -> list[BucketFigures]:
    """Return all buckets as of now, including unused ones, with what their calls were for."""
    with one_snapshot():
        found = buckets()
        _add_spent({figures.state.bucket: figures for figures in found}, found[0].state.day)
    return found


def buckets() -> list[BucketFigures]:
    """Return all buckets as of now, like `today()` but without what the calls were for."""
    now = clock.now()
    waits = waiting()
    return [BucketFigures(state, forecast, *waits[state.bucket], as_of=now) for state, forecast in forecasts(now)]


def forecasts(now: dt.datetime) -> list[tuple[BucketState, Forecast]]:
    """Return the state and the forecast of each bucket.

    `now` is the database's time. It takes few statements, because the rules of alerts need it all the time.
    """
    states = quota.on(quota_day(now))
    needs, runs = _needs(now, states[0].resets_at)
    rates = hourly_rates(now)
    found = [(state, Forecast(state.used)) for state in states]
    for state, forecast in found:
        if state.closed_at is None:
            _project(forecast, state.bucket, rates.get(state.bucket, 0), state.resets_at - now, needs, runs)
    return found


def hourly_rates(now: dt.datetime) -> dict[str, float]:
    """Return the units that manual syncs use in an hour, by bucket: the median of each of the last RATE_HOURS.

    A peak of less than half of these hours counts for nothing. All-bands jobs are left out, however long they run: nobody
    triggers the next one when they end, and what the active ones still need is another part of the forecast.
    """
    hours = [now - dt.timedelta(hours=number) for number in range(RATE_HOURS + 1)]
    calls = QuotaCall.objects.filter(day__gte=quota_day(hours[-1]), at__gt=hours[-1], is_personal=True)
    calls = calls.filter(Q(job=None) | Q(job__fans_out=False, job__parent=None))
    sums = {
        f"hour_{number}": Sum("units", filter=Q(at__gt=begin, at__lte=end), default=0)
        for number, (end, begin) in enumerate(pairwise(hours))
    }
    rows = calls.order_by().values_list("bucket").annotate(**sums)
    return {bucket: statistics.median(units) for bucket, *units in rows}


def waiting() -> dict[Bucket, tuple[int, dt.datetime | None]]:
    """Return how many jobs wait for each bucket, and until when the first of them does."""
    rows = quota.waiting_jobs().order_by().values_list("delay_reason").annotate(Count("pk"), Min("run_at"))
    found = {reason: (count, until) for reason, count, until in rows}
    return {bucket: found.get(reason, (0, None)) for bucket, reason in quota.DELAY_REASONS.items()}


def history(days: int) -> list[dict[str, Any]]:
    """Return every bucket on each of the last `days` days, today last. The limit of an unused day is unknown."""
    last = quota_day(clock.now())
    first = last - dt.timedelta(days=days - 1)
    rows = {(row.day, row.bucket): row for row in QuotaDay.objects.filter(day__gte=first)}
    unused = {"used": 0, "limit": None, "reserved": None, "closed_at": None}
    return [
        {"day": day, "bucket": bucket}
        | {name: getattr(rows.get((day, bucket.value)), name, value) for name, value in unused.items()}
        for day in (first + dt.timedelta(days=number) for number in range(days))
        for bucket in Bucket
    ]


def _add_spent(figures: dict[Bucket, BucketFigures], day: dt.date) -> None:
    """Add the day's calls to the figures."""
    rows = (
        QuotaCall.objects.filter(day=day)
        .order_by()
        .values("bucket", "operation", "job_type", "band_id")
        .annotate(spent=Sum("units"), calls=Count("pk"), failed=Count("pk", filter=~Q(reason="")))
        .values_list("bucket", "operation", "job_type", "band_id", "spent", "calls", "failed")
    )
    for name, operation, job_type, band_id, *spent in rows:
        bucket = figures[Bucket(name)]
        bucket.operations.setdefault(operation, Spent()).add(*spent)
        bucket.job_types.setdefault(job_type, Spent()).add(*spent)
        if band_id is not None:
            bucket.bands.setdefault(band_id, Spent()).add(*spent)
    top = {band_id for bucket in figures.values() for band_id, *_rest in bucket.top_bands()}
    names = dict(Band.objects.filter(pk__in=top).values_list("pk", "name"))
    for bucket in figures.values():
        bucket.band_names = names


# ---- Forecast

_Need = tuple[str, str, float | None]
"""What needs units, its job type, and how many units (None if unknown)."""


def _project(
    forecast: Forecast,
    bucket: Bucket,
    rate: float,
    left: dt.timedelta,
    active: Iterable[_Need],
    scheduled: Iterable[_Need],
) -> None:
    forecast.people = round(rate * (left / dt.timedelta(hours=1)))
    forecast.queued = round(_sum(active, bucket, forecast.unknown))
    forecast.scheduled = round(_sum(scheduled, bucket, forecast.unknown))


def _sum(needs: Iterable[_Need], bucket: Bucket, unknown: list[str]) -> float:
    total = 0.0
    for what, job_type, units in needs:
        if _bucket_of(job_type) != bucket:
            continue
        if units is None:
            unknown.append(what)
        else:
            total += units
    return total


def _bucket_of(job_type: str) -> Bucket | None:
    """Return the bucket that jobs of the type use."""
    if job_type == JobType.PRUNE:
        return None
    return Bucket.STATS if job_type == JobType.STATS_REFRESH and settings.YOUTUBE_USE_BATCH_STATS else Bucket.MAIN


def _needs(now: dt.datetime, until: dt.datetime) -> tuple[list[_Need], list[_Need]]:
    """Return what active jobs that are due before then still need, and what schedules will use until then.

    Each run of a schedule uses the average of the last ones. Takes two statements.
    """
    runs = {}
    for schedule in schedules.list_schedules().filter(enabled=True):
        count = schedules.runs_between(schedule, now, until, _MAX_RUNS)
        if count and _bucket_of(schedules.job_type_of(schedule)) is not None:
            runs[schedule] = count
    values: dict[str, Any] = {
        "until": until, "labels": [schedules.requester_label(schedule) for schedule in runs],
        "since": now - dt.timedelta(days=HISTORY_DAYS), "ended": list(TERMINAL_STATUSES), "sample": _SAMPLE,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(query("quota_needs"), values)
        rows = cursor.fetchall()
    active = [need for kind, *figures in rows if kind == "active" for need in _active(*figures)]
    averages = {name: average for kind, name, _units, _without, average in rows if kind == "schedule"}
    return active, [_scheduled(schedule, count, averages) for schedule, count in runs.items()]


def _active(job_type: str, units: int, without: int, average: float | None) -> Iterator[_Need]:
    yield job_type, job_type, units
    if without:
        what = ngettext("%(count)s %(type)s job", "%(count)s %(type)s jobs", without)
        what %= {"count": without, "type": JobType(job_type).label}
        yield what, job_type, None if average is None else average * without


def _scheduled(schedule: PeriodicTask, count: int, averages: Mapping[str, float]) -> _Need:
    average = averages.get(schedules.requester_label(schedule))
    what = _("schedule “%(name)s”") % {"name": schedule.name}
    return what, schedules.job_type_of(schedule), None if average is None else average * count
