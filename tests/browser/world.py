"""A site in the middle of its day: bands, videos, jobs in every state, errors, schedules, quota, workers."""

from __future__ import annotations

import datetime as dt
import random

from django.db.models.functions import Now
from django.utils import timezone

from bands.models import Availability, Band, ChannelProblem, Video
from syncjobs.audit.actors import Actor
from syncjobs.choices import JobStatus, JobType, Origin, QueueName
from syncjobs.engine import attempts, outcomes
from syncjobs.engine.attempts import WorkerIdentity
from syncjobs.engine.enqueue import create_job
from syncjobs.engine.errors import ErrorReport, record
from syncjobs.models import Attempt, QuotaCall, QuotaDay, SyncJob, Worker
from syncjobs.operations import jobs, queues, schedules
from syncjobs.youtube.costs import quota_day

PERSON = Actor("robin", Origin.ADMIN)
NIGHT = Actor("schedule: Full sync of all bands", Origin.SCHEDULE)
HTML = '<img src=x onerror="alert(1)"><b>bold</b>'
_NAMES = (
    "Cedar Hollow Marching Herons", "Copper Landing Midnight Drumline", "Gosling Lake Marching Herons", "Indigo Beach Brass Tide",
    "Kestrel Bay Golden Cadence", "Marble Creek Royal Regiment of Sound", "Old Quarry Thunder Line", "Port Marlow Cadence",
    "Saltgrass Golden Cadence", "Thistledown Brass & Percussion Ensemble of the Greater Northern Valley", "Wren Crossing Brass Tide",
    f"{HTML} Band",
)  # fmt: skip
_FAILURES = (
    ("playlistNotFound", "The playlist identified with UU0123456789012345678901 cannot be found.", True, 7),
    ("backendError", "YouTube answered 503: The service is currently unavailable.", False, 5),
    ("forbidden", "The request is not properly authorized to access this resource.", True, 3),
    ("internalError", f"ValueError: {HTML} is no duration", False, 2),
    ("channelNotFound", "Channel not found: @NoSuchBandAnywhere", True, 1),
)


def fill(seed: int = 1) -> None:
    """Replace nothing, add all of it. The roles and people are the caller's."""
    chance = random.Random(seed)
    bands = [_band(number, name) for number, name in enumerate(_NAMES)]
    _videos(chance, bands)
    _spend_quota(chance, bands)
    for number, band in enumerate(bands * 3):
        _complete(chance, band, full=number % 4 == 0, errors=number % 9 == 4)
    for reason, message, permanent, count in _FAILURES:
        for number in range(count):
            _fail(bands[(count + number) % len(bands)], reason, message.replace("0123", f"{number:04}"), permanent)
    cancelled = create_job(PERSON, JobType.FULL_SYNC, band=bands[0]).job
    jobs.cancel_job(PERSON, cancelled.pk)
    _spread_over_the_day(chance)
    queues.pause_queue(PERSON, QueueName.MAINTENANCE, "channel clean-up until Thursday")
    create_job(NIGHT, JobType.STATS_REFRESH)
    delayed = create_job(NIGHT, JobType.FULL_SYNC, band=bands[1]).job
    outcomes.delay(_claim(), timezone.now() + dt.timedelta(hours=6), "QUOTA_MAIN", "Today's main quota is used up.")  # type: ignore[arg-type]
    assert SyncJob.objects.get(pk=delayed.pk).delay_reason == "QUOTA_MAIN"
    _run_some(chance, bands)
    for band in bands[6:9]:
        create_job(PERSON, JobType.INCREMENTAL_SYNC, band=band)
    for name, kind, cron in (
        ("Night reading", "FULL_SYNC", {"hour": "3", "minute": "0"}),
        ("Statistics at noon", "STATS_REFRESH", {"hour": "12", "minute": "30"}),
    ):
        schedules.save(PERSON, None, {"name": name, "jobType": kind, "cron": cron | {"timezone": "America/New_York"}})
    Worker.objects.create(
        name="celery@north-1", process_id=411, queues=list(QueueName.values), concurrency=4,
        started_at=timezone.now() - dt.timedelta(hours=31),
    )  # fmt: skip
    Worker.objects.create(
        name="celery@north-2", process_id=902, queues=["video-sync"], concurrency=2,
        started_at=timezone.now() - dt.timedelta(hours=2), heartbeat_at=timezone.now() - dt.timedelta(minutes=9),
    )  # fmt: skip


def _band(number: int, name: str) -> Band:
    now = timezone.now()
    channel = f"UC{number:022}"
    return Band.objects.create(
        name=name, slug=f"band-{number}", school_name=f"School of {name[:40]}", city="Ashby", state="GA", conference="Coastal",
        channel_reference=f"@band{number}", channel_id=channel, channel_title=name[:80], uploads_playlist_id="UU" + channel[2:],
        last_full_sync_at=None if number == 11 else now - dt.timedelta(hours=20 + number),
        last_incremental_sync_at=None if number == 11 else now - dt.timedelta(minutes=30 * number + 5),
        consecutive_failures=3 if number == 6 else 0,
        channel_problem=ChannelProblem.NOT_FOUND if number == 6 else ChannelProblem.NONE, is_active=number != 10,
    )  # fmt: skip


def _videos(chance: random.Random, bands: list[Band]) -> None:
    now = timezone.now()
    Video.objects.bulk_create(
        Video(
            youtube_id=f"v{band.pk % 1000:04}{number:06}", band=band, channel_id=band.channel_id,
            title=HTML if number == 3 else f"Halftime show {number}: {band.name[:30]}", published_at=now - dt.timedelta(days=number),
            duration_seconds=chance.randrange(30, 4000), view_count=None if number == 2 else chance.randrange(3_000_000_000),
            like_count=None if number % 4 == 0 else chance.randrange(90_000),
            availability=Availability.UNAVAILABLE if number == 5 else Availability.AVAILABLE,
            thumbnails={"medium": {"url": f"https://i.ytimg.com/vi/v{number}/mqdefault.jpg", "width": 320, "height": 180}},
        )
        for band in bands for number in range(9)
    )  # fmt: skip


def _spend_quota(chance: random.Random, bands: list[Band]) -> None:
    today = quota_day(timezone.now())
    for back in range(30):
        used = chance.randrange(2500, 9900) if back else 8260
        for bucket, most in (("main", used), ("stats", used // 20)):
            QuotaDay.objects.create(
                bucket=bucket, day=today - dt.timedelta(days=back), limit=10_000, reserved=500 if bucket == "main" else 0, used=most
            )  # fmt: skip
    QuotaCall.objects.bulk_create(
        QuotaCall(
            bucket="main", day=today, operation=operation, units=1, job_type=kind, band_id=chance.choice(bands).pk, http_status=200,
            at=timezone.now() - dt.timedelta(minutes=chance.randrange(600)),
        )
        for operation, kind, calls in (
            ("playlistItems.list", "FULL_SYNC", 90), ("videos.list", "FULL_SYNC", 70), ("videos.list", "ENRICH", 30), ("channels.list", "INCREMENTAL_SYNC", 12),
        )
        for _ in range(calls)
    )  # fmt: skip


def _claim(worker: str = "celery@north-1", queue: str = QueueName.VIDEO_SYNC) -> Attempt:
    attempt = attempts.claim_next(queue, WorkerIdentity(worker, 411))
    assert attempt is not None
    return attempt


def _complete(chance: random.Random, band: Band, *, full: bool, errors: bool) -> None:
    create_job(NIGHT, JobType.FULL_SYNC if full else JobType.INCREMENTAL_SYNC, band=band)
    attempt = _claim()
    found = chance.randrange(10, 900)
    SyncJob.objects.filter(pk=attempt.job_id).update(
        videos_found=found, videos_added=chance.randrange(9), videos_updated=chance.randrange(40), progress_done=found, progress_total=found, quota_used=found // 25
    )  # fmt: skip
    if errors:
        record(attempt, [ErrorReport("unreadableItem", f"Video v{found} has no title.", False, item_id=f"v{found}")])
    outcomes.complete(attempt)


def _fail(band: Band, reason: str, message: str, permanent: bool) -> None:
    create_job(PERSON, JobType.FULL_SYNC, band=band)
    outcomes.fail(
        _claim(), message, reason=reason, trace=f"Traceback (most recent call last):\n{message}", permanent=permanent
    )


def _spread_over_the_day(chance: random.Random) -> None:
    """The jobs that have ended, as if they had come in over the last 20 hours."""
    now = timezone.now()
    for job in SyncJob.objects.filter(status__in=(JobStatus.COMPLETED, JobStatus.FAILED)):
        created = now - dt.timedelta(minutes=chance.randrange(5, 1200))
        started = created + dt.timedelta(seconds=chance.randrange(1, 90))
        ended = started + dt.timedelta(seconds=chance.randrange(2, 400))
        SyncJob.objects.filter(pk=job.pk).update(created_at=created, started_at=started, completed_at=ended)
        job.job_errors.update(created_at=ended)
        job.attempts.update(started_at=started, ended_at=ended)


def _run_some(chance: random.Random, bands: list[Band]) -> None:
    for number, band in enumerate(bands[2:5]):
        create_job(PERSON, JobType.FULL_SYNC, band=band)
        attempt = _claim()
        # A lease that nobody takes for expired while the pages are looked at.
        Attempt.objects.filter(pk=attempt.pk).update(
            lease_expires_at=Now() + dt.timedelta(hours=9), started_at=timezone.now() - dt.timedelta(seconds=40 + 300 * number)
        )  # fmt: skip
        done = chance.randrange(100, 400)
        SyncJob.objects.filter(pk=attempt.job_id).update(
            progress_done=done, progress_total=500, videos_found=done, quota_used=done // 25,
            cancel_requested_at=timezone.now() if number == 2 else None, cancel_requested_by="robin" if number == 2 else "",
        )  # fmt: skip
