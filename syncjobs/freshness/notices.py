"""From a notice to a video: rows first, then an ENRICH job, which the reconciler queues when their details are due.

A process that is killed in between loses nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from django.db import IntegrityError, transaction
from django.db.models import F

from bands.models import Band, NoticedBy, Video
from bands.videos import notice_deletions, notice_videos

from .. import counters
from ..choices import JobStatus, JobType
from ..counters.metrics import Event
from ..engine import clock
from ..models import SyncJob
from ..youtube.feeds import FeedEntry

BURST_PAUSE = dt.timedelta(seconds=5)
"""Details are asked for so long after the first notice, so that a burst shares units."""
SMALL_JOBS, WINDOW = 3, dt.timedelta(minutes=96)
"""At most so many ENRICH jobs for a few videos in this time: 45 a day. More videos wait, and share a unit."""
FULL_UNIT = 50


def store(band: Band, entries: Iterable[FeedEntry], noticed_by: NoticedBy) -> list[str]:
    """Store the videos of the band's channel that push or feed told of, and return the ids of those that are new.

    The details of new ones, and of known ones that have changed since, are pending. A band that has just been deleted has
    no videos.
    """
    own = [entry for entry in entries if entry.channel_id == band.channel_id != ""]
    if not own:
        return []
    now = clock.now()
    due_at = details_due_at(now)
    videos = [_video(entry, band, noticed_by, now, due_at) for entry in own]
    try:
        with transaction.atomic():
            noticed = notice_videos(videos)
            new = list(noticed.new)
            # A feed shows the same videos at each read.
            known = len(own) - len(new) - noticed.changed if noticed_by == NoticedBy.PUSH else 0
            count({"new": len(new), "changed": noticed.changed, "known": known}, noticed_by)
            if new:
                # What incremental passes compare with YouTube's videoCount. Videos are locked before bands.
                Band.objects.filter(pk=band.pk).update(channel_video_count=F("channel_video_count") + len(new))
            return new
    except IntegrityError:
        if Band.objects.filter(pk=band.pk).exists():
            raise
        return []


def store_deletions(band: Band, deleted: Mapping[str, dt.datetime | None]) -> int:
    """Have videos looked up by id, because YouTube told of their deletion. Return their number.

    As ever, a video is unavailable when two successful responses have omitted it.
    """
    if not deleted:
        return 0
    now = clock.now()
    with transaction.atomic():
        count({"deleted": len(deleted)}, NoticedBy.PUSH)
        due_at = details_due_at(now)
        return notice_deletions({key: _past(at, now) for key, at in deleted.items()}, band.channel_id, due_at)


def count(kinds: Mapping[str, int], noticed_by: NoticedBy) -> None:
    """Count notices for Prometheus: of new, changed, known and deleted videos."""
    counters.metrics.add(Event.NOTICE, {(kind, noticed_by.value): n for kind, n in kinds.items()})


def details_due_at(now: dt.datetime) -> dt.datetime:
    """Return when the details of a video that was noticed now should be asked for: in seconds, unless that was done a lot.

    Until then the video has what the notice says: title and time of publication. A unit buys the details of 50 videos, so
    videos that come one by one all day wait for each other; fifty of them wait for nothing.
    """
    small = SyncJob.objects.filter(
        # The index begins with the status.
        status__in=JobStatus.values,
        job_type=JobType.ENRICH,
        started_at__gt=now - WINDOW,
        progress_done__lt=FULL_UNIT,
    )
    recent = list(small.order_by("-started_at").values_list("started_at", flat=True)[:SMALL_JOBS])
    soon = now + BURST_PAUSE
    oldest = recent[-1] if len(recent) == SMALL_JOBS else None
    return soon if oldest is None else max(soon, oldest + WINDOW)


def _video(entry: FeedEntry, band: Band, noticed_by: NoticedBy, now: dt.datetime, due_at: dt.datetime) -> Video:
    return Video(
        youtube_id=entry.video_id,
        band_id=band.pk,
        channel_id=entry.channel_id,
        channel_title=band.channel_title,
        title=entry.title,
        published_at=entry.published_at,
        noticed_by=noticed_by,
        notice_updated_at=_past(entry.updated_at, now),
        details_due_at=due_at,
    )


def _past(moment: dt.datetime | None, now: dt.datetime) -> dt.datetime | None:
    """Return the time, but none in the future: every later notice would look old."""
    return None if moment is None else min(moment, now)
