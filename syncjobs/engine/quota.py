"""Units are reserved before each HTTP attempt, so that no number of workers together can pass a bucket's limit."""

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
    """Units a day of the bucket, from the settings."""
    limits: dict[Bucket, int] = {
        Bucket.MAIN: settings.YOUTUBE_QUOTA_MAIN,
        Bucket.SEARCH: settings.YOUTUBE_QUOTA_SEARCH,
        Bucket.STATS: settings.YOUTUBE_QUOTA_STATS,
    }
    return limits[bucket]


def reserved_of(bucket: Bucket) -> int:
    """Units of the bucket that only people's own triggers may use."""
    return settings.YOUTUBE_QUOTA_RESERVED if bucket is Bucket.MAIN else 0


@dataclass(frozen=True, slots=True)
class Spender:
    """On whose account a call goes, for the ledger's breakdown."""

    is_personal: bool
    job_id: int | None = None
    job_type: str = ""
    band_id: int | None = None


def reserve(operation: Operation, spender: Spender) -> int:
    """Reserve the units of one HTTP attempt and write it into the ledger; returns the ledger row's id.

    Raises QuotaExhausted, changing nothing, when the bucket is closed or what is left of it isn't for this spender.
    The caller's transaction, or one of its own, keeps the ledger and the day's sum equal.
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
        # Last, because every call of every worker meets at this row: it stays locked for the commit only.
        if not _spend(bucket, day, units, spender.is_personal):
            raise QuotaExhausted(bucket, next_reset(now))
    return call.pk


def _spend(bucket: Bucket, day: dt.date, units: int, is_personal: bool) -> bool:
    limit, reserved = limit_of(bucket), reserved_of(bucket)
    usable = limit if is_personal else limit - reserved
    open_day = QuotaDay.objects.filter(bucket=bucket, day=day)

    def spend() -> int:
        return open_day.filter(closed_at__isnull=True, used__lte=usable - units).update(
            used=F("used") + units, limit=limit, reserved=reserved
        )

    if spend():
        return True
    if open_day.exists():
        return False
    QuotaDay.objects.bulk_create(
        [QuotaDay(bucket=bucket, day=day, limit=limit, reserved=reserved)], ignore_conflicts=True
    )
    return bool(spend())


def record_result(call_id: int, *, status: int | None, reason: str, seconds: float) -> None:
    """Write into the ledger how the call went. It stays charged: YouTube charges failed calls too."""
    QuotaCall.objects.filter(pk=call_id).update(http_status=status, reason=reason[:80], seconds=seconds)


def close(bucket: Bucket, reason: str) -> dt.datetime:
    """YouTube says the bucket is used up, whatever we counted: nobody spends from it until the reset returned here."""
    now = timezone.now()
    QuotaDay.objects.bulk_create(
        [QuotaDay(bucket=bucket, day=quota_day(now), limit=limit_of(bucket), reserved=reserved_of(bucket))],
        ignore_conflicts=True,
    )
    closed = QuotaDay.objects.filter(bucket=bucket, day=quota_day(now), closed_at__isnull=True).update(
        closed_at=Now(), closed_reason=reason[:80]
    )
    if closed:
        logger.warning("YouTube closed the %s bucket for today: %s", bucket, reason)
    return next_reset(now)


@dataclass(frozen=True, slots=True)
class BucketState:
    """What is left of a bucket today. `used` may pass `limit` only if the limit was lowered during the day."""

    bucket: Bucket
    day: dt.date
    used: int
    limit: int
    reserved: int
    closed_at: dt.datetime | None
    closed_reason: str
    resets_at: dt.datetime

    @property
    def left_for_people(self) -> int:
        """Units a person's trigger can still spend today."""
        return self.left(personal=True)

    def left(self, *, personal: bool) -> int:
        """Units a person's trigger, or an automatic job, can still spend today."""
        if self.closed_at:
            return 0
        return max(0, self.limit - (0 if personal else self.reserved) - self.used)


def today() -> list[BucketState]:
    """All buckets as of now, those nothing was spent from included."""
    return on(quota_day(timezone.now()))


def on(day: dt.date) -> list[BucketState]:
    """All buckets as of the end of a day that is over, or as of now."""
    rows = {row.bucket: row for row in QuotaDay.objects.filter(day=day)}
    noon = dt.datetime.combine(day, dt.time(12), QUOTA_TIMEZONE)
    return [_state(bucket, day, rows.get(bucket), next_reset(noon)) for bucket in Bucket]


def _state(bucket: Bucket, day: dt.date, row: QuotaDay | None, resets_at: dt.datetime) -> BucketState:
    return BucketState(
        bucket=bucket,
        day=day,
        used=row.used if row else 0,
        limit=limit_of(bucket),
        reserved=reserved_of(bucket),
        closed_at=row.closed_at if row else None,
        closed_reason=row.closed_reason if row else "",
        resets_at=resets_at,
    )


class PersonalMeter:
    """The client's meter for a call a person waits for, outside any job."""

    def __init__(self, band_id: int | None = None) -> None:
        self._spender = Spender(is_personal=True, band_id=band_id)

    def reserve(self, operation: Operation) -> int:
        return reserve(operation, self._spender)

    def record_result(self, receipt: object, *, status: int | None, reason: str, seconds: float) -> None:
        assert isinstance(receipt, int)
        record_result(receipt, status=status, reason=reason, seconds=seconds)


def estimate_units(band: Band | None, *, full: bool) -> int:
    """Units of the main bucket a sync will cost, from the videos known so far."""
    bands = [band] if band else list(Band.objects.syncable())
    if not full:
        return math.ceil(len(bands) / PAGE_SIZE) if band is None else 2
    units = 0
    for each in bands:
        videos = each.channel_video_count or 0
        units += 2 * max(1, math.ceil(videos / PAGE_SIZE)) + (0 if each.channel_id else 1)
    return units
