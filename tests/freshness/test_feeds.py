"""Feeds as the second net: when they are read, what they bring, and what must not follow from their errors."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from bands.models import Band, NoticedBy, Video
from syncjobs.choices import JobType, SubscriptionState
from syncjobs.freshness import feeds, trust
from syncjobs.models import ChannelFeed, Subscription, SyncJob
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import FEED, Fault
from tests.factories import band_with_videos, full_sync, make_band

pytestmark = pytest.mark.django_db(transaction=True)


def read_all() -> int:
    """Make all feeds due and read them."""
    feeds.match_bands()
    ChannelFeed.objects.update(next_read_at=Now())
    return sum(iter(feeds.read_due, 0))


def pause() -> float:
    """Seconds until the only feed is read again."""
    return (ChannelFeed.objects.get().next_read_at - timezone.now()).total_seconds()


def subscribe(band: Band, **fields: Any) -> Subscription:
    values: dict[str, Any] = {
        "state": SubscriptionState.VERIFIED, "verified_at": Now() - dt.timedelta(days=1),
        "lease_ends_at": Now() + dt.timedelta(days=4), "next_request_at": Now() + dt.timedelta(days=2),
    }  # fmt: skip
    topic = f"https://www.youtube.com/feeds/videos.xml?channel_id={band.channel_id}"
    return Subscription.objects.create(band=band, channel_id=band.channel_id, topic=topic, **values | fields)


def tell_of(bands: int) -> None:
    """Let the hub have delivered of so many other bands just now."""
    Subscription.objects.bulk_create(
        Subscription(channel_id=f"UC{number:022}", delivered_at=Now()) for number in range(bands)
    )


def pushed(band: Band, count: int, age: dt.timedelta = dt.timedelta(days=2)) -> None:
    """Store videos that came by push."""
    at = timezone.now() - age
    Video.objects.bulk_create(
        Video(
            band=band, youtube_id=f"pushed{band.pk}_{count}_{n}", channel_id=band.channel_id, published_at=at, created_at=at,
            noticed_by=NoticedBy.PUSH,
        )
        for n in range(count)
    )  # fmt: skip


def test_a_new_video_is_stored_for_no_units_and_an_unchanged_feed_is_not_sent_again(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 20)
    full_sync(band)
    youtube.clear_log()
    assert read_all() == 1
    assert 0.9 * 900 - 5 < pause() <= 900
    new = youtube.world.publish(channel.id, timezone.now(), title="Fifth quarter")
    assert read_all() == read_all() == 1
    assert [entry["status"] for entry in youtube.feed_log] == [200, 200, 304]
    assert youtube.units() == 0
    video = Video.objects.get(youtube_id=new.id)
    assert (video.title, video.noticed_by, video.details_pending, video.band) == (new.title, "feed", True, band)
    assert Video.objects.count() == 21
    feed = ChannelFeed.objects.get()
    assert (feed.status, feed.failures, feed.trusted_at is not None) == (304, 0, True)
    band.refresh_from_db()
    assert band.channel_video_count == 21
    # One video is no reason to sync the band.
    assert not SyncJob.objects.active().exclude(job_type=JobType.ENRICH).exists()


def test_errors_have_a_feed_read_again_soon_and_say_nothing_about_the_band(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 1)
    read_all()
    new = youtube.world.publish(channel.id, timezone.now())
    pauses = []
    for fault in (Fault("foreign", FEED, status=404), Fault("backendError", FEED), Fault("drop", FEED)) * 4:
        youtube.faults.add(fault)
        read_all()
        pauses.append(round(pause()))
        youtube.faults.clear()
    assert max(pauses[:6]) <= 20
    assert pauses[6:10] == sorted(pauses[6:10])
    assert 0.9 * 900 - 5 < pauses[-1] <= 900
    youtube.faults.add(Fault("foreign", FEED, status=429))
    ChannelFeed.objects.update(failures=0)
    read_all()
    assert pause() > 800
    youtube.faults.clear()
    ChannelFeed.objects.update(failures=11)
    youtube.faults.add(Fault("drop", FEED))
    read_all()
    youtube.faults.clear()
    feed = ChannelFeed.objects.get()
    assert (feed.failures, feed.status, feed.problem) == (
        12,
        None,
        "The connection to YouTube broke (RemoteDisconnected).",
    )
    band.refresh_from_db()
    assert (band.channel_problem, band.consecutive_failures, SyncJob.objects.count()) == ("", 0, 0)
    read_all()
    assert Video.objects.filter(youtube_id=new.id).exists()
    assert ChannelFeed.objects.get().failures == 0


def test_fifteen_unknown_videos_have_the_band_synced_once(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 10)
    full_sync(band)
    read_all()
    youtube.world.upload(channel.id, 15)
    read_all()
    [job] = SyncJob.objects.active().filter(band=band)
    assert job.job_type == JobType.INCREMENTAL_SYNC
    assert Video.objects.filter(noticed_by=NoticedBy.FEED).count() == 15


def test_two_processes_read_each_feed_once(youtube: Simulator) -> None:
    for number in range(30):
        band_with_videos(youtube.world, 1, f"band{number}")
    feeds.match_bands()
    ChannelFeed.objects.update(next_read_at=Now())

    def read(_process: int) -> int:
        try:
            return sum(iter(feeds.read_due, 0))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as processes:
        counts = list(processes.map(read, range(2)))
    assert sum(counts) == len(youtube.feed_log) == 30
    assert Video.objects.count() == 30


def test_a_feed_whose_reader_died_is_read_again_and_a_late_answer_is_discarded(youtube: Simulator) -> None:
    band_with_videos(youtube.world, 1)
    feeds.match_bands()
    ChannelFeed.objects.update(next_read_at=Now())
    [claimed] = feeds._claim(5)
    assert feeds.read_due() == 0
    assert 0 < pause() <= feeds.LEASE
    late = feeds._read(claimed)
    read_all()
    stored = ChannelFeed.objects.get()
    feeds._store([late])
    assert ChannelFeed.objects.get() == stored
    assert ChannelFeed.objects.get().tried_at == stored.tried_at


def test_the_rows_follow_the_bands(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 1)
    make_band("without")
    inactive, _ = band_with_videos(youtube.world, 1, "inactive")
    Band.objects.filter(pk=inactive.pk).update(is_active=False)
    feeds.match_bands()
    assert list(ChannelFeed.objects.values_list("band", flat=True)) == [band.pk]
    [claimed] = feeds._claim(0) or [None]
    other = youtube.world.add_channel("@other")
    ChannelFeed.objects.update(next_read_at=Now(), etag="old")
    [claimed] = feeds._claim(1)
    Band.objects.filter(pk=band.pk).update(channel_id=other.id)
    # What was read of the channel before is not stored for the band.
    feeds._store([feeds._read(claimed)])
    assert not Video.objects.exists()
    feeds.match_bands()
    feeds.match_bands()
    assert (ChannelFeed.objects.get().channel_id, ChannelFeed.objects.get().etag) == (other.id, "")


def test_a_feed_is_read_rarely_only_while_push_has_proven_itself(youtube: Simulator, settings: LazySettings) -> None:
    band, channel = band_with_videos(youtube.world, 1)
    subscription = subscribe(band, trusted_at=Now(), delivered_at=Now())
    tell_of(trust.BUSY - 1)
    pushed(band, 2)
    read_all()
    assert pause() <= 900
    pushed(band, 3, dt.timedelta(days=1))
    read_all()
    assert 0.9 * 8 * 900 - 5 < pause() <= 8 * 900
    # With fewer deliveries, one that is lost would not show for hours.
    Subscription.objects.exclude(pk=subscription.pk).filter(channel_id=f"UC{0:022}").update(delivered_at=None)
    assert feeds.read_sooner() == 1
    read_all()
    assert pause() <= 900
    Subscription.objects.update(delivered_at=Now())
    read_all()
    assert pause() > 900
    # The hub lost a video of another band within the day: one of ten bands is too many.
    Subscription.objects.exclude(band=band).filter(channel_id=f"UC{0:022}").update(trust_lost_at=Now())
    assert feeds.read_sooner() == 1
    read_all()
    assert pause() <= 900
    Subscription.objects.update(trust_lost_at=None)
    read_all()
    assert pause() > 900
    # A video that the feed shows 5 minutes after its publication should have come by push.
    youtube.world.publish(channel.id, timezone.now() - dt.timedelta(minutes=5))
    read_all()
    assert pause() <= 900
    subscription.refresh_from_db()
    assert subscription.trusted_at is None
    assert subscription.trust_lost_at is not None
    # It is subscribed again.
    assert subscription.next_request_at <= timezone.now()
    # One push does not undo that.
    Subscription.objects.update(trusted_at=Now())
    pushed(band, 9, dt.timedelta())
    read_all()
    assert pause() <= 900


def test_when_the_hub_falls_silent_for_the_site_feeds_are_read_as_though_there_were_no_push(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 1)
    other, _ = band_with_videos(youtube.world, 1, "other")
    subscribe(band, trusted_at=Now())
    # The hub may have had nothing to report of this band, as long as it reports others.
    subscribe(other, trusted_at=Now(), delivered_at=Now())
    tell_of(trust.BUSY - 1)
    pushed(band, 3)

    def read_before(seconds: int) -> float:
        """Let the feeds have been read so long ago; return when the band's is read next, in seconds."""
        earlier = dt.timedelta(seconds=seconds)
        read_all()
        ChannelFeed.objects.update(tried_at=F("tried_at") - earlier, next_read_at=F("next_read_at") - earlier)
        return until()

    def until() -> float:
        return (ChannelFeed.objects.get(band=band).next_read_at - timezone.now()).total_seconds()

    assert read_before(3600) > 2000
    assert feeds.read_sooner() == 0
    Subscription.objects.update(delivered_at=F("delivered_at") - dt.timedelta(seconds=460))
    assert feeds.read_sooner() == 1
    assert -5 < until() <= 300
    assert feeds.read_sooner() == 0
    # While it is silent, pauses are the usual ones. A feed that was read lately is not read sooner than without push.
    assert read_before(0) <= 900
    Subscription.objects.update(delivered_at=Now())
    assert read_before(60) > 5000
    Subscription.objects.update(delivered_at=F("delivered_at") - dt.timedelta(seconds=460))
    assert feeds.read_sooner() == 1
    assert 0.9 * 900 - 70 < until() <= 840
    # A feed that is being read is not claimed again.
    ChannelFeed.objects.update(next_read_at=Now())
    feeds._claim(5)
    assert feeds.read_sooner() == 0
    Subscription.objects.all().delete()
    assert feeds.read_sooner() == 0


@pytest.mark.parametrize("age", [dt.timedelta(seconds=30), dt.timedelta(days=2)])
def test_a_video_that_push_may_still_bring_or_never_had_to_costs_no_trust(
    youtube: Simulator, age: dt.timedelta
) -> None:
    band, channel = band_with_videos(youtube.world, 1)
    subscription = subscribe(band, trusted_at=Now())
    youtube.world.publish(channel.id, timezone.now() - age)
    read_all()
    assert Video.objects.filter(noticed_by=NoticedBy.FEED).count() == 2
    subscription.refresh_from_db()
    assert subscription.trusted_at is not None
