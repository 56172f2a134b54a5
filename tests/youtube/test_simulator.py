"""The simulated YouTube: refusals, contents, and control by other processes."""

from __future__ import annotations

import datetime as dt
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syncjobs.youtube.references import parse_channel
from syncjobs.youtube.simulator import Simulator, World
from syncjobs.youtube.simulator.demo import bands, demo_world, publish_in_background
from syncjobs.youtube.simulator.parameters import token_for
from syncjobs.youtube.simulator.world import uploads
from tests.factories import wait_for

KEY = "a-key-of-the-simulator"


@pytest.fixture
def server() -> Iterator[Simulator]:
    with Simulator(key=KEY) as simulator:
        simulator.world.upload(simulator.world.add_channel("@Band").id, 60)
        yield simulator


def _ask(server: Simulator, path: str, method: str = "GET", body: Any = None, key: str = KEY) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data, {"X-Goog-Api-Key": key}, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ("videos?part=snippet&id=x&nonsense=1", 400, "badRequest"),
        ("videos?part=snippet", 400, "missingRequiredParameter"),
        ("videos:batchGetStats?part=snippet&id=x&maxWidth=1", 400, "badRequest"),
        ("channels?part=snippet&id=x&forHandle=@y", 400, "missingRequiredParameter"),
        ("playlistItems?part=snippet&playlistId={playlist}&pageToken={negative}", 400, "invalidPageToken"),
        ("playlistItems?part=snippet&playlistId={playlist}&pageToken={other}", 400, "invalidPageToken"),
        ("nowhere?part=snippet", 404, "notFound"),
    ],
)
def test_invalid_requests_are_refused(server: Simulator, query: str, status: int, reason: str) -> None:
    playlist = next(iter(server.world.playlists))
    tokens = {"negative": token_for(playlist, -5), "other": token_for("PLother", 50)}
    answer = _ask(server, "/youtube/v3/" + query.format(playlist=playlist, **tokens))
    assert (answer[0], answer[1]["error"]["errors"][0]["reason"]) == (status, reason)


def test_ids_may_be_repeated_or_joined_and_unknown_ids_are_omitted(server: Simulator) -> None:
    one, other, *_ = server.world.videos
    server.world.videos[other].privacy = "private"
    for query in (f"id={one},{other},none", f"id={one}&id={other}&id=none"):
        assert [item["id"] for item in _ask(server, f"/youtube/v3/videos?part=id&{query}")[1]["items"]] == [one]


def test_an_unknown_channel_returns_no_items(server: Simulator) -> None:
    status, body = _ask(server, "/youtube/v3/channels?part=id&forHandle=@nobody")
    assert (status, "items" in body, body["pageInfo"]["totalResults"]) == (200, False, 0)


def test_search_has_its_own_bucket_and_finds_no_private_video(server: Simulator) -> None:
    next(iter(server.world.videos.values())).privacy = "private"
    found = _ask(server, "/youtube/v3/search?part=snippet&q=new&maxResults=50")[1]["items"]
    assert len(found) == 50
    assert _ask(server, "/__simulator__/quota")[1]["search"]["used"] == 1
    assert next(iter(server.world.videos)) not in {item["id"]["videoId"] for item in found}


def test_another_process_can_control_and_watch_the_simulator(server: Simulator) -> None:
    _ask(server, "/__simulator__/faults", "POST", {"faults": [{"name": "backendError", "times": 1}]})
    assert _ask(server, "/youtube/v3/videos?part=id&id=x")[0] == 500
    assert _ask(server, "/youtube/v3/videos?part=id&id=x")[0] == 200
    assert [call["status"] for call in _ask(server, "/__simulator__/log")[1]] == [500, 200]
    _ask(server, "/__simulator__/quota", "POST", {"limits": {"main": 2}})
    assert _ask(server, "/youtube/v3/videos?part=id&id=x")[1]["error"]["errors"][0]["reason"] == "quotaExceeded"
    _ask(server, "/__simulator__/quota", "POST", {"clockOffset": 86_400})
    assert _ask(server, "/youtube/v3/videos?part=id&id=x")[0] == 200
    assert KEY not in json.dumps(_ask(server, "/__simulator__/log")[1])


def test_another_process_can_change_the_world(server: Simulator) -> None:
    def change(**body: Any) -> Any:
        status, answer = _ask(server, "/__simulator__/world", "POST", body)
        assert status == 200, answer
        return answer

    channel = change(action="addChannel", handle="@Other", title="Other")["id"]
    first, second, third = change(action="upload", channel=channel, count=3)
    change(action="move", playlist=uploads(channel), video=first, position=2)
    change(action="privatize", video=first)
    change(action="delete", video=second)
    change(action="remove", video=third)
    [described] = [c for c in _ask(server, "/__simulator__/world")[1] if c["id"] == channel]
    assert sorted(described["videos"]) == sorted([first, second])
    assert [server.world.videos[i].privacy for i in (first, second)] == ["private", "deleted"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("world", {"action": "explode"}),
        ("world", {"action": "upload", "channel": "none"}),
        ("faults", {"faults": [{"name": "none"}]}),
        ("quota", {"limits": {"none": 1}}),
    ],
)
def test_an_invalid_control_request_shows_an_error(server: Simulator, path: str, body: dict[str, Any]) -> None:
    status, answer = _ask(server, f"/__simulator__/{path}", "POST", body)
    assert status == 400
    assert answer["error"]["message"]


def test_the_demo_world_has_every_kind_of_video_and_channel() -> None:
    now = dt.datetime.now(dt.UTC)
    world, rows = demo_world(now), bands()
    videos = list(world.videos.values())
    counts = [len(entries) for entries in world.playlists.values()]
    handles = {channel.handle.lower() for channel in world.channels.values()}
    references = [parse_channel(row["youtube_channel"]) for row in rows]
    unknown = [r for r in references if r.value.lower() not in handles and r.value not in world.channels]
    assert len(rows) == len({row["slug"] for row in rows}) == len(world.channels) == 24
    assert len(unknown) == 1
    assert min(counts) == 0
    assert max(counts) >= 700
    assert max(video.views or 0 for video in videos) > 2**32
    assert any(video.privacy == "private" for video in videos)
    assert any(video.likes is None for video in videos)
    assert any(video.hides_statistics for video in videos)
    assert any(len(video.description) == 5000 for video in videos)
    for part in ("<script>", "🥁", "מצעד"):
        assert any(part in video.title for video in videos)
    assert all(re.fullmatch("[A-Za-z0-9_-]{11}", video.id) for video in videos)
    assert max(video.published_at for video in videos) <= now
    assert [v.id for v in demo_world(now).videos.values()] == [v.id for v in videos]
    later = demo_world(now + dt.timedelta(days=9)).videos
    assert later.keys() > world.videos.keys()
    assert all(later[video.id] == video for video in videos)


def test_a_world_from_a_file_is_deterministic_and_keeps_channels_apart(tmp_path: Path) -> None:
    def row(video_id: str, day: int) -> dict[str, str]:
        return {"id": video_id, "title": f"Show {day}", "publishedAt": f"2026-01-{day:02}T00:00:00.000Z"}

    path = tmp_path / "videos.json"
    entries = [
        {"channelTitle": "The Band", "videos": [row("aaaaaaaaaaa", 1), row("bbbbbbbbbbb", 2)]},
        {"channelTitle": "the band", "videos": [row("aaaaaaaaaaa", 1), row("ccccccccccc", 3)]},
        {"channelTitle": "The Band", "videos": [row("ddddddddddd", 4)]},
    ]
    path.write_text(json.dumps(entries))
    world = World.from_video_file(path)
    one, other = world.channels.values()
    assert (one.title, other.title) == ("The Band", "the band")
    assert one.handle.lower() != other.handle.lower()
    assert world.playlists[uploads(one.id)] == ["ddddddddddd", "bbbbbbbbbbb", "aaaaaaaaaaa"]
    assert world.playlists[uploads(other.id)] == ["ccccccccccc", "aaaaaaaaaaa"]
    assert world.videos["aaaaaaaaaaa"].channel_id == one.id
    assert World.from_video_file(path).videos == world.videos


def test_the_demonstration_has_a_new_video_now_and_then(server: Simulator) -> None:
    before = set(server.world.videos)
    publish_in_background(server, 0.05)
    [video_id, *_] = wait_for(lambda: set(server.world.videos) - before)
    assert abs(server.now() - server.world.videos[video_id].published_at).total_seconds() < 60
