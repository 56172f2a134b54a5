"""Channels whose push or feed has proven itself are probed once a day; all others, and those that disappoint, hourly."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from bands.models import Band, NoticedBy, Video
from syncjobs.choices import EventKind
from syncjobs.engine.reconcile import reconcile
from syncjobs.freshness import feeds
from syncjobs.models import ChannelFeed, Subscription, SyncJob
from syncjobs.operations import triggers
from syncjobs.youtube.simulator import Simulator
from tests.factories import PERSON, SCHEDULE, band_with_videos, full_sync, run_all
from tests.freshness.test_feeds import read_all, subscribe

pytestmark = pytest.mark.django_db(transaction=True)
DAY = dt.timedelta(days=1)


def hourly_pass(youtube: Simulator) -> int:
    """Run the scheduled incremental pass; return its units."""
    youtube.clear_log()
    triggers.trigger_sync(SCHEDULE, None, full=False)
    run_all()
    return youtube.units()


def days_later() -> None:
    """Let a day pass for the bands and their feeds, which are read as ever."""
    Band.objects.update(last_page_read_at=F("last_page_read_at") - DAY)
    ChannelFeed.objects.update(probed_at=F("probed_at") - DAY)


def test_a_channel_whose_feed_has_proven_itself_is_probed_daily_and_its_page_is_not_read(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 60)
    full_sync(band)
    assert hourly_pass(youtube) == hourly_pass(youtube) == 1
    read_all()
    # The probe of this hour is done; the feed is trusted from its first right answer.
    assert hourly_pass(youtube) == 1
    assert [hourly_pass(youtube) for _ in range(3)] == [0, 0, 0]
    job = SyncJob.objects.latest("pk")
    [event] = job.events.filter(kind=EventKind.FANNED_OUT)
    assert event.message == "0 bands queued, 0 unchanged, 1 left to push and feeds until their daily probe"
    # What the feed showed is no change for the probe, even if YouTube counts it later.
    youtube.world.publish(channel.id, timezone.now())
    channel.count_ahead = -1
    read_all()
    # The pass would fetch its details if they were due by then, as they are on a slow machine.
    Video.objects.filter(details_pending=True).update(details_due_at=Now())
    reconcile()
    run_all()
    days_later()
    assert hourly_pass(youtube) == 1
    channel.count_ahead = 0
    days_later()
    assert hourly_pass(youtube) == 1
    # A person's pass asks for all, and reads what was not read for a day only if the feed may not know it.
    youtube.clear_log()
    triggers.trigger_sync(PERSON, None, full=False)
    run_all()
    assert youtube.units() == 1
    # Only a page shows what extra playlists have.
    youtube.world.playlists["PL" + "x" * 32] = list(youtube.world.videos)[:3]
    Band.objects.update(extra_playlists=["PL" + "x" * 32])
    days_later()
    assert hourly_pass(youtube) == 1 + 2
    Band.objects.update(extra_playlists=[])
    days_later()
    ChannelFeed.objects.update(failures=3)
    assert hourly_pass(youtube) == 1 + 1
    ChannelFeed.objects.update(failures=0, next_read_at=Now() - dt.timedelta(minutes=10))
    assert hourly_pass(youtube) == 1
    ChannelFeed.objects.update(next_read_at=Now())
    assert hourly_pass(youtube) == 0


def test_what_push_and_feed_miss_is_found_by_the_daily_probe_and_both_lose_their_trust(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 20)
    subscription = subscribe(band, trusted_at=Now())
    full_sync(band)
    read_all()
    assert hourly_pass(youtube) == 1
    ChannelFeed.objects.update(watched_since=Now() - DAY)
    ChannelFeed.objects.filter(trusted_at=None).update(trusted_at=Now())
    # A video of two hours ago that neither reported. The feed was read since, and does not list it.
    youtube.world.feed_lag = DAY
    missed = youtube.world.publish(channel.id, timezone.now() - dt.timedelta(hours=2))
    assert hourly_pass(youtube) == 0
    days_later()
    assert hourly_pass(youtube) > 1
    assert Video.objects.get(youtube_id=missed.id).noticed_by == NoticedBy.PROBE
    subscription.refresh_from_db()
    feed = ChannelFeed.objects.get()
    assert (subscription.trusted_at, feed.trusted_at, feed.etag) == (None, None, "")
    assert subscription.trust_lost_at is not None
    assert feed.trust_lost_at is not None
    # Hourly again, until the feed shows the video.
    assert hourly_pass(youtube) == 1
    read_all()
    assert hourly_pass(youtube) == 1
    youtube.world.feed_lag = dt.timedelta()
    read_all()
    assert hourly_pass(youtube) == 0


def test_a_push_that_works_is_enough_for_a_daily_probe(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 20)
    full_sync(band)
    feeds.match_bands()
    subscribe(band, trusted_at=Now(), delivered_at=Now())
    assert hourly_pass(youtube) == 1
    assert hourly_pass(youtube) == 0
    # Nor is it, while the hub reports no band at all.
    Subscription.objects.update(delivered_at=Now() - dt.timedelta(minutes=46))
    assert hourly_pass(youtube) == 1
    Subscription.objects.update(delivered_at=Now())
    assert hourly_pass(youtube) == 0
    Subscription.objects.update(lease_ends_at=Now())
    assert hourly_pass(youtube) == 1


def test_a_probe_that_is_made_anyway_asks_for_50_channels(youtube: Simulator) -> None:
    for number in range(60):
        band_with_videos(youtube.world, 1, f"band{number}")
    Band.objects.update(last_page_read_at=Now(), channel_video_count=1)
    read_all()
    assert hourly_pass(youtube) == 2
    ChannelFeed.objects.filter(band__slug__in=["band0", "band1"]).update(trusted_at=None)
    oldest = ChannelFeed.objects.get(band__slug="band59")
    ChannelFeed.objects.filter(pk=oldest.pk).update(probed_at=Now() - DAY / 2)
    assert hourly_pass(youtube) == 1
    [call] = youtube.calls("channels.list")
    assert len(call["parameters"]["id"].split(",")) == 50
    assert oldest.channel_id in call["parameters"]["id"]


def test_when_feeds_fail_together_their_channels_are_probed_without_waiting_for_the_next_hour(
    youtube: Simulator,
) -> None:
    band, channel = band_with_videos(youtube.world, 20)
    full_sync(band)
    read_all()
    assert hourly_pass(youtube) == 1
    new = youtube.world.publish(channel.id, timezone.now())
    half_an_hour_ago = timezone.now() - dt.timedelta(minutes=31)
    ChannelFeed.objects.update(
        failures=3, read_at=half_an_hour_ago, probed_at=half_an_hour_ago - dt.timedelta(minutes=9)
    )
    # A pass has just begun.
    assert not feeds.probe_unread()
    SyncJob.objects.update(created_at=half_an_hour_ago)
    subscribe(band, trusted_at=Now(), delivered_at=Now())
    assert not feeds.probe_unread()
    Subscription.objects.update(delivered_at=Now() - dt.timedelta(minutes=46))
    assert feeds.probe_unread()
    run_all()
    assert Video.objects.filter(youtube_id=new.id).exists()
    SyncJob.objects.update(created_at=half_an_hour_ago)
    assert not feeds.probe_unread()
