"""Playlists that YouTube refuses: an extra one is an error of the job, and only the channel itself flags the band."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from bands.models import Availability, Band, ChannelProblem, Video
from syncjobs.choices import JobStatus, JobType
from syncjobs.models import SyncJob
from syncjobs.operations import triggers
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import Fault
from syncjobs.youtube.simulator.world import uploads
from tests.factories import PERSON, band_with_videos, full_sync, make_band, queue_job, run_next

# The lease is renewed on another connection, which must see the attempt.
pytestmark = pytest.mark.django_db(transaction=True)


def _error(code: int, **error: Any) -> Fault:
    body = json.dumps({"error": {"code": code, **error}})
    return Fault("foreign", playlist="PLrefused", status=code, content_type="application/json", body=body)


REFUSALS = {
    **{
        name: Fault(name, playlist="PLrefused")
        for name in ("forbidden", "playlistItemsNotAccessible", "badRequest", "playlistNotFound", "invalidPageToken")
    },
    "NOT_FOUND": _error(404, message="Requested entity was not found.", status="NOT_FOUND"),
    "watch later": _error(
        403,
        message="Items in 'watch later' playlists cannot be retrieved through the API.",
        errors=[{"domain": "youtube.playlistItem", "reason": "watchLaterNotAccessible"}],
    ),
}


def _with_extra_playlists(youtube: Simulator) -> Band:
    """Return a band with 60 videos, and with two extra playlists of one video each."""
    band_with_videos(youtube.world, 60)
    first, second = youtube.world.upload(youtube.world.add_channel("@guest").id, 2)
    youtube.world.playlists |= {"PLrefused": [first.id], "PLgood": [second.id]}
    Band.objects.update(extra_playlists=["PLrefused", "PLgood"])
    return Band.objects.get()


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("job_type", [JobType.FULL_SYNC, JobType.INCREMENTAL_SYNC])
def test_a_refused_extra_playlist_is_an_error_and_the_rest_is_synced(
    youtube: Simulator, refusal: str, job_type: JobType
) -> None:
    band = _with_extra_playlists(youtube)
    youtube.faults.add(replace(REFUSALS[refusal]))
    queue_job(job_type, band=band)
    job = run_next()
    band.refresh_from_db()
    error = job.job_errors.get()
    assert (job.status, error.reason, error.item_id) == (JobStatus.COMPLETED, "playlistUnreadable", "PLrefused")
    assert Video.objects.count() == 61
    assert (band.channel_problem, band.consecutive_failures) == (ChannelProblem.NONE, 0)
    assert band.synced_at(full=job_type == JobType.FULL_SYNC) is not None


def test_an_extra_playlist_that_is_never_answered_does_not_fail_the_job(youtube: Simulator) -> None:
    band = _with_extra_playlists(youtube)
    youtube.faults.add(Fault("unavailable", playlist="PLrefused"))
    job = queue_job(band=band)
    while job.status == JobStatus.QUEUED:
        SyncJob.objects.update(run_at=timezone.now())
        job = run_next()
    assert (job.status, Video.objects.count()) == (JobStatus.COMPLETED, 61)
    assert job.job_errors.filter(will_retry=False).get().reason == "playlistUnreadable"
    assert job.attempts_made > 1


def test_a_video_of_a_refused_playlist_is_not_marked_missing(youtube: Simulator) -> None:
    _, channel = band_with_videos(youtube.world, 5)
    unlisted = youtube.world.playlists[uploads(channel.id)].pop()
    youtube.world.playlists["PLextra"] = [unlisted]
    Band.objects.update(extra_playlists=["PLextra"])
    full_sync(Band.objects.get())
    youtube.faults.add(Fault("forbidden", playlist="PLextra"))
    full_sync(Band.objects.get())
    assert Video.objects.get(youtube_id=unlisted).availability == Availability.AVAILABLE


@pytest.mark.parametrize("job_type", [JobType.FULL_SYNC, JobType.INCREMENTAL_SYNC])
def test_uploads_that_stay_forbidden_flag_the_band(youtube: Simulator, job_type: JobType) -> None:
    band, channel = band_with_videos(youtube.world, 5)
    youtube.faults.add(Fault("forbidden", playlist=uploads(channel.id)))
    queue_job(job_type, band=band)
    job = run_next()
    band.refresh_from_db()
    assert (job.status, job.job_errors.get().reason) == (JobStatus.FAILED, "forbidden")
    assert band.channel_problem == ChannelProblem.FORBIDDEN
    assert youtube.units() == 3


def test_uploads_that_are_forbidden_once_do_not_flag_the_band(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 120)
    youtube.faults.add(Fault("forbidden", playlist=uploads(channel.id), after=1, times=1))
    job = full_sync(band)
    band.refresh_from_db()
    assert (job.status, job.error_count, Video.objects.count()) == (JobStatus.COMPLETED, 0, 120)
    assert band.channel_problem == ChannelProblem.NONE


def test_two_wrong_refusals_of_different_pages_do_not_flag_the_band(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 300)
    for after in (0, 4):
        youtube.faults.add(Fault("forbidden", playlist=uploads(channel.id), after=after, times=1))
    job = full_sync(band)
    band.refresh_from_db()
    assert (job.status, band.channel_problem, Video.objects.count()) == ("COMPLETED", ChannelProblem.NONE, 300)
    assert len([call for call in youtube.calls("playlistItems.list") if call["status"] == 403]) == 2


@pytest.mark.parametrize("job_type", [JobType.FULL_SYNC, JobType.INCREMENTAL_SYNC])
def test_an_empty_channel_is_asked_about_again_if_its_count_is_absent(youtube: Simulator, job_type: JobType) -> None:
    band, _ = band_with_videos(youtube.world, 0)
    youtube.faults.add(Fault("missingPart", operation="channels.list", part="statistics", times=1))
    queue_job(job_type, band=band)
    job = run_next()
    assert (job.status, job.job_errors.get().reason) == (JobStatus.QUEUED, "badAnswer")
    SyncJob.objects.update(run_at=timezone.now())
    assert run_next().status == JobStatus.COMPLETED


def test_the_forbidden_uploads_of_a_deleted_channel_say_so(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 5)
    youtube.faults.add(Fault("forbidden", playlist=uploads(channel.id)))
    del youtube.world.channels[channel.id]
    full_sync(band)
    band.refresh_from_db()
    assert band.channel_problem == ChannelProblem.NOT_FOUND


@pytest.mark.parametrize("is_closed", [True, False])
@pytest.mark.parametrize("status", [404, 410])
def test_uploads_that_are_gone_by_any_name_are_asked_about(youtube: Simulator, status: int, is_closed: bool) -> None:
    """Google's servers have a general error too: "Requested entity was not found." """
    band, channel = band_with_videos(youtube.world, 5)
    error = {"error": {"code": status, "message": "Requested entity was not found.", "status": "NOT_FOUND"}}
    foreign = Fault("foreign", playlist=uploads(channel.id), status=status, body=json.dumps(error))
    foreign.content_type = "application/json"
    youtube.faults.add(foreign)
    if is_closed:
        del youtube.world.channels[channel.id]
    job = full_sync(band)
    band.refresh_from_db()
    assert job.job_errors.get().reason == ("channelNotFound" if is_closed else "NOT_FOUND")
    assert band.channel_problem == (ChannelProblem.NOT_FOUND if is_closed else ChannelProblem.NONE)


def test_a_forbidden_channel_flags_the_band(youtube: Simulator) -> None:
    band = make_band(reference="@herons")
    youtube.faults.add(Fault("forbidden", operation="channels.list"))
    assert full_sync(band).status == JobStatus.FAILED
    band.refresh_from_db()
    assert band.channel_problem == ChannelProblem.FORBIDDEN


def _full(band: Band) -> None:
    queue_job(band=band)


def _single_video(band: Band) -> None:
    triggers.trigger_video(PERSON, "zzzzzzzzzzz", band)


def _availability(band: Band) -> None:
    triggers.trigger_maintenance(PERSON, JobType.AVAILABILITY_CHECK, band)


@pytest.mark.parametrize(
    ("trigger", "queue"),
    [(_full, "video-sync"), (_single_video, "video-processing"), (_availability, "maintenance")],
)
def test_forbidden_videos_do_not_flag_the_band(youtube: Simulator, trigger: Any, queue: str) -> None:
    band, _ = band_with_videos(youtube.world, 5)
    Video.objects.create(youtube_id="zzzzzzzzzzz", band=band, published_at=timezone.now() - dt.timedelta(days=1))
    youtube.faults.add(Fault("forbidden", operation="videos.list"))
    trigger(band)
    assert run_next(queue).status == JobStatus.FAILED
    band.refresh_from_db()
    assert band.channel_problem == ChannelProblem.NONE


def test_uploads_are_not_taken_for_empty_if_the_count_is_unknown(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 5)
    full_sync(band)
    youtube.faults.add(Fault("playlistNotFound", playlist=uploads(channel.id)))
    job = full_sync(band)
    assert (job.status, job.job_errors.get().reason) == (JobStatus.FAILED, "playlistNotFound")
    assert not Video.objects.exclude(availability=Availability.AVAILABLE).exists()
