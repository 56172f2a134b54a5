"""Read a playlist from end to end while it changes: no video is lost, and none is counted twice.

YouTube's page tokens are positions. If a video is added, deleted or moved during the sync, the entries in between shift,
and we see one of them twice or never. We notice that when an id appears twice in one pass, or when the total shrinks.
Then another pass reads the pages up to that position again. Details are fetched only for ids that no pass has seen.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import connection, transaction

from bands.models import ChannelProblem
from bands.videos import mark_missing, upsert_details

from ..models import SeenVideo
from ..youtube.client import PAGE_SIZE
from ..youtube.errors import InvalidPageToken, PlaylistNotFound
from ..youtube.types import Batch, PlaylistPage, Unreadable, VideoDetails
from .channels import flag_channel
from .context import JobContext, SyncFailed
from .videos import video_from_details

MAX_REREADS = 2
"""How often the pages of one playlist are read again because entries moved. The sync of any playlist must end."""
_CHECKPOINT = "walk"
"""The key of a PlaylistPass in a job's checkpoint. Stored jobs use it."""


@dataclass(slots=True)
class PlaylistPass:
    """The position of a pass over one playlist. It is the job's checkpoint, so stored jobs use these names."""

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
    def load(cls, checkpoint: dict[str, Any]) -> PlaylistPass:
        """Return the position where the last attempt stopped, or the beginning."""
        return cls(**checkpoint.get(_CHECKPOINT, {}))

    def start_again(self, *, stop_after: int | None = None) -> None:
        """Begin another pass over the same playlist, over all of it or its first `stop_after` pages."""
        self.number += 1
        self.pages_read, self.page_token, self.total, self.moved_up_to = 0, None, None, 0
        self.stop_after = stop_after

    def next_playlist(self) -> None:
        """Begin the first pass over the next playlist."""
        self.start_again()
        self.playlist += 1
        self.rereads, self.restarted = 0, False

    def observe(self, page: PlaylistPage, repeated: int) -> None:
        """Update the position after a page, and check whether entries moved.

        `repeated` is the number of ids on the page that this pass has seen before.
        """
        if self.pages_read and repeated:
            grown = max(0, (page.total_results or 0) - (self.total or 0))
            # If the playlist grew by as many entries as are repeated, the new ones are on top: on its first page or two.
            top = -(-grown // PAGE_SIZE)
            self.moved_up_to = max(self.moved_up_to, top if grown >= repeated else self.pages_read)
        elif self.total is not None and page.total_results is not None and page.total_results < self.total:
            self.moved_up_to = max(self.moved_up_to, self.pages_read)
        self.total = page.total_results if page.total_results is not None else self.total
        self.pages_read += 1


def read_playlists(context: JobContext, playlists: list[str]) -> PlaylistPass:
    """Read all playlists and store every video with its details. The first playlist is the uploads.

    Return the final position, which has the total of the uploads.
    """
    position = PlaylistPass.load(context.checkpoint)
    position.playlists = position.playlists or playlists
    while position.playlist < len(position.playlists):
        try:
            _read_one(context, position)
        except InvalidPageToken:
            if position.restarted:
                raise
            position.start_again()
            position.restarted = True
            _save_position(context, position, "YouTube rejected the page token. The playlist is read again.")
            continue
        except PlaylistNotFound as error:
            is_uploads = position.playlist == 0
            handle_missing(context, position.playlists[position.playlist], is_uploads=is_uploads, error=error)
        if position.moved_up_to and position.rereads < MAX_REREADS:
            pages = position.moved_up_to
            position.rereads += 1
            position.start_again(stop_after=pages)
            message = f"Videos moved during the sync. The first {pages} pages of the playlist are read again."
            _save_position(context, position, message)
            continue
        if position.playlist == 0 and position.number == 0:
            position.uploads_total = position.total
        position.next_playlist()
        _save_position(context, position)
    return position


def _save_position(context: JobContext, position: PlaylistPass, message: str = "") -> None:
    context.checkpoint[_CHECKPOINT] = asdict(position)
    with transaction.atomic():
        context.save()
        if message:
            context.note(message)


def _read_one(context: JobContext, position: PlaylistPass) -> None:
    """Read one playlist. While the next page is being fetched, fetch and store the details of this one."""
    playlist_id = position.playlists[position.playlist]
    page = context.client.playlist_page(playlist_id, position.page_token)
    while True:
        token = page.next_page_token
        is_last = token is None or (position.stop_after is not None and position.pages_read + 1 >= position.stop_after)
        next_page = None if is_last else context.fetch_ahead(context.client.playlist_page, playlist_id, token)
        unseen = _unseen(context, page)
        batch = context.client.videos(unseen) if unseen else Batch([], [], [])
        position.page_token = None if is_last else token
        _save_page(context, position, page, batch, unseen)
        if next_page is None:
            return
        page = next_page.result()


def _unseen(context: JobContext, page: PlaylistPage) -> list[str]:
    ids = list(dict.fromkeys(item.video_id for item in page.items))
    known = SeenVideo.objects.filter(job_id=context.job.pk, youtube_id__in=ids).values_list("youtube_id", flat=True)
    seen = set(known)
    return [video_id for video_id in ids if video_id not in seen]


def _save_page(
    context: JobContext, position: PlaylistPass, page: PlaylistPage, batch: Batch[VideoDetails], unseen: list[str]
) -> None:
    """Save videos, counts and checkpoint in one transaction, so that a crash keeps all of a page or nothing of it."""
    # Unreadable entries were recorded when the page was read first.
    entries = [] if position.rereads or position.restarted else page.unreadable
    with transaction.atomic():
        position.observe(page, repeated=len(page.items) - mark_seen(context, page, position.number))
        context.checkpoint[_CHECKPOINT] = asdict(position)
        band_id = context.band.pk
        written = upsert_details(video_from_details(video, band_id) for video in batch.items)
        mark_missing(batch.missing)
        context.progress_total = max(position.total or 0, context.progress_total or 0)
        context.save(
            written,
            [*entries, *batch.unreadable],
            videos_found=len(unseen),
            videos_unavailable=len(batch.missing),
            progress_done=len(unseen),
        )


def mark_seen(context: JobContext, page: PlaylistPage, number: int = 0) -> int:
    """Remember the ids of the page, in the caller's transaction. Return how many are new to this pass of the job."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO syncjobs_seenvideo (job_id, pass_number, youtube_id)
               SELECT DISTINCT %s::bigint, %s::smallint, unnest(%s::text[]) ON CONFLICT DO NOTHING""",
            [context.job.pk, number, [item.video_id for item in page.items]],
        )
        return int(cursor.rowcount)


def handle_missing(context: JobContext, playlist_id: str, *, is_uploads: bool, error: PlaylistNotFound) -> None:
    """Handle a playlist that YouTube doesn't have. For the uploads of a channel without videos, that is normal.

    Another missing playlist becomes an error of the job. Raises SyncFailed if the channel is missing, or if it has
    videos.
    """
    if not is_uploads:
        with transaction.atomic():
            context.save(unreadable=[Unreadable(item_id=playlist_id, message=f"Playlist not found: {playlist_id}")])
        return
    channel_id = context.band.channel_id
    channels = context.client.channels([channel_id])
    if not channels:
        flag_channel(context, ChannelProblem.NOT_FOUND)
        raise SyncFailed("channelNotFound", f"Channel not found: {channel_id}")
    if channels[0].video_count:
        message = f"The channel {channel_id} exists, but YouTube does not return its uploads playlist."
        raise SyncFailed(error.reason, message)
