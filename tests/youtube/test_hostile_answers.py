"""How the client handles servers that echo the key, send invalid responses or make unusual demands."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import threading
import traceback
from collections.abc import Callable, Iterator
from email.utils import format_datetime
from http.client import HTTPResponse
from urllib.parse import quote

import pytest

from syncjobs.youtube import client as client_module
from syncjobs.youtube.client import MAX_RETRY_AFTER_SECONDS, YouTubeClient
from syncjobs.youtube.costs import Operation
from syncjobs.youtube.errors import (
    ConfigurationError,
    TransientError,
    YouTubeError,
)
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import Fault
from syncjobs.youtube.simulator.world import uploads
from syncjobs.youtube.transport import REDACTED, OneShotHttp, Redactor

KEY = "AIzaSy/secret+key=with&odd%characters"
Make = Callable[..., YouTubeClient]


class Ledger:
    """A meter that records its calls."""

    def __init__(self) -> None:
        self.reserved: list[Operation] = []
        self.settled: list[tuple[int | None, str]] = []

    def reserve(self, operation: Operation) -> object:
        self.reserved.append(operation)
        return None

    def record_result(
        self, receipt: object, *, status: int | None, reason: str, seconds: float, is_accepted: bool
    ) -> None:
        self.settled.append((status, reason))


@pytest.fixture
def server() -> Iterator[Simulator]:
    with Simulator(key=KEY) as simulator:
        simulator.world.upload(simulator.world.add_channel("@Band").id, 4)
        yield simulator


@pytest.fixture
def ids(server: Simulator) -> list[str]:
    return list(server.world.videos)


@pytest.fixture
def make(server: Simulator) -> Make:
    def make(**changed: object) -> YouTubeClient:
        defaults: dict[str, object] = {"api_key": KEY, "endpoint": server.url, "meter": Ledger(), "timeout": 1.0}
        return YouTubeClient(**{**defaults, "sleep": lambda _: None, **changed})  # type: ignore[arg-type]

    return make


FORMS = {
    "plain": KEY,
    "in a URL": quote(KEY, safe=""),
    "in a URL, lower case": quote(KEY, safe="").replace("%2F", "%2f").replace("%3D", "%3d"),
    "in a URL in a URL": quote(quote(KEY, safe=""), safe=""),
    "in JSON": json.dumps(KEY)[1:-1].replace("/", "\\/"),
    "all of it escaped": "".join(f"\\u{ord(c):04X}" for c in KEY),
    "in HTML": "".join(f"&#{ord(c)};" for c in KEY),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_the_key_is_redacted_in_every_encoding(form: str) -> None:
    redactor = Redactor(KEY)
    assert redactor.raw(f"a {form} b".encode()) == f"a {REDACTED} b".encode()
    assert redactor.text(f"a {form} b") == f"a {REDACTED} b"


def test_a_key_that_is_too_short_is_not_redacted() -> None:
    assert Redactor("test").text("The latest test") == "The latest test"


@pytest.mark.parametrize(
    "spelling",
    [
        KEY,
        KEY.replace("secret", "sec\x00ret"),
        KEY.replace("secret", "sec\ud800ret"),
        KEY.replace("secret", "sec\x01ret"),
    ],
)
def test_a_key_in_a_video_is_redacted(server: Simulator, make: Make, ids: list[str], spelling: str) -> None:
    video = server.world.videos[ids[0]]
    video.title, video.description, video.tags = spelling, f"x {quote(KEY)} y", [spelling]
    server.world.channels[video.channel_id].title = spelling
    client = make()
    shown = repr(
        [client.videos(ids), client.playlist_page(uploads(video.channel_id)), client.channels([video.channel_id])]
    )
    assert KEY not in shown
    assert quote(KEY) not in shown
    assert REDACTED in shown


def test_a_description_keeps_its_lines(server: Simulator, make: Make, ids: list[str]) -> None:
    video = server.world.videos[ids[0]]
    video.description, video.title = "One.\n\nTwo:\r\n\tthree", "A\ntitle"
    client = make()
    page = client.playlist_page(uploads(video.channel_id))
    for read in (client.videos(ids).items[0], next(item for item in page.items if item.video_id == video.id)):
        assert (read.description, read.title) == ("One.\n\nTwo:\n\tthree", "A title")


@pytest.mark.parametrize("name", ["apiKeyInvalid", "backendError", "forbidden", "redirect", "garbage", "truncate"])
def test_an_error_that_echoes_the_key_does_not_leak_it(
    server: Simulator, make: Make, ids: list[str], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.faults.add(Fault(name, echo_key=True))
    with pytest.raises(YouTubeError) as caught:
        make().videos(ids)
    error: BaseException | None = caught.value
    assert error is not None
    assert error.__cause__ is None
    assert error.__context__ is None
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error)) + caplog.text
    assert KEY not in shown
    assert quote(KEY, safe="") not in shown


@pytest.mark.parametrize("fault", ["forbidden", "redirect"])
def test_the_key_is_redacted_before_the_google_client_sees_an_error(server: Simulator, fault: str) -> None:
    """The google client logs reasons and puts bodies into its exceptions before we raise ours."""
    server.faults.add(Fault(fault, echo_key=True))
    http = OneShotHttp(timeout=1.0, redactor=Redactor(KEY))
    url = f"{server.url}/youtube/v3/videos?part=snippet&id=x"
    response, content = http.request(url, headers={"X-Goog-Api-Key": KEY})
    http.close()
    assert REDACTED in content.decode()
    assert REDACTED in repr(dict(response))
    assert KEY not in content.decode() + repr(dict(response))


def test_a_redirect_is_not_followed(server: Simulator, make: Make, ids: list[str]) -> None:
    with Simulator(key=KEY) as other:
        server.faults.add(Fault("redirect"))
        server.url, home = other.url, server.url
        with pytest.raises(TransientError):
            make(endpoint=home, tries=1).videos(ids)
        assert len(server.calls()) == 1
        assert other.calls() == []


@pytest.mark.parametrize("fault", ["drop", "truncate", "garbage", "empty", "hang", "backendError"])
def test_the_server_counts_exactly_the_attempts_that_were_reserved(
    server: Simulator, make: Make, ids: list[str], fault: str
) -> None:
    ledger = Ledger()
    client = make(meter=ledger, timeout=0.3)
    client.videos(ids)
    # On a reused connection, httplib2 by itself would assume a stale connection and retry.
    server.faults.add(Fault(fault, times=2))
    assert len(client.videos(ids).items) == 4
    assert len(server.calls()) == len(ledger.reserved) == len(ledger.settled) == 4


def test_a_401_response_is_not_retried(server: Simulator, make: Make, ids: list[str]) -> None:
    """google-auth's transport would retry without a reservation."""
    server.faults.add(Fault("unauthorized"))
    with pytest.raises(ConfigurationError):
        make().videos(ids)
    assert len(server.calls()) == 1


def test_an_interrupted_attempt_raises_and_is_recorded(
    server: Simulator, make: Make, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class TimeLimit(BaseException):
        pass

    def interrupted(response: HTTPResponse, _size: int) -> bytes:
        response.fp.peek(1)  # type: ignore[attr-defined]
        raise TimeLimit

    ledger = Ledger()
    client = make(meter=ledger)
    with monkeypatch.context() as patch:
        patch.setattr("http.client.HTTPResponse.read1", interrupted)
        with pytest.raises(TimeLimit):
            client.videos(ids)
    assert ledger.settled == [(None, "aborted")]
    # The next call must not read the rest of this response.
    assert len(client.playlist_page(uploads(server.world.videos[ids[0]].channel_id)).items) == 4
    assert ledger.settled[1:] == [(200, "")]


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("3", 3, 3),
        ("86400", MAX_RETRY_AFTER_SECONDS, MAX_RETRY_AFTER_SECONDS),
        ("in the future", 4, 6),
        ("-1", 0, 0),
        ("soon", 0, 0),
        ("9" * 400, 0, 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER_SECONDS, MAX_RETRY_AFTER_SECONDS),
    ],
)
def test_retry_after_is_respected_within_limits(
    server: Simulator, make: Make, ids: list[str], header: str, least: float, most: float
) -> None:
    if header == "in the future":
        header = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=6), usegmt=True)
    server.faults.add(Fault("unavailable", times=1, headers={"Retry-After": header}))
    slept: list[float] = []
    make(sleep=slept.append, backoff=0.0).videos(ids)
    assert len(slept) == 1
    assert least <= slept[0] <= most


def test_waits_double_up_to_the_limit(server: Simulator, make: Make, ids: list[str]) -> None:
    server.faults.add(Fault("unavailable"))
    slept: list[float] = []
    with pytest.raises(TransientError):
        make(sleep=slept.append, backoff=0.5, tries=7).videos(ids)
    assert len(slept) == 6
    assert all(0 <= wait <= min(0.5 * 2**number, 8.0) for number, wait in enumerate(slept))


@pytest.mark.parametrize("key", ["", "  ", "two words", "line\nbreak", "schlüssel", "nul\x00"])
def test_an_invalid_key_costs_nothing_and_is_not_shown(server: Simulator, make: Make, ids: list[str], key: str) -> None:
    ledger = Ledger()
    with pytest.raises(ConfigurationError) as caught:
        make(api_key=key, meter=ledger).videos(ids)
    assert ledger.reserved == server.calls() == []
    assert not key.strip() or key not in str(caught.value)


def test_a_key_with_a_trailing_newline_works(make: Make, ids: list[str]) -> None:
    assert len(make(api_key=f"{KEY}\n").videos(ids).items) == 4


@pytest.mark.parametrize("tail", ["", "/", "/youtube/v3", "/youtube/v3/"])
def test_the_endpoint_is_the_root_of_the_server_or_the_api(
    server: Simulator, make: Make, ids: list[str], tail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # None of these may send the key anywhere but to the endpoint.
    monkeypatch.setenv("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "example.org")
    monkeypatch.setenv("GOOGLE_API_USE_MTLS_ENDPOINT", "always")
    client = make(endpoint=server.url + tail)
    assert len(client.videos(ids).items) == len(client.statistics(ids).items) == 4
    assert {call["operation"] for call in server.calls()} == {"videos.list", "videos.batchGetStats"}


@pytest.mark.parametrize("endpoint", ["", "ftp://127.0.0.1", "youtube.googleapis.com"])
def test_an_invalid_endpoint_is_refused(make: Make, endpoint: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        make(endpoint=endpoint)


@pytest.mark.parametrize("broken", ["bad duration", "bad count"])
def test_an_unreadable_video_is_not_missing_and_affects_no_other(
    server: Simulator, make: Make, ids: list[str], broken: str
) -> None:
    server.world.videos[ids[1]].broken = broken
    server.world.videos[ids[2]].privacy = "private"
    batch = make().videos(ids)
    assert [item.item_id for item in batch.unreadable] == [ids[1]]
    assert batch.missing == [ids[2]]
    assert {video.video_id for video in batch.items} == {ids[0], ids[3]}


def test_no_video_is_missing_if_an_item_has_no_id(server: Simulator, make: Make, ids: list[str]) -> None:
    """Missing videos are marked unavailable. One of these videos exists, but the response does not show which."""
    server.world.videos[ids[1]].broken = "no id"
    server.world.remove(ids[2])
    for batch in (make().videos(ids), make().statistics_by_list(ids)):
        assert batch.missing == []
        assert [item.item_id for item in batch.unreadable] == [ids[1], ids[2]]


def test_an_empty_response_marks_no_video_missing(server: Simulator, make: Make, ids: list[str]) -> None:
    server.faults.add(Fault("empty"))
    for call in (make().videos, make().statistics, make().statistics_by_list, make().channels):
        with pytest.raises(TransientError, match="not the requested list"):
            call(ids)


FOREIGN = {
    "page": Fault("foreign", status=200),
    "list": Fault("foreign", status=200, content_type="application/json", body='{"items": []}'),
    "other status": Fault("foreign", status=203, content_type="application/json", body='{"kind": "youtube#x", "items": []}'),
    "no content": Fault("foreign", status=204, body=""),
    "partial": Fault("foreign", status=206),
    "redirect": Fault("redirect"),
    **{str(status): Fault("foreign", status=status) for status in (307, 400, 401, 404, 407, 410, 413, 421, 451, 511)},
    "JSON": Fault("foreign", status=401, content_type="application/json", body='{"error": "unauthorized"}'),
}  # fmt: skip


@pytest.mark.parametrize("fault", FOREIGN.values(), ids=FOREIGN.keys())
def test_what_did_not_come_from_youtube_is_transient_and_says_so(
    server: Simulator, make: Make, ids: list[str], fault: Fault
) -> None:
    server.faults.add(fault)
    ledger = Ledger()
    client = make(meter=ledger, tries=1)
    for call in (lambda: client.videos(ids), lambda: client.playlist_page("UUx"), lambda: client.statistics(ids)):
        with pytest.raises(TransientError, match="proxy") as caught:
            call()  # type: ignore[no-untyped-call]
        assert "Forest" not in caught.value.message
    assert {status for status, _reason in ledger.settled} == {caught.value.status}
    assert caught.value.status == (302 if fault.name == "redirect" else fault.status)


def test_videos_that_were_not_requested_are_ignored(server: Simulator, make: Make, ids: list[str]) -> None:
    server.world.videos[ids[3]].id = "stranger123"
    batch = make().videos(ids)
    assert {video.video_id for video in batch.items} == set(ids[:3])
    assert batch.missing == [ids[3]]


def test_an_entry_without_content_details_is_not_taken_as_private(
    server: Simulator, make: Make, ids: list[str]
) -> None:
    videos = server.world.videos
    videos[ids[0]].broken, videos[ids[1]].privacy, videos[ids[2]].privacy = "no contentDetails", "private", "deleted"
    videos[ids[3]].broken = "entry"
    page = make().playlist_page(uploads(videos[ids[0]].channel_id))
    readable = {item.video_id: (item.is_readable, item.title) for item in page.items}
    assert readable[ids[0]][0]
    assert readable[ids[1]] == (False, "Private video")
    assert readable[ids[2]] == (False, "Deleted video")
    assert len(page.unreadable) == 1


def test_each_thread_and_process_has_its_own_connection(
    make: Make, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, key = make(), (KEY, "http://127.0.0.1:1", 1.0)
    client.videos(ids)
    mine = client_module._service(*key)
    others: list[object] = []
    thread = threading.Thread(target=lambda: others.append(client_module._service(*key)))
    thread.start()
    thread.join()
    assert client_module._service(*key) is mine
    assert others != [mine]
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert client_module._service(*key) is not mine
