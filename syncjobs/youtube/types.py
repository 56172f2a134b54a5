"""What the client returns."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel. `video_count` is its number of public videos, which lags behind (channels#statistics.videoCount)."""

    id: str
    handle: str
    title: str
    uploads_playlist_id: str
    video_count: int | None


@dataclass(frozen=True, slots=True)
class PlaylistItem:
    """A playlist's entry. Private and deleted videos stay in playlists, without `published_at`."""

    video_id: str
    title: str
    description: str
    channel_id: str
    channel_title: str
    published_at: dt.datetime | None
    thumbnails: dict[str, Any]

    @property
    def is_readable(self) -> bool:
        """False for the remains of a private or deleted video."""
        return self.published_at is not None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An item of an answer that makes no sense; the others of the answer are fine."""

    item_id: str
    message: str


@dataclass(frozen=True, slots=True)
class PlaylistPage:
    """Up to 50 entries, and the token of the next page, if there is one."""

    items: list[PlaylistItem]
    unreadable: list[Unreadable]
    next_page_token: str | None
    total_results: int | None


@dataclass(frozen=True, slots=True)
class VideoDetails:
    """All that videos.list tells of a video and a site shows. Counts that are hidden are None."""

    video_id: str
    title: str
    description: str
    channel_id: str
    channel_title: str
    published_at: dt.datetime | None
    duration_seconds: int | None
    live_state: str
    scheduled_start_at: dt.datetime | None
    thumbnails: dict[str, Any]
    tags: list[str]
    category_id: str
    default_language: str
    definition: str
    privacy_status: str
    embeddable: bool | None
    made_for_kids: bool | None
    view_count: int | None
    like_count: int | None
    comment_count: int | None


@dataclass(frozen=True, slots=True)
class VideoBatch:
    """The videos asked for, the ids the answer left out (deleted, private or never there), and the broken ones."""

    videos: list[VideoDetails]
    missing: list[str]
    unreadable: list[Unreadable]


@dataclass(frozen=True, slots=True)
class VideoStats:
    """A video's counts; None where YouTube doesn't tell."""

    video_id: str
    view_count: int | None
    like_count: int | None
    comment_count: int | None


@dataclass(frozen=True, slots=True)
class StatsBatch:
    """Like VideoBatch, of counts."""

    stats: list[VideoStats]
    missing: list[str]
    unreadable: list[Unreadable]
