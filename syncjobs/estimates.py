"""What a sync will cost before it is asked for: units, time, and whether today's quota holds it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.utils import timezone

from bands.models import Band

from . import operations, quota
from .choices import JobStatus, JobType
from .models import SyncJob
from .youtube.costs import Bucket

_SAMPLE = 200


@dataclass(frozen=True, slots=True)
class Estimate:
    """Units per bucket; seconds of like jobs in the past, None when there were none; bands that would be synced."""

    units: dict[str, int]
    seconds_p50: float | None
    seconds_p95: float | None
    bands: int
    skipped_as_just_synced: int
    units_left: int
    fits_quota: bool


def estimate(band: Band | None, *, full: bool, force: bool = False) -> Estimate:
    """What `operations.trigger_sync` of the same arguments would take, as far as is known."""
    bands = [band] if band else list(Band.objects.syncable())
    recent = [] if force else [each for each in bands if _just_synced(each, full=full)]
    left = next(state.left(personal=True) for state in quota.today() if state.bucket == Bucket.MAIN)
    skipped = {each.pk for each in recent}
    if full:
        units = sum(operations.estimate_units(each, full=True) for each in bands if each.pk not in skipped)
    else:
        units = operations.estimate_units(band, full=False) if len(skipped) < len(bands) else 0
    p50, p95 = _seconds(band, JobType.FULL_SYNC if full else JobType.INCREMENTAL_SYNC)
    return Estimate(
        units={Bucket.MAIN.value: units},
        seconds_p50=p50,
        seconds_p95=p95,
        bands=len(bands) - len(skipped),
        skipped_as_just_synced=len(skipped),
        units_left=left,
        fits_quota=units <= left,
    )


def _just_synced(band: Band, *, full: bool) -> bool:
    since = timezone.now() - dt.timedelta(seconds=settings.SYNC_MIN_INTERVAL_SECONDS)
    times = (band.last_full_sync_at, None if full else band.last_incremental_sync_at)
    return any(time is not None and time > since for time in times)


def _seconds(band: Band | None, job_type: JobType) -> tuple[float | None, float | None]:
    """Of the newest like jobs: of this band, or of all bands."""
    jobs = SyncJob.objects.filter(job_type=job_type, status=JobStatus.COMPLETED, started_at__isnull=False)
    jobs = jobs.filter(band=band) if band else jobs.filter(fans_out=True, band=None)
    sample, params = (
        jobs.order_by("-created_at", "-pk").values("started_at", "completed_at")[:_SAMPLE].query.sql_with_params()
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds), percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds)"  # noqa: S608
            f" FROM (SELECT extract(epoch FROM completed_at - started_at)::float8 AS seconds FROM ({sample}) AS jobs) AS took",
            params,
        )
        p50, p95 = cursor.fetchone()
    return p50, p95
