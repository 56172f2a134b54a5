"""The quota ledger: reserve units before each HTTP attempt, so that all workers together stay within the limits."""

from __future__ import annotations

import datetime as dt
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from ..choices import PERSONAL_ORIGINS, DelayReason
from ..exceptions import QuotaExhausted
from ..models import AlertRound, Attempt, QuotaCall, QuotaDay, SyncJob
from ..models.querysets import SyncJobQuerySet
from ..sql import query
from ..youtube.costs import QUOTA_TIMEZONE, Bucket, Operation, bucket_of, next_reset, quota_day, units_of
from . import clock
from .enqueue import end_delay

logger = logging.getLogger(__name__)

DELAY_REASONS = {
    Bucket.MAIN: DelayReason.QUOTA_MAIN,
    Bucket.SEARCH: DelayReason.QUOTA_SEARCH,
    Bucket.STATS: DelayReason.QUOTA_STATS,
}

RESTART_DELAY = dt.timedelta(minutes=1)
"""Nothing is asked sooner after the reset if the day before was used up."""
RESTART_SPREAD = dt.timedelta(minutes=5)
"""The jobs that waited for the reset start within this time, not all at once."""
PROBING = dt.timedelta(minutes=90)
"""How long after the reset a refusal may be about the day before. The pauses allow ten probes in that time."""
FIRST_PAUSE, LONGEST_PAUSE = dt.timedelta(minutes=1), dt.timedelta(minutes=15)


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


@dataclass(frozen=True, slots=True)
class Receipt:
    """A reserved HTTP attempt: its row in the ledger. If it `is_probe` and YouTube accepts it, the bucket opens."""

    operation: Operation
    call_id: int
    bucket: Bucket
    day: dt.date
    is_probe: bool


def reserve(operation: Operation, spender: Spender) -> Receipt:
    """Reserve the units of one HTTP attempt.

    Raises QuotaExhausted and changes nothing if the bucket is closed or has no unit left for this spender. One
    transaction, the caller's if there is one, keeps the ledger equal to the day's sum.
    """
    bucket, units, now = bucket_of(operation), units_of(operation), clock.now()
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
        is_probe = _spend(bucket, now, units, spender.is_personal)
    return Receipt(operation, call.pk, bucket, day, is_probe)


@dataclass(frozen=True, slots=True)
class Success:
    """A call that succeeded: its row in the ledger and its duration."""

    call_id: int
    seconds: float


def reserve_at_once(
    operation: Operation, spender: Spender, attempt: Attempt, day: dt.date, successes: Sequence[Success]
) -> Receipt | None:
    """Reserve the units of one HTTP attempt of a running job, and record earlier successes, in a single statement.

    Return None and reserve nothing if the units can't be reserved that way: a call of `reserve` finds out why. It is needed
    also for the first call of a day, and for a probe.
    """
    bucket, limit = bucket_of(operation), limit_of(bucket_of(operation))
    reserved = reserved_of(bucket)
    values: dict[str, Any] = {
        "job": attempt.job_id, "number": attempt.number, "attempt": attempt.pk, "job_type": spender.job_type,
        "band": spender.band_id, "is_personal": spender.is_personal, "operation": operation, "units": units_of(operation),
        "bucket": bucket, "day": day, "zone": QUOTA_TIMEZONE.key, "limit": limit, "reserved": reserved,
        "usable": limit if spender.is_personal else limit - reserved,
        "calls": [success.call_id for success in successes], "seconds": [success.seconds for success in successes],
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(query("reserve_call"), values)
        row = cursor.fetchone()
    return None if row is None else Receipt(operation, row[0], bucket, day, is_probe=False)


def _spend(bucket: Bucket, now: dt.datetime, units: int, is_personal: bool) -> bool:
    """Add the units to the day's sum. Return True if it is a probe. Raises QuotaExhausted. As in reserve_call.sql."""
    day, limit, reserved = quota_day(now), limit_of(bucket), reserved_of(bucket)
    usable = limit if is_personal else limit - reserved
    affordable = QuotaDay.objects.filter(bucket=bucket, day=day, closed_at__isnull=True, used__lte=usable - units)
    spent: dict[str, Any] = {"used": F("used") + units, "limit": limit, "reserved": reserved}

    def spend() -> int:
        return affordable.filter(probe_at__isnull=True).update(**spent)

    if spend():
        return False
    # Perhaps the day has just begun. Looking whether its row exists would be too late: another worker may have created it.
    _create_day(bucket, day)
    if spend():
        return False
    # The lock makes others wait, and then see that the probe is made.
    row = affordable.filter(probe_at__lte=now).select_for_update(no_key=True).first()
    if row is not None:
        affordable.filter(pk=row.pk).update(**spent, **_next_probe(row, now))
        return True
    if spend():  # Another worker's probe has just succeeded.
        return False
    row = affordable.first()
    if row is None:
        raise QuotaExhausted(bucket, next_reset(now), retry_at=_after_reset(now))
    probe_at = row.probe_at or now
    raise QuotaExhausted(bucket, probe_at, retry_at=_after_probe(day, probe_at), is_probing=True)


def _create_day(bucket: Bucket, day: dt.date) -> None:
    """Create the day's row. If the day before was used up, its first call is a probe: YouTube's reset may be late."""
    before = QuotaDay.objects.filter(bucket=bucket, day=day - dt.timedelta(days=1)).first()
    probe_at = _start_of(day) + RESTART_DELAY if before is not None and before.was_used_up else None
    row = QuotaDay(bucket=bucket, day=day, limit=limit_of(bucket), reserved=reserved_of(bucket), probe_at=probe_at)
    QuotaDay.objects.bulk_create([row], ignore_conflicts=True)


def _start_of(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), QUOTA_TIMEZONE).astimezone(dt.UTC)


def _next_probe(row: QuotaDay, now: dt.datetime) -> dict[str, Any]:
    """Return the changes that allow the next probe after a pause, which doubles from FIRST_PAUSE to LONGEST_PAUSE."""
    pause = min(FIRST_PAUSE * 2 ** min(row.probes, 10), LONGEST_PAUSE)
    return {"probe_at": now + pause, "probes": row.probes + 1}


def _after_reset(now: dt.datetime) -> dt.datetime:
    """Return when a job that has to wait for the next reset starts."""
    return next_reset(now) + RESTART_DELAY + RESTART_SPREAD * random.random()  # noqa: S311 - jitter, not a secret


def _after_probe(day: dt.date, probe_at: dt.datetime) -> dt.datetime:
    """Return when a job looks whether the bucket is open, if it isn't woken before.

    The jobs are spread over the time of the probes, so that each looks once or twice if no worker reconciles.
    """
    spread = max(FIRST_PAUSE, _start_of(day) + PROBING - probe_at)
    return probe_at + spread * random.random()  # noqa: S311 - jitter, not a secret


def record_result(receipt: Receipt, *, status: int | None, reason: str, seconds: float, is_accepted: bool) -> None:
    """Record the result of a call in the ledger. Its units stay used: YouTube charges for failed calls too.

    A probe that YouTube accepted opens the bucket and wakes the jobs that wait for it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE syncjobs_quotacall SET http_status = %s, reason = %s, seconds = %s WHERE id = %s",
            [status, reason[:80], seconds, receipt.call_id],
        )
    if receipt.is_probe and is_accepted:
        probed = QuotaDay.objects.filter(bucket=receipt.bucket, day=receipt.day, closed_at__isnull=True)
        if probed.filter(probe_at__isnull=False).update(probe_at=None):
            logger.info("YouTube accepts calls of the %s bucket again", receipt.bucket)
            wake_jobs(receipt.bucket)


def record_successes(successes: Sequence[Success]) -> None:
    """Record the calls in the ledger."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE syncjobs_quotacall AS call SET http_status = 200, seconds = done.seconds
                 FROM unnest(%s::bigint[], %s::float8[]) AS done (id, seconds) WHERE call.id = done.id""",
            [[success.call_id for success in successes], [success.seconds for success in successes]],
        )


def refuse(bucket: Bucket, reason: str) -> dt.datetime:
    """Record that YouTube reports the bucket as used up, whatever we counted. Return when the job should try again.

    Until PROBING after midnight, the refusal may be about the day before, because YouTube's reset is late or its clock
    differs from ours. The bucket is then probed, one call at a time and with growing pauses. Later it is closed.
    """
    now = clock.now()
    day = quota_day(now)
    if now >= _start_of(day) + PROBING:
        close(bucket, reason)
        return _after_reset(now)
    with transaction.atomic():
        _create_day(bucket, day)
        row = QuotaDay.objects.select_for_update(no_key=True).get(bucket=bucket, day=day)
        if row.closed_at is not None:
            return _after_reset(now)
        if row.probe_at is not None:
            return max(row.probe_at, now)
        probe = _next_probe(row, now)
        QuotaDay.objects.filter(pk=row.pk).update(**probe)
    logger.warning("YouTube refuses calls of the %s bucket soon after its reset: %s", bucket, reason)
    return cast(dt.datetime, probe["probe_at"])


def close(bucket: Bucket, reason: str) -> None:
    """Close a bucket that YouTube reports as used up until the next reset, whatever we counted."""
    day = quota_day(clock.now())
    _create_day(bucket, day)
    closed = QuotaDay.objects.filter(bucket=bucket, day=day, closed_at__isnull=True).update(
        closed_at=Now(), closed_reason=reason[:80], probe_at=None
    )
    if closed:
        AlertRound.objects.request()
        logger.warning("YouTube closed the %s bucket for today: %s", bucket, reason)


def reopen(bucket: Bucket) -> bool:
    """Probe a bucket that is closed or waits for its next probe now, and wake its jobs. Return False if it is open."""
    now = clock.now()
    stopped = QuotaDay.objects.filter(bucket=bucket, day=quota_day(now)).exclude(closed_at=None, probe_at=None)
    with transaction.atomic():
        if not stopped.update(closed_at=None, closed_reason="", probe_at=now, probes=0):
            return False
        wake_jobs(bucket)
        AlertRound.objects.request()
    return True


def wake_jobs(bucket: Bucket) -> int:
    """Make the jobs due that wait for the bucket and can now have its units; return their number.

    A job whose row somebody else is changing is left out: `wake_delayed` finds it later.
    """
    with transaction.atomic():
        waiting = _waiting_for(bucket).order_by("pk")
        jobs = list(waiting.select_for_update(no_key=True, skip_locked=True, of=("self",)))
        return end_delay(jobs, "The quota is available again.")


def _wake_for_probe(bucket: Bucket) -> int:
    """Make one job due that can make the next probe; return their number.

    A queue with a runnable job is left out: that job may make the probe. The ledger refuses a second one without a call.
    """
    with_runnable = SyncJob.objects.runnable().values("queue_id")
    waiting = _waiting_for(bucket).of_unpaused_bands().filter(queue__paused_at__isnull=True)
    waiting = waiting.exclude(queue_id__in=with_runnable)
    with transaction.atomic():
        jobs = list(waiting.in_claim_order().select_for_update(no_key=True, skip_locked=True, of=("self",))[:1])
        return end_delay(jobs, "YouTube may be asked again.")


def _waiting_for(bucket: Bucket) -> SyncJobQuerySet:
    """Return the jobs that wait for the bucket and can now have its units."""
    state = next(state for state in today() if state.bucket == bucket)
    waiting = SyncJob.objects.delayed().filter(delay_reason=DELAY_REASONS[bucket])
    if state.left_for_automatic_syncs:
        return waiting
    return waiting.filter(origin__in=PERSONAL_ORIGINS) if state.left_for_manual_syncs else waiting.none()


def waiting_jobs() -> SyncJobQuerySet:
    """Return the jobs that are delayed until they can have units."""
    return SyncJob.objects.delayed().filter(delay_reason__in=DELAY_REASONS.values())


def wake_delayed() -> int:
    """Make jobs due that wait for units which are available: the limit was raised, or they were delayed too late.

    If a probe is due, one job is made due for it. A bucket that YouTube closed below a limit that has been raised since
    is probed. Return the number of jobs.
    """
    reasons = set(waiting_jobs().order_by().values_list("delay_reason", flat=True).distinct())
    if not reasons:
        return 0
    woken, now = 0, clock.now()
    for row in QuotaDay.objects.filter(day=quota_day(now)):
        bucket = Bucket(row.bucket)
        if DELAY_REASONS[bucket] not in reasons:
            continue
        if row.closed_at is not None and row.limit < limit_of(bucket):
            if row.probes and now - row.closed_at < LONGEST_PAUSE:
                continue  # A probe was refused just now. The limits of two hosts may differ, and each writes its own.
            raised = QuotaDay.objects.filter(pk=row.pk, limit=row.limit).update(limit=limit_of(bucket))
            woken += int(bool(raised) and reopen(bucket))
        elif row.closed_at is None and row.probe_at is None:
            woken += wake_jobs(bucket)
        elif row.closed_at is None and row.probe_at is not None and row.probe_at <= now:
            woken += _wake_for_probe(bucket)
    return woken


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
    probe_at: dt.datetime | None
    """When YouTube may be asked again after it refused; None if the bucket is open or closed."""
    resets_at: dt.datetime

    @property
    def left_for_manual_syncs(self) -> int:
        """The units left for manual syncs."""
        return 0 if self.closed_at else max(0, self.limit - self.used)

    @property
    def left_of_reserved(self) -> int:
        """Those of the units left that only manual syncs may use."""
        return min(self.reserved, self.left_for_manual_syncs)

    @property
    def left_for_automatic_syncs(self) -> int:
        """The units left for automatic syncs."""
        return max(0, self.left_for_manual_syncs - self.reserved)


def today() -> list[BucketState]:
    """Return the state of every bucket, including unused ones."""
    return on(quota_day(clock.now()))


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
                probe_at=row.probe_at,
                resets_at=next_reset(noon),
            )
        )
    return states
