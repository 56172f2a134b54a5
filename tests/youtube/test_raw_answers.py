"""What the client makes of bytes that no server of Google's sends: it raises a YouTubeError, or returns what can be read."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from syncjobs.youtube import transport
from syncjobs.youtube.client import YouTubeClient
from syncjobs.youtube.errors import Forbidden, Kind, TransientError, YouTubeError
from syncjobs.youtube.references import ChannelReference

VIDEO, CHANNEL = "dQw4w9WgXcQ", "UC" + "x" * 22


class RawServer:
    """Answers each request with `reply`; then it repeats `more` every `pause` seconds until the client goes away."""

    def __init__(self) -> None:
        self.reply, self.more, self.pause = b"", b"", 0.0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                try:
                    # The request of a GET fits into one packet.
                    connection.recv(65_536)
                    connection.sendall(self.reply)
                    while self.more:
                        connection.sendall(self.more)
                        time.sleep(self.pause)
                except OSError:
                    pass

    def close(self) -> None:
        self._socket.close()


class Ledger:
    def __init__(self) -> None:
        self.results: list[tuple[int | None, str]] = []

    def reserve(self, operation: object) -> object:
        return None

    def record_result(
        self, receipt: object, *, status: int | None, reason: str, seconds: float, is_accepted: bool
    ) -> None:
        self.results.append((status, reason))


@pytest.fixture
def server() -> Iterator[RawServer]:
    running = RawServer()
    yield running
    running.close()


def client(server: RawServer, ledger: Ledger | None = None, timeout: float = 5) -> YouTubeClient:
    return YouTubeClient(api_key="a-test-key", endpoint=server.url, meter=ledger or Ledger(), timeout=timeout, tries=1)


def http(body: str | bytes, status: str = "200 OK", headers: str = "", kind: str = "application/json") -> bytes:
    body = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{headers}Content-Length: {len(body)}\r\nConnection: close"
    return head.encode() + b"\r\n\r\n" + body


def listing(kind: str, items: Any, **members: Any) -> str:
    return json.dumps({"kind": f"youtube#{kind}ListResponse", "items": items} | members)


def google_error(code: int, **members: Any) -> bytes:
    return http(json.dumps({"error": {"code": code, "message": "No."} | members}), f"{code} No")


def video(**members: Any) -> dict[str, Any]:
    snippet = {"title": "t", "publishedAt": "2020-01-01T00:00:00Z", "liveBroadcastContent": "none"}
    return {"id": VIDEO, "snippet": snippet, "contentDetails": {"duration": "PT1S"}} | members


GZIP = "Content-Encoding: gzip\r\n"
BROKEN = {
    "no status line": b"garbage\r\n\r\n",
    "HTTP 0.9": b"<html>hi</html>",
    "HTTP 2": b"HTTP/2 200 OK\r\n\r\n{}",
    "100 and no more": b"HTTP/1.1 100 Continue\r\n\r\n",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
    "too short": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}",
    "chunk cut off": b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{"kind',
    "chunk without length": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{",
    "chunk of negative length": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n{}",
    "long header": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n{}",
    "not gzip": http("{}", headers=GZIP),
    "error that is not gzip": http("{}", "403 No", GZIP),
    "gzip cut off": http(gzip.compress(listing("video", []).encode())[:-20], headers=GZIP),
    "latin-1": http('{"kind": "youtube#videoListResponse", "é": 1}'.encode("latin-1")),
    "deep": http('{"kind": "youtube#videoListResponse", "items": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    "long number": http('{"kind": "youtube#videoListResponse", "items": [' + "9" * 5000 + "]}"),
    **{f"JSON {text}": http(text) for text in ("{}", "[]", "null", '"x"', "5", "", "NaN")},
    "other list": http(listing("channel", [])),
    "error with 200": http(listing("video", [], error={"code": 500})),
    "items null": http(listing("video", None)),
    "items an object": http(listing("video", {})),
    "items twice": http('{"kind": "youtube#videoListResponse", "items": [], "items": null}'),
    "300": http("", "300 Many", "Location: http://127.0.0.1:1/\r\n"),
    "308": http("", "308 Moved", "Location: http://127.0.0.1:1/\r\n"),
    "error without object": http('{"error": null}', "400 No"),
    "list of errors": http('[{"error": {"message": 5}}]', "400 No"),
    "empty reason": google_error(403, errors=[{"reason": ""}]),
    "reason that can't be stored": google_error(403, errors=[{"reason": "\x00"}]),
    "reason of a number": google_error(403, errors=[{"reason": 5}]),
    "another system's status": google_error(403, status="BLOCKED_BY_POLICY"),
}


@pytest.mark.parametrize("reply", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_answer_is_a_temporary_error_with_a_reason(server: RawServer, reply: bytes) -> None:
    server.reply = reply
    ledger = Ledger()
    with pytest.raises(TransientError) as caught:
        client(server, ledger).videos([VIDEO])
    assert [reason for _status, reason in ledger.results] == [caught.value.reason]
    assert caught.value.reason
    assert "Error" not in caught.value.message or "broke" in caught.value.message


@pytest.mark.parametrize("message", [5, ["x"], {}, None, ""])
def test_an_error_whose_message_is_no_text_keeps_its_reason(server: RawServer, message: object) -> None:
    server.reply = google_error(403, message=message, errors=[{"reason": "forbidden"}])
    with pytest.raises(Forbidden, match="HTTP status 403"):
        client(server).videos([VIDEO])


@pytest.mark.parametrize(
    "message",
    [
        "Permission denied: Consumer 'api_key:x' has been suspended.",
        "The provided API key has an IP address restriction. The originating IP address of the call violates it.",
        "Requests from referer <empty> are blocked.",
        "Requests to this API youtube method youtube.api.v3.V3DataVideoService.List are blocked.",
        "YouTube Data API v3 has not been used in project 1 before or it is disabled.",
        "This API method requires billing to be enabled.",
    ],
)
def test_a_message_about_the_key_is_not_about_what_was_asked_for(server: RawServer, message: str) -> None:
    server.reply = google_error(403, message=message, errors=[{"reason": "forbidden"}], status="PERMISSION_DENIED")
    with pytest.raises(YouTubeError) as caught:
        client(server).videos([VIDEO])
    assert caught.value.kind is Kind.CONFIGURATION


@pytest.mark.parametrize("status", [429, 503])
def test_a_limit_for_the_consumer_is_not_about_the_key(server: RawServer, status: int) -> None:
    message = "Quota exceeded for 'Queries per minute'. Requests to this API, permission denied: consumer 'api_key:x'."
    server.reply = google_error(status, message=message, errors=[{"reason": "rateLimitExceeded"}])
    with pytest.raises(TransientError):
        client(server).videos([VIDEO])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gzip"])
def test_other_encodings_of_json_are_read(server: RawServer, encoding: str) -> None:
    body = listing("video", [video()])
    server.reply = (
        http(gzip.compress(body.encode()), headers=GZIP) if encoding == "gzip" else http(body.encode(encoding))
    )
    assert [item.title for item in client(server).videos([VIDEO]).items] == ["t"]


@pytest.mark.parametrize("length", ["Content-Length: 99999999999", "Transfer-Encoding: chunked"])
def test_an_answer_without_end_is_given_up(server: RawServer, length: str) -> None:
    server.reply = f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode()
    server.more = b"1000\r\n" + b" " * 4096 + b"\r\n"
    with pytest.raises(TransientError, match="broke"):
        client(server).videos([VIDEO])


def test_an_answer_that_trickles_is_given_up(server: RawServer) -> None:
    server.reply, server.more = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", b" "
    server.pause = 0.05
    began = time.monotonic()
    with pytest.raises(TransientError, match="did not respond"):
        client(server, timeout=0.3).videos([VIDEO])
    assert time.monotonic() - began >= 0.3 * transport.PATIENCE


@pytest.mark.parametrize("total", [0, 7, -1, "60", None, True, 1.5, 10**30, [], float("nan")])
def test_a_total_that_is_no_number_of_entries_is_unknown(server: RawServer, total: object) -> None:
    page = {"pageInfo": {"totalResults": total}, "nextPageToken": total}
    server.reply = http(listing("playlistItem", [], **page))
    parsed = client(server).playlist_page("PLx")
    assert parsed.total_results == {"0": 0, "7": 7, "60": 60}.get(str(total))
    assert parsed.next_page_token == ("60" if total == "60" else None)


@pytest.mark.parametrize("width", [10**30, -1, True, 0.5, float("nan"), "120", None])
def test_a_thumbnail_keeps_only_a_size_that_can_be_stored(server: RawServer, width: object) -> None:
    snippet = {"title": "t", "thumbnails": {"default": {"url": "u", "width": width, "height": 90}}}
    server.reply = http(listing("video", [video(snippet=snippet)]))
    [found] = client(server).videos([VIDEO]).items
    assert found.thumbnails == {"default": {"url": "u", "height": 90}}


@pytest.mark.parametrize("start", ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "soon", 5])
def test_an_impossible_start_is_unknown_and_an_impossible_publication_unreadable(
    server: RawServer, start: object
) -> None:
    server.reply = http(listing("video", [video(liveStreamingDetails={"scheduledStartTime": start})]))
    assert [item.scheduled_start_at for item in client(server).videos([VIDEO]).items] == [None]
    server.reply = http(listing("video", [video(snippet={"title": "t", "publishedAt": start})]))
    assert [item.item_id for item in client(server).videos([VIDEO]).unreadable] == [VIDEO]


@pytest.mark.parametrize("count", ["many", -1, 10**18, "9" * 19, [], True])
def test_a_channel_with_a_malformed_count_lacks_its_statistics(server: RawServer, count: object) -> None:
    item = {"id": CHANNEL, "snippet": {"title": 5}, "statistics": {"videoCount": count}, "contentDetails": {"x": 1}}
    server.reply = http(listing("channel", [None, {"id": 5}, item]))
    [channel] = client(server).channels([CHANNEL])
    assert (channel.video_count, channel.title, channel.missing_parts) == (None, "", {"statistics", "snippet"})
    assert client(server).find_channel(ChannelReference("id", CHANNEL)) == channel


def test_an_unreadable_channel_is_not_taken_for_deleted(server: RawServer) -> None:
    server.reply = http(listing("channel", [{"id": 5}]))
    assert client(server).channels([CHANNEL]) == []
    with pytest.raises(TransientError, match="invalid id"):
        client(server).find_channel(ChannelReference("id", CHANNEL))
    server.reply = http(listing("channel", [{"id": "UC" + "y" * 22}]))
    assert client(server).find_channel(ChannelReference("id", CHANNEL)) is None


def test_a_channel_may_also_be_missing_by_an_error(server: RawServer) -> None:
    server.reply = google_error(404, errors=[{"reason": "channelNotFound"}])
    assert client(server).channels([CHANNEL]) == []
    assert client(server).find_channel(ChannelReference("handle", "@herons")) is None


def test_a_private_entry_without_details_stays_private(server: RawServer) -> None:
    entry = {"id": "e", "snippet": {"title": "Private video", "publishedAt": "2020-01-01T00:00:00Z",
             "resourceId": {"videoId": VIDEO}}, "status": {"privacyStatus": "private"}}  # fmt: skip
    server.reply = http(listing("playlistItem", [entry]))
    [item] = client(server).playlist_page("PLx").items
    assert not item.is_readable
