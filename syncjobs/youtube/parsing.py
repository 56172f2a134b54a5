"""Parse YouTube's JSON into typed values. A malformed item does not affect the others.

The resources are documented at developers.google.com/youtube/v3/docs.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import unquote

from .types import Channel, PlaylistItem, Unreadable, VideoDetails, VideoStats

T = TypeVar("T")
MAX_COUNT = 2**63 - 1
# ISO 8601 durations as in videos#contentDetails.duration: P0D, P1DT2H3M4S, PT0S
_N = "([0-9]{1,10})"
_ISO_DURATION = re.compile(rf"P(?:{_N}W)?(?:{_N}D)?(?:T(?=[0-9])(?:{_N}H)?(?:{_N}M)?(?:{_N}S)?)?")
_GOOGLE_DURATION = re.compile(r"([0-9]{1,10})(?:\.[0-9]{1,9})?s")
_COUNT = re.compile("[0-9]{1,19}")
# Ids have 11 characters today, but the format is not documented.
_VIDEO_ID = re.compile("[A-Za-z0-9_-]{1,32}")
MAX_CHANNEL_ID = 24
# What PostgreSQL can't store: NUL and lone surrogates.
_UNSTORABLE = "\x00\ud800-\udfff"
# What would change a terminal or the direction of the text around it: see bands.text, which this package may not import.
_CONTROL = "\x01-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_REMOVED = re.compile(f"[{_UNSTORABLE}{_CONTROL}]")
_BREAKS = re.compile("[\t-\r\x85\u2028\u2029]+")
_ODD_BREAKS = re.compile("\r\n|[\v\f\r\x85\u2028\u2029]")
MAX_DURATION = 2**31 - 1
MAX_ENTRIES = 2**31 - 1
"""More than any channel or playlist has; a greater number is no count of videos, and has no room in a column."""
MAX_PIXELS = 100_000
_YEARS = range(2005, 2200)
"""The years of YouTube's videos. Some systems write the year 1 or 1970 for an unknown time."""


_PARTS = {
    "snippet": (
        "title", "description", "channel_id", "channel_title", "published_at", "live_state", "thumbnails", "tags",
        "category_id", "default_language",
    ),
    "contentDetails": ("duration_seconds", "definition"),
    "status": ("privacy_status", "embeddable", "made_for_kids"),
    "statistics": ("view_count", "like_count", "comment_count"),
    "liveStreamingDetails": ("scheduled_start_at",),
}  # fmt: skip
"""Our fields of a video, by the part of the resource that has them."""


class _Malformed(Exception):
    """An item differs from the documentation."""


def parse_items(items: Iterable[Any], parse: Callable[[dict[str, Any]], T]) -> tuple[list[T], list[Unreadable]]:
    """Parse the items; return those that can be read, and an Unreadable for each of the others."""
    good: list[T] = []
    bad: list[Unreadable] = []
    for item in items:
        try:
            if not isinstance(item, dict):
                raise _Malformed("not an object")
            good.append(parse(item))
        except _Malformed as error:
            bad.append(Unreadable(_id_of(item), f"An item of YouTube's response can't be read: {error}."))
    return good, bad


def _id_of(item: Any) -> str:
    if not isinstance(item, dict):
        return ""
    for path in (("contentDetails", "videoId"), ("snippet", "resourceId", "videoId")):
        value: Any = item
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str):
            return clean(value)[:64]
    value = item.get("id")
    return clean(value)[:64] if isinstance(value, str) else ""


def is_video_id(text: str) -> bool:
    """Whether the text may be a video's id; the ids of entries are longer."""
    return _VIDEO_ID.fullmatch(text) is not None


def clean(text: str) -> str:
    """Put text on one line, without control characters, direction marks and what PostgreSQL can't store."""
    return text if text.isascii() and text.isprintable() else _REMOVED.sub("", _BREAKS.sub(" ", text))


def clean_lines(text: str) -> str:
    """Clean text of several lines, which end in a line feed, as `clean` does one line."""
    if text.isascii() and text.isprintable():
        return text
    return _REMOVED.sub("", _ODD_BREAKS.sub("\n", text))


def channel(item: dict[str, Any]) -> Channel:
    """Parse a channel resource (channels#resource). A part that is malformed is missing: nothing of it is needed."""
    snippet, playlists = _part(item, "snippet"), _part(_part(item, "contentDetails"), "relatedPlaylists")
    channel_id = _text(item, "id", required=True)
    if len(channel_id) > MAX_CHANNEL_ID:
        raise _Malformed(f"invalid id {channel_id[:40]!r}")
    missing = _missing(item, ("snippet", "contentDetails", "statistics"))
    try:
        video_count = _count(_part(item, "statistics"), "videoCount", MAX_ENTRIES)
    except _Malformed:
        video_count = None
        missing.append("statistics")
    if not isinstance(snippet.get("title", ""), str):
        missing.append("snippet")
    return Channel(
        id=channel_id,
        # A handle has no percent sign, but one in another script than Latin may be written as in a URL.
        handle=clean(unquote(_string(snippet, "customUrl")))[:120],
        title=_string(snippet, "title")[:200],
        uploads_playlist_id=_string(playlists, "uploads")[:64],
        video_count=video_count,
        missing_parts=frozenset(missing),
    )


def total_results(body: dict[str, Any]) -> int | None:
    """Return pageInfo.totalResults of a list response, or None if it is absent or malformed."""
    try:
        return _count(_part(body, "pageInfo"), "totalResults", MAX_ENTRIES)
    except _Malformed:
        return None


def playlist_item(item: dict[str, Any]) -> PlaylistItem:
    """Parse a playlist item (playlistItems#resource), with the video's own channel and publication time."""
    snippet, details = _part(item, "snippet"), _part(item, "contentDetails")
    video_id = _text(details, "videoId") or _text(_part(snippet, "resourceId"), "videoId")
    if not is_video_id(video_id):
        raise _Malformed(f"invalid videoId {video_id[:40]!r}" if video_id else "no videoId")
    # The entry of a private video has contentDetails without a time. One without contentDetails is not private.
    published_at = _time(details, "videoPublishedAt") if details else _time(snippet, "publishedAt")
    return PlaylistItem(
        entry_id=_string(item, "id"),
        video_id=video_id,
        title=_text(snippet, "title"),
        description=_text(snippet, "description", clean_lines),
        channel_id=_text(snippet, "videoOwnerChannelId")[:64],
        channel_title=_text(snippet, "videoOwnerChannelTitle"),
        published_at=published_at,
        thumbnails=_thumbnails(snippet),
        privacy_status=_string(_part(item, "status"), "privacyStatus"),
    )


def video(item: dict[str, Any]) -> VideoDetails:
    """Parse a video resource (videos#resource). A part that is absent makes its fields unknown."""
    video_id = _text(item, "id", required=True)
    snippet, details, status = _part(item, "snippet"), _part(item, "contentDetails"), _part(item, "status")
    statistics = _part(item, "statistics")
    live = _text(snippet, "liveBroadcastContent") or "none"
    if live == "completed":
        live = "none"
    if live not in {"none", "live", "upcoming"}:
        raise _Malformed(f"invalid liveBroadcastContent {live[:40]!r}")
    # Only live and upcoming videos are sure to have liveStreamingDetails.
    expected = [part for part in _PARTS if part != "liveStreamingDetails" or live != "none"]
    return VideoDetails(
        video_id=video_id,
        title=_text(snippet, "title"),
        description=_text(snippet, "description", clean_lines),
        channel_id=_text(snippet, "channelId")[:64],
        channel_title=_text(snippet, "channelTitle"),
        published_at=_time(snippet, "publishedAt"),
        duration_seconds=duration(details.get("duration")),
        live_state=live,
        scheduled_start_at=_start(_part(item, "liveStreamingDetails")),
        thumbnails=_thumbnails(snippet),
        tags=_tags(snippet),
        category_id=_text(snippet, "categoryId")[:10],
        default_language=_text(snippet, "defaultLanguage")[:20],
        definition=_text(details, "definition")[:10],
        privacy_status=_text(status, "privacyStatus")[:20],
        embeddable=_flag(status, "embeddable"),
        made_for_kids=_flag(status, "madeForKids"),
        view_count=_count(statistics, "viewCount"),
        like_count=_count(statistics, "likeCount"),
        comment_count=_count(statistics, "commentCount"),
        unknown=frozenset(field for part in _missing(item, expected) for field in _PARTS[part]),
    )


def stats(item: dict[str, Any]) -> VideoStats:
    """Parse a video resource with statistics, from videos.list or videos.batchGetStats."""
    statistics = _part(item, "statistics")
    return VideoStats(
        video_id=_text(item, "id", required=True),
        view_count=_count(statistics, "viewCount"),
        like_count=_count(statistics, "likeCount"),
        comment_count=_count(statistics, "commentCount"),
        is_known=not _missing(item, ["statistics"]),
    )


def duration(value: object) -> int | None:
    """Return the seconds of an ISO 8601 duration, or of "213s" as in videos.batchGetStats.

    A missing one is None, and so is P0D, which premieres and live streams have until they have aired (observed).
    """
    if value is None or value == "P0D":
        return None
    text = value if isinstance(value, str) else ""
    total = MAX_DURATION + 1
    if (match := _ISO_DURATION.fullmatch(text)) and any(match.groups()):
        weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        total = ((weeks * 7 + days) * 24 + hours) * 3600 + minutes * 60 + seconds
    elif match := _GOOGLE_DURATION.fullmatch(text):
        total = int(match[1])
    if total > MAX_DURATION:
        raise _Malformed(f"invalid duration {str(value)[:40]!r}")
    return total


def timestamp(value: object) -> dt.datetime | None:
    """Return an ISO 8601 time, in UTC if it names no zone, or None if it is malformed or not a time of a video."""
    try:
        return _time({"value": value}, "value")
    except _Malformed:
        return None


def _part(item: dict[str, Any], name: str) -> dict[str, Any]:
    value = item.get(name)
    return value if isinstance(value, dict) else {}


def _missing(item: dict[str, Any], parts: Iterable[str]) -> list[str]:
    """Return those of the parts that the item lacks. Empty statistics are hidden; other parts are never empty."""
    return [part for part in parts if not _part(item, part) and not (part == "statistics" and item.get(part) == {})]


def _text(part: dict[str, Any], name: str, tidy: Callable[[str], str] = clean, *, required: bool = False) -> str:
    value = part.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value):
        raise _Malformed(f"invalid {name} {str(value)[:40]!r}")
    return tidy(value)


def _string(part: dict[str, Any], name: str) -> str:
    """Return a member that no row needs, or an empty string if it is malformed."""
    value = part.get(name)
    return clean(value) if isinstance(value, str) else ""


def _count(part: dict[str, Any], name: str, most: int = MAX_COUNT) -> int | None:
    value = part.get(name)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        number = int(value) if isinstance(value, str) and _COUNT.fullmatch(value) else -1
    if not 0 <= number <= most:
        raise _Malformed(f"invalid {name} {str(value)[:40]!r}")
    return number


def _time(part: dict[str, Any], name: str) -> dt.datetime | None:
    value = part.get(name)
    if value is None:
        return None
    try:
        time = dt.datetime.fromisoformat(value)
        time = (time if time.tzinfo else time.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
        if time.year in _YEARS:
            return time
    except (TypeError, ValueError, OverflowError):
        pass
    raise _Malformed(f"invalid {name} {str(value)[:40]!r}")


def _start(part: dict[str, Any]) -> dt.datetime | None:
    """Return the scheduled start, or None if it is malformed: the video's other fields don't depend on it."""
    return timestamp(part.get("scheduledStartTime"))


def _flag(part: dict[str, Any], name: str) -> bool | None:
    value = part.get(name)
    return value if isinstance(value, bool) else None


def _thumbnails(snippet: dict[str, Any]) -> dict[str, Any]:
    kept = {}
    for size, image in _part(snippet, "thumbnails").items():
        if isinstance(image, dict) and isinstance(image.get("url"), str):
            sides = {side: image[side] for side in ("width", "height") if _is_length(image.get(side))}
            kept[clean(size)] = {"url": clean(image["url"]), **sides}
    return kept


def _is_length(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < MAX_PIXELS


def _tags(snippet: dict[str, Any]) -> list[str]:
    tags = snippet.get("tags")
    return [clean(tag) for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
