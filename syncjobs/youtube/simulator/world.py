"""The state of the simulated YouTube: channels, videos and playlists. Tests may change it during a sync."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import random
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_PLAYLIST = 20_000
"""playlistItems.list returns at most about 20,000 entries of a playlist (observed, undocumented)."""
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def made_up_id(seed: str, length: int) -> str:
    """Return an id that depends only on the seed."""
    digest = hashlib.sha512(seed.encode()).digest()
    return "".join(_ALPHABET[byte % 64] for byte in digest[:length])


@dataclass
class Video:
    """A video. A count of None is hidden from the API."""

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
    """public, unlisted, private or "deleted". Playlists keep the entries of private and deleted videos."""
    live: str = "none"
    scheduled_start_at: dt.datetime | None = None
    tags: list[str] = field(default_factory=list)
    broken: str = ""
    """How its resource is malformed. In videos.list: "no snippet" (or another part), "bad duration", "bad count" or
    "no id". In playlistItems.list: "entry" or "no contentDetails"."""
    updated_at: dt.datetime | None = None

    @property
    def changed_at(self) -> dt.datetime:
        """When it was published or last changed."""
        return self.updated_at or self.published_at

    @property
    def is_readable(self) -> bool:
        """Whether videos.list returns it to people other than its owner."""
        return self.privacy in ("public", "unlisted")


@dataclass
class Channel:
    """A channel."""

    id: str
    handle: str
    title: str
    username: str = ""
    count_ahead: int = 0
    """How many more videos videoCount counts than the uploads playlist lists. Either may lag by minutes (observed)."""


class World:
    """All channels, videos and playlists. Hold `lock` to change several things at once."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.channels: dict[str, Channel] = {}
        self.videos: dict[str, Video] = {}
        self.playlists: dict[str, list[str]] = {}
        self.feed_lag = dt.timedelta()
        """How long feeds don't show a change: YouTube caches them (observed)."""
        self.on_change: list[Callable[[Video, bool], None]] = []
        """Called with a video that was uploaded, changed or, if the second value is True, taken away."""

    def add_channel(self, handle: str, title: str = "", *, channel_id: str = "", username: str = "") -> Channel:
        """Add a channel without videos."""
        channel = Channel(channel_id or "UC" + made_up_id(handle, 22), handle, title or handle[1:], username)
        with self.lock:
            self.channels[channel.id] = channel
            self.playlists[uploads(channel.id)] = []
        return channel

    def add_videos(self, channel_id: str, videos: Iterable[Video]) -> list[Video]:
        """Upload videos. The uploads playlist lists newest first."""
        added = list(videos)
        with self.lock:
            self.videos.update((video.id, video) for video in added)
            entries = set(self.playlists[uploads(channel_id)]) | {video.id for video in added}
            self.playlists[uploads(channel_id)] = sorted(
                entries, key=lambda i: (self.videos[i].published_at, i), reverse=True
            )
        return added

    def upload(self, channel_id: str, count: int = 1, *, prefix: str = "new") -> list[Video]:
        """Upload `count` plain videos that are newer than all others of the channel."""
        with self.lock:
            entries = self.playlists[uploads(channel_id)]
            newest = max((self.videos[i].published_at for i in entries), default=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
            videos = [
                Video(
                    id=made_up_id(f"{channel_id}{prefix}{len(entries)}{number}", 11),
                    title=f"{prefix} {number + 1}",
                    channel_id=channel_id,
                    published_at=newest + dt.timedelta(hours=number + 1),
                )
                for number in range(count)
            ]
            self.add_videos(channel_id, videos)
        for video in videos:
            self._changed(video)
        return videos

    def publish(self, channel_id: str, now: dt.datetime, *, title: str = "", video_id: str = "") -> Video:
        """Upload one plain video that is published now."""
        with self.lock:
            count = len(self.playlists[uploads(channel_id)])
            name = video_id or made_up_id(f"{channel_id}published{count}{now.timestamp()}", 11)
            video = Video(name, title or f"Published {count + 1}", channel_id, now)
            self.add_videos(channel_id, [video])
        self._changed(video)
        return video

    def retitle(self, video_id: str, title: str, now: dt.datetime) -> None:
        """Change a video's title."""
        with self.lock:
            video = self.videos[video_id]
            video.title, video.updated_at = title, now
        self._changed(video)

    def set_privacy(self, video_id: str, privacy: str) -> None:
        """Make a video public, unlisted, private or "deleted"."""
        video = self.videos[video_id]
        video.privacy = privacy
        self._changed(video, is_gone=privacy != "public")

    def remove(self, video_id: str) -> None:
        """Delete a video from videos.list and from all playlists."""
        with self.lock:
            video = self.videos.pop(video_id, None)
            for entries in self.playlists.values():
                if video_id in entries:
                    entries.remove(video_id)
        if video is not None:
            self._changed(video, is_gone=True)

    def _changed(self, video: Video, *, is_gone: bool = False) -> None:
        for listener in self.on_change:
            listener(video, is_gone)

    def move(self, playlist_id: str, video_id: str, position: int) -> None:
        """Move a playlist's entry to another position."""
        with self.lock:
            self.playlists[playlist_id].remove(video_id)
            self.playlists[playlist_id].insert(position, video_id)

    def video_count(self, channel: Channel) -> int:
        """Return statistics.videoCount, which counts public videos only."""
        entries = self.playlists[uploads(channel.id)]
        return sum(self.videos[i].privacy == "public" for i in set(entries)) + channel.count_ahead

    @classmethod
    def from_video_file(cls, path: Path) -> World:
        """Read a JSON list of {channelTitle, videos: [{id, title, publishedAt}]}, and invent the other fields."""
        world = cls()
        for entry in json.loads(path.read_text(encoding="utf-8")):
            channel = world._channel_titled(entry["channelTitle"])
            rows = {row["id"]: row for row in entry["videos"]}
            # A video belongs to the first channel that lists it; the others only have a playlist entry.
            videos = [world.videos.get(i) or _invented(row, channel.id) for i, row in rows.items()]
            world.add_videos(channel.id, videos)
        return world

    def _channel_titled(self, title: str) -> Channel:
        """Return the channel with that title, or add it. Channels with different titles get different handles."""
        for channel in self.channels.values():
            if channel.title == title:
                return channel
        taken = {channel.handle.lower() for channel in self.channels.values()}
        handle = "@" + (re.sub(r"[^A-Za-z0-9]", "", title)[:30] or made_up_id(title, 12))
        return self.add_channel(handle if handle.lower() not in taken else f"@{made_up_id(title, 20)}", title)


def uploads(channel_id: str) -> str:
    """Return the id of a channel's uploads playlist."""
    return "UU" + channel_id[2:]


def _invented(row: dict[str, Any], channel_id: str) -> Video:
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
