"""The bands of the demonstration, and what the story leaves of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import connection

from bands.models import Band, ChannelProblem, NoticedBy
from bands.videos import upsert_details
from syncjobs.sync.videos import video_from_details
from syncjobs.youtube import parsing
from syncjobs.youtube.simulator import resources
from syncjobs.youtube.simulator.world import Video, World


@dataclass
class Member:
    """A band, and what our database knows of its channel at this point of the story."""

    number: int
    band: Band
    videos: list[Video]
    read_at: dt.datetime | None = None
    full_at: dt.datetime | None = None
    known: dict[str, dt.datetime] = field(default_factory=dict)
    """When each video was added, by its id."""
    noticed_by: dict[str, NoticedBy] = field(default_factory=dict)
    details_at: dict[str, dt.datetime] = field(default_factory=dict)
    """When the details were stored of those that push or the feed reported."""
    checked_at: dt.datetime | None = None
    """When a pass last found the channel unchanged, or left it to push and feeds."""
    failures: int = 0
    failing_since: dt.datetime | None = None
    problem_since: dt.datetime | None = None

    def new(self, at: dt.datetime) -> list[Video]:
        """Return the videos that are public by then and not known yet."""
        return [v for v in self.videos if v.published_at <= at and v.is_readable and v.id not in self.known]

    def add(self, videos: Iterable[Video], at: dt.datetime, noticed_by: NoticedBy) -> None:
        """Add videos that were noticed then."""
        for video in videos:
            self.known[video.id], self.noticed_by[video.id] = at, noticed_by

    def times_of(self, noticed_by: NoticedBy) -> list[dt.datetime]:
        """Return when the videos were added that were noticed so."""
        return [self.known[video_id] for video_id, by in self.noticed_by.items() if by == noticed_by]

    def fail(self, at: dt.datetime) -> None:
        """Count a sync that failed then."""
        self.failures, self.failing_since = self.failures + 1, self.failing_since or at

    def count(self, at: dt.datetime) -> int:
        """Return how many entries the playlist has by then."""
        return sum(video.published_at <= at for video in self.videos)


def save(member: Member, world: World, *, stats_at: dt.datetime, problem: ChannelProblem) -> None:
    """Save the videos that the story has added to the band, and what the band knows about its syncs."""
    _save_videos(world, member)
    band = member.band
    checks = (member.read_at, member.checked_at)
    band.last_full_sync_at = member.full_at
    band.last_incremental_sync_at = max((at for at in checks if at), default=None)
    band.last_page_read_at, band.last_stats_refresh_at = member.read_at, stats_at
    band.channel_video_count = sum(world.videos[video_id].privacy == "public" for video_id in member.known)
    band.consecutive_failures, band.failing_since = member.failures, member.failing_since
    if member.problem_since:
        band.channel_problem, band.channel_problem_since = problem, member.problem_since
    band.save()


def _save_videos(world: World, member: Member) -> None:
    found = [resources.video_resource(world, world.videos[video_id]) for video_id in member.known]
    details, _unreadable = parsing.parse_items(found, parsing.video)
    upsert_details(video_from_details(video, member.band.pk) for video in details)
    ids = list(member.known)
    details_at = [member.details_at.get(video_id, at) for video_id, at in member.known.items()]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bands_video SET created_at = added.at, updated_at = details_at, availability_since = added.at,"
            "       noticed_by = added.noticed_by, details_stored_at = details_at"
            "  FROM unnest(%s::text[], %s::timestamptz[], %s::text[], %s::timestamptz[])"
            "       AS added (id, at, noticed_by, details_at) WHERE youtube_id = added.id",
            [ids, list(member.known.values()), [member.noticed_by[video_id].value for video_id in ids], details_at],
        )
