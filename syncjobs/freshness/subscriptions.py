"""Which channels we subscribe to: the rows that bands need, however the bands came to be as they are."""

from __future__ import annotations

import secrets as random_secrets
from collections.abc import Collection
from urllib.parse import quote

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Concat, Now

from bands.models import Band

from ..choices import SubscriptionState
from ..engine.enqueue import lock_bands
from ..models import Subscription
from ..senders import secrets

Rows = QuerySet[Subscription]

UNSUBSCRIBE_ATTEMPTS = 5
"""After so many requests in vain, a subscription that is to end is forgotten: its lease ends by itself."""
_BATCH = 500


def is_push_on() -> bool:
    """Whether the hub can reach the site."""
    return bool(settings.PUBLIC_URL)


def callback_url(token: str) -> str:
    """Return the address that the hub verifies and delivers to."""
    return f"{settings.PUBLIC_URL}/websub/{token}"


def topic_of(channel_id: str) -> str:
    """Return the topic of a channel, which is also the URL of its feed.

    https://developers.google.com/youtube/v3/guides/push_notifications
    """
    return f"{settings.YOUTUBE_FEED_ENDPOINT}?channel_id={quote(channel_id)}"


def new_secret() -> str:
    """Return a new secret for the hub, encrypted. WebSub allows at most 200 bytes."""
    return secrets.encrypt(random_secrets.token_urlsafe(32))


def working() -> Q:
    """Return the condition of subscriptions whose deliveries we should get."""
    return Q(state=SubscriptionState.VERIFIED, lease_ends_at__gt=Now())


def reconcile() -> int:
    """Add the subscriptions that bands lack, end those that no band wants, and forget those that have ended.

    Return the number of changed rows. Each statement is conditional on still being needed, so it may run in two processes
    at once. Without PUBLIC_URL nothing is added.
    """
    if not is_push_on() and not Subscription.objects.exists():
        return 0
    changed = end_unwanted() + _forget_ended()
    if is_push_on():
        changed += _add_missing() + _ask_for_moved()
    return changed


def end_unwanted(band_ids: Collection[int] | None = None) -> int:
    """End the subscriptions that no band wants any more, of these bands or of all; return their number."""
    wanted = Band.objects.syncable().filter(pk=OuterRef("band"), channel_id=OuterRef("channel_id"))
    # Channel ids need no percent-encoding.
    is_current = Q(topic=Concat(Value(f"{settings.YOUTUBE_FEED_ENDPOINT}?channel_id="), F("channel_id")))
    live = Subscription.objects.exclude(state=SubscriptionState.ENDING)
    if band_ids is not None:
        live = live.filter(band__in=band_ids)
    return live.exclude(Exists(wanted) & is_current).update(
        state=SubscriptionState.ENDING,
        requested_at=None,
        next_request_at=Now(),
        attempts=0,
        problem="",
        trusted_at=None,
    )


def _forget_ended() -> int:
    """Delete those that the hub delivers nothing for any more, or that it does not let us end."""
    is_over = Q(lease_ends_at=None) | Q(lease_ends_at__lte=Now())
    given_up = Q(attempts__gte=UNSUBSCRIBE_ATTEMPTS, next_request_at__lte=Now())
    return Subscription.objects.filter(is_over | given_up, state=SubscriptionState.ENDING).delete()[0]


def _add_missing() -> int:
    """Subscribe for active bands with a channel id. A sync of the band looks up the id of a handle."""
    present = Subscription.objects.filter(band=OuterRef("pk")).exclude(state=SubscriptionState.ENDING)
    bands = Band.objects.watched().exclude(Exists(present)).order_by("pk")
    added = 0
    while rows := list(bands.values_list("pk", "channel_id")[:_BATCH]):
        new = [
            Subscription(band_id=pk, channel_id=channel_id, topic=topic_of(channel_id), secret=new_secret())
            for pk, channel_id in rows
        ]
        with transaction.atomic():
            kept = lock_bands(pk for pk, _channel in rows)
            Subscription.objects.bulk_create((each for each in new if each.band_id in kept), ignore_conflicts=True)
        added += len(kept)
        if not kept:
            break
    return added


def _ask_for_moved() -> int:
    """Ask again for subscriptions whose callback has another address than the site has now."""
    here = Concat(Value(f"{settings.PUBLIC_URL}/websub/"), F("token"))
    live = Subscription.objects.exclude(state=SubscriptionState.ENDING).exclude(callback="")
    return live.exclude(callback=here).filter(next_request_at__gt=Now()).update(next_request_at=Now())


def rotate_secrets() -> tuple[int, int]:
    """Encrypt with SECRET_KEY what a fallback has encrypted. A secret that no key reads is replaced, and the hub asked again.

    Return how many were encrypted again, and how many were replaced.
    """
    rotated = replaced = 0
    for row in Subscription.objects.select_for_update(no_key=True).order_by("pk"):
        try:
            secret, changes = secrets.rotate(row.secret), {}
        except secrets.Unreadable:
            secret, changes = new_secret(), {"next_request_at": Now()}
            replaced += 1
        if secret != row.secret:
            Subscription.objects.filter(pk=row.pk).update(secret=secret, **changes)
            rotated += not changes
    return rotated, replaced
