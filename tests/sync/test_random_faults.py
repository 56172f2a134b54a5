"""A YouTube that answers each request with a random choice of right and wrong.

`RANDOM_FAULT_JOBS=1000 RANDOM_FAULT_SEED=7 pytest --log-cli-level=INFO tests/sync/test_random_faults.py` runs more jobs,
or others, and logs what they cost.
"""

from __future__ import annotations

import logging
import os
import random
from collections import Counter
from typing import Any

import pytest
from django.utils import timezone

from bands.models import Availability, Band, ChannelProblem, Video
from syncjobs.choices import QUEUE_OF_TYPE, JobStatus, JobType
from syncjobs.models import JobError, SyncJob
from syncjobs.sync.run import run_attempt
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import PAGE_FAULTS, Fault
from tests.factories import band_with_videos, claim, full_sync, queue_job, run_all

# The lease is renewed on another connection, which must see the attempt.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fuzz]

logger = logging.getLogger(__name__)
JOBS = int(os.environ.get("RANDOM_FAULT_JOBS", "60"))
SEED = int(os.environ.get("RANDOM_FAULT_SEED", "1"))
TYPES = [
    *[JobType.FULL_SYNC] * 4,
    *[JobType.INCREMENTAL_SYNC] * 4,
    JobType.STATS_REFRESH,
    JobType.AVAILABILITY_CHECK,
    JobType.SINGLE_VIDEO,
]
REFUSED = "PLrefused"
STATUSES = [400, 401, 403, 404, 407, 410, 413, 421, 429, 451, 500, 502, 503]
PARTS = ["snippet", "contentDetails", "status", "statistics", "liveStreamingDetails"]


def _random_fault(rng: random.Random, operation: str, playlist: str) -> Fault | None:
    kind = rng.choice(["right", "html", "truncated", "part", "loop", "403"])
    if kind == "html":
        return Fault("foreign", status=rng.choice(STATUSES))
    if kind == "truncated":
        return Fault("truncate")
    if kind == "part":
        return Fault("missingPart", part=rng.choice(PARTS))
    if kind == "loop" and operation == "playlistItems.list":
        return Fault(rng.choice(sorted(PAGE_FAULTS)))
    return Fault("playlistItemsNotAccessible") if kind == "403" and playlist == REFUSED else None


def _bands(youtube: Simulator) -> list[Band]:
    guests = [video.id for video in youtube.world.upload(youtube.world.add_channel("@guest").id, 70)]
    youtube.world.playlists |= {REFUSED: guests[:10], "PLgood": guests[10:]}
    sizes = {"small": 3, "page": 50, "medium": 120, "large": 260}
    for slug, size in sizes.items():
        band, _ = band_with_videos(youtube.world, size, slug)
        Band.objects.filter(pk=band.pk).update(extra_playlists=[REFUSED, "PLgood"] if slug == "medium" else [])
    return list(Band.objects.order_by("pk"))


def _run(job_type: JobType, band: Band) -> SyncJob:
    """Run a job to its end without waiting for its retries."""
    first = Video.objects.filter(band=band).earliest("pk").youtube_id
    job = queue_job(job_type, band=band, params={"video_id": first} if job_type == JobType.SINGLE_VIDEO else {})
    while job.status == JobStatus.QUEUED:
        SyncJob.objects.filter(pk=job.pk).update(run_at=timezone.now())
        run_attempt(claim(QUEUE_OF_TYPE[job_type]))
        job.refresh_from_db()
    return job


def _known() -> dict[str, dict[str, Any]]:
    changing = ("id", "updated_at", "availability_since", "details_pending", "details_attempt")
    changing += ("details_tries", "details_due_at")
    return {
        row["youtube_id"]: {name: value for name, value in row.items() if name not in changing}
        for row in Video.objects.values()
    }


@pytest.mark.timeout(60 + JOBS * 3)
def test_random_answers_cost_little_and_erase_nothing(youtube: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(SEED)
    bands = _bands(youtube)
    for band in bands:
        full_sync(band)
    known = _known()
    right_cost = {}
    for job_type in set(TYPES):
        for band in bands:
            right_cost[job_type, band.pk] = _run(job_type, band).quota_used
    assert _known() == known
    youtube.clear_log()

    monkeypatch.setattr(youtube.faults, "match", lambda operation, playlist: _random_fault(rng, operation, playlist))
    jobs = [(rng.choice(TYPES), rng.choice(bands)) for _ in range(JOBS)]
    ended = Counter(_run(job_type, band).status for job_type, band in jobs)
    while run_all(["video-processing"]):
        Video.objects.update(details_due_at=None)
    monkeypatch.undo()
    spent = len(youtube.calls())
    allowed = sum(right_cost[job_type, band.pk] for job_type, band in jobs)
    errors = Counter(JobError.objects.values_list("reason", flat=True))
    logger.info("%s units; a right server would cost %s. Jobs: %s. Errors: %s.", spent, allowed, dict(ended), errors)

    assert set(ended) <= {JobStatus.COMPLETED, JobStatus.FAILED}
    assert set(Band.objects.values_list("channel_problem", flat=True)) == {ChannelProblem.NONE}
    wrong = {video_id: row for video_id, row in _known().items() if row != known[video_id]}
    assert not {(v, n, known[v][n], row[n]) for v, row in wrong.items() for n in row if row[n] != known[v][n]}
    assert not Video.objects.exclude(availability=Availability.AVAILABLE).exists()
    assert spent <= 2.2 * allowed
