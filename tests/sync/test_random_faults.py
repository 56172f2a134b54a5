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


JSON = "application/json"
GOOGLE_LIKE = '{"error": {"code": 403, "message": "No.", "errors": [{"reason": ""}], "status": "BLOCKED"}}'
FOREIGN = [
    *[Fault("foreign", status=status) for status in STATUSES],
    *[Fault("foreign", status=status, content_type=JSON, body='{"error": "denied"}') for status in (200, 401, 403)],
    *[Fault("foreign", status=status, content_type=JSON, body=GOOGLE_LIKE) for status in (200, 403)],
    *[Fault("foreign", content_type=JSON, body=body) for body in ("", "{}", "[]", "null", "NaN", '{"items": null}')],
    Fault("foreign", content_type=JSON, body='{"kind": "youtube#searchListResponse", "items": []}'),
    Fault("foreign", status=204, body=""),
    Fault("redirect"),
    *[Fault(name) for name in ("backendError", "unavailable", "rateLimitExceeded", "perMinute429")],
]
BROKEN = [
    *[Fault(name) for name in ("truncate", "garbage", "empty", "drop")],
    Fault("foreign", content_type=JSON, headers={"Content-Encoding": "gzip"}),
]
NO_ITEM: list[Any] = [None, 5, "x", [], {}, {"id": 5}, {"id": ""}]
NO_MEMBER: list[Any] = [None, 5, True, [], {}, "", "x", -1, 10**30, float("nan"), "\x00"]
NO_TEXT: list[Any] = [5, True, [], {}, -1.5, float("nan")]
NO_COUNT: list[Any] = ["many", "-1", "9" * 30, 1.5, True, [], {}, ""]
NO_TIME: list[Any] = ["soon", 5, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z", []]
VALUES: list[tuple[list[str | int], list[Any]]] = [
    (["items"], [None, 5, "x", {}]),
    (["items", 0], NO_ITEM),
    (["items", 1, "id"], [None, 5, "", []]),
    (["items", 0, "snippet"], NO_MEMBER),
    (["items", 0, "contentDetails"], NO_MEMBER),
    (["items", 0, "status"], NO_MEMBER),
    (["items", 0, "statistics"], [value for value in NO_MEMBER if value != {}]),
    (["items", 0, "snippet", "title"], NO_TEXT),
    (["items", 0, "snippet", "publishedAt"], NO_TIME),
    (["items", 0, "snippet", "liveBroadcastContent"], [*NO_TEXT, "soon"]),
    (["items", 0, "contentDetails", "duration"], [*NO_TEXT, "three minutes", "P", "P99999999999999D"]),
    (["items", 0, "contentDetails", "videoId"], [5, "a b", "x" * 99]),
    (["items", 0, "contentDetails", "videoPublishedAt"], NO_TIME),
    (["items", 0, "statistics", "viewCount"], NO_COUNT),
    (["items", 0, "statistics", "videoCount"], NO_COUNT),
    (["pageInfo"], NO_MEMBER),
    (["pageInfo", "totalResults"], [*NO_MEMBER, 0, 10**6, "120"]),
    (["nextPageToken"], [5, True, [], {}, ""]),
]


def _random_fault(rng: random.Random, operation: str, playlist: str) -> Fault | None:
    """Return one of six kinds of faults, or None for a right answer, also if the kind has no sense for the request."""
    kind = rng.choice(["right", "foreign", "broken", "value", "page", "refused"])
    if kind == "foreign":
        return rng.choice(FOREIGN)
    if kind == "broken":
        return rng.choice(BROKEN)
    if kind == "value":
        if rng.random() < 0.4:
            return Fault("missingPart", part=rng.choice(PARTS))
        path, values = rng.choice(VALUES)
        return Fault("wrongValue", path=path, value=rng.choice(values))
    if kind == "page" and operation == "playlistItems.list":
        return Fault(rng.choice([*sorted(PAGE_FAULTS), "invalidPageToken"]))
    if kind == "refused" and playlist == REFUSED:
        return Fault(rng.choice(["playlistItemsNotAccessible", "forbidden", "playlistNotFound", "badRequest"]))
    return None


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
