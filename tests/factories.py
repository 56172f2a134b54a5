"""Helpers for many tests: create bands, run queued jobs, wait for a condition."""

from __future__ import annotations

import datetime as dt
import os
import random
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from django.db import transaction

from bands.models import Band
from syncjobs.audit.actors import Actor
from syncjobs.choices import AlertRuleName, AlertSubject, JobStatus, JobType, Origin, QueueName, Severity
from syncjobs.engine import lease, outcomes
from syncjobs.engine.claim import WorkerIdentity, claim_next
from syncjobs.engine.enqueue import create_job
from syncjobs.models import Alert, Attempt, SyncJob
from syncjobs.sync.run import run_attempt
from syncjobs.youtube.simulator.world import Channel, World, uploads

T = TypeVar("T")
PERSON = Actor(label="pat", origin=Origin.COMMAND, address="test")
HOSTILE = "<script>alert(1)</script><b>bold</b>"
SCHEDULE = Actor(label="schedule", origin=Origin.SCHEDULE)


def worker(name: str = "w1") -> WorkerIdentity:
    return WorkerIdentity(name, os.getpid())


def make_band(slug: str = "herons", reference: str = "", **fields: object) -> Band:
    return Band.objects.create(name=slug.title(), slug=slug, channel_reference=reference, **fields)


def band_with_videos(world: World, count: int, slug: str = "herons") -> tuple[Band, Channel]:
    """Create a band with a known channel id, so that a sync need not resolve the channel."""
    channel = world.add_channel(f"@{slug}")
    if count:
        world.upload(channel.id, count)
    band = make_band(slug, channel.id, channel_id=channel.id, uploads_playlist_id=uploads(channel.id))
    return band, channel


def make_alert(rule: AlertRuleName = AlertRuleName.CLOCK_SKEW, subject_id: str = "w@a", **fields: object) -> Alert:
    """Create an alert about a worker, unless the fields say otherwise."""
    values: dict[str, object] = {
        "subject_type": AlertSubject.WORKER,
        "subject_label": subject_id,
        "severity": Severity.WARNING,
        "sentence": f"The clock of {subject_id} is 7 s ahead of the database's.",
        "facts": {"seconds": 7},
        "link": "/admin/syncjobs/worker/",
    }
    return Alert.objects.create(rule=rule, subject_id=subject_id, **values | fields)


def queue_job(job_type: JobType = JobType.FULL_SYNC, actor: Actor = PERSON, **fields: object) -> SyncJob:
    return create_job(actor, job_type, **fields).job  # type: ignore[arg-type]


def claim(queue: str = QueueName.VIDEO_SYNC, name: str = "w1") -> Attempt:
    attempt = claim_next(queue, worker(name))
    assert attempt is not None
    return attempt


def failed_job(message: str = "It broke.", **fields: object) -> SyncJob:
    """Create a failed prune job with one error of the reason "broken"."""
    job = queue_job(JobType.PRUNE, **fields)  # type: ignore[arg-type]
    outcomes.fail(claim(QueueName.MAINTENANCE), message, reason="broken")
    return SyncJob.objects.get(pk=job.pk)


def fanned_out(count: int) -> tuple[SyncJob, list[SyncJob]]:
    """Return an all-bands job that waits for its children, and the children, which are queued."""
    parent = queue_job(fans_out=True)
    attempt = claim()
    children = [queue_job(parent=parent) for _ in range(count)]
    with transaction.atomic():
        lease.save_progress(attempt, checkpoint={"fanned_out": True})
    outcomes.wait_for_children(attempt)
    return parent, children


def full_sync(band: Band) -> SyncJob:
    """Queue a full sync of the band and run it."""
    queue_job(band=band)
    return run_next()


def video_counts(job: SyncJob) -> tuple[int, int, int]:
    """Return how many videos the job found, added and updated."""
    return job.videos_found, job.videos_added, job.videos_updated


def various_jobs() -> list[SyncJob]:
    """Create 60 jobs of every status, some with equal times and some without a time."""
    day = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    bands = [Band.objects.create(name=f"Band {n}", slug=f"b{n}") for n in range(2)]
    rows = []
    for number in range(60):
        status = JobStatus.values[number % 5]
        started = None if number % 4 == 0 else day + dt.timedelta(hours=number % 7)
        rows.append(
            SyncJob(
                job_type=("FULL_SYNC", "INCREMENTAL_SYNC", "ENRICH")[number % 3],
                queue_id="video-processing" if number % 3 == 2 else "video-sync",
                status=status,
                band=(None, *bands)[number % 3],
                created_at=day + dt.timedelta(hours=6 * (number % 9)),
                started_at=started,
                completed_at=started if status in ("COMPLETED", "FAILED") else None,
            )
        )
    SyncJob.objects.bulk_create(rows)
    return list(SyncJob.objects.all())


def failed_jobs(count: int, message: str = "It broke.") -> list[SyncJob]:
    jobs = []
    for _ in range(count):
        jobs.append(queue_job("PRUNE"))  # type: ignore[arg-type]
        outcomes.fail(claim("maintenance"), message, reason="broken")
    return jobs


def run_next(queue: str = QueueName.VIDEO_SYNC) -> SyncJob:
    attempt = claim(queue)
    run_attempt(attempt)
    return SyncJob.objects.get(pk=attempt.job_id)


def run_all(queues: Iterable[str] = QueueName.values) -> int:
    """Execute all runnable jobs in this process and return the number of attempts."""
    done = 0
    while True:
        for queue in queues:
            attempt = claim_next(queue, worker())
            if attempt is not None:
                run_attempt(attempt)
                done += 1
                break
        else:
            return done


def wait_for(condition: Callable[[], T], seconds: float = 30.0, what: str | Callable[[], str] = "") -> T:
    """Return the first true value of the condition; fail after the timeout, with `what` as it is then.

    Ask less and less often: conditions are queries, and what takes long must not be slowed down by them.
    """
    began = time.monotonic()
    while not (value := condition()):
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError(f"not within {seconds} s: {(what() if callable(what) else what) or condition}")
        time.sleep(min(max(0.02, waited / 20), 0.25))
    return value


def break_videos(world: World, rate: float) -> list[str]:
    """Make a share of the videos malformed, cycling through the kinds of damage; return their ids."""
    rng = random.Random(1)
    ways = ["bad duration", "bad count"]
    with world.lock:
        selected = [video for video in world.videos.values() if rng.random() < rate]
        for number, video in enumerate(selected):
            video.broken = ways[number % len(ways)]
    return [video.id for video in selected]
