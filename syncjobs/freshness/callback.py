"""What the hub sends to us: verifications of what we asked for, and deliveries. This only writes rows.

https://www.w3.org/TR/websub/#hub-verifies-intent and #content-distribution
"""

from __future__ import annotations

import datetime as dt
import hmac
import logging
from typing import NamedTuple

from django.db import connection
from django.db.models import F, Q
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.http.request import RawPostDataException
from django.views.decorators.csrf import csrf_exempt

from bands import prepared
from bands.models import NoticedBy

from ..choices import SubscriptionState
from ..models import Subscription
from ..senders import secrets
from ..youtube import feeds
from ..youtube.parsing import clean
from . import hub, notices, subscriptions, tally

logger = logging.getLogger(__name__)

MOST_PER_MINUTE = 600
"""Deliveries of one topic in a minute. YouTube's channels have a few in a day."""
MOST_LEASE_SECONDS, LEAST_LEASE_SECONDS = 30 * 86_400, 120
DEFAULT_LEASE_SECONDS = 86_400
"""For a hub that does not say how long the lease is, as it must."""
_MOST_CHALLENGE = 1000
_SAME_VERIFICATION = dt.timedelta(minutes=10)
"""A hub that did not get our answer asks again within this time."""
_METHODS = ("sha1", "sha256", "sha384", "sha512")


@csrf_exempt
def callback(request: HttpRequest, token: str) -> HttpResponse:
    """Answer the hub."""
    if request.method == "GET":
        return _verify(request, token)
    if request.method == "POST":
        return _deliver(request, token)
    return HttpResponse(status=405, headers={"Allow": "GET, POST"})


def _verify(request: HttpRequest, token: str) -> HttpResponse:
    mode, topic = request.GET.get("hub.mode", ""), request.GET.get("hub.topic", "")
    challenge = request.GET.get("hub.challenge", "")
    rows = Subscription.objects.filter(token=token, topic=topic, requested_at__isnull=False)
    if "\0" in token + topic or len(challenge) > _MOST_CHALLENGE:
        return HttpResponse(status=404)
    if mode == "denied":
        return HttpResponse(status=200 if _deny(request, rows) else 404)
    is_asked = False
    if challenge and mode == "subscribe":
        is_asked = _confirm(rows, _lease(request.GET.get("hub.lease_seconds", "")))
    elif challenge and mode == "unsubscribe":
        is_asked = bool(rows.filter(state=SubscriptionState.ENDING).delete()[0])
    if not is_asked:
        return HttpResponse(status=404)
    return HttpResponse(challenge, content_type="text/plain; charset=utf-8")


def _confirm(rows: subscriptions.Rows, lease: dt.timedelta) -> bool:
    """Begin the lease, if a request is not verified yet. Return whether we want the subscription."""
    rows = rows.exclude(state=SubscriptionState.ENDING)
    is_open = Q(verified_at=None) | Q(verified_at__lt=F("requested_at"))
    verified = rows.filter(is_open).update(
        state=SubscriptionState.VERIFIED,
        verified_at=Now(),
        lease_ends_at=Now() + lease,
        next_request_at=Now() + lease / 2,
        attempts=0,
        problem="",
    )
    return bool(verified) or rows.filter(verified_at__gt=Now() - _SAME_VERIFICATION).exists()


def _lease(text: str) -> dt.timedelta:
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else DEFAULT_LEASE_SECONDS
    return dt.timedelta(seconds=min(max(seconds, LEAST_LEASE_SECONDS), MOST_LEASE_SECONDS))


def _deny(request: HttpRequest, rows: subscriptions.Rows) -> bool:
    """Note that the hub denies a subscription. One that works goes on; it is asked for again, later each time."""
    subscription = rows.exclude(state=SubscriptionState.ENDING).first()
    if subscription is None:
        return False
    reason = " ".join(clean(request.GET.get("hub.reason", "")).split())[:200]
    logger.warning("The hub denied the subscription to %s: %r", subscription.channel_id, reason)
    hub.note_denial(subscription, reason)
    return True


class _Found(NamedTuple):
    """A subscription and its band, and what else a delivery needs to know, in one statement.

    Models would take as long as everything else together. `minute_count` is the number of deliveries in the present minute.
    """

    pk: int
    channel_id: str
    secret: str
    minute_count: int
    band_id: int | None
    channel_title: str
    is_wanted: bool
    now: dt.datetime
    details_due_at: dt.datetime


_IS_SAME_MINUTE = "s.minute_began_at > statement_timestamp() - interval '1 minute'"
_FIND = f"""
    SELECT s.id, s.channel_id, s.secret, CASE WHEN {_IS_SAME_MINUTE} THEN s.minute_count ELSE 0 END,
           b.id, b.channel_title, COALESCE(b.is_active AND b.channel_id = s.channel_id, false),
           statement_timestamp(), {notices.DETAILS_DUE_AT}
      FROM syncjobs_subscription s LEFT JOIN bands_band b ON b.id = s.band_id WHERE s.token = %s"""  # noqa: S608 - constants
_COUNT = f"""
    UPDATE syncjobs_subscription s
       SET delivered_at = statement_timestamp(),
           minute_count = CASE WHEN {_IS_SAME_MINUTE} THEN s.minute_count + 1 ELSE 1 END,
           minute_began_at = CASE WHEN {_IS_SAME_MINUTE} THEN s.minute_began_at ELSE statement_timestamp() END,
           trusted_at = {{trusted_at}}
     WHERE s.id = %(id)s"""  # noqa: S608 - constants
_COUNT_ONLY = _COUNT.format(trusted_at="s.trusted_at")
_COUNT_WITH_VIDEOS = _COUNT.format(
    trusted_at="COALESCE(s.trusted_at, CASE WHEN EXISTS (SELECT FROM written WHERE is_new) THEN statement_timestamp() END)"
)
"""The row is locked after that of the band, as in a band's deletion."""


def _find(token: str) -> _Found | None:
    if "\0" in token:
        return None
    rows = prepared.execute(_FIND, [token])
    return _Found._make(rows[0]) if rows else None


def _deliver(request: HttpRequest, token: str) -> HttpResponse:
    """Store what a delivery reports. What is discarded is answered in the same way, so that nobody learns why."""
    discarded = HttpResponse(status=204)
    found = _find(token)
    if found is None:
        return HttpResponse(status=410)  # The hub may forget it.
    try:
        body = request.body
    except RawPostDataException:
        return discarded  # A form with files.
    if not _is_signed(found, body, request.headers.get("X-Hub-Signature", "")):
        tally.note("bad_signature")
        return discarded
    try:
        feed = feeds.parse_feed(body)
    except feeds.MalformedFeed as error:
        logger.info("Discarded a delivery of %s: %s", found.channel_id, error)
        tally.note("malformed")
        return discarded
    # Deliveries that arrive at once may exceed it by their number.
    if found.minute_count >= MOST_PER_MINUTE:
        tally.note("limited")
        return HttpResponse(status=429, headers={"Retry-After": "60"})
    _store(found, feed)
    tally.note("accepted")
    return HttpResponse(status=204)


def _store(found: _Found, feed: feeds.Feed) -> None:
    """Store what the feed says of the band's channel, and count the delivery."""
    entries = notices.own_entries(found.channel_id, feed.entries) if found.is_wanted else []
    if found.band_id is not None and entries:
        source = notices.Source(found.band_id, found.channel_id, found.channel_title)
        at = notices.Moment(found.now, found.details_due_at)
        notices.store(source, entries, NoticedBy.PUSH, at, also=_COUNT_WITH_VIDEOS, values={"id": found.pk})
    else:
        with connection.cursor() as cursor:
            cursor.execute(_COUNT_ONLY, {"id": found.pk})
    if found.is_wanted:
        notices.store_deletions(found.channel_id, feed.deleted)


def _is_signed(subscription: _Found, body: bytes, header: str) -> bool:
    """Whether the header has the body's signature with the subscription's secret.

    https://www.w3.org/TR/websub/#signature-validation
    """
    method, _, signature = header.partition("=")
    if method not in _METHODS:
        return False
    try:
        secret = secrets.decrypt(subscription.secret)
    except secrets.Unreadable:
        logger.warning("The secret of the subscription to %s can't be decrypted", subscription.channel_id)
        return False
    expected = hmac.new(secret.encode(), body, method).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.strip().lower().encode())
