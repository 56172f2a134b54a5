"""Full syncs, checked against the simulator's own log of calls."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bands.models import Availability, Band, ChannelProblem, Video
from syncjobs.choices import JobStatus, JobType
from syncjobs.models import JobError, SeenVideo
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import Fault
from syncjobs.youtube.simulator.world import uploads
from tests.factories import (
    band_with_videos,
    break_videos,
    full_sync,
    make_band,
    queue_job,
    run_next,
    video_counts,
)

# The lease is renewed on another connection, which must see the attempt.
pytestmark = pytest.mark.django_db(transaction=True)


def _change_when(youtube: Simulator, page: int, change: Any) -> None:
    """Change the world just before the simulator answers the given playlist page."""
    pages = []

    def watch(operation: str, parameters: dict[str, str]) -> None:
        if operation == "playlistItems.list":
            pages.append(parameters)
            if len(pages) == page:
                change()

    youtube.before_answer = watch


@pytest.mark.parametrize("videos", [1, 49, 50, 51, 100, 537])
def test_a_full_sync_costs_two_units_per_fifty_videos(youtube: Simulator, videos: int) -> None:
    band, _ = band_with_videos(youtube.world, videos)
    job = full_sync(band)
    assert (job.status, *video_counts(job)) == (JobStatus.COMPLETED, videos, videos, 0)
    assert youtube.units() == job.quota_used == 2 * math.ceil(videos / 50)
    assert Video.objects.count() == videos
    assert SeenVideo.objects.count() == 0
    youtube.clear_log()
    again = full_sync(band)
    assert video_counts(again) == (videos, 0, 0)
    assert youtube.units() == 2 * math.ceil(videos / 50)


@pytest.mark.parametrize(
    "form", ["@brassline", "https://www.youtube.com/@BrassLine/videos", "youtube.com/user/brass1990"]
)
def test_a_channel_is_resolved_once_and_costs_one_unit(youtube: Simulator, form: str) -> None:
    channel = youtube.world.add_channel("@brassline", "Brass Line", username="brass1990")
    youtube.world.upload(channel.id, 10)
    band = make_band(reference=form)
    job = full_sync(band)
    band.refresh_from_db()
    assert (job.status, band.channel_id, band.channel_title) == (JobStatus.COMPLETED, channel.id, "Brass Line")
    assert youtube.units() == 1 + 2
    youtube.clear_log()
    full_sync(band)
    assert youtube.units() == 2


def test_a_missing_channel_fails_the_job_and_flags_the_band(youtube: Simulator) -> None:
    band = make_band(reference="@nobodyhere")
    job = full_sync(band)
    band.refresh_from_db()
    assert (job.status, job.error_count, band.consecutive_failures) == (JobStatus.FAILED, 1, 1)
    assert band.channel_problem == ChannelProblem.NOT_FOUND
    assert "@nobodyhere" in job.job_errors.get().message


def test_a_channel_without_videos_is_not_an_error(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 0)
    job = full_sync(band)
    assert (job.status, job.videos_found, job.error_count) == (JobStatus.COMPLETED, 0, 0)
    assert youtube.units() == 2


def test_a_deleted_channel_flags_the_band(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 5)
    del youtube.world.channels[channel.id], youtube.world.playlists[uploads(channel.id)]
    job = full_sync(band)
    band.refresh_from_db()
    assert (job.status, band.channel_problem) == (JobStatus.FAILED, ChannelProblem.NOT_FOUND)


def test_a_video_that_moves_to_the_front_during_the_sync_is_counted_once(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 300)
    playlist = uploads(channel.id)
    moving = youtube.world.playlists[playlist][260]
    _change_when(youtube, 4, lambda: youtube.world.move(playlist, moving, 0))
    job = full_sync(band)
    assert (job.status, *video_counts(job)) == (JobStatus.COMPLETED, 300, 300, 0)
    assert set(Video.objects.values_list("youtube_id", flat=True)) == set(youtube.world.videos)


def test_a_video_that_moves_back_during_the_sync_hides_no_other(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 300)
    playlist = uploads(channel.id)
    moving = youtube.world.playlists[playlist][3]
    _change_when(youtube, 4, lambda: youtube.world.move(playlist, moving, 290))
    assert video_counts(full_sync(band)) == (300, 300, 0)
    assert Video.objects.count() == 300


def test_a_video_deleted_during_the_sync_hides_no_other(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 300)
    gone = youtube.world.playlists[uploads(channel.id)][3]
    _change_when(youtube, 4, lambda: youtube.world.remove(gone))
    full_sync(band)
    expected = set(youtube.world.videos)
    assert set(Video.objects.values_list("youtube_id", flat=True)) >= expected


def test_a_video_uploaded_during_the_sync_costs_one_page_more(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 300)
    _change_when(youtube, 4, lambda: youtube.world.upload(channel.id, 1, prefix="late"))
    assert video_counts(full_sync(band)) == (301, 301, 0)
    assert len(youtube.calls("playlistItems.list")) <= 7 + 1


def test_unreadable_items_are_errors_but_the_job_completes(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 400)
    broken = break_videos(youtube.world, 0.02)
    youtube.world.videos[next(i for i in youtube.world.videos if i not in broken)].broken = "entry"
    job = full_sync(band)
    assert job.status == JobStatus.COMPLETED
    assert job.error_count == len(broken) + 1 == JobError.objects.filter(reason="unreadableItem").count()
    assert set(JobError.objects.exclude(item_id="").values_list("item_id", flat=True)) >= set(broken)
    assert Video.objects.count() == 400 - len(broken) - 1


def test_extra_playlists_are_read_and_duplicates_counted_once(youtube: Simulator) -> None:
    _, channel = band_with_videos(youtube.world, 70)
    guest = youtube.world.add_channel("@guest")
    guests = [video.id for video in youtube.world.upload(guest.id, 20)]
    mine = youtube.world.playlists[uploads(channel.id)][:10]
    youtube.world.playlists["PLextra0123456789"] = guests + mine
    Band.objects.update(extra_playlists=["PLextra0123456789", "PLmissing0123456789"])
    job = full_sync(Band.objects.get())
    assert (job.status, *video_counts(job), job.error_count) == (JobStatus.COMPLETED, 90, 90, 0, 1)
    assert "PLmissing0123456789" in job.job_errors.get().message


def test_deleting_a_band_keeps_its_jobs(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 5)
    job = full_sync(band)
    waiting = queue_job(band=band)
    band.delete()
    job.refresh_from_db()
    assert (job.band, job.band_name, Video.objects.count()) == (None, "Herons", 0)
    assert run_next().pk == waiting.pk
    waiting.refresh_from_db()
    assert (waiting.status, waiting.job_errors.get().reason) == (JobStatus.FAILED, "bandDeleted")


@pytest.mark.parametrize("again", [10, 49, 51, 90])
def test_a_video_that_is_listed_twice_costs_nothing(youtube: Simulator, again: int) -> None:
    band, channel = band_with_videos(youtube.world, 110)
    entries = youtube.world.playlists[uploads(channel.id)]
    entries.insert(again, entries[5])
    job = full_sync(band)
    assert (job.status, *video_counts(job), job.error_count) == (JobStatus.COMPLETED, 110, 110, 0, 0)
    assert youtube.units() == 6


def test_a_deletion_is_noticed_in_a_playlist_with_repeated_entries(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 300)
    entries = youtube.world.playlists[uploads(channel.id)]
    entries.insert(130, entries[5])
    _change_when(youtube, 4, lambda: youtube.world.remove(entries[3]))
    full_sync(band)
    assert set(Video.objects.values_list("youtube_id", flat=True)) >= set(youtube.world.videos)


@pytest.mark.parametrize("by_handle", [False, True])
def test_a_full_sync_stores_the_count_of_public_videos(youtube: Simulator, by_handle: bool) -> None:
    band, channel = band_with_videos(youtube.world, 110)
    if by_handle:
        Band.objects.update(channel_id="", uploads_playlist_id="", channel_reference="@herons")
    for number, privacy in ((3, "private"), (60, "private"), (70, "unlisted"), (80, "deleted")):
        youtube.world.videos[youtube.world.playlists[uploads(channel.id)][number]].privacy = privacy
    full_sync(Band.objects.get())
    band.refresh_from_db()
    assert band.channel_video_count == youtube.world.video_count(channel) == 106


def test_the_count_is_right_after_a_restart_and_a_reread(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 300)
    youtube.faults.add(Fault("invalidPageToken", operation="playlistItems.list", after=2, times=1))
    _change_when(youtube, 5, lambda: youtube.world.upload(channel.id, 1, prefix="late"))
    full_sync(band)
    band.refresh_from_db()
    assert band.channel_video_count == 301


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["items", 1, "snippet", "title"], 5),
        (["items", 1, "contentDetails", "videoPublishedAt"], "soon"),
        (["items", 1], None),
        (["items", 1, "contentDetails"], {"videoId": "a b"}),
        (["items", 1], {"id": "an entry", "snippet": {}}),
    ],
)
def test_an_entry_that_cannot_be_read_does_not_make_its_video_missing(
    youtube: Simulator, path: list[str | int], value: object
) -> None:
    band, channel = band_with_videos(youtube.world, 60)
    full_sync(band)
    gone = youtube.world.playlists[uploads(channel.id)][-1]
    youtube.world.remove(gone)
    youtube.faults.add(Fault("wrongValue", "playlistItems.list", path=path, value=value, times=1))
    job = full_sync(band)
    assert (job.status, job.job_errors.get().reason) == (JobStatus.COMPLETED, "unreadableItem")
    missing = Video.objects.exclude(availability=Availability.AVAILABLE).values_list("youtube_id", flat=True)
    # If the entry does not name its video, we can't know whether it is the one that is gone.
    assert list(missing) == ([gone] if len(path) > 2 and value != {"videoId": "a b"} else [])
    full_sync(band)
    assert Video.objects.filter(availability=Availability.AVAILABLE).count() == 59


@pytest.mark.parametrize("number", [5, 120])
@pytest.mark.parametrize("job_type", [JobType.FULL_SYNC, JobType.INCREMENTAL_SYNC])
def test_an_unreadable_entry_is_recorded_once_if_the_playlist_is_read_again(
    youtube: Simulator, job_type: JobType, number: int
) -> None:
    band, channel = band_with_videos(youtube.world, 150)
    youtube.world.videos[youtube.world.playlists[uploads(channel.id)][number]].broken = "entry"
    youtube.faults.add(Fault("invalidPageToken", operation="playlistItems.list", after=1, times=1))
    queue_job(job_type, band=band)
    job = run_next()
    assert (job.status, job.error_count, job.videos_found) == (JobStatus.COMPLETED, 1, 149)
    assert job.job_errors.get().reason == "unreadableItem"
