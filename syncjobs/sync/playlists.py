"""Read playlists to their ends while they change: no video is lost, and none is counted twice.

If entries moved during a pass (see `playlist_pass`), another pass reads the pages up to that position again. Details are
fetched only for ids that no pass has seen. A playlist that YouTube refuses, or whose pages do not come to an end, becomes
an error of the job, and the other playlists are read. Only the uploads of the channel can fail the job.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import connection, transaction

from bands.models import ChannelProblem
from bands.videos import mark_missing, upsert_details

from ..engine.errors import ErrorReport
from ..models import SeenVideo, SyncJob
from ..youtube.client import PAGE_SIZE, YouTubeClient
from ..youtube.errors import Forbidden, InvalidPageToken, Kind, PlaylistNotFound, TransientError, YouTubeError
from ..youtube.parsing import is_video_id
from ..youtube.types import Batch, PlaylistItem, PlaylistPage, Unreadable, VideoDetails
from .channels import existing_channel, flag_channel
from .context import JobContext, SyncFailed
from .playlist_pass import PlaylistPass, SeenOnPage
from .videos import entry_key, video_from_details

MAX_REREADS = 2
"""How often the pages of one playlist are read again because entries moved. The sync of any playlist must end."""
_UNREADABLE = 32_767
"""Stands for the number of a pass in SeenVideo, for videos of which only an unreadable entry was seen."""
HEAD_START = 0.01
"""Seconds in which the request for a page can leave before other work begins, which would compete for processor and locks."""
MAX_UNSAVED = 3
"""How many pages wait for their details while the next page is fetched. After a crash, they are read again."""
_MISSING = "missing_details"
"""The key of the ids in a job's checkpoint whose pages were saved without details."""


class PlaylistRefused(Exception):
    """YouTube does not return a page of a playlist. `error` is its response."""

    def __init__(self, error: YouTubeError) -> None:
        super().__init__(error.message)
        self.error = error


def fetch_page(context: JobContext, playlist_id: str, token: str | None) -> PlaylistPage:
    """Return a page of a playlist. Raises PlaylistRefused if the error concerns the playlist, or may do so."""
    try:
        return context.client.playlist_page(playlist_id, token)
    except InvalidPageToken:
        raise
    except YouTubeError as error:
        if error.kind in (Kind.PERMANENT, Kind.TRANSIENT):
            raise PlaylistRefused(error) from None
        raise


def read_playlists(
    context: JobContext,
    playlists: list[str],
    read: Callable[[JobContext, PlaylistPass], None],
    *,
    max_rereads: int = MAX_REREADS,
) -> PlaylistPass:
    """Call `read` for each playlist. The first one is the uploads. Return the final position.

    Raises SyncFailed, or the error of a call, if the uploads can't be read.
    """
    position = PlaylistPass.load(context.checkpoint)
    position.playlists = position.playlists or playlists
    while position.playlist < len(position.playlists):
        try:
            if not position.is_done:
                read(context, position)
            reports = [_not_read_to_its_end(position)] if position.dead_end else []
        except InvalidPageToken as error:
            if not position.restarted:
                _restart(context, position)
                continue
            if position.is_uploads:
                raise
            reports = [_unreadable(position, error)]
        except PlaylistRefused as refusal:
            if position.is_uploads and _check_uploads(context, position, refusal.error):
                continue
            reports = [] if position.is_uploads else [_refused(context, position, refusal.error)]
        if reports:
            position.incomplete = True
        elif position.moved_up_to and position.rereads < max_rereads:
            _read_again(context, position)
            continue
        position.next_playlist()
        position.store(context.checkpoint)
        # The caller saves the end of the last playlist with its own changes.
        if reports or position.playlist < len(position.playlists):
            _save_position(context, position, reports=reports)
    return position


def _restart(context: JobContext, position: PlaylistPass) -> None:
    position.start_again()
    position.restarted = True
    _save_position(context, position, "YouTube rejected the page token. The playlist is read again.")


def _read_again(context: JobContext, position: PlaylistPass) -> None:
    pages = position.moved_up_to
    position.rereads += 1
    position.start_again(stop_after=pages)
    message = f"Videos moved during the sync. The first {pages} pages of the playlist are read again."
    _save_position(context, position, message)


def _save_position(
    context: JobContext, position: PlaylistPass, message: str = "", reports: Iterable[ErrorReport] = ()
) -> None:
    position.store(context.checkpoint)
    with transaction.atomic():
        context.save(reports=reports)
        if message:
            context.note(message)


def _unreadable(position: PlaylistPass, error: YouTubeError) -> ErrorReport:
    message = f"The playlist {position.playlist_id} can't be read: {error.message}"
    is_permanent = error.kind is Kind.PERMANENT
    return ErrorReport("playlistUnreadable", message, is_permanent=is_permanent, item_id=position.playlist_id)


def _not_read_to_its_end(position: PlaylistPass) -> ErrorReport:
    message = f"The playlist {position.playlist_id} was not read to its end: {position.dead_end}."
    return ErrorReport("playlistEndless", message, is_permanent=False, item_id=position.playlist_id)


def _refused(context: JobContext, position: PlaylistPass, error: YouTubeError) -> ErrorReport:
    """Return the error of the job for an extra playlist. Raises a temporary error, except in the last attempt.

    One playlist that is never answered must not fail the job.
    """
    failures = SyncJob.objects.values_list("failures_in_a_row", flat=True).get(pk=context.job.pk)
    if error.kind is Kind.TRANSIENT and failures + 1 < settings.SYNC_MAX_ATTEMPTS:
        raise error
    return _unreadable(position, error)


def _check_uploads(context: JobContext, position: PlaylistPass, error: YouTubeError) -> bool:
    """Ask whether the channel exists if YouTube refuses its uploads. Return True if they should be asked for again.

    For a channel without videos it is normal that YouTube has no uploads playlist. Raises SyncFailed if the channel is
    missing or may have videos, TransientError if the response does not say whether it has some, and the error itself if it
    says nothing about the channel, or a second time in a row that we may not read the uploads. Only then the band is
    flagged, so that a single wrong response does not do it.
    """
    if isinstance(error, Forbidden) and position.asked_again:
        flag_channel(context, ChannelProblem.FORBIDDEN)
        raise error
    is_absent = isinstance(error, PlaylistNotFound) or (error.kind is Kind.PERMANENT and error.status in (404, 410))
    if not (is_absent or isinstance(error, Forbidden)):
        raise error
    channel = existing_channel(context)
    if is_absent:
        if "statistics" in channel.missing_parts:
            raise TransientError(
                "badAnswer", "YouTube's response lacks the channel's statistics, which count its videos."
            )
        if channel.video_count != 0:
            message = f"The channel {channel.id} exists, but YouTube does not return its uploads playlist."
            raise SyncFailed(error.reason, message)
        return False
    position.asked_again = True
    return True


@dataclass(slots=True)
class _Reading:
    """A page that was read but not saved yet. `unseen` maps video ids to the entries whose details are needed."""

    page: PlaylistPage
    unseen: dict[str, PlaylistItem]
    details: Future[Batch[VideoDetails]] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether the page can be saved without waiting."""
        return not self.unseen or (self.details is not None and self.details.done())

    def fetch(self, client: YouTubeClient) -> Batch[VideoDetails]:
        """Return the details, or raise the error of their call. They are asked for if that was not done yet."""
        if self.details is not None:
            return self.details.result()
        return client.videos(list(self.unseen)) if self.unseen else Batch([], [], [])


def read_with_details(context: JobContext, position: PlaylistPass) -> None:
    """Read one playlist, and store every video with its details.

    While the next page is being fetched, the details of up to MAX_UNSAVED pages before it are fetched too, so a pass takes
    about as long as its pages alone. `ahead` is the position after the page that was read last. Pages are saved in their
    order, each with the position after it, so another attempt goes on after the last one that was saved.
    """
    ahead, seen = replace(position, tokens=[*position.tokens]), _SeenIds(context, position.number)
    unsaved: deque[_Reading] = deque()
    page = fetch_page(context, position.playlist_id, position.page_token)
    while True:
        new_in_pass, unseen = seen.add(page)
        ahead.observe(page, SeenOnPage(new=new_in_pass, moved=0))
        unsaved.append(_Reading(page, unseen))
        if ahead.is_done:
            _save_pages(context, position, unsaved, until_empty=True)
            return
        next_page = context.fetch_ahead(fetch_page, context, position.playlist_id, ahead.page_token)
        wait([next_page], HEAD_START)
        # Before the details of this page are asked for. They would arrive together with the next page, and delay it.
        _save_pages(context, position, unsaved)
        if unseen:
            unsaved[-1].details = context.fetch_ahead(context.client.videos, list(unseen))
        try:
            page = next_page.result()
        except Exception:
            # If the details can't be had either, this raises that error instead. A refused playlist would be skipped, and
            # the job would complete without these details.
            _save_pages(context, position, unsaved, until_empty=True)
            raise


def _save_pages(
    context: JobContext, position: PlaylistPass, unsaved: deque[_Reading], *, until_empty: bool = False
) -> None:
    """Save the pages whose details have arrived, and wait for some if there are too many pages.

    If the call for details of a page failed, save all pages, because they have been paid for, and make no further call. The
    next attempt fetches the missing details. Then raise the first error.
    """
    first_error: Exception | None = None
    while unsaved and (until_empty or first_error or unsaved[0].is_ready or len(unsaved) > MAX_UNSAVED):
        reading, batch = unsaved.popleft(), None
        if first_error is None or reading.details is not None:
            try:
                batch = reading.fetch(context.client)
            except Exception as error:  # noqa: BLE001 - it is raised below
                first_error = first_error or error
        _save_page(context, position, reading, batch)
    if first_error is not None:
        raise first_error


def fetch_missing_details(context: JobContext) -> None:
    """Fetch the details that an earlier attempt could not get, of pages that it saved."""
    while missing := context.checkpoint.get(_MISSING):
        ids = missing[:PAGE_SIZE]
        batch = context.client.videos(ids)
        context.checkpoint[_MISSING] = missing[PAGE_SIZE:]
        with transaction.atomic():
            _save_details(context, ids, batch, {}, [])


class _SeenIds:
    """The video ids that a job has seen, in all of its passes and in one of them, also on pages that aren't saved yet."""

    def __init__(self, context: JobContext, number: int) -> None:
        rows = SeenVideo.objects.filter(job_id=context.job.pk).exclude(pass_number=_UNREADABLE)
        saved = list(rows.values_list("youtube_id", "pass_number"))
        self._in_job = {video_id for video_id, _ in saved}
        self._in_pass = {video_id for video_id, pass_number in saved if pass_number == number}

    def add(self, page: PlaylistPage) -> tuple[int, dict[str, PlaylistItem]]:
        """Add a page. Return how many of its ids are new in the pass, and the entries whose ids are new in the job, by id."""
        items = {item.video_id: item for item in page.items}
        # Not the operators of sets, which would copy all ids for each page.
        unseen = {video_id: item for video_id, item in items.items() if video_id not in self._in_job}
        new_in_pass = sum(video_id not in self._in_pass for video_id in items)
        self._in_job.update(items)
        self._in_pass.update(items)
        return new_in_pass, unseen


def unseen_items(context: JobContext, page: PlaylistPage) -> dict[str, PlaylistItem]:
    """Return the entries of videos that no pass of this job has seen, by video id."""
    items = {item.video_id: item for item in page.items}
    known = SeenVideo.objects.filter(job_id=context.job.pk, youtube_id__in=items).exclude(pass_number=_UNREADABLE)
    seen = set(known.values_list("youtube_id", flat=True))
    return {video_id: item for video_id, item in items.items() if video_id not in seen}


def _save_page(
    context: JobContext, position: PlaylistPass, reading: _Reading, batch: Batch[VideoDetails] | None
) -> None:
    """Save videos, counts and checkpoint in one transaction, so that a crash keeps all of a page or nothing of it.

    Without a batch, only remember which videos lack details. They count as found when they have them.
    """
    page, unseen = reading.page, reading.unseen
    entries = position.unrecorded(page)
    with transaction.atomic():
        position.observe(page, mark_seen(context, page, position.number))
        position.unidentified |= not _mark_unreadable(context, page)
        if position.is_uploads:
            position.uploads_public += sum(item.is_public for item in unseen.values())
        position.store(context.checkpoint)
        context.progress_total = max(position.total or 0, context.progress_total or 0)
        if batch is None:
            context.checkpoint[_MISSING] = [*context.checkpoint.get(_MISSING, []), *unseen]
            context.save(unreadable=entries)
        else:
            _save_details(context, list(unseen), batch, unseen, entries)


def _save_details(
    context: JobContext,
    ids: list[str],
    batch: Batch[VideoDetails],
    items: dict[str, PlaylistItem],
    unreadable: list[Unreadable],
) -> None:
    """Save the details of the ids, and the checkpoint. `items` has their entries in a playlist, as far as they are known."""
    written = upsert_details(video_from_details(v, context.band.pk, items.get(v.video_id)) for v in batch.items)
    mark_missing(batch.missing)
    context.save(
        written,
        [*unreadable, *batch.unreadable],
        videos_found=len(ids),
        videos_unavailable=len(batch.missing),
        progress_done=len(ids),
    )


def mark_seen(context: JobContext, page: PlaylistPage, number: int) -> SeenOnPage:
    """Remember the ids of the page for a pass of the job, in the caller's transaction."""
    keys = {item.video_id: entry_key(item) for item in reversed(page.items)}
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO syncjobs_seenvideo (job_id, pass_number, youtube_id, entry_key)
               SELECT %s::bigint, %s::smallint, * FROM unnest(%s::text[], %s::bigint[])
               ON CONFLICT DO NOTHING RETURNING youtube_id""",
            [context.job.pk, number, list(keys), list(keys.values())],
        )
        new = {video_id for (video_id,) in cursor.fetchall()}
    repeated = {video_id: key for video_id, key in keys.items() if video_id not in new}
    if not repeated:
        return SeenOnPage(new=len(new), moved=0)
    rows = SeenVideo.objects.filter(job_id=context.job.pk, pass_number=number, youtube_id__in=repeated)
    first = dict(rows.values_list("youtube_id", "entry_key"))
    return SeenOnPage(new=len(new), moved=sum(first[video_id] == key for video_id, key in repeated.items()))


def _mark_unreadable(context: JobContext, page: PlaylistPage) -> bool:
    """Remember the videos of unreadable entries, because they are listed. Return False if an entry names no video."""
    ids = [item.item_id for item in page.unreadable if is_video_id(item.item_id)]
    rows = [SeenVideo(job_id=context.job.pk, pass_number=_UNREADABLE, youtube_id=video_id) for video_id in ids]
    SeenVideo.objects.bulk_create(rows, ignore_conflicts=True)
    return len(ids) == len(page.unreadable)
