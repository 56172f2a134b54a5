"""INCREMENTAL_SYNC of one band: read the newest pages until one has no new video. An ENRICH job fetches the details."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from bands.models import DETAILS_DUE, Band, Video
from bands.videos import insert_basics

from ..engine.enqueue import actor_of, create_enrich
from ..youtube.errors import InvalidPageToken, PlaylistNotFound
from ..youtube.types import PlaylistItem, PlaylistPage
from .channels import ensure_channel
from .context import JobContext
from .playlists import handle_missing, mark_seen
from .videos import video_from_item


def sync_band(context: JobContext) -> None:
    """Sync new videos for about one unit per playlist. The growth of videoCount limits the pages that are read."""
    resolved_count = ensure_channel(context)
    band = context.band
    video_count: int | None = context.job.params.get("video_count", resolved_count)
    playlists = [band.uploads_playlist_id, *band.extra_playlists]
    for index in range(context.checkpoint.get("playlist", 0), len(playlists)):
        expected = None
        if index == 0 and video_count is not None and band.channel_video_count is not None:
            expected = video_count - band.channel_video_count
        try:
            _read_new(context, playlists[index], expected)
        except PlaylistNotFound as error:
            handle_missing(context, playlists[index], is_uploads=index == 0, error=error)
        context.checkpoint = {"playlist": index + 1}
    _finish(context, video_count)


def _read_new(context: JobContext, playlist_id: str, expected: int | None) -> None:
    state = context.checkpoint
    while True:
        try:
            page = context.client.playlist_page(playlist_id, state.get("page_token"))
        except InvalidPageToken:
            if state.get("restarted") or not state.get("page_token"):
                raise
            state.update(page_token=None, restarted=True)
            continue
        new = _new_items(page)
        state["new"] = state.get("new", 0) + len(new)
        is_last = page.next_page_token is None or _may_stop(page, new, expected, state["new"])
        state["page_token"] = page.next_page_token
        _save_page(context, page, new)
        if is_last:
            return


def _new_items(page: PlaylistPage) -> list[PlaylistItem]:
    """Return the entries that we have no video for. Private and deleted ones don't count: they can't be read."""
    readable = {item.video_id: item for item in page.items if item.is_readable}
    known = set(Video.objects.filter(youtube_id__in=readable).values_list("youtube_id", flat=True))
    return [item for video_id, item in readable.items() if video_id not in known]


def _may_stop(page: PlaylistPage, new: list[PlaylistItem], expected: int | None, new_so_far: int) -> bool:
    """Return True if the page has nothing new, or if all expected videos were seen and older ones follow them."""
    if not new:
        return True
    ends_with_new = page.items[-1].video_id in {item.video_id for item in new}
    return not ends_with_new and expected is not None and 0 < expected <= new_so_far


def _save_page(context: JobContext, page: PlaylistPage, new: list[PlaylistItem]) -> None:
    with transaction.atomic():
        seen = mark_seen(context, page)
        written = insert_basics(video_from_item(item, context.band) for item in new)
        context.save(written, page.unreadable, videos_found=seen, progress_done=seen)


def _finish(context: JobContext, video_count: int | None) -> None:
    changes = {} if video_count is None else {"channel_video_count": video_count}
    with transaction.atomic():
        context.save()
        Band.objects.filter(pk=context.band.pk).update(
            last_incremental_sync_at=Now(), last_page_read_at=Now(), **changes
        )
        if context.job.parent_id is None and Video.objects.filter(DETAILS_DUE).exists():
            create_enrich(actor_of(context.job))
