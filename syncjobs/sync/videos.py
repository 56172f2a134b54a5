"""Rows for the videos that YouTube returns. The fields of the client's values have the names of our columns."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, fields
from typing import Any

from bands.models import Band, NoticedBy, Video

from ..youtube.types import PlaylistItem, VideoDetails

_DETAILS = [field.name for field in fields(VideoDetails)]


def video_from_item(item: PlaylistItem, band: Band) -> Video:
    """Build an unsaved video from an entry of a playlist page."""
    columns = _columns(item)
    columns["channel_id"] = item.channel_id or band.channel_id
    return Video(band_id=band.pk, youtube_id=columns.pop("video_id"), noticed_by=NoticedBy.PROBE, **columns)


def video_from_details(
    details: VideoDetails,
    band_id: int,
    item: PlaylistItem | None = None,
    noticed_by: NoticedBy = NoticedBy.FULL_SYNC,
) -> Video:
    """Build an unsaved video from an entry of videos.list. `noticed_by` is written only if the video is new.

    If that lacks the snippet, a new video gets its title from the entry of the playlist.
    """
    # asdict() would copy each thumbnail, which takes ten times as long.
    columns = {name: getattr(details, name) for name in _DETAILS}
    unknown = columns.pop("unknown")
    if item is not None and "title" in unknown:
        columns |= _columns(item)
    video = Video(band_id=band_id, youtube_id=columns.pop("video_id"), noticed_by=noticed_by, **columns)
    video.unknown = unknown
    return video


def _columns(item: PlaylistItem) -> dict[str, Any]:
    columns = asdict(item)
    del columns["entry_id"], columns["privacy_status"]
    return columns


def entry_key(item: PlaylistItem) -> int:
    """Return a number of 64 bits for the id of a playlist entry, as SeenVideo stores it."""
    return int.from_bytes(hashlib.blake2b(item.entry_id.encode(), digest_size=8).digest(), signed=True)
