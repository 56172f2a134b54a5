"""What the hub, and others, send to the callback."""

from __future__ import annotations

import datetime as dt
from urllib.parse import urlencode

import pytest
from django.conf import LazySettings
from django.db import OperationalError, connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bands.channels import set_channel
from bands.models import Band, Video
from syncjobs.engine import clock
from syncjobs.engine.reconcile import reconcile
from syncjobs.freshness import callback, subscriptions, tally
from syncjobs.models import MetricDelta, QuotaCall, Subscription
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import HUB_DELIVER, Fault
from tests.factories import band_with_videos, full_sync, run_all
from tests.freshness.site import (
    PUBLIC_URL,
    ask,
    connect,
    deletion,
    deliver,
    entry,
    feed,
    open_gate,
    pass_time,
    post,
    subscribed,
)

pytestmark = pytest.mark.django_db
FIRST, SECOND = "aaaaaaaaaaa", "bbbbbbbbbbb"


@pytest.fixture(autouse=True)
def site(youtube: Simulator, settings: LazySettings) -> Simulator:
    settings.PUBLIC_URL = PUBLIC_URL
    connect(youtube)
    return youtube


def verify(subscription: Subscription, mode: str = "subscribe", **changes: str) -> tuple[int, bytes]:
    query = {
        "hub.mode": mode,
        "hub.topic": subscription.topic,
        "hub.challenge": "c0ffee",
        "hub.lease_seconds": "432000",
    }
    query |= {f"hub.{name}": value for name, value in changes.items()}
    answer = Client().get(f"/websub/{changes.get('token', subscription.token)}?{urlencode(query)}")
    return answer.status_code, answer.content if answer.status_code == 200 else b""


def band_of(subscription: Subscription) -> Band:
    assert subscription.band is not None
    return subscription.band


def test_a_new_video_is_stored_and_its_details_follow(site: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    band = band_of(subscribed(site))
    video = site.world.publish(band.channel_id, clock.now(), title="Halftime <live> & more")
    site.hub.run_due()
    row = Video.objects.get()
    assert (row.youtube_id, row.title, row.noticed_by) == (video.id, "Halftime <live> & more", "push")
    assert row.details_pending
    assert row.details_due_at is not None
    assert clock.now() < row.details_due_at < clock.now() + dt.timedelta(seconds=6)
    assert row.published_at is not None
    assert row.details_stored_at is None
    assert QuotaCall.objects.count() == 0
    subscription = Subscription.objects.get()
    assert subscription.delivered_at is not None
    assert subscription.trusted_at is not None

    Video.objects.update(details_due_at=Now())
    work()
    row.refresh_from_db()
    assert (row.details_pending, row.duration_seconds is None) == (False, False)
    assert row.details_stored_at is not None
    assert row.noticed_by == "push"
    assert site.units() == 1
    assert subscription.token not in caplog.text


def work() -> None:
    """Do what the reconciler and the workers do."""
    reconcile()
    run_all()


def test_a_verification_is_answered_only_for_what_we_asked_for(site: Simulator) -> None:
    band_with_videos(site.world, 0, "herons")
    subscriptions.reconcile()
    subscription = Subscription.objects.get()
    assert verify(subscription)[0] == 404, "it was not asked for yet"
    assert open_gate()
    assert callback.hub.send_next()
    for mode, changes in {
        "unsubscribe": {},
        "publish": {},
        "subscribe": {"topic": subscription.topic + "x"},
        "Subscribe": {},
        "": {},
    }.items():
        assert verify(subscription, mode, **changes)[0] == 404, (mode, changes)
    for changes in (
        {"challenge": ""},
        {"challenge": "x" * 1001},
        {"token": "guess"},
        {"token": "%00"},
        {"topic": "\0"},
    ):
        assert verify(subscription, **changes)[0] == 404, changes
    assert Subscription.objects.get().state == "PENDING"

    assert verify(subscription) == (200, b"c0ffee")
    assert verify(subscription) == (200, b"c0ffee"), "the hub did not get the answer"
    verified = Subscription.objects.get()
    assert verified.state == "VERIFIED"
    assert verify(subscription, "unsubscribe")[0] == 404
    pass_time(subscription, hours=1)
    lease = Subscription.objects.get().lease_ends_at
    assert verify(subscription, lease_seconds="999999999")[0] == 404, "a replay, hours later"
    assert Subscription.objects.get().lease_ends_at == lease
    assert Subscription.objects.count() == 1


@pytest.mark.parametrize(
    ("given", "days"), [("432000", 5), ("", 1), ("99999999999999999999", 1), ("-5", 1), ("999999999", 30), ("²", 1)]
)
def test_the_lease_is_what_the_hub_says_within_reason(site: Simulator, given: str, days: int) -> None:
    band_with_videos(site.world, 0, "herons")
    subscriptions.reconcile()
    assert callback.hub.send_next()
    assert verify(Subscription.objects.get(), lease_seconds=given)[0] == 200
    row = Subscription.objects.get()
    assert row.lease_ends_at is not None
    assert row.verified_at is not None
    assert row.lease_ends_at - row.verified_at == dt.timedelta(days=days)
    assert row.next_request_at - row.verified_at == dt.timedelta(days=days) / 2


def test_a_denial_out_of_the_blue_ends_nothing(site: Simulator) -> None:
    subscription = subscribed(site)
    before = Subscription.objects.get()
    for _repetition in range(2):
        assert verify(subscription, "denied", reason="no\0 more\n room")[0] == 200
    row = Subscription.objects.get()
    assert (row.state, row.lease_ends_at) == ("VERIFIED", before.lease_ends_at)
    assert row.problem == "The hub denied the subscription: no more room"
    assert clock.now() < row.next_request_at < before.next_request_at
    assert verify(subscription, "denied", topic="other")[0] == 404
    assert deliver(subscription, feed(entry(FIRST, band_of(subscription)))) == 204
    assert Video.objects.count() == 1


def test_signatures_of_both_kinds_are_accepted_and_no_others(site: Simulator) -> None:
    subscription = subscribed(site)
    other = subscribed(site, "other")
    band = band_of(subscription)
    body = feed(entry(FIRST, band))
    assert post(subscription.token, body) == 204
    for header in ("", "sha1=", "sha1=00", "md5=00", "sha1", "=", "sha1=é", "sha256=" + "0" * 64, "sha1=sha1=00"):
        assert post(subscription.token, body, **{"X-Hub-Signature": header}) == 204, header
    forged = Subscription(token=subscription.token, secret=other.secret)
    assert deliver(forged, body) == 204
    assert Video.objects.count() == 0
    assert Subscription.objects.get(pk=subscription.pk).delivered_at is None
    for method in ("sha1", "sha256"):
        assert deliver(subscription, body, method) == 204
        assert Video.objects.count() == 1
        Video.objects.all().delete()


BOMB = b"""<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><feed xmlns="http://www.w3.org/2005/Atom"><title>&c;</title></feed>"""
EXTERNAL = b"""<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<feed xmlns="http://www.w3.org/2005/Atom"><title>&a;</title></feed>"""


@pytest.mark.parametrize(
    "body",
    [b"", b"no xml", b"<feed", b"\xff\xfe\0<", BOMB, EXTERNAL, b"<rss/>", b"<a>" * 5000, b'<?xml version="1.0" encoding="x"?><a/>'],
)  # fmt: skip
def test_signed_rubbish_is_discarded(site: Simulator, body: bytes) -> None:
    subscription = subscribed(site)
    assert deliver(subscription, body) == 204
    assert Video.objects.count() == 0


def test_other_requests_are_refused(site: Simulator) -> None:
    subscription = subscribed(site)
    body = feed(entry(FIRST, band_of(subscription)))
    assert deliver(subscription, body + b" " * 65_536) == 413
    assert post("unknown", body) == 410
    assert post("%00", body) == 410
    files = Client().post(f"/websub/{subscription.token}", {"a": "b"})
    assert files.status_code == 204
    for method in ("put", "delete", "head", "patch"):
        assert getattr(Client(), method)(f"/websub/{subscription.token}").status_code == 405
    assert Client().get(f"/websub/{subscription.token}").status_code == 404
    assert deliver(subscription, body, **{"Content-Type": "text/xml; charset=utf-8"}) == 204
    assert Video.objects.count() == 1


def test_what_is_discarded_writes_no_row(site: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    subscription = subscribed(site)
    body = feed(entry(FIRST, band_of(subscription)))
    MetricDelta.objects.all().delete()
    tally._counts.clear()
    with CaptureQueriesContext(connection) as queries:
        for _number in range(5):
            assert post(subscription.token, body) == 204
            assert post(subscription.token, body, **{"X-Hub-Signature": "sha1=" + "0" * 40}) == 204
            assert deliver(subscription, b"<") == 204
            assert post("unknown", body) == 410
    assert [query["sql"][:20] for query in queries if "SELECT" not in query["sql"][:20]] == []

    def fail(*_arguments: object) -> None:
        raise OperationalError("The database is away.")

    with monkeypatch.context() as patch:
        patch.setattr(tally.metrics, "add", fail)
        with pytest.raises(OperationalError):
            tally.write()
    for _repetition in range(2):
        tally.write()
    rows = MetricDelta.objects.order_by("label").values_list("name", "label", "n")
    assert list(rows) == [("push", "bad_signature", 10), ("push", "malformed", 5)]


def test_a_delivery_takes_two_statements(site: Simulator) -> None:
    """Each one that writes has a commit that waits for the disk, which many deliveries at once would wait for."""
    subscription = subscribed(site)
    body = feed(entry(FIRST, band_of(subscription)))
    with CaptureQueriesContext(connection) as queries:
        assert deliver(subscription, body) == 204
    assert [query["sql"].split()[0] for query in queries] == ["SELECT", "WITH"]
    row = Subscription.objects.get()
    assert (row.minute_count, row.trusted_at is not None, row.delivered_at is not None) == (1, True, True)


def test_entries_of_others_are_discarded(site: Simulator) -> None:
    subscription, other = subscribed(site), band_of(subscribed(site, "other"))
    band = band_of(subscription)
    stray = entry(SECOND, band).replace("</yt:videoId>", "!</yt:videoId>")
    assert deliver(subscription, feed(entry(FIRST, other), stray, entry(SECOND, band))) == 204
    assert list(Video.objects.values_list("youtube_id", "band__slug")) == [(SECOND, "herons")]
    Video.objects.all().delete()

    body = feed(entry(FIRST, band))
    Band.objects.filter(pk=band.pk).update(is_active=False)
    assert deliver(subscription, body) == 204
    Band.objects.filter(pk=band.pk).update(is_active=True)
    set_channel(band, "UC" + "z" * 22, channel_id="UC" + "z" * 22)
    band.save()
    assert deliver(subscription, body) == 204
    band.delete()
    assert deliver(subscription, body) == 204
    assert Video.objects.count() == 0


def test_repeated_late_and_old_notices_cost_nothing(site: Simulator) -> None:
    subscription = subscribed(site)
    band = band_of(subscription)

    def told(**changes: str) -> bool:
        """Deliver a notice; return whether it requested the details."""
        Video.objects.update(details_pending=False, details_due_at=None)
        assert deliver(subscription, feed(entry(FIRST, band, **changes))) == 204
        return Video.objects.get(youtube_id=FIRST).details_pending

    assert told()
    assert not told(), "a duplicate, or a replay"
    Video.objects.update(details_stored_at="2026-11-01T12:00:20+00:00")
    assert told(title="New title", updated="2026-11-01T13:00:00+00:00")
    Video.objects.update(title="New title", details_stored_at="2026-11-01T13:00:20+00:00")
    assert not told(), "the first notice comes again, out of order"
    assert told(title="New title", updated="2026-11-01T14:00:00+00:00"), "the description has changed"
    assert not told(title="New title", updated="2026-11-01T14:00:00+00:00")
    assert told(title="Newer", updated=(clock.now() + dt.timedelta(hours=1)).isoformat()), "a wrong clock"
    assert Video.objects.filter(notice_updated_at__lte=Now()).exists()
    Video.objects.update(notice_updated_at="2026-11-01T14:00:00+00:00")
    assert told(title="Newest", updated="2026-11-01T15:00:00+00:00")
    assert Video.objects.count() == 1


def test_a_known_video_is_not_asked_for_again_because_its_first_notice_is_late(site: Simulator) -> None:
    subscription = subscribed(site, videos=1)
    band = band_of(subscription)
    full_sync(band)
    video = Video.objects.get()
    late = entry(video.youtube_id, band, title=video.title, updated="2026-11-01T12:00:05+00:00")
    assert deliver(subscription, feed(late)) == 204
    row = Video.objects.get()
    assert (row.details_pending, row.noticed_by) == (False, "full_sync")
    assert Subscription.objects.get().trusted_at is None, "it proves nothing"


def test_a_deletion_is_looked_up_twice(site: Simulator) -> None:
    subscription = subscribed(site)
    band = band_of(subscription)
    video = site.world.publish(band.channel_id, clock.now())
    site.hub.run_due()
    Video.objects.update(details_due_at=Now())
    work()
    gone = deletion(video.id, clock.now().isoformat())
    assert deliver(subscription, feed(deletion(SECOND, "2026-11-01T12:00:00+00:00"), gone)) == 204
    row = Video.objects.get()
    assert (row.availability, row.details_pending) == ("AVAILABLE", True)
    Video.objects.update(details_due_at=Now())
    work()
    assert Video.objects.get().availability == "AVAILABLE", "YouTube still has it"
    assert deliver(subscription, feed(gone)) == 204
    assert not Video.objects.get().details_pending, "a replay"

    site.world.remove(video.id)
    site.hub.run_due()
    Video.objects.update(details_due_at=Now())
    work()
    assert Video.objects.get().availability == "MISSING"
    assert deliver(subscription, feed(gone)) == 204
    assert not Video.objects.get().details_pending


def test_another_bands_video_is_not_deleted(site: Simulator) -> None:
    subscription, other = subscribed(site), subscribed(site, "other")
    assert deliver(other, feed(entry(FIRST, band_of(other)))) == 204
    Video.objects.update(details_pending=False)
    assert deliver(subscription, feed(deletion(FIRST, "2026-11-02T12:00:00+00:00"))) == 204
    assert not Video.objects.get().details_pending


def test_the_rate_of_a_topic_is_bounded(site: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callback, "MOST_PER_MINUTE", 2)
    subscription, other = subscribed(site), subscribed(site, "other")
    bodies = [feed(entry(character * 11, band_of(subscription))) for character in "abc"]
    assert [deliver(subscription, body) for body in bodies] == [204, 204, 429]
    assert deliver(other, feed(entry("ddddddddddd", band_of(other)))) == 204, "others have their own"
    assert Video.objects.count() == 3
    pass_time(subscription, minutes=1)
    assert deliver(subscription, bodies[2]) == 204
    assert Video.objects.count() == 4


@pytest.mark.parametrize("name", ["duplicate", "delay", "unsigned", "forged", "lose"])
def test_the_simulated_hub_at_its_worst(site: Simulator, name: str) -> None:
    band = band_of(subscribed(site))
    site.faults.add(Fault(name, operation=HUB_DELIVER, seconds=30))
    videos = [site.world.publish(band.channel_id, clock.now()) for _number in range(3)]
    site.clock_offset = dt.timedelta(minutes=1)
    site.hub.run_due()
    expected = {video.id for video in videos} if name in ("duplicate", "delay") else set()
    assert set(Video.objects.values_list("youtube_id", flat=True)) == expected


def test_asking_while_the_hub_verifies_before_it_answers(site: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verification stays, though the answer to our request comes after it."""
    band_with_videos(site.world, 0, "herons")
    subscriptions.reconcile()
    monkeypatch.setattr(callback.hub.http, "send", lambda *_args, **_more: verify(Subscription.objects.get())[0])
    assert callback.hub.send_next()
    row = Subscription.objects.get()
    assert row.state == "VERIFIED"
    assert row.next_request_at > clock.now() + dt.timedelta(days=2)
    assert ask(site) == 0
