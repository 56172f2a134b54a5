"""The real google client against the simulator, over HTTP."""

from __future__ import annotations

import datetime as dt
import json
import logging
import traceback
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from syncjobs.youtube import parsing
from syncjobs.youtube.client import YouTubeClient
from syncjobs.youtube.costs import Bucket, Operation, next_reset, quota_day
from syncjobs.youtube.errors import Kind, YouTubeError, from_response
from syncjobs.youtube.references import parse_channel
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import CONNECTION_FAULTS, ERRORS, Fault
from syncjobs.youtube.simulator.world import uploads
from tests.factories import wait_for

KEY = "AIzaSy-secret+key/with=odd&characters"


class CountingMeter:
    def __init__(self) -> None:
        self.reserved: list[Operation] = []
        self.settled: list[tuple[int | None, str]] = []

    def reserve(self, operation: Operation) -> object:
        self.reserved.append(operation)
        return len(self.reserved)

    def record_result(
        self, receipt: object, *, status: int | None, reason: str, seconds: float, is_accepted: bool
    ) -> None:
        assert receipt == len(self.reserved)
        self.settled.append((status, reason))


@pytest.fixture
def server() -> Iterator[Simulator]:
    with Simulator(key=KEY) as simulator:
        simulator.world.add_channel("@Band", "The Band")
        simulator.world.upload(channel_of(simulator), 120)
        yield simulator


def channel_of(server: Simulator) -> str:
    return next(iter(server.world.channels))


def client_of(
    server: Simulator, meter: CountingMeter | None = None, key: str = KEY, timeout: float = 5.0
) -> YouTubeClient:
    return YouTubeClient(
        api_key=key, endpoint=server.url + "/", meter=meter or CountingMeter(), timeout=timeout, sleep=lambda _: None
    )


def test_pages_have_fifty_items_and_the_last_has_no_token(server: Simulator) -> None:
    client, playlist = client_of(server), uploads(channel_of(server))
    sizes, token = [], None
    while True:
        page = client.playlist_page(playlist, token)
        sizes.append(len(page.items))
        assert page.total_results == 120
        if (token := page.next_page_token) is None:
            break
    assert sizes == [50, 50, 20]


def test_a_channel_is_found_by_id_handle_and_user_name(server: Simulator) -> None:
    server.world.channels[channel_of(server)].username = "olduser"
    for text in (channel_of(server), "@BAND", "youtube.com/user/olduser"):
        channel = client_of(server).find_channel(parse_channel(text))
        assert channel is not None
        assert (channel.id, channel.handle, channel.video_count) == (channel_of(server), "@band", 120)
    assert client_of(server).find_channel(parse_channel("@NoSuchBand")) is None


@pytest.mark.parametrize("name", [*ERRORS, *CONNECTION_FAULTS])
def test_every_fault_is_reserved_and_recorded_and_hides_the_key(
    server: Simulator, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    meter = CountingMeter()
    server.faults.add(Fault(name, echo_key=True))
    client = client_of(server, meter, timeout=0.1 if name == "hang" else 5.0)
    with pytest.raises(YouTubeError) as caught:
        client.playlist_page(uploads(channel_of(server)))
    # A busy server may log a call only after the client has stopped waiting for it.
    wait_for(lambda: len(server.calls()) >= len(meter.reserved), what="the last call")
    server.faults.clear()
    assert len(server.calls()) == len(meter.reserved) == len(meter.settled)
    assert len(meter.reserved) == (3 if caught.value.kind is Kind.TRANSIENT and name != "invalidPageToken" else 1)
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value)) + caplog.text
    assert KEY not in shown
    assert all(KEY not in call["path"] for call in server.calls())


@pytest.mark.parametrize(
    ("name", "kind", "bucket"),
    [
        ("quotaExceeded", Kind.QUOTA, Bucket.MAIN),
        ("dailyLimitExceeded", Kind.QUOTA, Bucket.MAIN),
        ("perDay429", Kind.QUOTA, Bucket.MAIN),
        ("perMinute429", Kind.TRANSIENT, None),
        ("rateLimitExceeded", Kind.TRANSIENT, None),
        ("userRateLimitExceeded", Kind.TRANSIENT, None),
        ("backendError", Kind.TRANSIENT, None),
        ("unavailable", Kind.TRANSIENT, None),
        ("forbidden", Kind.PERMANENT, None),
        ("playlistNotFound", Kind.PERMANENT, None),
        ("keyInvalid", Kind.CONFIGURATION, None),
        ("apiKeyInvalid", Kind.CONFIGURATION, None),
        ("accessNotConfigured", Kind.CONFIGURATION, None),
        ("keyMissing", Kind.CONFIGURATION, None),
    ],
)
def test_errors_are_classified(server: Simulator, name: str, kind: Kind, bucket: Bucket | None) -> None:
    server.faults.add(Fault(name))
    with pytest.raises(YouTubeError) as caught:
        client_of(server).videos(["x" * 11])
    assert (caught.value.kind, caught.value.bucket) == (kind, bucket)
    assert "<" not in caught.value.message


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'{"error": 3}', b'{"error": {"errors": [7], "message": 5}}', b"\xff"]
)
@pytest.mark.parametrize("status", [302, 400, 401, 404, 407, 410, 413, 421, 451, 503])
def test_error_bodies_that_are_not_youtubes_are_transient(status: int, body: bytes) -> None:
    error = from_response(status, body, Bucket.MAIN)
    assert (error.kind, error.reason) == (Kind.TRANSIENT, f"http{status}")
    assert "did not come from YouTube" in error.message


def test_a_wrong_or_missing_key_is_refused_without_being_charged(server: Simulator) -> None:
    for key in ("wrong", ""):
        with pytest.raises(YouTubeError) as caught:
            client_of(server, key=key).videos(["x" * 11])
        assert caught.value.kind is Kind.CONFIGURATION
    assert server.units() == 0


def test_a_refused_reservation_sends_nothing(server: Simulator) -> None:
    class Refusing(CountingMeter):
        def reserve(self, operation: Operation) -> object:
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        client_of(server, Refusing()).videos(["x" * 11])
    assert server.calls() == []


def test_a_connection_closed_by_the_server_costs_no_call(server: Simulator) -> None:
    meter = CountingMeter()
    client = client_of(server, meter)
    for _ in range(3):
        server.faults.add(Fault("garbage", times=1))
        client.playlist_page(uploads(channel_of(server)))
    assert [reason for _, reason in meter.settled] == ["badAnswer", ""] * 3


@pytest.mark.parametrize("text", ["@李", "%40%E6%9D%8E", "youtube.com/c/李", "https://youtube.com/@%E6%9D%8E/videos"])
def test_a_handle_in_another_script_is_asked_for(server: Simulator, text: str) -> None:
    server.world.add_channel("@李")
    server.world.add_channel("@%e3%81%82", "Written as in a URL")
    channel = client_of(server).find_channel(parse_channel(text))
    assert channel is not None
    assert channel.handle == "@李"
    assert server.calls()[0]["parameters"]["forHandle"] == "@李"
    encoded = next(c.id for c in server.world.channels.values() if c.title == "Written as in a URL")
    assert client_of(server).channels([encoded])[0].handle == "@あ"


def test_51_ids_are_never_sent(server: Simulator) -> None:
    with pytest.raises(ValueError, match="51"):
        client_of(server).videos(["x" * 11] * 51)
    assert server.calls() == []


def _status(server: Simulator, path: str, method: str = "GET") -> tuple[int, str]:
    request = urllib.request.Request(f"{server.url}/youtube/v3/{path}", headers={"X-Goog-Api-Key": KEY}, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, ""
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["error"]["errors"][0]["reason"]


def test_the_simulator_refuses_what_youtube_refuses(server: Simulator) -> None:
    playlist = uploads(channel_of(server))
    many = ",".join(f"video{number:06}" for number in range(51))
    refused = {
        f"videos?part=snippet&id={many}": (400, "invalidFilters"),
        f"videos:batchGetStats?part=statistics&id={many}": (400, "invalidFilters"),
        f"playlistItems?part=snippet&playlistId={playlist}&maxResults=51": (400, "invalidParameter"),
        f"playlistItems?part=snippet&playlistId={playlist}&maxResults=0": (400, "invalidParameter"),
        f"playlistItems?part=nonsense&playlistId={playlist}": (400, "unknownPart"),
        f"playlistItems?playlistId={playlist}": (400, "missingRequiredParameter"),
        f"playlistItems?part=snippet&playlistId={playlist}&pageToken=zzz": (400, "invalidPageToken"),
        "playlistItems?part=snippet": (400, "missingRequiredParameter"),
        "playlistItems?part=snippet&playlistId=PLnone": (404, "playlistNotFound"),
    }
    assert {path: _status(server, path) for path in refused} == refused
    assert server.units() + server.units(Bucket.STATS) == len(refused)
    assert _status(server, f"channels?part=snippet&id={channel_of(server)}", "POST")[0] == 405


def test_the_simulators_buckets_run_out_and_reset_at_midnight_pacific(server: Simulator) -> None:
    server.limits[Bucket.MAIN] = 2
    client = client_of(server)
    for _ in range(2):
        client.videos(["x" * 11])
    with pytest.raises(YouTubeError) as caught:
        client.videos(["x" * 11])
    assert caught.value.kind is Kind.QUOTA
    client.statistics(["x" * 11])
    server.clock_offset = next_reset(server.now()) - server.now() + dt.timedelta(seconds=1)
    client.videos(["x" * 11])


def test_a_current_etag_returns_304_and_is_charged(server: Simulator) -> None:
    url = f"{server.url}/youtube/v3/channels?part=snippet&id={channel_of(server)}"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"X-Goog-Api-Key": KEY})) as response:
        tag = json.load(response)["etag"]
    request = urllib.request.Request(url, headers={"X-Goog-Api-Key": KEY, "If-None-Match": tag})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert (caught.value.code, server.units()) == (304, 2)


def test_the_feed_has_the_15_newest_and_costs_nothing(server: Simulator) -> None:
    with urllib.request.urlopen(f"{server.url}/feeds/videos.xml?channel_id={channel_of(server)}") as response:
        assert response.read().count(b"<entry>") == 15
    assert server.calls() == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("P0D", None),
        ("PT0S", 0),
        ("PT3M33S", 213),
        ("P1DT2H3M4S", 93_784),
        ("P1W", 604_800),
        ("213s", 213),
        ("1.5s", 1),
        (None, None),
    ],
)
def test_durations_are_parsed(text: str | None, seconds: int | None) -> None:
    assert parsing.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "three", 7, "PT3M33", "P99999999999999D"])
def test_an_invalid_duration_affects_only_its_item(text: object) -> None:
    snippet = {"title": "t", "liveBroadcastContent": "none"}
    good, bad = parsing.parse_items(
        [
            {"id": "a", "snippet": snippet, "contentDetails": {"duration": text}},
            {"id": "b", "snippet": snippet},
            None,
            3,
        ],
        parsing.video,
    )
    assert [video.video_id for video in good] == ["b"]
    assert [item.item_id for item in bad] == ["a", "", ""]


@pytest.mark.parametrize(
    ("now", "day", "reset"),
    [
        ("2026-11-24T07:59:59+00:00", "2026-11-23", "2026-11-24T08:00:00+00:00"),
        ("2026-11-24T08:00:00+00:00", "2026-11-24", "2026-11-25T08:00:00+00:00"),
        ("2026-07-01T07:00:00+00:00", "2026-07-01", "2026-07-02T07:00:00+00:00"),
        ("2026-03-08T08:00:00+00:00", "2026-03-08", "2026-03-09T07:00:00+00:00"),
        ("2026-11-01T07:00:00+00:00", "2026-11-01", "2026-11-02T08:00:00+00:00"),
    ],
)
def test_the_quota_day_follows_pacific_time_across_clock_changes(now: str, day: str, reset: str) -> None:
    instant = dt.datetime.fromisoformat(now)
    assert (quota_day(instant).isoformat(), next_reset(instant).isoformat()) == (day, reset)
