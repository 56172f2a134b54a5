"""Several calls for details are in flight while the next page is fetched: what if the job stops just then?"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable

import pytest
from django.conf import LazySettings
from django.db import connections
from django.utils import timezone

from bands.models import Band, Video
from syncjobs.choices import DelayReason, JobStatus
from syncjobs.engine import outcomes
from syncjobs.models import Attempt, QuotaCall, SyncJob
from syncjobs.operations import jobs
from syncjobs.sync.playlists import MAX_UNSAVED
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import Fault
from tests.factories import PERSON, band_with_videos, full_sync, queue_job, run_all, run_next, video_counts

# The threads that fetch ahead have connections of their own.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def long_lease(settings: LazySettings) -> None:
    """A test that holds back responses on a busy machine must not lose its lease."""
    settings.SYNC_LEASE_SECONDS = 30


def _when_all_are_in_flight(youtube: Simulator, act: Callable[[], object]) -> list[dt.datetime]:
    """Hold all details back until as many calls as possible are in flight, and then `act`. Return when calls arrive."""
    arrivals: list[dt.datetime] = []
    held = threading.Semaphore(0)
    released = threading.Event()

    def answer(operation: str, _: dict[str, str]) -> None:
        arrivals.append(timezone.now())
        if operation == "videos.list" and not released.is_set():
            held.release()
            assert released.wait(20)
        pages = [call for call in youtube.calls("playlistItems.list") if call["status"] == 200]
        if operation == "playlistItems.list" and len(pages) == MAX_UNSAVED:
            for _ in range(MAX_UNSAVED):
                assert held.acquire(timeout=20)
            try:
                act()
            finally:
                connections.close_all()
                released.set()

    youtube.before_answer = answer
    return arrivals


def test_nothing_is_sent_after_a_cancel_was_acknowledged(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 1000)
    job = queue_job(band=band)
    arrivals = _when_all_are_in_flight(youtube, lambda: jobs.cancel_job(PERSON, job.pk))
    job = run_next()
    assert job.status == JobStatus.CANCELLED
    assert len(arrivals) <= 2 * MAX_UNSAVED + 2
    assert job.cancel_acknowledged_at is not None
    assert max(arrivals) < job.cancel_acknowledged_at
    assert QuotaCall.objects.filter(http_status=200).count() == len(youtube.calls())


def test_an_attempt_that_lost_its_lease_sends_and_writes_nothing_more(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 1000)
    queue_job(band=band)

    def lose_lease() -> None:
        Attempt.objects.update(lease_expires_at=timezone.now() - dt.timedelta(seconds=1))
        assert outcomes.mark_lost(Attempt.objects.get().pk)

    arrivals = _when_all_are_in_flight(youtube, lose_lease)
    job = run_next()
    assert (job.status, job.videos_found, Video.objects.count()) == (JobStatus.QUEUED, 0, 0)
    assert len(arrivals) <= 2 * MAX_UNSAVED + 2
    run_all()
    job.refresh_from_db()
    assert (job.status, *video_counts(job)) == (JobStatus.COMPLETED, 1000, 1000, 0)


@pytest.mark.parametrize("limit", [4, 5, 6, 7, 8, 9])
def test_a_quota_stop_loses_and_repeats_no_call(youtube: Simulator, settings: LazySettings, limit: int) -> None:
    settings.YOUTUBE_QUOTA_MAIN, settings.YOUTUBE_QUOTA_RESERVED = limit, 0
    band, _ = band_with_videos(youtube.world, 300)
    job = full_sync(band)
    assert (job.status, job.delay_reason) == (JobStatus.QUEUED, DelayReason.QUOTA_MAIN)
    assert len(youtube.calls()) == limit
    assert Video.objects.count() == job.videos_found == 50 * len(youtube.calls("videos.list"))
    settings.YOUTUBE_QUOTA_MAIN = 1000
    SyncJob.objects.update(run_at=timezone.now())
    job = run_next()
    assert (job.status, *video_counts(job)) == (JobStatus.COMPLETED, 300, 300, 0)
    # A page that arrives when the units for details are used up is read again.
    assert 12 <= len(youtube.calls()) <= 12 + 1
    assert not Video.objects.exclude(details_pending=False).exists()


@pytest.mark.parametrize("videos", [30, 120, 300])
def test_details_that_failed_are_asked_for_again_without_their_page(youtube: Simulator, videos: int) -> None:
    band, _ = band_with_videos(youtube.world, videos)
    youtube.faults.add(Fault("unavailable", operation="videos.list"))
    job = full_sync(band)
    assert (job.status, job.failures_in_a_row, job.videos_found) == (JobStatus.QUEUED, 1, 0)
    youtube.faults.clear()
    SyncJob.objects.update(run_at=timezone.now())
    job = run_next()
    assert (job.status, *video_counts(job), job.progress_done) == (JobStatus.COMPLETED, videos, videos, 0, videos)
    pages = -(-videos // 50)
    assert len(youtube.calls("playlistItems.list")) <= pages + 1
    assert len([call for call in youtube.calls("videos.list") if call["status"] == 200]) == pages
    band.refresh_from_db()
    assert band.channel_video_count == videos


def test_the_error_of_a_playlist_skips_no_details_that_failed(youtube: Simulator) -> None:
    band_with_videos(youtube.world, 10)
    guests = youtube.world.upload(youtube.world.add_channel("@guest").id, 120)
    youtube.world.playlists["PLguests"] = [video.id for video in guests]
    Band.objects.update(extra_playlists=["PLguests"])
    # Page 2 of the extra playlist is refused, while the details of page 1 can't be had.
    youtube.faults.add(Fault("forbidden", operation="playlistItems.list", playlist="PLguests", after=1))
    youtube.faults.add(Fault("unavailable", operation="videos.list", after=1, times=3))
    job = full_sync(Band.objects.get())
    assert job.status == JobStatus.QUEUED
    SyncJob.objects.update(run_at=timezone.now())
    job = run_next()
    assert (job.status, job.videos_found, job.error_count) == (JobStatus.COMPLETED, 60, 1)
    assert Video.objects.count() == 60


@pytest.mark.parametrize(("fault", "attempts"), [("quotaExceeded", 1), ("unavailable", 3)])
def test_no_details_are_asked_for_after_a_call_for_details_failed(
    youtube: Simulator, fault: str, attempts: int
) -> None:
    band, _ = band_with_videos(youtube.world, 60)
    youtube.faults.add(Fault(fault, operation="videos.list"))
    job = full_sync(band)
    assert (job.status, len(youtube.calls("videos.list"))) == (JobStatus.QUEUED, attempts)
    assert len(job.checkpoint["missing_details"]) == 60
