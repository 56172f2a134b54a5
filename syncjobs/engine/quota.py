"""The quota ledger: reserve units before each HTTP attempt, so that all workers together stay within the limits."""

from __future__ import annotations

import datetime as dt
import logging
import math
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from bands.models import Band

from ..choices import DelayReason
from ..exceptions import QuotaExhausted
from ..models import QuotaCall, QuotaDay
from ..youtube.client import PAGE_SIZE
from ..youtube.costs import QUOTA_TIMEZONE, Bucket, Operation, bucket_of, next_reset, quota_day, units_of

logger = logging.getLogger(__name__)

DELAY_REASONS = {
    Bucket.MAIN: DelayReason.QUOTA_MAIN,
    Bucket.SEARCH: DelayReason.QUOTA_SEARCH,
    Bucket.STATS: DelayReason.QUOTA_STATS,
}


def limit_of(bucket: Bucket) -> int:
    """Return the bucket's daily limit in units, from the settings."""
    limits: dict[Bucket, int] = {
        Bucket.MAIN: settings.YOUTUBE_QUOTA_MAIN,
        Bucket.SEARCH: settings.YOUTUBE_QUOTA_SEARCH,
        Bucket.STATS: settings.YOUTUBE_QUOTA_STATS,
    }
    return limits[bucket]


def reserved_of(bucket: Bucket) -> int:
    """Return the units of the bucket that are reserved for manual syncs."""
    return settings.YOUTUBE_QUOTA_RESERVED if bucket is Bucket.MAIN else 0


@dataclass(frozen=True, slots=True)
class Spender:
    """What a call is made for: a job, a band, a manual sync or an automatic one."""

    is_personal: bool
    job_id: int | None = None
    job_type: str = ""
    band_id: int | None = None


def reserve(operation: Operation, spender: Spender) -> int:
    """Reserve the units of one HTTP attempt; return the id of its row in the ledger.

    Raises QuotaExhausted and changes nothing if the bucket is closed or has no unit left for this spender. One
    transaction, the caller's if there is one, keeps the ledger equal to the day's sum.
    """
    bucket, units, now = bucket_of(operation), units_of(operation), timezone.now()
    day = quota_day(now)
    with transaction.atomic():
        call = QuotaCall.objects.create(
            bucket=bucket,
            day=day,
            operation=operation,
            units=units,
            job_id=spender.job_id,
            job_type=spender.job_type,
            band_id=spender.band_id,
            is_personal=spender.is_personal,
        )
        # Last, because all workers share this row: it stays locked only until the commit.
        if not _spend(bucket, day, units, spender.is_personal):
            raise QuotaExhausted(bucket, next_reset(now))
    return call.pk


def _spend(bucket: Bucket, day: dt.date, units: int, is_personal: bool) -> bool:
    limit, reserved = limit_of(bucket), reserved_of(bucket)
    usable = limit if is_personal else limit - reserved
    affordable = QuotaDay.objects.filter(bucket=bucket, day=day, closed_at__isnull=True, used__lte=usable - units)

    def spend() -> int:
        return affordable.update(used=F("used") + units, limit=limit, reserved=reserved)

    if spend():
        return True
    # Perhaps the day has just begun. Looking whether its row exists would be too late: another worker may have created it.
    _create_day(bucket, day)
    return bool(spend())


def _create_day(bucket: Bucket, day: dt.date) -> None:
    row = QuotaDay(bucket=bucket, day=day, limit=limit_of(bucket), reserved=reserved_of(bucket))
    QuotaDay.objects.bulk_create([row], ignore_conflicts=True)


def record_result(call_id: int, *, status: int | None, reason: str, seconds: float) -> None:
    """Record the result of a call in the ledger. Its units stay used: YouTube charges for failed calls too."""
    QuotaCall.objects.filter(pk=call_id).update(http_status=status, reason=reason[:80], seconds=seconds)


def close(bucket: Bucket, reason: str) -> dt.datetime:
    """Close a bucket that YouTube reports as used up, whatever we counted. Return the time of the reset that reopens it."""
    now = timezone.now()
    _create_day(bucket, quota_day(now))
    closed = QuotaDay.objects.filter(bucket=bucket, day=quota_day(now), closed_at__isnull=True).update(
        closed_at=Now(), closed_reason=reason[:80]
    )
    if closed:
        logger.warning("YouTube closed the %s bucket for today: %s", bucket, reason)
    return next_reset(now)


@dataclass(frozen=True, slots=True)
class BucketState:
    """A bucket's usage on one day, with `limit` and `reserved` of the current settings."""

    bucket: Bucket
    day: dt.date
    used: int
    limit: int
    reserved: int
    closed_at: dt.datetime | None
    closed_reason: str
    resets_at: dt.datetime

    @property
    def left_for_manual_syncs(self) -> int:
        """The units left for manual syncs."""
        return 0 if self.closed_at else max(0, self.limit - self.used)

    @property
    def left_for_automatic_syncs(self) -> int:
        """The units left for automatic syncs."""
        return max(0, self.left_for_manual_syncs - self.reserved)


def today() -> list[BucketState]:
    """Return the state of every bucket, including unused ones."""
    return on(quota_day(timezone.now()))


def on(day: dt.date) -> list[BucketState]:
    """Return every bucket's usage on that day, with the limits of the current settings."""
    rows = {row.bucket: row for row in QuotaDay.objects.filter(day=day)}
    noon = dt.datetime.combine(day, dt.time(12), QUOTA_TIMEZONE)
    states = []
    for bucket in Bucket:
        row = rows.get(bucket) or QuotaDay()
        states.append(
            BucketState(
                bucket=bucket,
                day=day,
                used=row.used,
                limit=limit_of(bucket),
                reserved=reserved_of(bucket),
                closed_at=row.closed_at,
                closed_reason=row.closed_reason,
                resets_at=next_reset(noon),
            )
        )
    return states


class Meter:
    """The YouTube client's meter: reserves each HTTP attempt for a spender, and records its result."""

    def __init__(self, spender: Spender) -> None:
        self._spender = spender

    def reserve(self, operation: Operation) -> int:
        """Reserve the units of one HTTP attempt. Raises QuotaExhausted."""
        return reserve(operation, self._spender)

    def record_result(self, receipt: object, *, status: int | None, reason: str, seconds: float) -> None:
        """Record the result of the attempt with this receipt."""
        assert isinstance(receipt, int)
        record_result(receipt, status=status, reason=reason, seconds=seconds)


def estimate_units(band: Band | None, *, full: bool) -> int:
    """Estimate the units of the main bucket that a sync of the band, or of all bands, will use.

    A full sync needs one playlist page and one call for details per 50 known videos. An incremental sync of one band
    needs about one of each. Of all bands, it needs the probe of their channels; its children can't be known yet.
    """
    if not full:
        return 2 if band else math.ceil(Band.objects.syncable().count() / PAGE_SIZE)
    return sum(_full_sync_units(each) for each in ([band] if band else Band.objects.syncable()))


def _full_sync_units(band: Band) -> int:
    pages = max(1, math.ceil((band.channel_video_count or 0) / PAGE_SIZE))
    return 2 * pages + (0 if band.channel_id else 1)
