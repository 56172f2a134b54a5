"""What hostile or broken senders send, and rows that change while notices are stored."""

from __future__ import annotations

import logging

import pytest
from django.conf import LazySettings
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test import Client

from bands.models import Band, Video
from syncjobs.freshness import feeds, notices, trust
from syncjobs.models import ChannelFeed, Subscription
from syncjobs.operations import bands, imports
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import FEED, Fault
from syncmonitor import access
from tests.concurrency import start_and_wait_for_lock
from tests.factories import PERSON, band_with_videos, full_sync
from tests.freshness.site import PUBLIC_URL, connect, deliver, entry, feed, subscribed
from tests.freshness.test_feeds import read_all, subscribe

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(youtube: Simulator, settings: LazySettings) -> Simulator:
    settings.PUBLIC_URL = PUBLIC_URL
    connect(youtube)
    return youtube


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_signed_bodies_of_every_kind_are_answered_and_none_is_an_error(site: Simulator, encoding: str) -> None:
    subscription = subscribed(site)
    band = subscription.band
    assert band
    times = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-01T12:00:00+99:00", "-5", "")
    odd = [entry(f"{n:011}", band, updated=at).replace("2026-11-01T12:00:00+00:00", at) for n, at in enumerate(times)]
    odd += [entry("long_title_", band, title="x" * 9000), entry("long_title_", band, title="again")]
    for body in (odd, [entry("nul________", band, title="&#0;")], [entry("surrogate__", band, title="&#xD800;")]):
        assert deliver(subscription, feed(*body).decode().encode(encoding)) == 204
    assert deliver(subscription, feed(entry("surrogate__", band, title="@")).replace(b"@", b"\xed\xa0\x80")) == 204
    assert set(Video.objects.values_list("youtube_id", flat=True)) == {*(f"{n:011}" for n in range(5)), "long_title_"}
    for content_type in ("application/x-www-form-urlencoded", "\0", "x" * 5000):
        assert deliver(subscription, feed(*odd), **{"Content-Type": content_type}) == 204
    for path in ("%ED%A0%80", "%FF", "%0a", "a" * 5000):
        assert Client().post(f"/websub/{path}", b"", content_type="text/xml").status_code == 410
        assert Client().get(f"/websub/{path}?hub.mode=subscribe&hub.topic=%ED%A0%80&hub.challenge=x").status_code == 404


def test_the_hub_repeats_what_a_read_only_database_refused_and_no_log_has_the_address(
    site: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    subscription = subscribed(site)
    assert subscription.band
    body = feed(entry("aaaaaaaaaaa", subscription.band))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL transaction_read_only = on")
        assert deliver(subscription, body) == 503
        transaction.set_rollback(True)
    with transaction.atomic(), connection.cursor() as cursor:
        Subscription.objects.update(requested_at=Now(), verified_at=None)
        cursor.execute("SET LOCAL transaction_read_only = on")
        query = {"hub.mode": "subscribe", "hub.topic": subscription.topic, "hub.challenge": "x"}
        answer = Client().get(f"/websub/{subscription.token}", query)
        assert (answer.status_code, answer["Retry-After"]) == (503, "30")
        transaction.set_rollback(True)
    assert [record for record in caplog.records if "/websub/" in record.getMessage()]
    for record in caplog.records:
        access.Context().filter(record)
        assert subscription.token not in record.getMessage()
    assert deliver(subscription, body) == 204
    assert Video.objects.count() == 1


def test_what_is_reported_does_not_have_the_address() -> None:
    text = "https://sync.example.org/websub/secret?hub.mode=x and '/websub/secret' and /websub/<str:token>"
    assert "secret" not in access.without_callbacks(text)
    record = logging.LogRecord("django.request", logging.ERROR, "", 0, "%s: %s", ("Bad", "/websub/secret"), None)
    assert access.Context().filter(record)
    assert record.getMessage() == "Bad: /websub/..."


def test_a_band_that_is_deleted_meanwhile_has_no_videos_and_others_keep_theirs(youtube: Simulator) -> None:
    gone, _ = band_with_videos(youtube.world, 2, "gone")
    kept, _ = band_with_videos(youtube.world, 2, "kept")
    full_sync(gone)
    youtube.world.upload(gone.channel_id, 1)
    feeds.match_bands()
    ChannelFeed.objects.update(next_read_at=Now())
    claimed = sorted(feeds._claim(5), key=lambda each: each.band_id)
    results = [feeds._read(each) for each in claimed]
    with transaction.atomic():
        bands.delete(PERSON, gone.pk)
        storing = start_and_wait_for_lock(lambda: feeds._store(results))
    storing.result(10)
    assert set(Video.objects.values_list("band", flat=True)) == {kept.pk}
    [row] = ChannelFeed.objects.all()
    assert (row.band, row.status) == (kept, 200)


def test_a_push_and_the_deletion_of_its_band_do_not_deadlock(site: Simulator) -> None:
    subscription = subscribed(site)
    band = subscription.band
    assert band
    assert deliver(subscription, feed(entry("aaaaaaaaaaa", band))) == 204
    body = feed(
        entry("aaaaaaaaaaa", band, title="New title", updated="2026-11-02T12:00:00Z"), entry("bbbbbbbbbbb", band)
    )
    with transaction.atomic():
        bands._lock_band(band.pk)
        pushing = start_and_wait_for_lock(lambda: deliver(subscription, body))
        Video.objects.filter(band=band).delete()
        band.delete()
    assert pushing.result(10) == 204
    assert not Video.objects.exists()


@pytest.mark.parametrize("by", ["change", "import"])
def test_a_new_channel_meanwhile_has_no_videos_of_the_old_one(youtube: Simulator, by: str) -> None:
    band, _ = band_with_videos(youtube.world, 2)
    other = youtube.world.add_channel("@other")
    feeds.match_bands()
    ChannelFeed.objects.update(next_read_at=Now())
    results = [feeds._read(each) for each in feeds._claim(5)]
    with transaction.atomic():
        if by == "import":
            [imported] = imports.import_bands(PERSON, [{"slug": band.slug, "youtube_channel": other.id}])
            assert imported.outcome == "updated"
        else:
            bands.change(PERSON, band.pk, {"youtube_channel": other.id})
        storing = start_and_wait_for_lock(lambda: feeds._store(results))
    storing.result(10)
    assert not Video.objects.exists()


def test_a_band_that_is_deleted_meanwhile_gets_no_feed(youtube: Simulator) -> None:
    gone, _ = band_with_videos(youtube.world, 1, "gone")
    kept, _ = band_with_videos(youtube.world, 1, "kept")
    with transaction.atomic():
        bands.delete(PERSON, gone.pk)
        matching = start_and_wait_for_lock(feeds.match_bands)
    matching.result(10)
    assert list(ChannelFeed.objects.values_list("band", flat=True)) == [kept.pk]


def test_videos_that_cannot_be_stored_do_not_keep_others_from_it(
    youtube: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, _ = band_with_videos(youtube.world, 1, "bad")
    good, _ = band_with_videos(youtube.world, 1, "good")
    store = notices.store

    def fail(band: Band, *arguments: object) -> object:
        if band == bad:
            raise ValueError("A bug")
        return store(band, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(feeds.notices, "store", fail)
    read_all()
    assert list(Video.objects.values_list("band", flat=True)) == [good.pk]
    rows = ChannelFeed.objects.order_by("band")
    assert [(row.status, row.read_at is not None) for row in rows] == [(None, False), (200, True)]


def test_writers_of_feeds_do_not_deadlock(youtube: Simulator) -> None:
    first, second = [band_with_videos(youtube.world, 0, slug)[0].pk for slug in ("first", "second")]
    feeds.match_bands()
    with transaction.atomic():
        trust.note_probes([first])
        noting = start_and_wait_for_lock(lambda: trust.note_feeds({second: [], first: []}))
        trust.note_probes([second])
    noting.result(10)
    assert ChannelFeed.objects.filter(trusted_at=None).count() == 0


@pytest.mark.parametrize("kind", ["empty", "of another channel", "old"])
def test_a_feed_that_shows_less_than_we_know_is_not_trusted(youtube: Simulator, kind: str) -> None:
    band, channel = band_with_videos(youtube.world, 3)
    full_sync(band)
    subscribe(band)
    read_all()
    assert ChannelFeed.objects.get().trusted_at is not None
    stranger = Band(channel_id="UC" + "x" * 22)
    old = entry("old________", band).replace("2026-11-01", "2001-11-01")
    body = feed(*{"empty": [], "of another channel": [entry("aaaaaaaaaaa", stranger)], "old": [old]}[kind])
    youtube.faults.add(Fault("foreign", FEED, status=200, content_type="text/xml", body=body.decode()))
    ChannelFeed.objects.update(etag="", last_modified="")
    for _ in range(2):
        read_all()
        row = ChannelFeed.objects.get()
        assert (row.failures, row.trusted_at, row.etag) == (0, None, "")
    assert not Video.objects.filter(channel_id=stranger.channel_id).exists()
    youtube.faults.clear()
    read_all()
    assert ChannelFeed.objects.get().trusted_at is not None
    assert channel.id == band.channel_id
