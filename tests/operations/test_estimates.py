"""The estimate of a sync, of its job, and what the forecast expects of that job are one figure."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from bands.models import Band
from syncjobs.choices import JobStatus, JobType, Role
from syncjobs.engine import clock
from syncjobs.models import SyncJob
from syncjobs.operations import band_pauses, jobs, queued_jobs, triggers
from syncjobs.stats import estimates
from syncjobs.stats import quota as stats_quota
from syncjobs.youtube.costs import Bucket
from syncjobs.youtube.simulator import Simulator
from tests.clients import Api
from tests.factories import PERSON, SCHEDULE, band_with_videos, make_band, queue_job, run_all, run_next

# The lease is renewed on another connection, which must see the attempt.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def various() -> dict[str, Band]:
    """Create a band of each kind that a sync of all bands treats differently, with 50 known videos each."""
    known = {"channel_video_count": 50}
    synced = {"last_full_sync_at": timezone.now(), "last_incremental_sync_at": timezone.now()}
    found = {
        "ready": make_band("ready", "UC" + "r" * 22, channel_id="UC" + "r" * 22, **known),
        "unknown_channel": make_band("unknown", "@unknown", **known),
        "covered": make_band("covered", "UC" + "c" * 22, channel_id="UC" + "c" * 22, **known),
        "recent": make_band("recent", "UC" + "n" * 22, channel_id="UC" + "n" * 22, **known, **synced),
        "paused": make_band("paused", "UC" + "p" * 22, channel_id="UC" + "p" * 22, **known),
        "inactive": make_band("inactive", "UC" + "i" * 22, channel_id="UC" + "i" * 22, is_active=False, **known),
        "no_channel": make_band("silent", **known),
    }
    band_pauses.pause_band(PERSON, found["paused"].pk)
    for is_full in (True, False):
        triggers.trigger_sync(PERSON, found["covered"], full=is_full)
    return found


def _queued() -> int:
    return next(
        forecast.queued for state, forecast in stats_quota.forecasts(clock.now()) if state.bucket == Bucket.MAIN
    )


# Two units for a band with 50 videos, one more for an unknown channel; one for the probe of up to 50 known channels.
@pytest.mark.parametrize(
    ("full", "force", "units"), [(True, False, 5), (True, True, 7), (False, False, 1), (False, True, 1)]
)
def test_estimate_job_api_and_forecast_agree(various: dict[str, Band], full: bool, force: bool, units: int) -> None:
    body = {"syncType": "FULL" if full else "INCREMENTAL", "forceSync": force}
    before = _queued()
    assert estimates.estimate(None, full=full, force=force).units == {"main": units}
    assert Api(Role.MODERATOR).post("admin/sync-jobs/estimate", body).json()["units"] == {"main": units}
    job = triggers.trigger_sync(PERSON, None, full=full, force=force).job
    assert job.quota_estimated == units
    assert _queued() - before == units
    job_of_one = triggers.trigger_sync(PERSON, various["unknown_channel"], full=full).job
    assert job_of_one.quota_estimated == 3


def test_a_job_that_takes_over_force_and_a_retry_are_estimated_again(various: dict[str, Band]) -> None:
    job = triggers.trigger_sync(PERSON, None, full=True).job
    assert triggers.trigger_sync(PERSON, None, full=True, force=True).job.quota_estimated == 7
    SyncJob.objects.filter(pk=job.pk).update(status=JobStatus.CANCELLED)
    Band.objects.filter(pk=various["ready"].pk).update(channel_video_count=5000)
    assert jobs.retry_job(PERSON, job.pk).job.quota_estimated == 7 - 2 + 200


def test_an_incremental_sync_of_all_asks_for_recently_synced_bands_too(youtube: Simulator) -> None:
    band, _channel = band_with_videos(youtube.world, 3)
    triggers.trigger_sync(PERSON, band, full=True)
    run_all()
    estimate = estimates.estimate(None, full=False)
    assert (estimate.units["main"], estimate.bands, estimate.skipped_as_just_synced) == (1, 1, 0)
    job = triggers.trigger_sync(PERSON, None, full=False).job
    run_all()
    job.refresh_from_db()
    assert (job.quota_estimated, job.quota_used, job.status) == (1, 1, JobStatus.COMPLETED)


def test_a_schedule_is_estimated_without_the_bands_that_push_and_feeds_watch(
    various: dict[str, Band], monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = [band.pk for band in various.values()]
    Band.objects.update(last_page_read_at=timezone.now())
    monkeypatch.setattr("syncjobs.freshness.trust.not_due_for_probe", lambda: watched)
    assert triggers.trigger_sync(SCHEDULE, None, full=False).job.quota_estimated == 0
    SyncJob.objects.update(status=JobStatus.CANCELLED)
    assert triggers.trigger_sync(PERSON, None, full=False).job.quota_estimated == 1


def test_an_all_bands_job_needs_what_its_children_still_need(youtube: Simulator) -> None:
    bands = []
    for slug in ("herons", "owls", "wrens"):
        band, _channel = band_with_videos(youtube.world, 60, slug)
        bands.append(band)
    Band.objects.update(channel_video_count=60)
    bands[2].refresh_from_db()
    job = triggers.trigger_sync(PERSON, None, full=True).job
    assert (job.quota_estimated, _queued()) == (12, 12)
    # Its children are queued now; this band has got another job before, which is none of them.
    triggers.trigger_sync(PERSON, bands[2], full=True)
    SyncJob.objects.filter(pk=job.pk).update(priority=30)
    run_next()
    job.refresh_from_db()
    assert (job.quota_estimated, _queued()) == (8, 8 + 4)
    first, second = job.children.order_by("pk")
    assert (first.quota_estimated, second.quota_estimated) == (4, 4)
    band_pauses.pause_band(PERSON, bands[0].pk)
    assert _queued() == 4 + 4
    band_pauses.resume_band(PERSON, bands[0].pk)
    queued_jobs.delay(PERSON, first.pk, clock.now() + dt.timedelta(days=2))
    assert _queued() == 4 + 4
    jobs.cancel_job(PERSON, first.pk)
    assert _queued() == 4 + 4
    SyncJob.objects.filter(pk=second.pk).update(quota_used=3)
    assert _queued() == 1 + 4


def test_an_incremental_all_bands_job_expects_its_children(youtube: Simulator) -> None:
    for slug in ("herons", "owls"):
        band_with_videos(youtube.world, 3, slug)
    job = triggers.trigger_sync(PERSON, None, full=False).job
    assert job.job_type == JobType.INCREMENTAL_SYNC
    assert (job.quota_estimated, _queued()) == (1, 1)
    run_next()
    job.refresh_from_db()
    assert (job.quota_used, job.quota_estimated, _queued()) == (1, 5, 4)


@pytest.mark.parametrize("status", [JobStatus.IN_PROGRESS, JobStatus.COMPLETED])
def test_what_a_child_uses_beyond_its_estimate_is_not_taken_from_the_others(status: JobStatus) -> None:
    parent = queue_job(JobType.INCREMENTAL_SYNC, fans_out=True, quota_estimated=4)
    first, _second = (queue_job(JobType.INCREMENTAL_SYNC, parent=parent, quota_estimated=2) for _ in range(2))
    SyncJob.objects.filter(pk=parent.pk).update(status=JobStatus.IN_PROGRESS)
    assert _queued() == 4
    SyncJob.objects.filter(pk=first.pk).update(status=status, quota_used=40)
    assert _queued() == 2


def test_an_all_bands_job_that_has_queued_its_children_keeps_their_estimate(various: dict[str, Band]) -> None:
    job = triggers.trigger_sync(SCHEDULE, None, full=True).job
    # It was returned to its queue after that, by a worker that stops.
    SyncJob.objects.filter(pk=job.pk).update(checkpoint={"fanned_out": True}, quota_estimated=40)
    raised = triggers.trigger_sync(PERSON, None, full=True, force=True).job
    assert (raised.pk, raised.quota_estimated) == (job.pk, 40)
    assert raised.priority > job.priority
