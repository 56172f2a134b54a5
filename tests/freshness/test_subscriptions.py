"""Subscriptions follow the bands, and survive a hub that is away, busy, silent or unwilling."""

from __future__ import annotations

import datetime as dt
import threading
from urllib.parse import unquote

import pytest
from django.conf import LazySettings
from django.db.models.functions import Now
from django.utils import timezone

from bands.channels import set_channel
from bands.models import Band
from syncjobs.engine import clock
from syncjobs.exceptions import Conflict
from syncjobs.freshness import hub, subscriptions
from syncjobs.models import HubState, Subscription
from syncjobs.operations.subscriptions import renew
from syncjobs.senders import secrets
from syncjobs.senders.messages import SendFailed
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import HUB_SUBSCRIBE, HUB_VERIFY, Fault
from tests.concurrency import in_parallel
from tests.factories import PERSON, band_with_videos, make_band
from tests.freshness.site import PUBLIC_URL, ask, connect, open_gate, pass_time, subscribed

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def site(youtube: Simulator, settings: LazySettings) -> Simulator:
    settings.PUBLIC_URL = PUBLIC_URL
    connect(youtube)
    return youtube


def states() -> list[tuple[str, str]]:
    rows = Subscription.objects.order_by("pk")
    return [(row.band.slug if row.band else "", row.state) for row in rows.select_related("band")]


def test_subscriptions_follow_the_bands(site: Simulator, settings: LazySettings) -> None:
    make_band("no-channel")
    make_band("handle-only", "@handle-only")
    inactive, _channel = band_with_videos(site.world, 0, "inactive")
    Band.objects.filter(pk=inactive.pk).update(is_active=False)
    herons = subscribed(site).band
    assert herons is not None
    assert states() == [("herons", "VERIFIED")]
    assert len(site.hub.subscriptions) == 1
    assert ask(site) == 0, "nothing is due"

    other = site.world.add_channel("@other")
    set_channel(herons, other.id, channel_id=other.id)
    herons.save()
    subscriptions.reconcile()
    assert states() == [("herons", "ENDING"), ("herons", "PENDING")]
    assert ask(site) == 2
    assert states() == [("herons", "VERIFIED")]
    [(callback, topic)] = site.hub.subscriptions
    assert topic.endswith(other.id)
    assert callback == Subscription.objects.get().callback

    herons.delete()
    subscriptions.reconcile()
    assert states() == [("", "ENDING")]
    assert ask(site) == 1
    assert states() == []
    assert site.hub.subscriptions == {}

    settings.PUBLIC_URL = ""
    Band.objects.filter(pk=inactive.pk).update(is_active=True)
    assert ask(site) == 0
    assert states() == [], "without PUBLIC_URL there is no push"


def test_a_site_that_has_moved_asks_anew(site: Simulator, settings: LazySettings) -> None:
    subscription = subscribed(site)
    assert subscriptions.reconcile() == 0
    settings.PUBLIC_URL = "https://moved.example.org"
    assert subscriptions.reconcile() == 1
    subscription.refresh_from_db()
    assert subscription.state == "VERIFIED"
    assert open_gate()
    assert hub.send_next()
    subscription.refresh_from_db()
    assert subscription.callback == f"https://moved.example.org/websub/{subscription.token}"


def test_a_lease_is_renewed_from_half_of_it_on(site: Simulator) -> None:
    subscription = subscribed(site)
    pass_time(subscription, days=2.4)
    assert ask(site) == 0
    pass_time(subscription, days=0.2)
    assert ask(site) == 1
    renewed = Subscription.objects.get()
    assert renewed.token == subscription.token
    assert renewed.secret == subscription.secret
    assert renewed.lease_ends_at is not None
    assert renewed.lease_ends_at > timezone.now() + dt.timedelta(days=4.9)
    assert renewed.attempts == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault("foreign", operation=HUB_SUBSCRIBE, status=503, headers={"Retry-After": "400"}),
        Fault("drop", operation=HUB_SUBSCRIBE),
        Fault("foreign", operation=HUB_SUBSCRIBE, status=403),
        Fault("deny", operation=HUB_VERIFY),
        Fault("lose", operation=HUB_VERIFY),
    ],
    ids=["busy", "dropped", "refused", "denied", "never verified"],
)
def test_a_renewal_in_vain_takes_nothing_down(site: Simulator, fault: Fault) -> None:
    subscription = pass_time(subscribed(site), days=2.6)
    lease = subscription.lease_ends_at
    site.faults.add(fault)
    pauses = []
    for attempt in range(1, 4):
        assert ask(site) == 1
        row = Subscription.objects.get()
        assert (row.state, row.lease_ends_at, row.attempts) == ("VERIFIED", lease, attempt)
        assert bool(row.problem) == (fault.name != "lose")
        pauses.append((row.next_request_at - clock.now()).total_seconds())
        Subscription.objects.update(next_request_at=Now())
    assert pauses[0] > 90
    assert pauses[2] > 1.25 * pauses[1] or "Retry-After" in fault.headers
    if "Retry-After" in fault.headers:
        assert pauses[0] > 390
    site.faults.clear()
    assert ask(site) == 1
    row = Subscription.objects.get()
    assert (row.attempts, row.problem) == (0, "")
    assert row.lease_ends_at is not None
    assert lease is not None
    assert row.lease_ends_at > lease


def test_a_hub_that_is_away_is_asked_seldom_whatever_is_due(site: Simulator) -> None:
    for number in range(3):
        band_with_videos(site.world, 0, f"band-{number}")
    site.faults.add(Fault("foreign", operation=HUB_SUBSCRIBE, status=503))
    subscriptions.reconcile()
    assert hub.send_next()
    assert not hub.send_next(), "the others wait, too"
    state = HubState.objects.get()
    assert state.failures == 1
    assert state.next_request_at > clock.now() + dt.timedelta(seconds=20)
    assert "503" in state.problem
    assert open_gate()
    assert hub.send_next()
    assert HubState.objects.get().failures == 2
    assert HubState.objects.get().failing_since == state.failing_since
    site.faults.clear()
    assert open_gate()
    assert hub.send_next()
    state = HubState.objects.get()
    assert (state.failures, state.failing_since, state.problem) == (0, None, "")
    assert not hub.send_next(), "the rate stays polite"


def test_what_a_hub_repeats_of_our_request_reveals_nothing(
    site: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    band_with_videos(site.world, 0, "herons")
    subscriptions.reconcile()

    def refuse(method: str, url: str, *, body: bytes, **options: object) -> int:
        raise SendFailed(f"The receiver answered 400: {body.decode()} {unquote(body.decode())}", status=400)

    monkeypatch.setattr("syncjobs.freshness.hub.http.send", refuse)
    assert hub.send_next()
    row = Subscription.objects.get()
    assert row.problem.startswith("The receiver answered 400")
    for secret in (row.token, secrets.decrypt(row.secret)):
        assert secret not in row.problem + caplog.text


def test_leases_that_end_soon_come_first(site: Simulator) -> None:
    first, second = subscribed(site, "first"), subscribed(site, "second")
    Subscription.objects.update(next_request_at=Now())
    pass_time(second, days=4)
    band_with_videos(site.world, 0, "third")
    site.clear_log()
    assert ask(site) == 3
    asked = [row["topic"] for row in site.hub.log if row["operation"] == HUB_SUBSCRIBE]
    assert asked[:2] == [second.topic, first.topic]


def test_a_subscription_that_can_not_be_ended_is_forgotten(site: Simulator) -> None:
    subscription = subscribed(site)
    site.faults.add(Fault("lose", operation=HUB_VERIFY))
    Band.objects.update(is_active=False)
    for _attempt in range(subscriptions.UNSUBSCRIBE_ATTEMPTS):
        assert ask(site) == 1
        Subscription.objects.update(next_request_at=Now())
    assert ask(site) == 0
    assert not Subscription.objects.exists()
    band = Band.objects.get()
    Band.objects.update(is_active=True)
    site.faults.clear()
    assert ask(site) == 1
    assert Subscription.objects.get().token != subscription.token
    assert Subscription.objects.get().band == band


def test_a_secret_that_no_key_reads_is_replaced(site: Simulator, settings: LazySettings) -> None:
    subscription = subscribed(site)
    settings.SECRET_KEY = "another" * 10
    Subscription.objects.update(next_request_at=Now())
    assert ask(site) == 1
    [at_hub] = site.hub.subscriptions.values()
    assert subscriptions.secrets.decrypt(Subscription.objects.get().secret) == at_hub.secret
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "newest" * 10
    assert subscriptions.rotate_secrets() == (1, 0)
    assert subscriptions.rotate_secrets() == (0, 0)
    assert subscriptions.secrets.decrypt(Subscription.objects.get().secret) == at_hub.secret
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [], "lost" * 10
    assert subscriptions.rotate_secrets() == (0, 1)
    assert subscription.token == Subscription.objects.get().token


def test_a_person_renews_subscriptions(site: Simulator, settings: LazySettings) -> None:
    first, second = subscribed(site, "first"), subscribed(site, "second")
    band_with_videos(site.world, 0, "third")
    assert first.band_id is not None
    assert renew(PERSON, [first.band_id]) == 1
    assert ask(site) == 2, "the new band is subscribed, too"
    assert renew(PERSON) == 3
    assert ask(site) == 3
    second.refresh_from_db()
    assert second.state == "VERIFIED"
    settings.PUBLIC_URL = ""
    with pytest.raises(Conflict, match="PUBLIC_URL"):
        renew(PERSON)


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_send_the_same(site: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        band_with_videos(site.world, 0, f"band-{number}")
    monkeypatch.setattr(hub, "PAUSE_SECONDS", 0.0)
    sent = []
    lock = threading.Lock()

    def post(method: str, url: str, *, body: bytes, **rest: object) -> int:
        with lock:
            sent.append(body)
        return 202

    monkeypatch.setattr(hub.http, "send", post)

    def work(_number: int) -> None:
        subscriptions.reconcile()
        while hub.send_next():
            pass

    in_parallel(4, work)
    assert len(sent) == len(set(sent)) == 4
    assert Subscription.objects.count() == 4
