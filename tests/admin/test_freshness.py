"""What a band's page says of push and its feed, and asking the hub and the feeds again."""

from __future__ import annotations

import datetime as dt

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from bands.models import Band, Video
from syncjobs.choices import Role, SubscriptionState
from syncjobs.freshness import feeds, subscriptions
from syncjobs.models import AuditEntry, ChannelFeed, Subscription
from syncjobs.operations import bands, channels, imports
from syncjobs.youtube.simulator import Simulator
from tests.clients import logged_in
from tests.factories import PERSON, make_band

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
    ChannelFeed.objects.update(watched_since=published)
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


@pytest.mark.parametrize("way", ["edit", "look-up", "import"])
def test_nothing_of_the_former_channel_is_shown_as_that_of_the_new_one(
    moderator: Client, youtube: Simulator, band: Band, later: dt.datetime, way: str
) -> None:
    now, new = timezone.now(), youtube.world.add_channel("@NewHerons", "New Herons").id
    Subscription.objects.update(
        state=SubscriptionState.VERIFIED, lease_ends_at=later, delivered_at=now, trusted_at=now, problem=""
    )
    ChannelFeed.objects.update(read_at=now, trusted_at=now, probed_at=now, failures=0)
    other = make_band("owls", channel_id="UC" + "o" * 22)
    feeds.match_bands()
    subscriptions.reconcile()
    Subscription.objects.update(delivered_at=now)
    old = moderator.get(f"{URL}{band.pk}/change/").content.decode()
    assert old.count("Trusted</span>") == 2
    assert "Once a day" in old
    if way == "edit":
        bands.change(PERSON, band.pk, {"youtube_channel": new})
    elif way == "import":
        imports.import_bands(PERSON, [{"slug": "herons", "youtube_channel": new}, {"slug": "owls", "city": "Y"}])
    else:
        channels.resolve_channel(PERSON, "@NewHerons", band)
    page = moderator.get(f"{URL}{band.pk}/change/").content.decode()
    for gone in ("Trusted</span>", "Once a day", "Last push", "Trusted since"):
        assert gone not in page, gone
    for said in ("A worker asks the hub within a minute.", "It has not been read yet.", "Read the feed now"):
        assert said in page, said
    assert Subscription.objects.get(band=band).state == SubscriptionState.ENDING
    assert ChannelFeed.objects.get().band == other
    assert Subscription.objects.exclude(state=SubscriptionState.ENDING).get().band == other
    moderator.post(f"{URL}{band.pk}/feed/")
    assert ChannelFeed.objects.get(band=band).channel_id == new


def test_a_video_of_the_first_read_of_a_channel_was_not_noticed_late(admin: Client, band: Band) -> None:
    ChannelFeed.objects.update(watched_since=timezone.now())
    Video.objects.create(
        youtube_id="v1", band=band, channel_id=CHANNEL, noticed_by="probe", published_at=timezone.now() - dt.timedelta(days=5)
    )  # fmt: skip
    page = f"{URL}{band.pk}/change/"
    assert "First noticed by" not in admin.get(page).content.decode()
    ChannelFeed.objects.update(watched_since=timezone.now() - dt.timedelta(days=6))
    assert "First noticed by" in admin.get(page).content.decode()


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
