"""Reads a playlist from end to end while it changes under our hands: no video lost, none counted twice.

YouTube's page tokens are positions. A video that is added, deleted or moved while we read shifts the ones between, so
that one is met twice or never. Meeting an id twice in one walk, or a sum that has shrunk, tells; then the pages up to
where it happened are read again. Details are asked only for ids that no walk of the job has met.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import connection, transaction

from bands.models import ChannelProblem
from bands.videos import mark_missing

from ..models import SeenVideo
from ..youtube.errors import InvalidPageToken, PlaylistNotFound
from ..youtube.types import PlaylistPage, Unreadable, VideoBatch
from .context import SyncFailed, Work

MAX_REREADS = 2
"""Times the pages of one playlist are read again because something moved; a playlist in constant motion must end."""


@dataclass(slots=True)
class Walk:
    """Where a pass over one playlist stands; it is the job's checkpoint."""

    playlist: int = 0
    number: int = 0
    pages_read: int = 0
    page_token: str | None = None
    total: int | None = None
    moved_up_to: int = 0
    stop_after: int | None = None
    rereads: int = 0
    restarted: bool = False
    uploads_total: int | None = None
    playlists: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, checkpoint: dict[str, Any]) -> Walk:
        """Where the last attempt left off, or the beginning."""
        return cls(**checkpoint.get("walk", {}))

    def again(self, *, stop_after: int | None = None) -> None:
        """Begin another pass over the same playlist."""
        self.number += 1
        self.pages_read, self.page_token, self.total, self.moved_up_to = 0, None, None, 0
        self.stop_after = stop_after

    def next_playlist(self) -> None:
        """Go on with the playlist after this one."""
        self.again()
        self.playlist += 1
        self.rereads, self.restarted = 0, False

    def observe(self, page: PlaylistPage, met_again: int) -> None:
        """Note from a page just read, of which `met_again` ids were met before in this walk, whether things moved."""
        if self.pages_read and met_again:
            grown = max(0, (page.total_results or 0) - (self.total or 0))
            # As many new ones as were met again: they came in at the top, where a first page or two will show them.
            top = -(-grown // 50)
            self.moved_up_to = max(self.moved_up_to, top if grown >= met_again else self.pages_read)
        elif self.total is not None and page.total_results is not None and page.total_results < self.total:
            self.moved_up_to = max(self.moved_up_to, self.pages_read)
        self.total = page.total_results if page.total_results is not None else self.total
        self.pages_read += 1


def read_playlists(work: Work, playlists: list[str]) -> Walk:
    """Read all the playlists, the first of which is the uploads, storing every video with its details."""
    walk = Walk.load(work.checkpoint)
    walk.playlists = walk.playlists or playlists
    while walk.playlist < len(walk.playlists):
        try:
            _read_one(work, walk)
        except InvalidPageToken:
            if walk.restarted:
                raise
            walk.again()
            walk.restarted = True
            _save_walk(work, walk, "YouTube no longer accepts the page token: the playlist is read again.")
            continue
        except PlaylistNotFound as error:
            is_uploads = walk.playlist == 0
            explain_missing(work, walk.playlists[walk.playlist], is_uploads=is_uploads, error=error)
        if walk.moved_up_to and walk.rereads < MAX_REREADS:
            pages = walk.moved_up_to
            walk.rereads += 1
            walk.again(stop_after=pages)
            _save_walk(work, walk, f"Videos moved while the playlist was read: its first {pages} pages are read again.")
            continue
        if walk.playlist == 0 and walk.number == 0:
            walk.uploads_total = walk.total
        walk.next_playlist()
        _save_walk(work, walk)
    return walk


def _save_walk(work: Work, walk: Walk, message: str = "") -> None:
    work.checkpoint["walk"] = asdict(walk)
    with transaction.atomic():
        work.save()
        if message:
            work.note(message)


def _read_one(work: Work, walk: Walk) -> None:
    """Walk one playlist: while page k+1 is on its way, the details of page k are fetched and stored."""
    playlist_id = walk.playlists[walk.playlist]
    page = work.client.playlist_page(playlist_id, walk.page_token)
    while True:
        token = page.next_page_token
        is_last = token is None or (walk.stop_after is not None and walk.pages_read + 1 >= walk.stop_after)
        ahead = None if is_last else work.fetch_ahead(work.client.playlist_page, playlist_id, token)
        unseen = _unseen(work, page)
        batch = work.client.videos(unseen) if unseen else VideoBatch(videos=[], missing=[], unreadable=[])
        walk.page_token = None if is_last else token
        _save_page(work, walk, page, batch, unseen)
        if ahead is None:
            return
        page = ahead.result()


def _unseen(work: Work, page: PlaylistPage) -> list[str]:
    ids = list(dict.fromkeys(item.video_id for item in page.items))
    seen = SeenVideo.objects.filter(job_id=work.job.pk, youtube_id__in=ids).values_list("youtube_id", flat=True)
    known = set(seen)
    return [video_id for video_id in ids if video_id not in known]


def _save_page(work: Work, walk: Walk, page: PlaylistPage, batch: VideoBatch, unseen: list[str]) -> None:
    """Videos, counts and checkpoint in one transaction, so that a crash leaves either all of a page or nothing of it."""
    # A page that is read again would tell of its unreadable entries again.
    entries = [] if walk.rereads or walk.restarted else page.unreadable
    with transaction.atomic():
        walk.observe(page, met_again=len(page.items) - mark_seen(work, page, walk.number))
        work.checkpoint["walk"] = asdict(walk)
        written = work.store(batch.videos, lambda _: work.band.pk)
        mark_missing(batch.missing)
        work.progress_total = max(walk.total or 0, work.progress_total or 0)
        work.save(
            written,
            [*entries, *batch.unreadable],
            videos_found=len(unseen),
            videos_unavailable=len(batch.missing),
            progress_done=len(unseen),
        )


def mark_seen(work: Work, page: PlaylistPage, walk: int = 0) -> int:
    """Remember the page's ids, in the caller's transaction; returns how many are new to this walk of the job."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO syncjobs_seenvideo (job_id, walk, youtube_id)
               SELECT DISTINCT %s::bigint, %s::smallint, unnest(%s::text[]) ON CONFLICT DO NOTHING""",
            [work.job.pk, walk, [item.video_id for item in page.items]],
        )
        return int(cursor.rowcount)


def explain_missing(work: Work, playlist_id: str, *, is_uploads: bool, error: PlaylistNotFound) -> None:
    """A playlist YouTube doesn't have: of a channel without videos that is normal, of a channel that is gone it isn't."""
    if not is_uploads:
        with transaction.atomic():
            work.save(unreadable=[Unreadable(item_id=playlist_id, message=f"There is no playlist {playlist_id}.")])
        return
    channels = work.client.channels([work.band.channel_id])
    if not channels:
        work.flag_channel(ChannelProblem.NOT_FOUND)
        raise SyncFailed("channelNotFound", f"YouTube no longer has the channel {work.band.channel_id}.")
    if channels[0].video_count:
        message = f"The channel {work.band.channel_id} exists, but YouTube doesn't give its uploads playlist."
        raise SyncFailed(error.reason, message)
