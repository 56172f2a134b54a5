"""A site that the simulated hub reaches without a web server, and bands on it."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from django.db.models import F
from django.test import Client

from bands.models import Band
from syncjobs.freshness import hub, subscriptions
from syncjobs.models import HubState, Subscription
from syncjobs.senders import secrets
from syncjobs.youtube.simulator import Simulator
from tests.factories import band_with_videos

PUBLIC_URL = "https://sync.example.org"


def connect(youtube: Simulator) -> None:
    """Let the hub deliver to this process, when `run_due` is called."""
    youtube.hub.stop()

    def send(method: str, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        assert url.startswith(PUBLIC_URL)
        parts = urlsplit(url)
        sent = {name: value for name, value in headers.items() if name != "Content-Type"}
        answer = Client().generic(
            method,
            f"{parts.path}?{parts.query}",
            body,
            content_type=headers.get("Content-Type", ""),
            headers=sent,
        )
        return answer.status_code, answer.content

    youtube.hub.send = send


def subscribed(youtube: Simulator, slug: str = "herons", videos: int = 0) -> Subscription:
    """Create a band whose subscription the hub has verified."""
    band, _channel = band_with_videos(youtube.world, videos, slug)
    ask(youtube)
    subscription = Subscription.objects.get(band=band)
    assert subscription.state == "VERIFIED"
    return subscription


def ask(youtube: Simulator) -> int:
    """Send all requests that are due, without pauses, and let the hub verify them. Return their number."""
    subscriptions.reconcile()
    sent = 0
    while open_gate() and hub.send_next():
        sent += 1
    youtube.hub.run_due()
    return sent


def open_gate() -> bool:
    """Let the next request be sent at once."""
    return bool(HubState.objects.update(next_request_at=F("next_request_at") - dt.timedelta(hours=2)))


def pass_time(subscription: Subscription, **duration: float) -> Subscription:
    """Let everything that has happened to the subscription be longer ago."""
    names = ("next_request_at", "requested_at", "verified_at", "lease_ends_at", "delivered_at", "minute_began_at",
             "trusted_at", "trust_lost_at")  # fmt: skip
    earlier = {name: F(name) - dt.timedelta(**duration) for name in names}
    Subscription.objects.filter(pk=subscription.pk).update(**earlier)
    subscription.refresh_from_db()
    return subscription


def deliver(subscription: Subscription, body: bytes, method: str = "sha1", **headers: str) -> int:
    """Deliver a body with a valid signature, and return the status of the answer."""
    secret = secrets.decrypt(subscription.secret).encode()
    signature = f"{method}={hmac.new(secret, body, getattr(hashlib, method)).hexdigest()}"
    return post(subscription.token, body, **{"X-Hub-Signature": signature} | headers)


def post(token: str, body: bytes, content_type: str = "application/atom+xml", **headers: str) -> int:
    answer = Client(raise_request_exception=True).post(
        f"/websub/{token}", body, content_type=content_type, headers=headers
    )
    return answer.status_code


def entry(video_id: str, band: Band, *, title: str = "Halftime", updated: str = "2026-11-01T12:00:05+00:00") -> str:
    return (
        f"<entry><id>yt:video:{video_id}</id><yt:videoId>{video_id}</yt:videoId><yt:channelId>{band.channel_id}</yt:channelId>"
        f"<title>{title}</title><published>2026-11-01T12:00:00+00:00</published><updated>{updated}</updated></entry>"
    )


def feed(*entries: str) -> bytes:
    names = 'xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom"'
    tombstones = 'xmlns:at="http://purl.org/atompub/tombstones/1.0"'
    return f"<feed {names} {tombstones}>{''.join(entries)}</feed>".encode()


def deletion(video_id: str, when: str) -> str:
    return f'<at:deleted-entry ref="yt:video:{video_id}" when="{when}"/>'
