"""Ask the hub for subscriptions and their end: one request at a time, at a polite rate.

A request is claimed in one statement, sent outside of any transaction, and its answer is written in another statement. The
claim makes the request due again, so one whose process died, or that the hub accepts and never verifies, is sent again.
Nothing here changes a state or a lease: only the hub's verification does (see `callback`).

https://www.w3.org/TR/websub/#subscriber-sends-subscription-request
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import re
import threading
from collections.abc import Callable
from urllib.parse import urlencode

from django.conf import settings
from django.db import connections
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Least, Now
from django.utils.translation import gettext as _

from ..choices import SubscriptionState
from ..engine import database
from ..engine.background import Background
from ..models import HubState, Subscription
from ..senders import http, secrets
from ..senders.messages import SendFailed
from . import subscriptions

logger = logging.getLogger(__name__)

LEASE_SECONDS = 432_000
"""What we ask for; the hub decides. Google's hub grants at most 10 days (observed)."""
PAUSE_SECONDS = 0.5
"""Between two requests: 1,000 bands are subscribed in eleven minutes."""
CLAIM_SECONDS = 60.0
"""Longer than a request may take."""
FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS = 120.0, 3600.0
"""Before a subscription is asked for again that the hub did not take or did not verify."""
FIRST_DENIED_SECONDS, MAX_DENIED_SECONDS = 600.0, 86_400.0
"""Before one is asked for again that the hub denied."""
FIRST_HUB_SECONDS, MAX_HUB_SECONDS = 30.0, 900.0
"""Before any request is sent to a hub that is away or too busy."""
_BUSY = (408, 425, 429)
_WAIT_SECONDS, _RECONCILE_ROUNDS, _REQUESTS = 10.0, 2, 60

# Leases that end soon come first, ends of subscriptions last. HubState's row is the lock: of two processes, the second
# finds that the hub may not be asked yet.
_CLAIM = """
    WITH pace AS (
        UPDATE syncjobs_hubstate SET next_request_at = statement_timestamp() + make_interval(secs => %(pause)s)
         WHERE next_request_at <= statement_timestamp()
           AND EXISTS (SELECT FROM syncjobs_subscription WHERE next_request_at <= statement_timestamp())
        RETURNING id),
    due AS MATERIALIZED (
        SELECT id FROM syncjobs_subscription
         WHERE next_request_at <= statement_timestamp() AND EXISTS (SELECT FROM pace)
         ORDER BY state = 'ENDING', lease_ends_at NULLS LAST, next_request_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
    UPDATE syncjobs_subscription AS claimed
       SET requested_at = statement_timestamp(), attempts = attempts + 1, callback = %(start)s || token,
           next_request_at = statement_timestamp() + make_interval(secs => %(claim)s)
      FROM due WHERE claimed.id = due.id
    RETURNING claimed.*"""


def send_next() -> bool:
    """Claim and send one request that is due. Return False if there is none, or if the hub may not be asked yet."""
    subscription = _claim()
    if subscription is None:
        return False
    try:
        http.send("POST", settings.YOUTUBE_HUB, body=_form(subscription), headers=_HEADERS, allow_local=True)
    except SendFailed as error:
        error.message = _ECHOED.sub(r"\1…", error.message)
        logger.warning("The hub did not take the subscription to %s: %s", subscription.channel_id, error.message)
        database.when_back(_fail, subscription, error)
    else:
        database.when_back(_accept, subscription)
    return True


_ECHOED = re.compile(r"(websub(?:/|%2F)|hub\.secret\W+)[\w-]+", re.IGNORECASE)
"""The token and the secret of our request, in the answer of a hub that repeats it."""
_HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}


def _claim() -> Subscription | None:
    if not subscriptions.is_push_on():
        return None
    values = {"pause": PAUSE_SECONDS, "claim": CLAIM_SECONDS, "start": subscriptions.callback_url("")}
    return next(iter(Subscription.objects.raw(_CLAIM, values)), None)


def _form(subscription: Subscription) -> bytes:
    is_ending = subscription.state == SubscriptionState.ENDING
    fields = {
        "hub.mode": "unsubscribe" if is_ending else "subscribe",
        "hub.topic": subscription.topic,
        "hub.callback": subscription.callback,
        "hub.verify": "async",  # Hubs of PubSubHubbub 0.3 require it.
    }
    if not is_ending:
        fields |= {"hub.secret": _secret(subscription), "hub.lease_seconds": str(LEASE_SECONDS)}
    return urlencode(fields).encode()


def _secret(subscription: Subscription) -> str:
    """Return the secret. If no key reads it, because SECRET_KEY was changed, it gets a new one."""
    try:
        return secrets.decrypt(subscription.secret)
    except secrets.Unreadable:
        subscription.secret = subscriptions.new_secret()
        Subscription.objects.filter(pk=subscription.pk).update(secret=subscription.secret)
        return secrets.decrypt(subscription.secret)


def _accept(subscription: Subscription) -> None:
    """The hub has accepted the request, and will verify it, or has done so before it answered."""
    _unanswered(subscription).update(
        next_request_at=Now() + _pause(subscription.attempts, FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS), problem=""
    )
    HubState.objects.update(failures=0, failing_since=None, problem="", answered_at=Now())


def _fail(subscription: Subscription, error: SendFailed) -> None:
    status = error.status or 0
    if status in _BUSY or not 300 <= status < 500:
        pause = _pause(subscription.attempts, FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS)
        state = HubState.objects.get()
        hub_pause = _pause(state.failures + 1, FIRST_HUB_SECONDS, MAX_HUB_SECONDS)
        asked = dt.timedelta(seconds=error.retry_after or 0)
        HubState.objects.update(
            failures=F("failures") + 1,
            failing_since=Coalesce("failing_since", Now()),
            problem=error.message,
            next_request_at=Now() + max(hub_pause, asked),
        )
        pause = max(pause, asked)
    else:
        pause = _pause(subscription.attempts, FIRST_DENIED_SECONDS, MAX_DENIED_SECONDS)
    _unanswered(subscription).update(next_request_at=Now() + pause, problem=error.message)


def note_denial(subscription: Subscription, reason: str) -> None:
    """Ask again later for a subscription that the hub denies; for one that works, sooner than its renewal.

    The pause begins with our request, so that a hub that repeats itself does not postpone the next one for ever.
    """
    problem = _("The hub denied the subscription: %(reason)s") if reason else _("The hub denied the subscription.")
    pause = _pause(max(subscription.attempts, 1), FIRST_DENIED_SECONDS, MAX_DENIED_SECONDS)
    message = problem % {"reason": reason}
    if not _unanswered(subscription).update(next_request_at=F("requested_at") + pause, problem=message):
        rows = Subscription.objects.filter(pk=subscription.pk)
        rows.update(next_request_at=Least("next_request_at", Now() + pause), problem=message)


def _unanswered(subscription: Subscription) -> subscriptions.Rows:
    """Return the row unless a later request was sent, or the hub has verified this one already."""
    rows = Subscription.objects.filter(pk=subscription.pk, requested_at=subscription.requested_at)
    return rows.filter(Q(verified_at=None) | Q(verified_at__lt=subscription.requested_at))


def _pause(attempts: int, first: float, most: float) -> dt.timedelta:
    """Return how long to wait after so many attempts in vain: twice as long each time, with jitter."""
    seconds = min(first * 2.0 ** min(attempts - 1, 30), most)
    return dt.timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter


class _Rounds:
    """What the elected worker does every ten seconds; the others do nothing."""

    def __init__(self) -> None:
        self._number = 0
        self._is_ended = threading.Event()

    def end(self) -> None:
        self._is_ended.set()

    def run(self, is_elected: bool) -> None:
        if not is_elected:
            connections.close_all()
            return
        if self._number % _RECONCILE_ROUNDS == 0:
            subscriptions.reconcile()
        self._number += 1
        # The next round follows soon, and adds what bands lack meanwhile.
        for _request in range(_REQUESTS):
            if not send_next() or self._is_ended.wait(PAUSE_SECONDS):
                return


_thread: Background | None = None
_rounds: _Rounds | None = None


def start(is_elected: Callable[[], bool]) -> None:
    """Start the thread of this worker that asks the hub, while the worker is elected."""
    global _thread, _rounds
    _rounds = _Rounds()
    _thread = Background("subscriptions", lambda: _rounds.run(is_elected()), seconds=_WAIT_SECONDS)
    _thread.start()


def stop() -> None:
    """Stop the thread after the request that it is sending."""
    if _thread is not None and _rounds is not None:
        _rounds.end()
        _thread.stop()
