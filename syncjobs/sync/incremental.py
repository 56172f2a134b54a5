"""INCREMENTAL_SYNC of one band: the newest pages, until nothing on them is new. Details are left to an ENRICH job."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from bands.models import Band, Video
from bands.videos import insert_basics

from ..engine.enqueue import actor_of, create_enrich
from ..youtube.errors import InvalidPageToken, PlaylistNotFound
from ..youtube.types import PlaylistItem, PlaylistPage
from .context import Work
from .playlists import explain_missing, mark_seen


def sync_band(work: Work) -> None:
    """About one unit for each playlist. If the channel's videoCount tells how many are new, no page more than they need."""
    resolved_count = work.ensure_channel()
    band = work.band
    video_count: int | None = work.job.params.get("video_count", resolved_count)
    playlists = [band.uploads_playlist_id, *band.extra_playlists]
    for index in range(work.checkpoint.get("playlist", 0), len(playlists)):
        expected = None
        if index == 0 and video_count is not None and band.channel_video_count is not None:
            expected = video_count - band.channel_video_count
        try:
            _read_new(work, playlists[index], expected)
        except PlaylistNotFound as error:
            explain_missing(work, playlists[index], is_uploads=index == 0, error=error)
        work.checkpoint = {"playlist": index + 1}
    _finish(work, video_count)


def _read_new(work: Work, playlist_id: str, expected: int | None) -> None:
    state = work.checkpoint
    while True:
        try:
            page = work.client.playlist_page(playlist_id, state.get("page_token"))
        except InvalidPageToken:
            if state.get("restarted") or not state.get("page_token"):
                raise
            state.update(page_token=None, restarted=True)
            continue
        new = _new_items(page)
        state["new"] = state.get("new", 0) + len(new)
        is_last = page.next_page_token is None or _may_stop(page, new, expected, state["new"])
        state["page_token"] = page.next_page_token
        _save_page(work, page, new)
        if is_last:
            return


def _new_items(page: PlaylistPage) -> list[PlaylistItem]:
    """Entries we have no video for. What is private or deleted can't be had, so it isn't new."""
    readable = {item.video_id: item for item in page.items if item.is_readable}
    known = set(Video.objects.filter(youtube_id__in=readable).values_list("youtube_id", flat=True))
    return [item for video_id, item in readable.items() if video_id not in known]


def _may_stop(page: PlaylistPage, new: list[PlaylistItem], expected: int | None, found: int) -> bool:
    """Stop at a page on which nothing is new; or when as many are found as videoCount grew by and older ones follow."""
    if not new:
        return True
    ends_with_new = page.items[-1].video_id in {item.video_id for item in new}
    return not ends_with_new and expected is not None and 0 < expected <= found


def _save_page(work: Work, page: PlaylistPage, new: list[PlaylistItem]) -> None:
    with transaction.atomic():
        met = mark_seen(work, page)
        written = insert_basics(_as_video(item, work.band) for item in new)
        work.save(written, page.unreadable, videos_found=met, progress_done=met)


def _as_video(item: PlaylistItem, band: Band) -> Video:
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


def _finish(work: Work, video_count: int | None) -> None:
    changes = {} if video_count is None else {"channel_video_count": video_count}
    with transaction.atomic():
        work.save()
        Band.objects.filter(pk=work.band.pk).update(last_incremental_sync_at=Now(), last_page_read_at=Now(), **changes)
        if work.job.parent_id is None and Video.objects.filter(details_pending=True).exists():
            create_enrich(actor_of(work.job))
