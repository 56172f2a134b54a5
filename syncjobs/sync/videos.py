"""Rows for the videos that YouTube returns."""

from __future__ import annotations

from bands.models import Band, Video

from ..youtube.types import PlaylistItem, VideoDetails


def video_from_item(item: PlaylistItem, band: Band) -> Video:
    """Build an unsaved video from an entry of a playlist page."""
    return Video(
        band_id=band.pk,
        youtube_id=item.video_id,
        channel_id=item.channel_id or band.channel_id,
        channel_title=item.channel_title,
        title=item.title,
        description=item.description,
        published_at=item.published_at,
        thumbnails=item.thumbnails,
    )


def video_from_details(details: VideoDetails, band_id: int) -> Video:
    """Build an unsaved video from an entry of videos.list."""
    return Video(
        band_id=band_id,
        youtube_id=details.video_id,
        channel_id=details.channel_id,
        channel_title=details.channel_title,
        title=details.title,
        description=details.description,
        published_at=details.published_at,
        duration_seconds=details.duration_seconds,
        live_state=details.live_state,
        scheduled_start_at=details.scheduled_start_at,
        thumbnails=details.thumbnails,
        tags=list(details.tags),
        category_id=details.category_id or "",
        default_language=details.default_language or "",
        definition=details.definition or "",
        privacy_status=details.privacy_status or "",
        embeddable=details.embeddable,
        made_for_kids=details.made_for_kids,
        view_count=details.view_count,
        like_count=details.like_count,
        comment_count=details.comment_count,
    )
