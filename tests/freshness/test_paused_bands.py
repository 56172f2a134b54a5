"""A pause holds the jobs of a band. Push, the feed and the jobs for all bands go on, and nothing of the pause is late."""

from __future__ import annotations

import datetime as dt

import pytest
from django.conf import LazySettings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.http import QueryDict
from django.utils import timezone

from bands.models import Band, NoticedBy, Video
from syncjobs.choices import EventKind, JobStatus, JobType
from syncjobs.engine.reconcile import reconcile
from syncjobs.freshness import feeds
from syncjobs.listing.bands import BandStates
from syncjobs.models import ChannelFeed, SyncJob
from syncjobs.operations import band_pauses
from syncjobs.stats.freshness import freshness, of_band, with_bands
from syncjobs.youtube.simulator import Simulator
from tests.factories import PERSON, band_with_videos, full_sync, run_all
from tests.freshness.site import PUBLIC_URL, connect, subscribed
from tests.freshness.test_feeds import read_all
from tests.freshness.test_trust import DAY, hourly_pass

pytestmark = pytest.mark.django_db(transaction=True)


def _paused(youtube: Simulator) -> Band:
    """Create a band with 20 known videos and a trusted feed, and pause it."""
    band, _channel = band_with_videos(youtube.world, 20)
    full_sync(band)
    read_all()
    ChannelFeed.objects.update(watched_since=Now() - 30 * DAY)
    band_pauses.pause_band(PERSON, band.pk, "moving")
    return band


def _found_late(band: Band, minutes: float = 600) -> Video:
    """Store a video that a sync has just found, long after its publication."""
    return Video.objects.create(
        youtube_id=f"late{Video.objects.count():07}",
        band=band,
        channel_id=band.channel_id,
        noticed_by=NoticedBy.PROBE,
        published_at=timezone.now() - dt.timedelta(minutes=minutes),
    )


def _late_bands() -> list[Band]:
    """Return the bands that the list of late ones shows."""
    return list(BandStates.narrow(Band.objects.all(), BandStates.clean(QueryDict("late=60"))))


def test_new_videos_are_noticed_and_get_their_details_while_the_bands_own_jobs_wait(
    youtube: Simulator, settings: LazySettings
) -> None:
    settings.PUBLIC_URL = PUBLIC_URL
    connect(youtube)
    subscription = subscribed(youtube, videos=20)
    assert subscription.band is not None
    band = subscription.band
    full_sync(band)
    read_all()
    band_pauses.pause_band(PERSON, band.pk, "moving")
    assert hourly_pass(youtube) == 0
    assert SyncJob.objects.latest("pk").events.get(kind=EventKind.FANNED_OUT).message.endswith(", 1 paused")
    youtube.world.upload(band.channel_id, 15)
    read_all()
    assert Video.objects.filter(noticed_by=NoticedBy.FEED).count() == 15
    # As its feed had room for no more, the band is synced, once it may be.
    waiting = SyncJob.objects.active().get(band=band)
    assert (waiting.job_type, waiting.status) == (JobType.INCREMENTAL_SYNC, JobStatus.QUEUED)
    pushed = youtube.world.publish(band.channel_id, timezone.now())
    youtube.hub.run_due()
    assert Video.objects.get(youtube_id=pushed.id).noticed_by == NoticedBy.PUSH
    Video.objects.filter(details_pending=True).update(details_due_at=Now())
    reconcile()
    run_all()
    assert not Video.objects.filter(details_pending=True).exists()
    subscription.refresh_from_db()
    assert subscription.trusted_at is not None
    assert freshness().push_working == 1
    waiting.refresh_from_db()
    assert waiting.status == JobStatus.QUEUED
    band_pauses.resume_band(PERSON, band.pk)
    run_all()
    waiting.refresh_from_db()
    assert waiting.status == JobStatus.COMPLETED


def test_a_paused_band_is_not_probed_however_its_feed_fails(youtube: Simulator) -> None:
    band = _paused(youtube)
    ChannelFeed.objects.update(probed_at=Now())
    shown = freshness()
    assert (shown.bands, shown.daily_probes, shown.saved.bands) == (1, 0, 0)
    long_ago = timezone.now() - dt.timedelta(minutes=31)
    ChannelFeed.objects.update(failures=3, read_at=long_ago, probed_at=None)
    assert not feeds.probe_unread()
    assert hourly_pass(youtube) == 0
    SyncJob.objects.update(created_at=long_ago)
    band_pauses.resume_band(PERSON, band.pk)
    assert feeds.probe_unread()
    ChannelFeed.objects.update(failures=0, probed_at=Now())
    (resumed,) = Band.objects.prefetch_related(*with_bands())
    assert of_band(resumed).is_probed_daily
    assert (freshness().daily_probes, freshness().saved.bands) == (1, 1)


def test_what_is_found_after_a_pause_is_not_late(youtube: Simulator) -> None:
    band = _paused(youtube)
    in_time = _found_late(band, 1)
    band_pauses.resume_band(PERSON, band.pk)
    _found_late(band)
    assert not _late_bands()
    assert freshness().by_source[NoticedBy.PROBE].videos == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT label FROM syncjobs_metricdelta WHERE name = 'fresh' AND label = 'probe'")
        assert len(cursor.fetchall()) == 1
    # A video that was published after the pause can be late.
    Band.objects.update(resumed_at=F("resumed_at") - DAY)
    late = _found_late(band)
    assert _late_bands() == [band]
    figures = freshness().by_source[NoticedBy.PROBE]
    assert (figures.videos, Video.objects.filter(noticed_by=NoticedBy.PROBE).count()) == (3, 3)
    assert late.created_at > in_time.created_at
