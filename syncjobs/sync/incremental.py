"""INCREMENTAL_SYNC of one band: read the newest pages until one has no new video. An ENRICH job fetches the details.

A video that becomes public later keeps its old place in the list. If videoCount promises more new videos than the newest
pages have, the pass searches the older pages too. The count may also be ahead of the list, or never agree with it. So a
band is searched in vain at most VAIN_SEARCHES times in 24 hours, for SEARCH_PAGES units each; after that we accept the
count, and a video that is hidden deeper is left to the next full sync.
"""

from __future__ import annotations

import datetime as dt
from functools import partial

from django.db import transaction
from django.db.models import F
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from bands.models import DETAILS_DUE, Availability, Band, Video
from bands.videos import insert_basics, recently_noticed

from ..choices import JobType
from ..engine.enqueue import actor_of, create_enrich
from ..freshness import trust
from ..models import SyncJob
from ..youtube.types import PlaylistItem, PlaylistPage
from .channels import ensure_channel
from .context import JobContext
from .playlist_pass import PlaylistPass
from .playlists import fetch_page, mark_seen, read_playlists, unseen_items
from .refresh import request_former, request_live
from .videos import video_from_item

SEARCH_PAGES = 20
"""How many pages a search reads: the 1,000 newest videos."""
VAIN_SEARCHES = 2
_IN_VAIN = "searched_in_vain"
_FINISHED = "finished"
_READ_ALL = "read_all"
"""The key of the checkpoint that says whether the uploads were read to their end. Pages read it."""


def sync_band(context: JobContext) -> None:
    """Sync new videos for about one unit per playlist, and at most SEARCH_PAGES more if the uploads lack some.

    An attempt that finds the band's changes saved already does nothing.
    """
    if context.checkpoint.get(_FINISHED):
        return
    resolved_count = ensure_channel(context)
    band = context.band
    video_count: int | None = context.job.params.get("video_count", resolved_count)
    growth = None
    if video_count is not None and band.channel_video_count is not None:
        growth = video_count - band.channel_video_count
        if growth < 0:
            # YouTube may not count yet what push or the feed has reported.
            growth = min(0, growth + recently_noticed([band.pk]).get(band.pk, 0))
    vain = _vain_searches(band) if growth is not None and growth > 0 else 0
    read = partial(_read_new, growth=growth, may_search=vain < VAIN_SEARCHES)
    position = read_playlists(context, [band.uploads_playlist_id, *band.extra_playlists], read, max_rereads=0)
    request_former(context)
    is_lacking = growth is not None and growth > position.uploads_new
    if is_lacking:
        context.checkpoint[_IN_VAIN] = vain < VAIN_SEARCHES
    known_count: int | Combinable | None = video_count
    is_accepted = growth is not None and (growth < 0 or (is_lacking and vain + 1 >= VAIN_SEARCHES))
    if band.channel_video_count is not None and not is_accepted:
        # Neither those that are still to be found nor those that YouTube has not counted yet may be missed or sought later.
        # Push and the feed add to the count meanwhile.
        known_count = F("channel_video_count") + position.uploads_new
    _finish(context, known_count)
    trust.note_misses([band.pk])


def _vain_searches(band: Band) -> int:
    yesterday = dt.timedelta(days=1)
    jobs = SyncJob.objects.filter(band=band, job_type=JobType.INCREMENTAL_SYNC, created_at__gt=Now() - yesterday)
    return jobs.filter(**{f"checkpoint__{_IN_VAIN}": True}).count()


def _read_new(context: JobContext, position: PlaylistPass, *, growth: int | None, may_search: bool) -> None:
    while not position.is_done:
        page = fetch_page(context, position.playlist_id, position.page_token)
        new = _new_items(page)
        _save_page(context, position, page, new, growth if position.is_uploads else None, may_search=may_search)


def _new_items(page: PlaylistPage) -> list[PlaylistItem]:
    """Return the readable entries that we have no available video for, whose details must be fetched.

    Private and deleted ones don't count: they can't be read.
    """
    readable = {item.video_id: item for item in page.items if item.is_readable}
    available = Video.objects.filter(youtube_id__in=readable, availability=Availability.AVAILABLE)
    known = set(available.values_list("youtube_id", flat=True))
    return [item for video_id, item in readable.items() if video_id not in known]


def _may_stop(
    position: PlaylistPass, page: PlaylistPage, new: list[PlaylistItem], growth: int | None, *, may_search: bool
) -> bool:
    """Return True if the pass may end with this page.

    That is a page without new videos, or one on which older videos follow the expected ones; but while fewer new videos
    were found than videoCount promises, only a page without new videos after SEARCH_PAGES.
    """
    if growth is not None and growth > position.uploads_new and may_search:
        return not new and position.pages_read >= SEARCH_PAGES
    if not new:
        return True
    ends_with_new = page.items[-1].video_id in {item.video_id for item in new}
    return not ends_with_new and growth is not None and 0 < growth <= position.uploads_new


def _save_page(
    context: JobContext,
    position: PlaylistPass,
    page: PlaylistPage,
    new: list[PlaylistItem],
    growth: int | None,
    *,
    may_search: bool,
) -> None:
    with transaction.atomic():
        # This job has stored the new videos of these pages, so they say nothing about the pages after them.
        is_read_again = position.pages_read < position.recorded_pages
        unseen, unreadable = unseen_items(context, page), position.unrecorded(page)
        position.observe(page, mark_seen(context, page, position.number))
        if position.is_uploads:
            context.checkpoint[_READ_ALL] = position.is_done and not position.dead_end
            position.uploads_new += sum(item.is_public for item in new)
        if not is_read_again and _may_stop(position, page, new, growth, may_search=may_search):
            position.is_done, position.dead_end = True, ""
        position.store(context.checkpoint)
        written = insert_basics(video_from_item(item, context.band) for item in new)
        context.save(written, unreadable, videos_found=len(unseen), progress_done=len(unseen))


def _finish(context: JobContext, video_count: int | Combinable | None) -> None:
    changes = {} if video_count is None else {"channel_video_count": video_count}
    # Another attempt would add the new videos to the count again.
    context.checkpoint[_FINISHED] = True
    with transaction.atomic():
        context.save()
        # Videos are locked before bands, as at the end of a full sync.
        request_live(context.band)
        Band.objects.filter(pk=context.band.pk).update(
            last_incremental_sync_at=Now(), last_page_read_at=Now(), **changes
        )
        if context.job.parent_id is None and Video.objects.filter(DETAILS_DUE).exists():
            create_enrich(actor_of(context.job))
