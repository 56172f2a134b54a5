"""Feeds and notices: what is read of them, and what YouTube's server may answer instead."""

from __future__ import annotations

import datetime as dt
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from syncjobs.youtube.feeds import FeedFailed, MalformedFeed, parse_feed, read_feed
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import FEED, Fault
from syncjobs.youtube.simulator.feeds import deletion, notice

NOW = dt.datetime(2026, 11, 29, 12, tzinfo=dt.UTC)
_ATOM = 'xmlns="http://www.w3.org/2005/Atom" xmlns:yt="http://www.youtube.com/xml/schemas/2015"'
_BOMB = '<!DOCTYPE f [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.fixture
def server() -> Iterator[Simulator]:
    with Simulator() as simulator:
        simulator.world.upload(simulator.world.add_channel("@Band").id, 20)
        yield simulator


def test_a_feed_has_the_15_newest_public_videos_and_its_validators_answer_304(server: Simulator) -> None:
    channel_id = next(iter(server.world.channels))
    newest = server.world.publish(channel_id, NOW, title="Halftime <show> & “more”")
    server.world.publish(channel_id, NOW + dt.timedelta(hours=1)).privacy = "private"
    answer = read_feed(server.feed_url, channel_id)
    assert answer.feed
    assert len(answer.feed.entries) == 15
    [first, *_] = answer.feed.entries
    assert (first.video_id, first.channel_id, first.title) == (newest.id, channel_id, "Halftime <show> & “more”")
    assert (first.published_at, first.updated_at) == (NOW, NOW)
    for validators in ({"etag": answer.etag}, {"last_modified": answer.last_modified}):
        assert read_feed(server.feed_url, channel_id, **validators).feed is None
    server.world.retitle(newest.id, "Another title", NOW + dt.timedelta(minutes=1))
    changed = read_feed(server.feed_url, channel_id, etag=answer.etag, last_modified=answer.last_modified)
    assert changed.feed
    assert changed.feed.entries[0].title == "Another title"
    assert [entry["status"] for entry in server.feed_log] == [200, 304, 304, 200]
    assert server.units() == 0


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("foreign", FEED, status=404), 404),
        (Fault("backendError", FEED), 500),
        (Fault("drop", FEED), None),
        (Fault("hang", FEED), None),
        (Fault("truncate", FEED), 200),
        (Fault("garbage", FEED), 200),
        (Fault("unavailable", FEED), 503),
        (Fault("redirect", FEED), 302),
        (Fault("foreign", FEED, body=f"<feed {_ATOM}>" + " " * 1_000_001 + "</feed>"), 200),
    ],
)
def test_whatever_else_the_server_answers_is_one_error(server: Simulator, fault: Fault, status: int | None) -> None:
    server.faults.add(fault)
    channel_id = next(iter(server.world.channels))
    with pytest.raises(FeedFailed) as caught:
        read_feed(server.feed_url, channel_id, timeout=0.3)
    assert caught.value.status == status
    assert str(caught.value)
    server.faults.clear()
    assert read_feed(server.feed_url, channel_id).feed


def test_a_feed_that_lags_does_not_have_the_video_yet(server: Simulator) -> None:
    channel_id = next(iter(server.world.channels))
    server.world.feed_lag = dt.timedelta(minutes=15)
    new = server.world.publish(channel_id, server.now())
    answer = read_feed(server.feed_url, channel_id)
    assert answer.feed
    assert new.id not in {entry.video_id for entry in answer.feed.entries}


def test_notices_of_the_hub_are_read(server: Simulator) -> None:
    channel = next(iter(server.world.channels.values()))
    video = server.world.publish(channel.id, NOW, title="New")
    [entry] = parse_feed(notice(video, channel).encode()).entries
    assert (entry.video_id, entry.channel_id, entry.title, entry.published_at) == (video.id, channel.id, "New", NOW)
    feed = parse_feed(deletion(video, channel, NOW).encode())
    assert (feed.entries, feed.deleted) == ([], {video.id: NOW})


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"\xff\xfe", b"<feed/>", b"<html><body></html>", f"{_BOMB}<feed {_ATOM}>&b;</feed>".encode(),
        f'<?xml version="1.0" encoding="nonsense"?><feed {_ATOM}/>'.encode(), b"<feed>" * 10_000,
        f'<!DOCTYPE f SYSTEM "file:///etc/passwd"><feed {_ATOM}/>'.encode(), f"<feed {_ATOM}>\0</feed>".encode(),
    ],
)  # fmt: skip
def test_what_is_no_feed_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedFeed):
        parse_feed(body)


def test_entries_that_name_no_video_are_left_out_and_the_others_are_kept() -> None:
    good = "<yt:videoId>aaaaaaaaaaa</yt:videoId><yt:channelId>UC1</yt:channelId><title>Fifth\u202e\nquarter</title>"
    bad = (
        "", "<yt:videoId>no id!</yt:videoId>", f"<yt:videoId>{'a' * 33}</yt:videoId>", "<yt:videoId><a/></yt:videoId>",
        f"<yt:videoId>bbbbbbbbbbb</yt:videoId><yt:channelId>{'U' * 99}</yt:channelId>",
    )  # fmt: skip
    entries = "".join(f"<entry>{inner}</entry>" for inner in (*bad, good + "<published>soon</published>"))
    tombstones = "".join(
        f'<d:deleted-entry xmlns:d="http://purl.org/atompub/tombstones/1.0" ref="{ref}"/>'
        for ref in ("", "yt:video:", "yt:playlist:x", "yt:video:ccccccccccc")
    )
    feed = parse_feed(f"<feed {_ATOM}>{entries}{tombstones}</feed>".encode())
    assert feed.deleted == {"ccccccccccc": None}
    [entry] = feed.entries
    assert (entry.video_id, entry.title, entry.published_at, entry.updated_at) == (
        "a" * 11,
        "Fifth quarter",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("start", "drip", "after"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"x", None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 1_100_000, b"", 200),
        (b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", b"", 302),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", b"", 304),
        (b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest nonsense=\r\nContent-Length: 0\r\n\r\n", b"", 401),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", b"", 200),
    ],
    ids=["headers", "body", "chunk", "long", "redirect", "304", "401", "gzip"],
)
def test_a_response_that_never_ends_or_was_not_asked_for_is_one_error(
    start: bytes, drip: bytes, after: int | None
) -> None:
    """Each byte that comes begins a new time limit of the socket, but not of the request."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        peer, _address = listener.accept()
        with peer, suppress(OSError):
            peer.recv(65_536)
            peer.sendall(start)
            while drip and peer.send(drip):
                time.sleep(0.05)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener, pytest.raises(FeedFailed) as caught:
        read_feed(f"http://127.0.0.1:{listener.getsockname()[1]}/feed", "UCx", timeout=0.5)
    assert caught.value.status == after
    thread.join(10)
    assert not thread.is_alive()
