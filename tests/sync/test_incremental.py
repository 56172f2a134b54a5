"""Incremental syncs of one band and of all bands."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.db.models import Sum
from django.utils import timezone

from bands.models import Availability, Band, ChannelProblem, Video
from syncjobs.choices import JobStatus, JobType, Role
from syncjobs.engine import outcomes
from syncjobs.models import SyncJob
from syncjobs.operations import bands, triggers
from syncjobs.stats import bands as stats_bands
from syncjobs.sync import incremental
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.world import uploads
from tests.clients import logged_in
from tests.factories import PERSON, band_with_videos, full_sync, run_all, run_next

# The lease is renewed on another connection, which must see the attempt.
pytestmark = pytest.mark.django_db(transaction=True)


def test_an_incremental_pass_over_100_bands_costs_13_units(youtube: Simulator) -> None:
    channels = []
    for number in range(10):
        _, channel = band_with_videos(youtube.world, 8, f"band{number}")
        channels.append(channel)
    triggers.trigger_sync(PERSON, None, full=True)
    run_all()
    for number in range(10, 100):
        band, _ = band_with_videos(youtube.world, 8, f"band{number}")
        _copy_state_after_full_sync(band)
    youtube.clear_log()
    for number, channel in enumerate(channels[:10]):
        youtube.world.upload(channel.id, 2 if number < 5 else 1)
    parent = triggers.trigger_sync(PERSON, None, full=False).job
    run_all()
    parent.refresh_from_db()
    assert parent.status == JobStatus.COMPLETED
    assert youtube.units() <= 13
    assert parent.checkpoint["unchanged"] == 90
    assert Video.objects.count() == 95
    assert Video.objects.filter(details_pending=True).count() == 0
    assert Video.objects.filter(duration_seconds=None).count() == 0
    added = parent.children.filter(job_type=JobType.INCREMENTAL_SYNC).aggregate(Sum("videos_added"))
    assert added == {"videos_added__sum": 15}
    youtube.clear_log()
    triggers.trigger_sync(PERSON, None, full=False)
    run_all()
    assert youtube.units() == 2


def _copy_state_after_full_sync(band: Band) -> None:
    """Set what a full sync has set on the first band. Syncing 100 bands would take 10 seconds."""
    synced = Band.objects.earliest("pk")
    assert synced.last_full_sync_at
    changed = ("last_full_sync_at", "last_incremental_sync_at", "last_page_read_at", "channel_video_count")
    Band.objects.filter(pk=band.pk).update(**{name: getattr(synced, name) for name in changed})


def test_rotation_reads_a_band_whose_count_did_not_change(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 30)
    full_sync(band)
    youtube.world.remove(youtube.world.playlists[uploads(channel.id)][5])
    youtube.world.upload(channel.id, 1, prefix="swap")
    triggers.trigger_sync(PERSON, None, full=False)
    run_all()
    assert Video.objects.count() == 30
    Band.objects.update(last_page_read_at=timezone.now() - dt.timedelta(days=2))
    triggers.trigger_sync(PERSON, None, full=False)
    run_all()
    assert Video.objects.count() == 31


def test_a_probe_is_no_successful_sync_of_a_band_that_fails(youtube: Simulator) -> None:
    fails, _ = band_with_videos(youtube.world, 3, "fails")
    works, _ = band_with_videos(youtube.world, 3, "works")
    gone, channel = band_with_videos(youtube.world, 3, "gone")
    for band in (fails, works, gone):
        full_sync(band)
    del youtube.world.channels[channel.id]
    before = timezone.now()
    Band.objects.update(last_incremental_sync_at=before)
    Band.objects.filter(pk=fails.pk).update(consecutive_failures=3)
    Band.objects.filter(pk=gone.pk).update(channel_problem=ChannelProblem.NOT_FOUND)
    triggers.trigger_sync(PERSON, None, full=False)
    parent = run_next()
    assert parent.checkpoint["unchanged"] == 3
    assert list(Band.objects.exclude(last_incremental_sync_at=before)) == [works]


def test_an_incremental_sync_stops_at_the_first_page_of_known_videos(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 200)
    full_sync(band)
    youtube.world.upload(channel.id, 60)
    youtube.clear_log()
    triggers.trigger_sync(PERSON, band, full=False, force=True)
    run_all()
    assert Video.objects.filter(details_pending=False).count() == 260
    assert len(youtube.calls("playlistItems.list")) == 3
    assert len(youtube.calls("videos.list")) == 2
    Band.objects.update(last_full_sync_at=None)
    assert _read_by() is None


def test_an_incremental_sync_of_a_new_channel_reads_all_of_it(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 120)
    triggers.trigger_sync(PERSON, band, full=False)
    job = run_next()
    assert (_read_by(), Video.objects.count()) == (job.pk, 120)
    page = logged_in(Role.MODERATOR).get(f"/admin/bands/band/{band.pk}/change/").content.decode()
    assert re.search(rf"the incremental sync <a [^>]*>#{job.pk}</a> read all its videos <time ", page)
    # It was another channel.
    bands.change(PERSON, band.pk, {"youtube_channel": "@elsewhere"})
    assert _read_by() is None


def _read_by() -> int | None:
    return stats_bands.with_what_was_read(Band.objects.all()).get().read_by  # type: ignore[attr-defined, no-any-return]


def test_a_band_deleted_during_the_pass_does_not_stop_the_others(youtube: Simulator) -> None:
    gone, _ = band_with_videos(youtube.world, 1, "gone")
    band_with_videos(youtube.world, 1, "there")
    triggers.trigger_sync(PERSON, None, full=False)

    def delete(operation: str, parameters: dict[str, str]) -> None:
        Band.objects.filter(pk=gone.pk).delete()

    youtube.before_answer = delete
    parent = run_next()
    youtube.before_answer = None
    assert (parent.status, parent.attempts_made) == (JobStatus.IN_PROGRESS, 1)
    assert [job.band_name for job in parent.children.all()] == ["There"]


def _hourly_pass(youtube: Simulator) -> int:
    """Run an incremental pass over all bands; return its units."""
    youtube.clear_log()
    triggers.trigger_sync(PERSON, None, full=False)
    run_all()
    return youtube.units()


@pytest.mark.parametrize(("videos", "position"), [(120, 80), (120, 119), (900, 700)])
def test_a_video_that_becomes_public_deep_in_the_list_is_found(youtube: Simulator, videos: int, position: int) -> None:
    band, channel = band_with_videos(youtube.world, videos)
    hidden = youtube.world.videos[youtube.world.playlists[uploads(channel.id)][position]]
    hidden.privacy = "private"
    full_sync(band)
    assert not Video.objects.filter(youtube_id=hidden.id).exists()
    hidden.privacy = "public"
    assert _hourly_pass(youtube) == 1 + (position // 50 + 1) + 1
    assert not Video.objects.get(youtube_id=hidden.id).details_pending
    band.refresh_from_db()
    assert band.channel_video_count == videos
    assert _hourly_pass(youtube) == 1


def test_a_video_that_becomes_public_again_is_available_again(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 120)
    full_sync(band)
    video = youtube.world.videos[youtube.world.playlists[uploads(channel.id)][80]]
    video.privacy = "private"
    full_sync(band)
    full_sync(band)
    assert Video.objects.get(youtube_id=video.id).availability == Availability.UNAVAILABLE
    video.privacy = "public"
    _hourly_pass(youtube)
    assert Video.objects.get(youtube_id=video.id).availability == Availability.AVAILABLE


@pytest.mark.parametrize("position", [0, 80])
def test_a_count_ahead_of_the_list_is_looked_for_again(youtube: Simulator, position: int) -> None:
    band, channel = band_with_videos(youtube.world, 120)
    hidden = youtube.world.videos[youtube.world.playlists[uploads(channel.id)][position]]
    hidden.privacy = "private"
    full_sync(band)
    channel.count_ahead = 1
    _hourly_pass(youtube)
    hidden.privacy, channel.count_ahead = "public", 0
    _hourly_pass(youtube)
    assert Video.objects.filter(youtube_id=hidden.id).exists()
    assert _hourly_pass(youtube) == 1


def test_those_that_were_found_are_not_looked_for_again(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 120)
    full_sync(band)
    youtube.world.upload(channel.id, 2)
    channel.count_ahead = 1
    _hourly_pass(youtube)
    band.refresh_from_db()
    assert band.channel_video_count == 122


def test_a_count_that_never_agrees_with_the_list_costs_two_searches_a_day(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 120)
    full_sync(band)
    channel.count_ahead = 5
    costs = [_hourly_pass(youtube) for _ in range(4)]
    assert costs == [1 + 3, 1 + 3, 1, 1]
    for ahead in (4, 6):  # It goes up and down.
        channel.count_ahead = ahead
        assert _hourly_pass(youtube) == 1 + 1
    SyncJob.objects.update(created_at=timezone.now() - dt.timedelta(days=2))
    channel.count_ahead = 7
    assert _hourly_pass(youtube) == 1 + 3


def test_a_search_ends_after_its_pages(youtube: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incremental, "SEARCH_PAGES", 2)
    band, channel = band_with_videos(youtube.world, 300)
    full_sync(band)
    channel.count_ahead = 1
    assert _hourly_pass(youtube) == 1 + 2


def test_videos_that_are_listed_before_they_are_counted_are_not_sought(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 120)
    full_sync(band)
    youtube.world.upload(channel.id, 1)
    triggers.trigger_sync(PERSON, band, full=False, force=True)
    run_all()
    assert Video.objects.count() == 121
    assert _hourly_pass(youtube) == 1
    youtube.world.upload(channel.id, 1)
    channel.count_ahead = -1
    Band.objects.update(last_page_read_at=None)
    assert _hourly_pass(youtube) == 1 + 2 + 1
    channel.count_ahead = 0
    assert _hourly_pass(youtube) == 1


def test_new_videos_are_added_to_the_count_once(youtube: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first attempt dies after the band's changes were saved, and before the job is completed."""
    band, channel = band_with_videos(youtube.world, 100)
    full_sync(band)
    youtube.world.upload(channel.id, 2)
    triggers.trigger_sync(PERSON, band, full=False, force=True)
    with monkeypatch.context() as patched:
        patched.setattr(outcomes, "complete", lambda attempt: 1 / 0)
        assert run_next().status == JobStatus.QUEUED
    SyncJob.objects.update(run_at=timezone.now())
    job = run_next()
    band.refresh_from_db()
    assert (job.status, band.channel_video_count) == (JobStatus.COMPLETED, 102)
