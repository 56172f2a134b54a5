"""How new videos of the demonstration's bands reach the site: push and feeds, for as long as it has had a public address."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bands.models import NoticedBy
from syncjobs.choices import SubscriptionState
from syncjobs.freshness import notices, subscriptions
from syncjobs.models import ChannelFeed, Subscription
from syncjobs.youtube.simulator import demo
from syncjobs.youtube.simulator.world import Video

from .members import Member

DAYS = 8
"""The site has had its address for so long."""
_UNPROVEN = (demo.MOVED, demo.FORBIDDEN, demo.PRIVATE_PLAYLIST)
"""The bands whose pages are read regularly: their feed can't be read, or they have another playlist as well."""
_MINUTE, _DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)
_LEASE, _RENEWED = 5 * _DAY, 1.2 * _DAY


@dataclass(frozen=True, slots=True)
class Notice:
    """What push or a feed reported, and when."""

    at: dt.datetime
    member: Member
    video: Video
    noticed_by: NoticedBy


def is_shown(member: Member) -> bool:
    """Whether the band's feed shows what a page would."""
    return member.number not in _UNPROVEN


def silent_member(members: Iterable[Member], since: dt.datetime) -> Member:
    """Return the band whose push misses videos, which its feed shows some minutes later: the one with the most of them."""
    return max(filter(is_shown, members), key=lambda member: sum(v.published_at > since for v in member.videos))


def list_notices(members: Sequence[Member], since: dt.datetime, chance: random.Random) -> list[Notice]:
    """Return the notices of the videos that were published since then, the earliest first."""
    found = []
    silent = silent_member(members, since)
    for member in members:
        by_push = subscriptions.is_push_on() and member is not silent
        for video in member.videos:
            if video.published_at > since and video.is_readable:
                seconds = chance.uniform(0.6, 4) if by_push else chance.uniform(200, 900)
                at = video.published_at + dt.timedelta(seconds=seconds)
                found.append(Notice(at, member, video, NoticedBy.PUSH if by_push else NoticedBy.FEED))
    return sorted(found, key=lambda notice: notice.at)


def batches(found: Sequence[Notice]) -> Iterator[tuple[dt.datetime, list[Notice]]]:
    """Yield when the details of which videos are fetched. Those that come one by one wait for each other."""
    due, batch = dt.datetime.min.replace(tzinfo=dt.UTC), list[Notice]()
    for notice in found:
        if batch and notice.at > due:
            yield due, batch
            batch = []
        if not batch:
            due = max(notice.at + notices.BURST_PAUSE, due + notices.SMALL_JOB_PAUSE)
        batch.append(notice)
    if batch:
        yield due, batch


def save(members: Sequence[Member], since: dt.datetime, now: dt.datetime, probed_at: dt.datetime) -> None:
    """Save the subscription and the feed of each band, as they are when the story ends."""
    if subscriptions.is_push_on():
        silent = silent_member(members, since)
        Subscription.objects.bulk_create(_subscription(m, since, now, is_silent=m is silent) for m in members)
    ChannelFeed.objects.bulk_create(_feed(member, since, now, probed_at) for member in members)


def _subscription(member: Member, since: dt.datetime, now: dt.datetime, *, is_silent: bool) -> Subscription:
    band, verified_at = member.band, now - _RENEWED
    pushed = member.times_of(NoticedBy.PUSH)
    row = Subscription(
        band=band, channel_id=band.channel_id, topic=subscriptions.topic_of(band.channel_id), secret=subscriptions.new_secret(),
        state=SubscriptionState.VERIFIED, created_at=since, requested_at=verified_at, verified_at=verified_at,
        lease_ends_at=verified_at + _LEASE, delivered_at=max(pushed, default=None), trusted_at=min(pushed, default=None),
        # The simulator starts with a hub that knows no subscription. It is asked as soon as a worker is up.
        next_request_at=now,
    )  # fmt: skip
    row.callback = subscriptions.callback_url(row.token)
    if is_silent:
        row.trust_lost_at = max(member.times_of(NoticedBy.FEED), default=None)
    return row


def _feed(member: Member, since: dt.datetime, now: dt.datetime, probed_at: dt.datetime) -> ChannelFeed:
    """Return a feed that was read within the last 12 minutes, as the next one is 15 minutes after it."""
    read_at = now - _MINUTE * (1 + member.number % 12)
    row = ChannelFeed(
        band=member.band, channel_id=member.band.channel_id, watched_since=since, tried_at=read_at, read_at=read_at,
        next_read_at=read_at + 15 * _MINUTE, status=200, trusted_at=since + 10 * _MINUTE, probed_at=probed_at,
    )  # fmt: skip
    if member.number in (demo.MOVED, demo.FORBIDDEN):
        # YouTube answers 500 for feeds of channels that exist, now and then.
        row.status = 404 if member.number == demo.MOVED else 500
        row.failures, row.problem, row.trusted_at = 3, f"YouTube answered {row.status}.", None
    return row
