"""Values that the client returns."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel. `video_count` counts public videos and lags behind (channels#statistics.videoCount).

    `missing_parts` names parts of the resource that we asked for and the response left out.
    """

    id: str
    handle: str
    title: str
    uploads_playlist_id: str
    video_count: int | None
    missing_parts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PlaylistItem:
    """A playlist entry. Private and deleted videos keep entries, without `published_at` (observed).

    A video that is listed twice has two entries with different ids; an entry that is moved keeps its id.
    """

    entry_id: str
    video_id: str
    title: str
    description: str
    channel_id: str
    channel_title: str
    published_at: dt.datetime | None
    thumbnails: dict[str, Any]
    privacy_status: str

    @property
    def is_public(self) -> bool:
        """Whether a channel's videoCount counts the video. Without the part `status`, every readable one passes for public."""
        return self.is_readable and self.privacy_status in ("public", "")

    @property
    def is_readable(self) -> bool:
        """False for the entry of a private or deleted video."""
        return self.published_at is not None and self.privacy_status != "private"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An item that can't be parsed; the response's other items can be."""

    item_id: str
    message: str


@dataclass(frozen=True, slots=True)
class PlaylistPage:
    """Up to 50 entries, and the token of the next page or None."""

    items: list[PlaylistItem]
    unreadable: list[Unreadable]
    next_page_token: str | None
    total_results: int | None


@dataclass(frozen=True, slots=True)
class VideoDetails:
    """The details of a video from videos.list. Hidden counts are None.

    `unknown` names the fields of parts that we asked for and the response left out; their values mean nothing.
    """

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
    unknown: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class VideoStats:
    """A video's counts. None means hidden. If `is_known` is False, the response left out the part that has them."""

    video_id: str
    view_count: int | None
    like_count: int | None
    comment_count: int | None
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """Items, the requested ids that are missing from the response (deleted, private or unknown), and unreadable items."""

    items: list[T]
    missing: list[str]
    unreadable: list[Unreadable]
