"""What a band's page says of push and its feed, and asking the hub and the feeds again."""

from __future__ import annotations

import datetime as dt

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from bands.models import Band, Video
from syncjobs.choices import Role
from syncjobs.freshness import feeds, subscriptions
from syncjobs.models import AuditEntry, ChannelFeed, Subscription
from tests.clients import logged_in
from tests.factories import make_band

pytestmark = pytest.mark.django_db
URL = "/admin/bands/band/"
HTMX = {"HX-Request": "true"}
HOSTILE = "<script>alert(1)</script>"
CHANNEL = "UC" + "a" * 22


@pytest.fixture
def admin() -> Client:
    return logged_in(Role.ADMIN)


@pytest.fixture
def moderator() -> Client:
    return logged_in(Role.MODERATOR)


@pytest.fixture
def band() -> Band:
    band = make_band("herons", channel_id=CHANNEL)
    feeds.match_bands()
    return band


@pytest.fixture
def later(band: Band, settings: LazySettings) -> dt.datetime:
    """Return when the band's subscription is requested and its feed is read next; both have failed."""
    settings.PUBLIC_URL = "https://sync.example.org"
    subscriptions.reconcile()
    later = timezone.now() + dt.timedelta(hours=1)
    Subscription.objects.update(problem=f"The hub answered 503: {HOSTILE}", next_request_at=later)
    ChannelFeed.objects.update(failures=3, problem="YouTube answered 404.", next_read_at=later)
    return later


def test_without_a_public_address_there_is_no_push(admin: Client, band: Band) -> None:
    text = admin.get(f"{URL}{band.pk}/change/").content.decode()
    assert "The site has no public address (PUBLIC_URL)" in text
    assert "Subscribe again" not in text


def test_the_page_says_what_is_wrong_with_push_and_feed(admin: Client, band: Band, later: dt.datetime) -> None:
    def page() -> str:
        return admin.get(f"{URL}{band.pk}/change/").content.decode()

    published = timezone.now() - dt.timedelta(seconds=12)
    Video.objects.create(
        youtube_id="v1", band=band, channel_id=CHANNEL, noticed_by="push", published_at=published,
        created_at=published + dt.timedelta(seconds=12),
    )  # fmt: skip
    text = page()
    for part in (
        "Not accepted",
        "The hub answered 503",
        "Failing",
        "YouTube answered 404.",
        "12 s after its publication",
    ):
        assert part in text, part
    assert HOSTILE not in text
    works = {"state": "VERIFIED", "lease_ends_at": later, "problem": ""}
    Subscription.objects.update(**works, trust_lost_at=timezone.now())
    assert "a video came by another way first" in page()
    Subscription.objects.update(trusted_at=timezone.now(), problem="Denied.")
    text = page()
    assert "A new video came by push before" in text
    assert "The last renewal failed: Denied." in text
    Band.objects.update(is_active=False)
    assert "Nothing is pushed for an inactive band." in page()


def test_admins_ask_the_hub_again_and_moderators_have_feeds_read(
    admin: Client, moderator: Client, band: Band, later: dt.datetime
) -> None:
    url = f"{URL}{band.pk}/"
    assert "Subscribe again" in admin.get(f"{url}change/").content.decode()
    shown = moderator.get(f"{url}change/", headers=HTMX).content.decode()
    assert "Subscribe again" not in shown
    assert "Read the feed now" in shown
    assert moderator.post(f"{url}subscribe/").status_code == 403
    assert "goes on working" in admin.get(f"{url}subscribe/").content.decode()
    assert Subscription.objects.get().next_request_at == later
    admin.post(f"{url}subscribe/")
    assert Subscription.objects.get().next_request_at < later
    moderator.post(f"{url}feed/")
    assert ChannelFeed.objects.get().next_read_at < later
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {"renew_subscriptions", "read_feeds"}


def test_all_subscriptions_and_feeds_are_asked_at_once(
    admin: Client, moderator: Client, band: Band, later: dt.datetime
) -> None:
    assert moderator.post(f"{URL}subscribe/").status_code == 403
    assert "Subscribe to all bands again?" in admin.get(f"{URL}subscribe/").content.decode()
    assert Subscription.objects.get().next_request_at == later
    admin.post(f"{URL}subscribe/")
    moderator.post(f"{URL}feeds/")
    assert Subscription.objects.get().next_request_at < later
    assert ChannelFeed.objects.get().next_read_at < later
