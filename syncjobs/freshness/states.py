"""What push and the feed of a band are worth now, in one word each."""

from __future__ import annotations

import datetime as dt

from django.db.models import Case, CharField, Exists, OuterRef, Q, Value, When
from django.db.models.functions import Now

from bands.models import BandQuerySet

from ..choices import FeedState, PushState, SubscriptionState
from ..models import ChannelFeed, Subscription
from . import subscriptions, trust


def push_state() -> Case:
    """Return the PushState of a subscription that is not ending. Without PUBLIC_URL it is OFF, whatever this says."""
    return Case(
        When(~Q(state=SubscriptionState.VERIFIED) & ~Q(problem=""), then=Value(PushState.REFUSED)),
        When(~Q(state=SubscriptionState.VERIFIED), then=Value(PushState.PENDING)),
        When(~subscriptions.working(), then=Value(PushState.LAPSED)),
        When(trusted_at__isnull=False, then=Value(PushState.TRUSTED)),
        When(trust_lost_at__isnull=False, then=Value(PushState.SILENT)),
        default=Value(PushState.UNPROVEN),
        output_field=CharField(),
    )


def is_delivering() -> Exists:
    """Whether the hub has lately delivered anything to the site: only then does push take the place of probes."""
    quiet = dt.timedelta(seconds=trust.silent_after())
    return Exists(Subscription.objects.filter(delivered_at__gt=Now() - quiet))


def feed_state() -> Case:
    """Return the FeedState of a feed."""
    overdue = dt.timedelta(seconds=trust.OVERDUE)
    return Case(
        When(next_read_at__lte=Now() - overdue, then=Value(FeedState.OVERDUE)),
        When(failures__gte=trust.FAILING_AFTER, then=Value(FeedState.FAILING)),
        When(trusted_at__isnull=False, then=Value(FeedState.TRUSTED)),
        When(read_at=None, then=Value(FeedState.MISSING)),
        default=Value(FeedState.UNPROVEN),
        output_field=CharField(),
    )


def in_push_state(bands: BandQuerySet, state: PushState) -> BandQuerySet:
    """Return those of the watched bands whose push is in this state."""
    watched = bands.watched()
    if not subscriptions.is_push_on():
        return watched if state == PushState.OFF else watched.none()
    live = Subscription.objects.exclude(state=SubscriptionState.ENDING).filter(band=OuterRef("pk"))
    if state == PushState.MISSING:
        return watched.exclude(Exists(live))
    return watched.filter(Exists(live.annotate(word=push_state()).filter(word=state)))


def in_feed_state(bands: BandQuerySet, state: FeedState) -> BandQuerySet:
    """Return those of the watched bands whose feed is in this state."""
    feeds = ChannelFeed.objects.filter(band=OuterRef("pk"))
    found = Q(Exists(feeds.annotate(word=feed_state()).filter(word=state)))
    if state == FeedState.MISSING:
        found |= ~Q(Exists(feeds))
    return bands.watched().filter(found)
