"""Faults during a sync: retries, checkpoints, and a refused key."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from syncjobs.choices import JobStatus
from syncjobs.engine import lease, outcomes
from syncjobs.models import Attempt, Queue, SyncJob
from syncjobs.operations import queues
from syncjobs.sync.playlists import MAX_UNSAVED
from syncjobs.sync.run import run_attempt
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import Fault
from tests.factories import (
    PERSON,
    band_with_videos,
    claim,
    full_sync,
    queue_job,
    run_all,
    run_next,
    video_counts,
)

# The lease is renewed on another connection, which must see the attempt.
pytestmark = pytest.mark.django_db(transaction=True)


def test_an_invalid_page_token_restarts_the_playlist_once(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 200)
    youtube.faults.add(Fault("invalidPageToken", operation="playlistItems.list", after=2, times=1))
    job = full_sync(band)
    assert (job.status, *video_counts(job)) == (JobStatus.COMPLETED, 200, 200, 0)
    assert len(youtube.calls("videos.list")) == 4


@pytest.mark.parametrize(
    "fault",
    ["backendError", "unavailable", "drop", "truncate", "garbage", "perMinute429", "rateLimitExceeded", "redirect"],
)
def test_a_temporary_fault_is_retried_within_the_attempt(youtube: Simulator, fault: str) -> None:
    band, _ = band_with_videos(youtube.world, 120)
    youtube.faults.add(Fault(fault, after=2, times=2))
    job = full_sync(band)
    assert (job.status, job.error_count, *video_counts(job)) == (JobStatus.COMPLETED, 0, 120, 120, 0)
    assert job.attempts_made == 1


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 407, 451])
@pytest.mark.parametrize("operation", ["playlistItems.list", "videos.list"])
def test_a_login_page_of_the_network_fails_no_job_and_pauses_no_queue(
    youtube: Simulator, status: int, operation: str
) -> None:
    band, _ = band_with_videos(youtube.world, 60)
    youtube.faults.add(Fault("foreign", operation=operation, status=status))
    job = full_sync(band)
    assert (job.status, job.failures_in_a_row) == (JobStatus.QUEUED, 1)
    assert "did not come from YouTube" in job.job_errors.get().message
    assert not Queue.objects.exclude(paused_at=None).exists()
    band.refresh_from_db()
    assert band.channel_problem == ""
    youtube.faults.clear()
    SyncJob.objects.update(run_at=timezone.now())
    assert video_counts(run_next()) == (60, 60, 0)


def test_a_lasting_fault_delays_the_job_which_then_resumes_at_its_checkpoint(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 300)
    youtube.faults.add(Fault("unavailable", after=6))
    job = full_sync(band)
    assert (job.status, job.failures_in_a_row) == (JobStatus.QUEUED, 1)
    assert job.attempts.get().error_reason == "backendError"
    done = job.videos_found
    assert done >= 50
    youtube.faults.clear()
    youtube.clear_log()
    SyncJob.objects.update(run_at=timezone.now())
    job = run_next()
    assert (job.status, job.error_count, *video_counts(job)) == (JobStatus.COMPLETED, 0, 300, 300, 0)
    assert youtube.units() <= 2 * (300 - done) // 50 + 1


def test_a_killed_attempt_resumes_at_its_checkpoint(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 300)
    job = queue_job(band=band)
    attempt = claim()

    class Killed(BaseException):
        """An exception that none of our handlers catches, like SIGKILL."""

    original = lease.save_progress
    saves = []

    def die_at_third_page(*args: Any, **kwargs: Any) -> None:
        saves.append(1)
        if len(saves) == 3:
            raise Killed
        original(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("syncjobs.engine.lease.save_progress", die_at_third_page)
        with pytest.raises(Killed):
            run_attempt(attempt)
    Attempt.objects.update(lease_expires_at=timezone.now() - dt.timedelta(seconds=1))
    assert outcomes.mark_lost(attempt.pk)
    run_all()
    job.refresh_from_db()
    assert (job.status, *video_counts(job)) == (JobStatus.COMPLETED, 300, 300, 0)
    # Those that wait, the one being stored and the one being fetched.
    assert len(youtube.calls("playlistItems.list")) <= 6 + MAX_UNSAVED + 2


def test_a_refused_key_pauses_the_queues_and_loses_no_job(youtube: Simulator) -> None:
    for number in range(3):
        band, _ = band_with_videos(youtube.world, 60, f"band{number}")
        queue_job(band=band)
    youtube.faults.add(Fault("apiKeyInvalid", echo_key=True))
    run_all()
    assert len(youtube.calls()) == 1
    assert set(SyncJob.objects.values_list("status", flat=True)) == {JobStatus.QUEUED}
    assert Queue.objects.filter(paused_at=None).count() == 0
    assert "API key" in Queue.objects.all()[0].pause_reason
    youtube.faults.clear()
    queues.resume_queue(PERSON, "all")
    run_all()
    assert set(SyncJob.objects.values_list("status", "videos_found", "error_count")) == {(JobStatus.COMPLETED, 60, 0)}
