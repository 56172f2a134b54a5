"""From a notice to a video: rows first, then an ENRICH job, which the reconciler queues when their details are due.

A process that is killed in between loses nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.db import connection

from bands.models import Band, NoticedBy
from bands.videos import Noticed, notice_deletions, notice_videos

from ..choices import JobStatus, JobType
from ..youtube.feeds import FeedEntry

BURST_PAUSE = dt.timedelta(seconds=5)
"""Details are asked for so long after the first notice, so that a burst shares units."""
SMALL_JOB_PAUSE = dt.timedelta(minutes=34)
"""Between ENRICH jobs for a few videos each, so that there are at most 43 a day. More videos wait, and share a unit."""
FULL_UNIT = 50


class Source(NamedTuple):
    """What a notice needs of a band, for those who don't have the band itself."""

    pk: int
    channel_id: str
    channel_title: str


class Moment(NamedTuple):
    """The time of a notice, and when the details of a new video that it reports should be asked for."""

    now: dt.datetime
    details_due_at: dt.datetime


# The index begins with the status. A job that has just begun may turn out to be a big one.
DETAILS_DUE_AT = f"""
    GREATEST(statement_timestamp() + interval '{BURST_PAUSE.total_seconds()} s',
             (SELECT max(started_at) FROM syncjobs_syncjob
               WHERE status IN {tuple(JobStatus.values)} AND job_type = '{JobType.ENRICH}'
                 AND started_at > statement_timestamp() - interval '{SMALL_JOB_PAUSE.total_seconds()} s'
                 AND progress_done BETWEEN 1 AND {FULL_UNIT - 1}) + interval '{SMALL_JOB_PAUSE.total_seconds()} s')"""  # noqa: S608 - constants
"""When the details of a video that is noticed now should be asked for, in SQL.

That is in seconds, unless it was done lately. Until then the video has what the notice says: title and time of publication.
A unit buys the details of 50 videos, so videos that come one by one all day wait for each other; fifty of them wait for
nothing.
"""


def moment() -> Moment:
    """Return the present moment."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT statement_timestamp(), {DETAILS_DUE_AT}")
        return Moment(*cursor.fetchone())


def store(
    band: Band | Source,
    entries: Iterable[FeedEntry],
    noticed_by: NoticedBy,
    at: Moment | None = None,
    *,
    also: str = "",
    values: Mapping[str, Any] | None = None,
) -> list[str]:
    """Store the videos of the band's channel that push or the feed reported, and return the ids of those that are new.

    The details of new ones, and of known ones that have changed since, are pending. For `also` and its `values`, which
    need at least one such video, see `notice_videos`.
    """
    own = own_entries(band.channel_id, entries)
    if not own:
        return []
    now, due_at = at or moment()
    videos = (
        Noticed(
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
        for entry in own
    )
    return notice_videos(videos, also=also, values=values)


def own_entries(channel_id: str, entries: Iterable[FeedEntry]) -> list[FeedEntry]:
    """Return the entries whose videos are of the channel."""
    return [entry for entry in entries if entry.channel_id == channel_id != ""]


def store_deletions(channel_id: str, deleted: Mapping[str, dt.datetime | None]) -> int:
    """Have videos of a channel looked up by id, because YouTube reported their deletion. Return their number.

    As ever, a video is unavailable when two successful responses have omitted it.
    """
    if not deleted:
        return 0
    now, due_at = moment()
    return notice_deletions({key: _past(at, now) for key, at in deleted.items()}, channel_id, due_at)


def _past(moment: dt.datetime | None, now: dt.datetime) -> dt.datetime | None:
    """Return the time, but none in the future: every later notice would look old."""
    return None if moment is None else min(moment, now)
