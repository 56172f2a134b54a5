"""How fresh videos are, what push and feeds are worth, and what they save."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Case, Count, Exists, F, OuterRef, Prefetch, Q, Sum
from django.db.models.functions import Greatest

from bands.models import Band, BandState, ChannelProblem, NoticedBy, Video

from ..choices import FeedState, JobType, PushState, SubscriptionState
from ..engine import clock
from ..freshness import states, subscriptions
from ..models import ChannelFeed, HubState, QuotaCall, Subscription
from ..youtube.client import PAGE_SIZE
from ..youtube.costs import QUOTA_TIMEZONE, Operation, quota_day

DEFAULT_DAYS, MOST_DAYS = 7, 90
WORKING = (PushState.SILENT, PushState.UNPROVEN, PushState.TRUSTED)
"""The states in which the hub has verified a subscription whose lease lasts."""

# The index video_fresh has these videos and no others, so the number of videos makes no difference.
_TIMES = """
    WITH fresh AS MATERIALIZED (
        SELECT v.noticed_by, (v.created_at AT TIME ZONE 'UTC')::date AS day,
               greatest(0, extract(epoch FROM v.created_at - v.published_at))::float8 AS seconds
          FROM bands_video v JOIN syncjobs_channelfeed f ON f.band_id = v.band_id AND f.channel_id = v.channel_id
               JOIN bands_band b ON b.id = v.band_id
         WHERE v.noticed_by <> '' AND v.created_at - v.published_at < interval '30 days'
           AND v.created_at >= %(since)s AND v.published_at >= f.watched_since
           AND COALESCE(b.resumed_at NOT BETWEEN v.published_at AND v.created_at, true))
    SELECT day, noticed_by, count(*), percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY seconds)
      FROM fresh GROUP BY GROUPING SETS ((day), (noticed_by), ())"""


@dataclass(frozen=True, slots=True)
class Times:
    """From the publication of videos until they were stored with their title, in seconds; None without videos."""

    videos: int = 0
    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """An estimate of the units of the main bucket that push and feeds have saved since the quota's day began.

    `hourly` is what a probe of all bands in each hour since then would have cost: hours × ⌈bands / 50⌉. `used` is what the
    probes of incremental passes cost. The pages that probes would have led to are left out, so more was saved than this.
    """

    since: dt.datetime
    hours: float
    bands: int
    hourly: int
    used: int

    @property
    def units(self) -> int:
        """The difference; never below 0, because people may probe more often."""
        return max(0, self.hourly - self.used)


@dataclass(frozen=True, slots=True)
class Freshness:
    """The freshness of the site. `days` are days in UTC, the last one is today; `since` is when they began.

    `total`, `by_source` and `by_day` are about the videos that were stored in these days, of active bands, and published
    since we watch their channels. A video that is found a month late is left out, because it was private before, and so is one
    that is found after a pause of its band that it was published before the end of. `push` and `feeds` have the number of bands
    in each state, paused ones too: a pause holds their jobs only. `push_proven` counts those with trusted push whose channel has
    no problem: a channel that can't be read has no new videos.
    """

    as_of: dt.datetime
    days: int
    since: dt.datetime
    total: Times
    by_source: Mapping[NoticedBy, Times]
    by_day: Mapping[dt.date, Times]
    is_push_on: bool
    bands: int
    push: Mapping[PushState, int]
    push_proven: int
    feeds: Mapping[FeedState, int]
    daily_probes: int
    hub: HubState | None
    saved: Saved

    @property
    def push_working(self) -> int:
        """The bands whose subscription the hub has verified."""
        return sum(self.push[state] for state in WORKING)


def freshness(days: int = DEFAULT_DAYS) -> Freshness:
    """Return the freshness of the last `days` days. How many videos there are makes no difference to its cost."""
    now = clock.now()
    today = now.astimezone(dt.UTC).date()
    first = today - dt.timedelta(days=days - 1)
    since = dt.datetime.combine(first, dt.time(), dt.UTC)
    total, by_source, by_day = _times(since)
    bands = Band.objects.watched().count()
    now_states = states_now(bands)
    return Freshness(
        as_of=now,
        days=days,
        since=since,
        total=total,
        by_source={source: by_source.get(source, Times()) for source in NoticedBy},
        by_day={day: by_day.get(day, Times()) for day in (first + dt.timedelta(days=n) for n in range(days))},
        is_push_on=now_states.is_push_on,
        bands=bands,
        push=now_states.push,
        push_proven=_push_proven() if now_states.is_push_on else 0,
        feeds=now_states.feeds,
        daily_probes=_daily_probes(),
        hub=now_states.hub,
        saved=saved(now),
    )


@dataclass(frozen=True, slots=True)
class Synced:
    """The bands that can be synced, by their last sync, and those of them whose last sync is the longest ago.

    Three counts sum to `bands`; `paused` bands are among them, but for those that can't be synced anyway. The stalest have
    the time of their last sync as `last_synced`.
    """

    as_of: dt.datetime
    bands: int
    fresh: int
    stale: int
    never: int
    paused: int
    stalest: list[Band]


def synced(most: int) -> Synced:
    """Return how many bands were synced within a day, and at most `most` of the stalest, never synced ones first."""
    counts = Band.objects.count_by_state()
    fresh, stale, never = (counts[state] for state in (BandState.FRESH, BandState.STALE, BandState.NEVER))
    bands = Band.objects.syncable().annotate(last_synced=Greatest("last_full_sync_at", "last_incremental_sync_at"))
    stalest = list(bands.order_by(F("last_synced").asc(nulls_first=True), "pk")[:most])
    return Synced(clock.now(), fresh + stale + never, fresh, stale, never, counts[BandState.PAUSED], stalest)


class States(NamedTuple):
    """The number of bands by what push and feeds are worth, and the hub, if there is push."""

    push: Mapping[PushState, int]
    feeds: Mapping[FeedState, int]
    is_push_on: bool
    hub: HubState | None


def states_now(bands: int | None = None) -> States:
    """Return the states of push and feeds of all `bands` bands."""
    number = Band.objects.watched().count() if bands is None else bands
    if subscriptions.is_push_on():
        return States(_push(number), _feeds(number), True, HubState.objects.first())
    off = dict.fromkeys(PushState, 0) | {PushState.OFF: number}
    return States(off, _feeds(number), False, None)


def _times(since: dt.datetime) -> tuple[Times, dict[str, Times], dict[dt.date, Times]]:
    """Return the times of all videos that were stored since then, by source and by day."""
    with connection.cursor() as cursor:
        cursor.execute(_TIMES, {"since": since})
        rows = cursor.fetchall()
    total, by_source, by_day = Times(), {}, {}
    for day, source, videos, percentiles in rows:
        times = Times(videos, *(percentiles or ()))
        if day is not None:
            by_day[day] = times
        elif source is not None:
            by_source[source] = times
        else:
            total = times
    return total, by_source, by_day


def _push(bands: int) -> dict[PushState, int]:
    live = Subscription.objects.exclude(state=SubscriptionState.ENDING).filter(band__in=Band.objects.watched())
    counts = _count(live, states.push_state())
    found = {state: counts.get(state, 0) for state in PushState}
    return found | {PushState.MISSING: max(0, bands - sum(found.values()))}


def _push_proven() -> int:
    bands = states.in_push_state(Band.objects.all(), PushState.TRUSTED)
    return bands.filter(channel_problem=ChannelProblem.NONE).count()


def _feeds(bands: int) -> dict[FeedState, int]:
    counts = _count(ChannelFeed.objects.filter(band__in=Band.objects.watched()), states.feed_state())
    found = {state: counts.get(state, 0) for state in FeedState}
    return found | {FeedState.MISSING: found[FeedState.MISSING] + max(0, bands - sum(found.values()))}


def _count(rows: Any, state: Case) -> dict[str, int]:
    return dict(rows.annotate(word=state).order_by().values_list("word").annotate(Count("pk")))


def _daily_probes() -> int:
    """Return the number of bands that are probed once a day only. Paused ones are not probed."""
    trusted = Subscription.objects.filter(
        subscriptions.working(),
        states.is_delivering(),
        band=OuterRef("band"),
        channel_id=OuterRef("channel_id"),
        trusted_at__isnull=False,
    )
    feeds = ChannelFeed.objects.filter(band__paused_at=None).annotate(word=states.feed_state())
    return feeds.filter(Q(word=FeedState.TRUSTED) | Exists(trusted), probed_at__isnull=False).count()


def saved(now: dt.datetime) -> Saved:
    """Return what push and feeds have saved today, against a probe in every hour of all bands that are not paused."""
    bands = Band.objects.watched().unpaused().count()
    since = dt.datetime.combine(quota_day(now), dt.time(), QUOTA_TIMEZONE).astimezone(dt.UTC)
    hours = (now - since) / dt.timedelta(hours=1)
    probes = QuotaCall.objects.filter(
        day=quota_day(now), operation=Operation.CHANNELS_LIST, job_type=JobType.INCREMENTAL_SYNC
    )
    used = probes.aggregate(units=Sum("units"))["units"] or 0
    return Saved(since, hours, bands, round(hours * -(-bands // PAGE_SIZE)), used)


# ---- One band


@dataclass(frozen=True, slots=True)
class BandFreshness:
    """What push and the feed of a band are worth. Either row is None if there is none (yet)."""

    push: PushState
    subscription: Subscription | None
    feed: FeedState
    channel_feed: ChannelFeed | None

    @property
    def is_probed_daily(self) -> bool:
        """Whether the hourly passes leave the band out, but for one in a day."""
        by_push = self.push == PushState.TRUSTED and getattr(self.subscription, "is_delivering", False)
        proven = by_push or self.feed == FeedState.TRUSTED
        return proven and self.channel_feed is not None and self.channel_feed.probed_at is not None

    def was_new(self, video: Video) -> bool:
        """Whether we watched the band's channel when the video was published, so that when it was noticed says something."""
        feed, at = self.channel_feed, video.published_at
        if feed is None or at is None or not video.noticed_by:
            return False
        return video.channel_id == feed.channel_id and at >= feed.watched_since


def with_bands() -> tuple[Prefetch[str], Prefetch[str]]:
    """Return what to prefetch with bands, so that `of_band` needs no statement."""
    live = Subscription.objects.exclude(state=SubscriptionState.ENDING)
    live = live.annotate(word=states.push_state(), is_delivering=states.is_delivering())
    feeds = ChannelFeed.objects.annotate(word=states.feed_state())
    return Prefetch("subscriptions", live, to_attr="live_subscriptions"), Prefetch("feed", feeds)


def of_band(band: Band) -> BandFreshness:
    """Return the freshness of a band that was read with `with_bands()`, or a channel that is watched no more."""
    subscription = next(iter(getattr(band, "live_subscriptions", ())), None)
    feed = getattr(band, "feed", None)
    push = PushState(getattr(subscription, "word", PushState.MISSING))
    return BandFreshness(
        push if subscriptions.is_push_on() else PushState.OFF,
        subscription,
        FeedState(getattr(feed, "word", FeedState.MISSING)),
        feed,
    )
