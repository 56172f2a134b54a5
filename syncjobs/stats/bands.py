"""Figures of one band: its syncs day by day, and what read all of its channel."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import Case, Count, OuterRef, Q, Subquery, When
from django.db.models.functions import Coalesce

from bands.models import BandQuerySet, Video
from bands.videos import OF_OTHER_CHANNEL

from ..choices import BAND_SYNC_TYPES, JobStatus, JobType
from ..models import SyncJob

DAYS = 30
_MOST = 10_000
_BY_DAY = """
    WITH newest AS (
        SELECT created_at, status, videos_found, videos_added, error_count FROM syncjobs_syncjob
         WHERE band_id = %(band)s AND job_type = ANY(%(types)s) AND created_at >= %(since)s
         ORDER BY created_at DESC, id DESC LIMIT %(most)s)
    SELECT (created_at AT TIME ZONE 'UTC')::date, count(*), count(*) FILTER (WHERE status = 'FAILED'),
           sum(videos_found)::bigint, sum(videos_added)::bigint, sum(error_count)::bigint
      FROM newest GROUP BY 1 ORDER BY 1"""


@dataclass(frozen=True, slots=True)
class Day:
    """The syncs of a band that were created on a day (UTC), and the sums of their results so far."""

    day: dt.date
    syncs: int = 0
    failed: int = 0
    found: int = 0
    added: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True)
class Syncs:
    """The syncs of a band by day without gaps, oldest first; the last day is today."""

    as_of: dt.datetime
    days: list[Day] = field(default_factory=list)

    @property
    def total(self) -> int:
        """The number of all syncs."""
        return sum(day.syncs for day in self.days)


def with_what_was_read(bands: BandQuerySet) -> BandQuerySet:
    """Annotate what a band's page says about its channel.

    `read_by` is the last incremental sync that read the channel's uploads to their end, and `read_at` when, unless there was
    a full sync. `other_videos` counts the videos of other channels, which only its former one or a playlist can have brought.
    """
    since = Coalesce(OuterRef("channel_changed_at"), OuterRef("created_at"))
    jobs = SyncJob.objects.filter(band=OuterRef("pk"), started_at__gte=since, status=JobStatus.COMPLETED)
    whole = jobs.filter(job_type=JobType.INCREMENTAL_SYNC, checkpoint__read_all=True).order_by("-created_at", "-pk")
    videos = Video.objects.filter(OF_OTHER_CHANNEL, band=OuterRef("pk")).order_by().values("band")
    is_lacking = Q(last_full_sync_at=None)
    may_have = Q(channel_changed_at__isnull=False) | ~Q(extra_playlists=[])
    return bands.annotate(
        read_by=Case(When(is_lacking, then=Subquery(whole.values("pk")[:1]))),
        read_at=Case(When(is_lacking, then=Subquery(whole.values("completed_at")[:1]))),
        other_videos=Case(When(may_have, then=Subquery(videos.annotate(n=Count("pk")).values("n")))),
    )


def syncs(band_id: int, now: dt.datetime, days: int = DAYS) -> Syncs:
    """Return the full and incremental syncs of a band in the last `days` days, children of all-bands jobs among them.

    A band with more than `_MOST` of them gets fewer days, each of them whole, so the cost has a limit.
    """
    today = now.astimezone(dt.UTC).date()
    first = today - dt.timedelta(days=days - 1)
    values: dict[str, Any] = {
        "band": band_id,
        "types": list(BAND_SYNC_TYPES),
        "since": dt.datetime.combine(first, dt.time(), dt.UTC),
        "most": _MOST,
    }
    with connection.cursor() as cursor:
        cursor.execute(_BY_DAY, values)
        found = {row[0]: Day(*row) for row in cursor.fetchall()}
    if sum(day.syncs for day in found.values()) == _MOST and len(found) > 1:
        # The oldest of these days may lack some of its syncs.
        first = min(found) + dt.timedelta(days=1)
    every = (first + dt.timedelta(days=number) for number in range((today - first).days + 1))
    return Syncs(now, [found.get(day, Day(day)) for day in every])
