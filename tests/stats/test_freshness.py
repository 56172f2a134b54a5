"""How fresh videos are, what push and feeds of bands are worth, and what they save."""

from __future__ import annotations

import datetime as dt

import pytest
from django.conf import LazySettings
from django.db import connection
from django.db.models.functions import Now

from bands.models import Band, ChannelProblem, NoticedBy, Video
from syncjobs.choices import FeedState, JobType, PushState, Role, SubscriptionState
from syncjobs.engine import clock, quota
from syncjobs.freshness import feeds, subscriptions, trust
from syncjobs.models import AuditEntry, ChannelFeed, Subscription
from syncjobs.stats.freshness import Freshness, freshness, of_band, with_bands
from syncjobs.youtube.costs import Operation
from tests.clients import Api
from tests.factories import make_band

pytestmark = pytest.mark.django_db
HOUR = dt.timedelta(hours=1)
DAY = 24 * HOUR


def _bands(count: int) -> list[Band]:
    """Create bands whose channels have been watched for months."""
    bands = [make_band(f"band{number}", channel_id=f"UC{number:022}") for number in range(count)]
    feeds.match_bands()
    ChannelFeed.objects.update(watched_since=clock.now() - 100 * DAY)
    return bands


def _video(band: Band, noticed_by: str, seconds: float, *, ago: dt.timedelta = dt.timedelta()) -> Video:
    stored = clock.now() - ago
    return Video.objects.create(
        youtube_id=f"v{Video.objects.count():010}",
        band=band,
        channel_id=band.channel_id,
        noticed_by=noticed_by,
        published_at=stored - dt.timedelta(seconds=seconds),
        created_at=stored,
    )


def test_times_are_those_of_the_videos_that_we_promised_to_notice() -> None:
    band, paused = _bands(2)
    for seconds in (10, 20, 30):
        _video(band, NoticedBy.PUSH, seconds)
    _video(band, NoticedBy.FEED, 600, ago=DAY)
    _video(band, NoticedBy.PROBE, 3600, ago=6 * DAY)
    _video(band, NoticedBy.PROBE, -5)  # YouTube's clock is ahead.
    # Before it was recorded, outside of the days, private until now, of a former channel, before we watched it, not watched.
    _video(band, "", 9999)
    _video(band, NoticedBy.FEED, 9999, ago=8 * DAY)
    _video(band, NoticedBy.PROBE, 31 * 86_400)
    former = _video(band, NoticedBy.PUSH, 9999)
    Video.objects.filter(pk=former.pk).update(channel_id="UC-former")
    _video(band, NoticedBy.FULL_SYNC, 9999)
    _video(paused, NoticedBy.PUSH, 9999)
    ChannelFeed.objects.filter(band=band).update(watched_since=clock.now() - 9000 * dt.timedelta(seconds=1))
    ChannelFeed.objects.filter(band=paused).delete()
    result = freshness()
    assert (result.by_source[NoticedBy.PUSH].videos, result.by_source[NoticedBy.PUSH].p50) == (3, 20)
    assert result.by_source[NoticedBy.PUSH].p95 == pytest.approx(29)
    assert result.by_source[NoticedBy.PERSON].videos == 0
    assert result.by_source[NoticedBy.PERSON].p95 is None
    assert result.by_source[NoticedBy.FULL_SYNC].videos == 0
    # The window begins 9,000 seconds ago, so that only what was stored since then counts.
    assert (result.total.videos, result.by_source[NoticedBy.PROBE].p50) == (4, 0)
    ChannelFeed.objects.update(watched_since=clock.now() - 100 * DAY)
    Video.objects.filter(noticed_by=NoticedBy.FULL_SYNC).delete()
    result = freshness()
    assert (result.total.videos, len(result.by_day)) == (6, 7)
    today = result.as_of.astimezone(dt.UTC).date()
    assert [times.videos for times in result.by_day.values()] == [1, 0, 0, 0, 0, 1, 4]
    assert list(result.by_day)[-1] == today
    assert result.by_day[today - DAY].p95 == 600


def test_recent_videos_are_found_by_an_index() -> None:
    """However many videos there are: the others are not in the index."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        # It would be as good for the few rows that the statistics of a test's database may tell of.
        cursor.execute("DROP INDEX video_noticed")
        cursor.execute(
            "EXPLAIN SELECT noticed_by, published_at, band_id, channel_id FROM bands_video v WHERE v.noticed_by <> ''"
            " AND v.created_at - v.published_at < interval '30 days' AND v.created_at >= now() - interval '7 days'"
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "video_fresh" in plan


def test_each_state_of_push_and_feed_is_counted_and_shown_with_its_band(settings: LazySettings) -> None:
    *bands, inactive = _bands(9)
    settings.PUBLIC_URL = "https://sync.example.org"
    subscriptions.reconcile()
    Band.objects.filter(pk=inactive.pk).update(is_active=False)  # Its subscription and its feed are about to end.
    now = clock.now()
    works = {"state": SubscriptionState.VERIFIED, "lease_ends_at": now + DAY}
    changes = {
        PushState.PENDING: {},
        PushState.REFUSED: {"problem": "The hub answered 503."},
        PushState.LAPSED: works | {"lease_ends_at": now - HOUR, "trusted_at": now},
        PushState.SILENT: works | {"trust_lost_at": now},
        PushState.UNPROVEN: works,
        PushState.TRUSTED: works | {"trusted_at": now, "trust_lost_at": now - DAY, "delivered_at": now},
    }
    for band, (_state, values) in zip(bands, changes.items(), strict=False):
        Subscription.objects.filter(band=band).update(**values)
    Subscription.objects.filter(band=bands[6]).delete()
    Subscription.objects.filter(band=bands[7]).update(state=SubscriptionState.ENDING)
    read = {"next_read_at": now + HOUR, "read_at": now, "probed_at": now}
    kinds = {
        FeedState.MISSING: {},
        FeedState.OVERDUE: read | {"next_read_at": now - HOUR, "trusted_at": now},
        FeedState.FAILING: read | {"failures": 3, "trusted_at": now},
        FeedState.UNPROVEN: read,
        FeedState.TRUSTED: read | {"trusted_at": now, "failures": 2},
    }
    for band, values in zip(bands, kinds.values(), strict=False):
        ChannelFeed.objects.filter(band=band).update(**values)
    ChannelFeed.objects.filter(band__in=bands[5:]).update(**kinds[FeedState.UNPROVEN])
    result = freshness()
    expected = dict.fromkeys(PushState, 1) | {PushState.OFF: 0, PushState.MISSING: 2}
    assert (result.push, result.bands, result.push_working) == (expected, 8, 3)
    assert result.push_proven == 1
    Band.objects.filter(pk=bands[5].pk).update(channel_problem=ChannelProblem.NOT_FOUND)
    assert freshness().push_proven == 0
    assert result.feeds == dict.fromkeys(FeedState, 1) | {FeedState.UNPROVEN: 4}
    assert result.daily_probes == 2  # By a feed, and by a push.
    _expect_lists_of(result)
    rows = list(Band.objects.exclude(pk=inactive.pk).order_by("pk").prefetch_related(*with_bands()))
    shown = [of_band(band) for band in rows]
    assert [each.push for each in shown] == [*changes, PushState.MISSING, PushState.MISSING]
    assert [each.feed for each in shown[:5]] == list(kinds)
    probed_daily = [each.is_probed_daily for each in shown]
    assert probed_daily == [False, False, False, False, True, True, False, False]
    assert {band.pk for band, daily in zip(rows, probed_daily, strict=True) if daily} == set(trust.not_due_for_probe())
    # While the hub is silent, push doesn't take the place of probes.
    Subscription.objects.update(delivered_at=now - HOUR)
    assert freshness().daily_probes == len(trust.not_due_for_probe()) == 1
    (silent,) = Band.objects.filter(pk=bands[5].pk).prefetch_related(*with_bands())
    assert not of_band(silent).is_probed_daily
    ChannelFeed.objects.filter(band=bands[7]).delete()
    _expect_lists_of(freshness())
    settings.PUBLIC_URL = ""
    assert freshness().push[PushState.OFF] == 8
    _expect_lists_of(freshness())
    assert of_band(rows[0]).push == PushState.OFF


def _expect_lists_of(figures: Freshness) -> None:
    """Each number of bands is that of the list that it links to, where each band is in the state."""
    moderator = Api(Role.MODERATOR)
    for name, counts in (("push", figures.push), ("feed", figures.feeds)):
        for state, number in counts.items():
            listed = moderator.get("bands", **{name: state}).json()["data"]
            assert [band[name]["state"] for band in listed] == [state] * number, (name, state)


def test_bands_with_late_videos_are_listed_as_the_alert_counts_them() -> None:
    late, soon, private, before, person = _bands(5)
    _video(late, NoticedBy.FEED, 1800)
    _video(soon, NoticedBy.PUSH, 1799)
    _video(soon, NoticedBy.PROBE, 7200, ago=DAY + HOUR)
    _video(private, NoticedBy.PROBE, 31 * 86_400)
    _video(before, NoticedBy.FULL_SYNC, 1800)
    ChannelFeed.objects.filter(band=before).update(watched_since=clock.now())
    _video(person, NoticedBy.PERSON, 7200)
    moderator = Api(Role.MODERATOR)
    assert [band["slug"] for band in moderator.get("bands", late=30).json()["data"]] == ["band0"]
    assert moderator.get("bands", late=31).json()["data"] == []
    assert moderator.get("bands", late="soon").status_code == 400


def test_saved_units_are_those_of_hourly_probes_without_the_units_of_real_ones() -> None:
    _bands(51)
    spender = quota.Spender(is_personal=False, job_type=JobType.INCREMENTAL_SYNC)
    quota.reserve(Operation.CHANNELS_LIST, spender)
    quota.reserve(Operation.CHANNELS_LIST, quota.Spender(is_personal=False, job_type=JobType.FULL_SYNC))
    saved = freshness().saved
    assert saved.used == 1
    assert (saved.bands, saved.hourly) == (51, round(saved.hours * 2))
    assert saved.units == max(0, saved.hourly - 1)
    assert 0 <= saved.hours <= 25


def test_the_api_shows_freshness_and_starts_both_operations(settings: LazySettings) -> None:
    (band,) = _bands(1)
    _video(band, NoticedBy.PUSH, 12)
    moderator, admin = Api(Role.MODERATOR), Api(Role.ADMIN)
    answer = moderator.get("admin/freshness", days=2).json()
    assert answer["bySource"][0] == {"source": "push", "videos": 1, "p50Seconds": 12.0, "p95Seconds": 12.0}
    assert answer["bySource"][1] == {"source": "feed", "videos": 0, "p50Seconds": None, "p95Seconds": None}
    assert [day["videos"] for day in answer["byDay"]] == [0, 1]
    assert (answer["pushOn"], answer["hub"], answer["push"]["off"]) == (False, None, 1)
    assert admin.post("admin/freshness/renew").status_code == 409
    settings.PUBLIC_URL = "https://sync.example.org"
    assert moderator.post("admin/freshness/renew").status_code == 403
    body = {"bandIds": [str(band.pk)]}
    assert admin.post("admin/freshness/renew", body).json()["message"] == "Subscriptions to be renewed: 1."
    ChannelFeed.objects.update(next_read_at=Now() + HOUR)
    assert moderator.post("admin/freshness/read-feeds", body).json()["message"] == "Feeds to be read: 1."
    assert not ChannelFeed.objects.filter(next_read_at__gt=Now()).exists()
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {"renew_subscriptions", "read_feeds"}
    shown = moderator.get(f"bands/{band.pk}").json()
    assert (shown["push"]["state"], shown["push"]["problem"], shown["push"]["lastDeliveryAt"]) == ("pending", "", None)
    assert shown["feed"]["state"] == "missing"
    assert shown["feed"]["nextReadAt"]
