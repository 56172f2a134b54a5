"""Live videos and recent ones are refreshed with the incremental passes."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bands.models import Availability, Band, LiveState, Video
from bands.videos import OF_OTHER_CHANNEL
from syncjobs.choices import EventKind, JobType
from syncjobs.engine.enqueue import create_enrich
from syncjobs.models import JobEvent, Subscription, SyncJob
from syncjobs.operations import bands, triggers
from syncjobs.sync import refresh
from syncjobs.sync.refresh import request_live
from syncjobs.youtube.simulator import Simulator, resources
from tests.concurrency import start_and_wait_for_lock
from tests.factories import PERSON, band_with_videos, full_sync, queue_job, run_all, run_next
from tests.freshness.test_feeds import subscribe

# The lease is renewed on another connection, which must see the attempt.
pytestmark = pytest.mark.django_db(transaction=True)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


def _synced(youtube: Simulator, count: int = 3, *, age: dt.timedelta = HOUR, **fields: Any) -> Band:
    """Return a band whose videos have this age and these fields, after a full sync."""
    band, _ = band_with_videos(youtube.world, count)
    for video in youtube.world.videos.values():
        video.published_at = timezone.now() - age
        for name, value in fields.items():
            setattr(video, name, value)
    full_sync(band)
    youtube.clear_log()
    return band


def _sync(band: Band | None = None) -> None:
    triggers.trigger_sync(PERSON, band, full=False, force=True)
    run_all()


@pytest.mark.parametrize("one_band", [False, True])
@pytest.mark.parametrize("live", ["live", "upcoming"])
def test_a_stream_that_has_aired_is_refreshed(youtube: Simulator, live: str, one_band: bool) -> None:
    band = _synced(youtube, 1, live=live, scheduled_start_at=timezone.now() - HOUR)
    video = Video.objects.get()
    assert (video.live_state, video.duration_seconds) == (live, None)
    (aired,) = youtube.world.videos.values()
    aired.live, aired.title, aired.duration = "none", "Finals (premiere)", "PT9M"
    _sync(band if one_band else None)
    video.refresh_from_db()
    assert (video.live_state, video.title, video.duration_seconds) == (LiveState.NONE, "Finals (premiere)", 540)
    assert len(youtube.calls("videos.list")) == 1


@pytest.mark.parametrize("full", [False, True])
def test_the_first_sync_of_a_new_channel_looks_the_former_ones_videos_up(youtube: Simulator, full: bool) -> None:
    band = _synced(youtube, 3)
    gone = youtube.world.playlists[band.uploads_playlist_id][:2]
    for video_id in gone:
        youtube.world.remove(video_id)
    channel = youtube.world.add_channel("@new")
    youtube.world.upload(channel.id, 60, prefix="moved")
    bands.change(PERSON, band.pk, {"youtube_channel": channel.id})
    assert Video.objects.filter(OF_OTHER_CHANNEL).count() == 3
    for expected in (3, 0):  # Only the first sync does so.
        pending = Video.objects.filter(OF_OTHER_CHANNEL, details_pending=True)
        triggers.trigger_sync(PERSON, Band.objects.get(), full=full, force=True)
        run_next()
        assert pending.count() == expected
        notes = JobEvent.objects.filter(kind=EventKind.NOTE, message__startswith="3 videos of former channels")
        assert notes.count() == 1  # Of the first one.
        create_enrich()
        run_all()
    missing = Video.objects.filter(availability=Availability.MISSING)
    assert set(missing.values_list("youtube_id", flat=True)) == set(gone)
    queue_job(JobType.AVAILABILITY_CHECK)
    run_all()
    assert Video.objects.filter(availability=Availability.UNAVAILABLE).count() == 2
    assert Video.objects.filter(OF_OTHER_CHANNEL, availability=Availability.AVAILABLE).count() == 1


def test_a_stream_that_has_not_begun_or_never_will_costs_nothing(youtube: Simulator) -> None:
    band = _synced(youtube, 2, live="upcoming")
    for start in (timezone.now() + HOUR, timezone.now() - 30 * DAY):
        Video.objects.update(scheduled_start_at=start)
        _sync(band)
        assert youtube.calls("videos.list") == []


def test_a_video_is_refreshed_until_its_duration_is_known(youtube: Simulator) -> None:
    band = _synced(youtube, 1, duration="P0D")
    assert Video.objects.get().duration_seconds is None
    for video in youtube.world.videos.values():
        video.duration = "PT0S"
    _sync(band)
    _sync(band)
    assert Video.objects.get().duration_seconds == 0
    assert len(youtube.calls("videos.list")) == 1


def test_recent_videos_are_refreshed_once_a_day(youtube: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    _synced(youtube, 60, age=5 * DAY)
    thumbnails = {"default": {"url": "https://i.ytimg.com/better.jpg", "width": 120, "height": 90}}
    monkeypatch.setattr(resources, "_thumbnails", lambda _: thumbnails)
    for video in youtube.world.videos.values():
        video.title, video.description = "Better title", "Better description"
    _sync()
    assert youtube.calls("videos.list") == []  # They are new.
    Video.objects.update(created_at=timezone.now() - 5 * DAY)
    SyncJob.objects.update(created_at=timezone.now() - 2 * DAY)
    for _ in range(3):
        _sync()
    assert set(Video.objects.values_list("title", "description")) == {("Better title", "Better description")}
    assert all(video.thumbnails == thumbnails for video in Video.objects.all())
    assert len(youtube.calls("videos.list")) == 2
    Video.objects.update(published_at=timezone.now() - 20 * DAY)
    SyncJob.objects.update(created_at=timezone.now() - 2 * DAY)
    _sync()
    assert len(youtube.calls("videos.list")) == 2


def test_recent_videos_whose_changes_are_pushed_are_refreshed_once(youtube: Simulator) -> None:
    band = _synced(youtube, 2, age=5 * DAY)
    Video.objects.update(created_at=timezone.now() - 9 * DAY)
    subscription = subscribe(band, trusted_at=timezone.now())

    def refreshed() -> int:
        youtube.clear_log()
        SyncJob.objects.update(created_at=timezone.now() - 2 * DAY)
        _sync()
        return len(youtube.calls("videos.list"))

    assert refreshed() == 0
    # Of a new start, push does not tell.
    Video.objects.filter(pk=Video.objects.earliest("pk").pk).update(
        live_state=LiveState.UPCOMING, scheduled_start_at=timezone.now() + DAY
    )
    assert refreshed() == 1
    Video.objects.update(live_state=LiveState.NONE, published_at=timezone.now() - 7.5 * DAY)
    assert refreshed() == 1
    Video.objects.update(live_state=LiveState.NONE, published_at=timezone.now() - 9 * DAY)
    assert refreshed() == 0
    for change in (
        {"trusted_at": None},
        {"trusted_at": timezone.now(), "lease_ends_at": timezone.now()},
        {"lease_ends_at": timezone.now() + DAY, "channel_id": "UC" + "x" * 22},
    ):
        Subscription.objects.filter(pk=subscription.pk).update(**change)
        assert refreshed() == 1


def test_the_refresh_keeps_to_its_units(youtube: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "RECENT_UNITS", 1)
    monkeypatch.setattr(refresh, "LIVE_UNITS", 1)
    _synced(youtube, 120, age=5 * DAY, live="live")
    Video.objects.filter(pk__in=list(Video.objects.values_list("pk", flat=True)[:60])).update(live_state="none")
    Video.objects.update(created_at=timezone.now() - 5 * DAY)
    _sync()
    assert len(youtube.calls("videos.list")) == 2


def test_a_refresh_that_changes_nothing_counts_nothing(youtube: Simulator) -> None:
    band = _synced(youtube, 1, live="live")
    before = Video.objects.get().updated_at
    _sync(band)
    assert len(youtube.calls("videos.list")) == 1
    assert Video.objects.get().updated_at == before
    assert set(SyncJob.objects.filter(job_type="ENRICH").values_list("videos_updated", flat=True)) == {0}


def test_a_video_is_refreshed_while_its_band_is_synced(youtube: Simulator) -> None:
    band = _synced(youtube, 1, live="live")
    queue_job(band=band)
    _sync(band)
    assert not Video.objects.filter(details_pending=True).exists()


def test_the_videos_to_refresh_are_found_without_reading_all(youtube: Simulator) -> None:
    """Without the index, each pass reads the whole table: 0.2 s for 500,000 videos."""
    band, _ = band_with_videos(youtube.world, 3)
    full_sync(band)
    with CaptureQueriesContext(connection) as queries:
        request_live()
    [search] = [query["sql"] for query in queries.captured_queries if "LIMIT" in query["sql"]]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {search}")
        assert "video_live" in str(cursor.fetchall())


def test_all_videos_to_refresh_are_locked_in_one_order(youtube: Simulator) -> None:
    """The pass waits for a recent video. A live video comes after it in the order, so it must not be locked already."""
    _synced(youtube, 2, age=5 * DAY)
    recent, live = Video.objects.order_by("youtube_id")
    Video.objects.filter(pk=live.pk).update(live_state=LiveState.LIVE)
    Video.objects.update(created_at=timezone.now() - 5 * DAY)
    parent = triggers.trigger_sync(PERSON, None, full=False, force=True).job
    with transaction.atomic():
        Video.objects.select_for_update().get(pk=recent.pk)
        running = start_and_wait_for_lock(run_next)
        Video.objects.select_for_update(nowait=True).get(pk=live.pk)
    running.result()
    parent.refresh_from_db()
    assert (parent.failures_in_a_row, parent.checkpoint["fanned_out"]) == (0, True)
    assert Video.objects.filter(details_pending=True).count() == 2
