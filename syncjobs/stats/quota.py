"""What YouTube's quota went to, what waits for it, and what will be used by the time it resets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db.models import Avg, Count, F, IntegerField, OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bands.models import Band

from ..choices import TERMINAL_STATUSES, JobStatus, JobType
from ..engine import quota
from ..engine.quota import BucketState
from ..models import QuotaCall, QuotaDay, SyncJob
from ..operations import schedules
from ..youtube.costs import Bucket, quota_day

TOP_BANDS = 10
RATE_HOURS = 3
"""People's calls of the last so many hours tell how many more there will be."""
HISTORY_DAYS = 7
"""Runs of a schedule that say what the next one will take."""
_SAMPLE = 20
_MAX_RUNS = 3000


@dataclass(slots=True)
class Spent:
    """Units and calls on one account: an operation, a type of job, or a band. `failed` calls are charged too."""

    units: int = 0
    calls: int = 0
    failed: int = 0

    def add(self, units: int, calls: int, failed: int) -> None:
        self.units += units
        self.calls += calls
        self.failed += failed


@dataclass(slots=True)
class Forecast:
    """Units that will have been used when the bucket resets, were there enough of them.

    What is used, plus what people would use if they went on at the rate of the last RATE_HOURS, plus what active jobs
    still need (by their estimate, or like jobs before them), plus what schedules will take until then (by their runs of
    the last HISTORY_DAYS days). `unknown` names what nothing is known of: then there is no `units`.
    """

    used: int
    people: int = 0
    queued: int = 0
    scheduled: int = 0
    unknown: list[str] = field(default_factory=list)

    @property
    def units(self) -> int | None:
        return None if self.unknown else self.used + self.people + self.queued + self.scheduled


@dataclass(slots=True)
class BucketFigures:
    """A bucket today. `operations`, `job_types` ("" for calls outside any job) and `bands` sum to what was called for."""

    state: BucketState
    forecast: Forecast
    waiting_jobs: int
    operations: dict[str, Spent] = field(default_factory=dict)
    job_types: dict[str, Spent] = field(default_factory=dict)
    bands: dict[int, Spent] = field(default_factory=dict)
    band_names: dict[int, str] = field(default_factory=dict)
    as_of: dt.datetime = field(default_factory=timezone.now)

    def top_bands(self) -> list[tuple[int, str | None, Spent]]:
        """The TOP_BANDS that took most: id, name (None if deleted since), and what they took."""
        most = sorted(self.bands.items(), key=lambda item: (-item[1].units, item[0]))[:TOP_BANDS]
        return [(band_id, self.band_names.get(band_id), spent) for band_id, spent in most]


def today() -> list[BucketFigures]:
    """All buckets as of now, those nothing was spent from included."""
    now = timezone.now()
    states = quota.today()
    needs, runs = _active_needs(states[0].resets_at), _scheduled_needs(now, states[0].resets_at)
    waiting = dict(
        SyncJob.objects.filter(status=JobStatus.QUEUED, run_at__gt=now, delay_reason__in=quota.DELAY_REASONS.values())
        .order_by()
        .values_list("delay_reason")
        .annotate(Count("pk"))
    )
    figures = {
        state.bucket: BucketFigures(
            state, Forecast(state.used), waiting.get(quota.DELAY_REASONS[state.bucket], 0), as_of=now
        )
        for state in states
    }
    lately = _add_spent(figures, now)
    for bucket, each in figures.items():
        if each.state.closed_at is None:
            _foretell(each.forecast, bucket, lately[bucket], each.state.resets_at - now, needs, runs)
    return list(figures.values())


def history(days: int) -> list[dict[str, Any]]:
    """Every bucket on each of the last `days` days, today's last. Of a day nothing was spent on, the limit is unknown."""
    last = quota_day(timezone.now())
    first = last - dt.timedelta(days=days - 1)
    rows = {(row.day, row.bucket): row for row in QuotaDay.objects.filter(day__gte=first)}
    series = []
    for number in range(days):
        day = first + dt.timedelta(days=number)
        for bucket in Bucket:
            row = rows.get((day, bucket.value))
            series.append(
                {
                    "day": day,
                    "bucket": bucket,
                    "used": row.used if row else 0,
                    "limit": row.limit if row else None,
                    "reserved": row.reserved if row else None,
                    "closed_at": row.closed_at if row else None,
                }
            )
    return series


def _add_spent(figures: dict[Bucket, BucketFigures], now: dt.datetime) -> dict[Bucket, int]:
    """Put today's calls on their accounts; returns what people used of each bucket in the last RATE_HOURS."""
    lately = Q(at__gt=now - dt.timedelta(hours=RATE_HOURS), is_personal=True)
    rows = (
        QuotaCall.objects.filter(day=quota_day(now))
        .order_by()
        .values("bucket", "operation", "job_type", "band_id")
        .annotate(
            spent=Sum("units"),
            calls=Count("pk"),
            failed=Count("pk", filter=~Q(reason="")),
            recent=Coalesce(Sum("units", filter=lately), 0),
        )
        .values_list("bucket", "operation", "job_type", "band_id", "spent", "calls", "failed", "recent")
    )
    by_people = dict.fromkeys(figures, 0)
    for name, operation, job_type, band_id, *spent, recent in rows:
        bucket = figures[Bucket(name)]
        by_people[Bucket(name)] += recent
        bucket.operations.setdefault(operation, Spent()).add(*spent)
        bucket.job_types.setdefault(job_type, Spent()).add(*spent)
        if band_id is not None:
            bucket.bands.setdefault(band_id, Spent()).add(*spent)
    top = {band_id for bucket in figures.values() for band_id, *_rest in bucket.top_bands()}
    names = dict(Band.objects.filter(pk__in=top).values_list("pk", "name"))
    for bucket in figures.values():
        bucket.band_names = names
    return by_people


# ---- Forecast

_Need = tuple[str, str, float | None]
"""Of what, which type of job, and how many units (None: not known)."""


def _foretell(
    forecast: Forecast,
    bucket: Bucket,
    by_people: int,
    left: dt.timedelta,
    active: Iterable[_Need],
    scheduled: Iterable[_Need],
) -> None:
    forecast.people = round(by_people * left / dt.timedelta(hours=RATE_HOURS))
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
    """Which bucket jobs of the type spend from."""
    if job_type == JobType.PRUNE:
        return None
    return Bucket.STATS if job_type == JobType.STATS_REFRESH and settings.YOUTUBE_USE_BATCH_STATS else Bucket.MAIN


def _active_needs(until: dt.datetime) -> list[_Need]:
    """What active jobs that are due before then still need. A parent's estimate covers its children."""
    of_children = (
        SyncJob.objects.filter(parent=OuterRef("pk"))
        .order_by()
        .values("parent")
        .annotate(n=Sum("quota_used"))
        .values("n")
    )
    spent = F("quota_used") + Coalesce(Subquery(of_children, output_field=IntegerField()), 0)
    rows = (
        SyncJob.objects.active()
        .filter(parent=None, run_at__lt=until)
        .order_by()
        .values("job_type")
        .annotate(
            without=Count("pk", filter=Q(quota_estimated=None)),
            units=Coalesce(Sum(Greatest(F("quota_estimated") - spent, Value(0))), 0),
        )
        .values_list("job_type", "without", "units")
    )
    needs: list[_Need] = []
    for job_type, without, units in rows:
        needs.append((_("%(type)s jobs") % {"type": job_type}, job_type, units))
        if without:
            usual = _usual(job_type)
            what = ngettext("%(count)s %(type)s jobs", "%(count)s %(type)s jobs", without)
            what %= {"count": without, "type": job_type}
            needs.append((what, job_type, None if usual is None else usual * without))
    return needs


def _usual(job_type: str) -> float | None:
    """Units of the newest completed jobs of the type, on average."""
    newest = SyncJob.objects.filter(job_type=job_type, status=JobStatus.COMPLETED).order_by("-created_at", "-pk")
    usual: float | None = newest.values("quota_used")[:_SAMPLE].aggregate(usual=Avg("quota_used"))["usual"]
    return usual


def _units_of(job_ids: list[int]) -> int:
    """What these jobs took, with their children."""
    own = SyncJob.objects.filter(pk__in=job_ids).aggregate(units=Sum("quota_used"))["units"]
    children = SyncJob.objects.filter(parent_id__in=job_ids).aggregate(units=Sum("quota_used"))["units"]
    return (own or 0) + (children or 0)


def _scheduled_needs(now: dt.datetime, until: dt.datetime) -> list[_Need]:
    """What schedules will take until then: their runs, each like the newest before it, with all the jobs they led to."""
    needs: list[_Need] = []
    for schedule in schedules.list_schedules().filter(enabled=True):
        kind = schedules.job_type_of(schedule)
        runs = schedules.runs_between(schedule, now, until, _MAX_RUNS)
        if not runs or _bucket_of(kind) is None:
            continue
        jobs = SyncJob.objects.filter(
            requested_by_label=schedules.requester_label(schedule),
            created_at__gte=now - dt.timedelta(days=HISTORY_DAYS),
        )
        ended = jobs.filter(parent=None, status__in=TERMINAL_STATUSES).order_by("-created_at", "-pk")
        before = list(ended.values_list("pk", flat=True)[:_SAMPLE])
        units = _units_of(before) / len(before) * runs if before else None
        needs.append((_("schedule “%(name)s”") % {"name": schedule.name}, kind, units))
    return needs
