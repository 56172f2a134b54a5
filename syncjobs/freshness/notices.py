"""From a notice to a video: rows first, then an ENRICH job, which the reconciler queues when their details are due.

A process that is killed in between loses nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection

from bands.models import Band, NoticedBy, Video
from bands.videos import notice_deletions, notice_videos

from ..choices import JobStatus, JobType
from ..youtube.feeds import FeedEntry

BURST_PAUSE = dt.timedelta(seconds=5)
"""Details are asked for so long after the first notice, so that a burst shares units."""
SMALL_JOB_PAUSE = dt.timedelta(minutes=34)
"""Between ENRICH jobs for a few videos each, so that there are at most 43 a day. More videos wait, and share a unit."""
FULL_UNIT = 50


def store(band: Band, entries: Iterable[FeedEntry], noticed_by: NoticedBy) -> list[str]:
    """Store the videos of the band's channel that push or the feed reported, and return the ids of those that are new.

    The details of new ones, and of known ones that have changed since, are pending.
    """
    own = [entry for entry in entries if entry.channel_id == band.channel_id != ""]
    if not own:
        return []
    now, due_at = details_due_at()
    return notice_videos(_video(entry, band, noticed_by, now, due_at) for entry in own)


def store_deletions(band: Band, deleted: Mapping[str, dt.datetime | None]) -> int:
    """Have videos looked up by id, because YouTube reported their deletion. Return their number.

    As ever, a video is unavailable when two successful responses have omitted it.
    """
    if not deleted:
        return 0
    now, due_at = details_due_at()
    return notice_deletions({key: _past(at, now) for key, at in deleted.items()}, band.channel_id, due_at)


# The index begins with the status. A job that has just begun may turn out to be a big one.
_LAST_SMALL = """
    SELECT statement_timestamp(), max(started_at) FROM syncjobs_syncjob
     WHERE status = ANY(%s) AND job_type = %s AND started_at > statement_timestamp() - make_interval(secs => %s)
       AND progress_done BETWEEN 1 AND %s"""


def details_due_at() -> tuple[dt.datetime, dt.datetime]:
    """Return the time, and when the details of a video that is noticed now should be asked for.

    That is in seconds, unless it was done lately. Until then the video has what the notice says: title and time of
    publication. A unit buys the details of 50 videos, so videos that come one by one all day wait for each other; fifty of
    them wait for nothing.
    """
    with connection.cursor() as cursor:
        values: list[Any] = [JobStatus.values, JobType.ENRICH, SMALL_JOB_PAUSE.total_seconds(), FULL_UNIT - 1]
        cursor.execute(_LAST_SMALL, values)
        now, last = cursor.fetchone()
    soon = now + BURST_PAUSE
    return now, soon if last is None else max(soon, last + SMALL_JOB_PAUSE)


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
