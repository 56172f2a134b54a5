"""What the simulated YouTube holds: channels, videos and playlists, which a test may change while they are read."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import random
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_PLAYLIST = 20_000
"""Entries of a playlist that playlistItems.list will ever give."""
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def made_up_id(seed: str, length: int) -> str:
    """An id that is always the same for the same seed."""
    digest = hashlib.sha512(seed.encode()).digest()
    return "".join(_ALPHABET[byte % 64] for byte in digest[:length])


@dataclass
class Video:
    """A video as the simulator holds it. Counts of None are hidden."""

    id: str
    title: str
    channel_id: str
    published_at: dt.datetime
    description: str = ""
    duration: str = "PT3M33S"
    views: int | None = 1000
    likes: int | None = 10
    comments: int | None = 1
    hides_statistics: bool = False
    privacy: str = "public"
    """public, unlisted or private; or "deleted", which leaves its entries in playlists."""
    live: str = "none"
    tags: list[str] = field(default_factory=list)
    broken: str = ""
    """How videos.list spoils it: "no snippet", "bad duration", "bad count" or "no id"; "entry" and "no contentDetails"
    spoil its playlist entry."""

    @property
    def is_readable(self) -> bool:
        """Whether videos.list gives it to a stranger."""
        return self.privacy in ("public", "unlisted")


@dataclass
class Channel:
    """A channel; `count_lag` is how far its videoCount is behind."""

    id: str
    handle: str
    title: str
    username: str = ""
    count_lag: int = 0


class World:
    """All there is. Hold `lock` to change several things at once."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.channels: dict[str, Channel] = {}
        self.videos: dict[str, Video] = {}
        self.playlists: dict[str, list[str]] = {}

    def add_channel(self, handle: str, title: str = "", *, channel_id: str = "", username: str = "") -> Channel:
        """Add a channel without videos."""
        channel = Channel(channel_id or "UC" + made_up_id(handle, 22), handle, title or handle[1:], username)
        with self.lock:
            self.channels[channel.id] = channel
            self.playlists[uploads(channel.id)] = []
        return channel

    def add_videos(self, channel_id: str, videos: Iterable[Video]) -> list[Video]:
        """Upload videos; the uploads playlist has the newest first."""
        added = list(videos)
        with self.lock:
            self.videos.update((video.id, video) for video in added)
            entries = set(self.playlists[uploads(channel_id)]) | {video.id for video in added}
            self.playlists[uploads(channel_id)] = sorted(
                entries, key=lambda i: (self.videos[i].published_at, i), reverse=True
            )
        return added

    def upload(self, channel_id: str, count: int = 1, *, prefix: str = "new") -> list[Video]:
        """Upload `count` plain videos, newer than all there are."""
        with self.lock:
            entries = self.playlists[uploads(channel_id)]
            newest = max((self.videos[i].published_at for i in entries), default=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
            made = [
                Video(
                    id=made_up_id(f"{channel_id}{prefix}{len(entries)}{number}", 11),
                    title=f"{prefix} {number + 1}",
                    channel_id=channel_id,
                    published_at=newest + dt.timedelta(hours=number + 1),
                )
                for number in range(count)
            ]
            return self.add_videos(channel_id, made)

    def remove(self, video_id: str) -> None:
        """Delete a video: it vanishes from playlists and from videos.list."""
        with self.lock:
            self.videos.pop(video_id, None)
            for entries in self.playlists.values():
                if video_id in entries:
                    entries.remove(video_id)

    def move(self, playlist_id: str, video_id: str, position: int) -> None:
        """Move a playlist's entry to another position."""
        with self.lock:
            self.playlists[playlist_id].remove(video_id)
            self.playlists[playlist_id].insert(position, video_id)

    def break_some(self, rate: float, seed: int = 1) -> list[str]:
        """Spoil a share of all videos, in every way there is; returns their ids."""
        rng = random.Random(seed)  # noqa: S311 - test data
        ways = ["no snippet", "bad duration", "bad count"]
        with self.lock:
            chosen = [video for video in self.videos.values() if rng.random() < rate]
            for number, video in enumerate(chosen):
                video.broken = ways[number % len(ways)]
        return [video.id for video in chosen]

    def video_count(self, channel: Channel) -> int:
        """statistics.videoCount: public videos, some time ago."""
        entries = self.playlists[uploads(channel.id)]
        return sum(self.videos[i].privacy == "public" for i in entries) - channel.count_lag

    @classmethod
    def from_video_file(cls, path: Path) -> World:
        """From a JSON list of {channelTitle, videos: [{id, title, publishedAt}]}; what it lacks is made up."""
        world = cls()
        for entry in json.loads(path.read_text(encoding="utf-8")):
            channel = world._channel_titled(entry["channelTitle"])
            rows = {row["id"]: row for row in entry["videos"]}
            # A video has one owner; whoever else lists it only has an entry of it.
            videos = [world.videos.get(i) or _made_up(row, channel.id) for i, row in rows.items()]
            world.add_videos(channel.id, videos)
        return world

    def _channel_titled(self, title: str) -> Channel:
        """The channel of that title, made if need be; titles that differ never share a handle."""
        titled = next((channel for channel in self.channels.values() if channel.title == title), None)
        taken = {channel.handle.lower() for channel in self.channels.values()}
        handle = handle_of(title)
        return titled or self.add_channel(handle if handle.lower() not in taken else f"@{made_up_id(title, 20)}", title)

    @classmethod
    def demo(cls) -> World:
        """The channels of the demonstration bands, all invented."""
        from .demo import fill

        world = cls()
        fill(world)
        return world


def uploads(channel_id: str) -> str:
    """The uploads playlist of a channel."""
    return "UU" + channel_id[2:]


def handle_of(title: str) -> str:
    """A handle made of a title's letters and digits."""
    return "@" + (re.sub(r"[^A-Za-z0-9]", "", title)[:30] or made_up_id(title, 12))


def _made_up(row: dict[str, Any], channel_id: str) -> Video:
    rng = random.Random(row["id"])  # noqa: S311 - test data
    return Video(
        id=row["id"],
        title=row["title"],
        channel_id=channel_id,
        published_at=dt.datetime.fromisoformat(row["publishedAt"]),
        description=f"{row['title']}\n\nFrom the archive.",
        duration=f"PT{rng.randint(0, 59)}M{rng.randint(1, 59)}S",
        views=rng.randint(0, 2_000_000),
        likes=None if rng.random() < 0.05 else rng.randint(0, 50_000),
        comments=None if rng.random() < 0.05 else rng.randint(0, 3000),
        tags=["band"] * (rng.random() < 0.5),
    )


def _timestamp(when: dt.datetime) -> str:
    return when.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def etag(value: object) -> str:
    """An ETag of a JSON value."""
    return hashlib.md5(json.dumps(value, sort_keys=True).encode(), usedforsecurity=False).hexdigest()[:27]


def _thumbnails(video_id: str) -> dict[str, Any]:
    return {
        size: {"url": f"https://i.ytimg.com/vi/{video_id}/{name}.jpg", "width": width, "height": height}
        for size, name, width, height in (("default", "default", 120, 90), ("medium", "mqdefault", 320, 180))
    }


def channel_resource(world: World, channel: Channel, parts: Sequence[str]) -> dict[str, Any]:
    """channels#resource"""
    content: dict[str, Any] = {
        "snippet": {"title": channel.title, "customUrl": channel.handle.lower(), "description": ""},
        "contentDetails": {"relatedPlaylists": {"likes": "", "uploads": uploads(channel.id)}},
        "statistics": {"viewCount": "1", "hiddenSubscriberCount": True, "videoCount": str(world.video_count(channel))},
    }
    body = {"kind": "youtube#channel", "id": channel.id} | {part: content[part] for part in parts if part in content}
    return {"etag": etag(body)} | body


def playlist_entry(world: World, playlist_id: str, position: int, parts: Sequence[str]) -> dict[str, Any]:
    """playlistItems#resource; private videos keep an entry that tells nothing."""
    video = world.videos[world.playlists[playlist_id][position]]
    owner = world.channels[video.channel_id]
    public = video.is_readable
    remains = ("Deleted video", "This video is unavailable.")
    if video.privacy == "private":
        remains = ("Private video", "This video is private.")
    snippet: dict[str, Any] = {
        "publishedAt": _timestamp(video.published_at),
        "channelId": owner.id,
        "title": video.title if public else remains[0],
        "description": video.description if public else remains[1],
        "thumbnails": _thumbnails(video.id) if public else {},
        "channelTitle": owner.title,
        "playlistId": playlist_id,
        "position": position,
        "resourceId": {"kind": "youtube#video", "videoId": video.id},
    }
    details: dict[str, Any] = {"videoId": video.id}
    if public:
        snippet |= {"videoOwnerChannelTitle": owner.title, "videoOwnerChannelId": owner.id}
        details["videoPublishedAt"] = _timestamp(video.published_at)
    if video.broken == "entry":
        snippet.pop("resourceId")
        details = {}
    privacy = video.privacy if video.privacy != "deleted" else "privacyStatusUnspecified"
    content = {"snippet": snippet, "contentDetails": details, "status": {"privacyStatus": privacy}}
    if video.broken == "no contentDetails":
        content.pop("contentDetails")
    body: dict[str, Any] = {"kind": "youtube#playlistItem", "id": made_up_id(playlist_id + video.id, 48)}
    body |= {part: content[part] for part in parts if part in content}
    return {"etag": etag(body)} | body


def statistics_of(video: Video) -> dict[str, str]:
    """The counts that are not hidden, as the strings YouTube writes."""
    counts = {"viewCount": video.views, "likeCount": video.likes, "commentCount": video.comments}
    return {name: str(count) for name, count in counts.items() if count is not None}


def video_resource(world: World, video: Video, parts: Sequence[str]) -> dict[str, Any]:
    """videos#resource"""
    snippet = {
        "publishedAt": _timestamp(video.published_at),
        "channelId": video.channel_id,
        "title": video.title,
        "description": video.description,
        "thumbnails": _thumbnails(video.id),
        "channelTitle": world.channels[video.channel_id].title,
        "categoryId": "10",
        "liveBroadcastContent": video.live,
    } | ({"tags": video.tags} if video.tags else {})
    content: dict[str, Any] = {
        "snippet": snippet,
        "contentDetails": {
            "duration": "three minutes" if video.broken == "bad duration" else video.duration,
            "definition": "hd",
            "caption": "false",
        },
        "status": {
            "uploadStatus": "processed",
            "privacyStatus": video.privacy,
            "embeddable": True,
            "madeForKids": False,
        },
        "statistics": statistics_of(video) | ({"viewCount": "many"} if video.broken == "bad count" else {}),
    }
    if video.live != "none":
        content["liveStreamingDetails"] = {"scheduledStartTime": _timestamp(video.published_at + dt.timedelta(days=1))}
    if video.hides_statistics:
        content.pop("statistics")
    if video.broken == "no snippet":
        content.pop("snippet")
    name = {} if video.broken == "no id" else {"id": video.id}
    body: dict[str, Any] = {"kind": "youtube#video", **name} | {
        part: content[part] for part in parts if part in content
    }
    return {"etag": etag(body)} | body


def stat_resource(video: Video, parts: Sequence[str]) -> dict[str, Any]:
    """videoStat of videos.batchGetStats: durations in seconds, times under another name."""
    content: dict[str, Any] = {
        "snippet": {"publishTime": _timestamp(video.published_at)},
        "contentDetails": {"duration": "213s"},
        "statistics": {} if video.hides_statistics else statistics_of(video),
    }
    known: dict[str, Any] = {part: content[part] for part in parts if part in content}
    return {"kind": "youtube#videoStats", "id": video.id} | known
