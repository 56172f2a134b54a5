"""Trust in push and feeds. It is measured by the videos: who noticed them first, and how long after their publication.

A band whose video a feed, a probe or a full sync found although its push says "verified" loses its trust in push. One whose
video a probe found although its feed was read after the publication loses its trust in the feed. Either comes back by
itself, when push or the feed shows what it should.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import connection

from ..youtube.feeds import FeedEntry

PUSH_GRACE = 120
"""Seconds that a push may take. A feed that was read sooner after the publication says nothing about push."""
RENEWED = 600
"""A push that was asked for so many seconds ago is not asked for again because it missed a video."""
FEED_LAG = 1200
"""Seconds until a feed shows a video: YouTube caches feeds for 15 minutes (observed)."""
PROVEN_BY = 3
"""A push has proven itself when so many new videos of the band came by it within PROVEN_DAYS, and none otherwise."""
PROVEN_DAYS = 30
DISTRUST_DAYS = 7
"""A band whose push missed a video has its feed read as often as without push for so long."""
QUIET = 0.5
BUSY = 10
"""No push has proven itself unless the hub has reported so many bands within QUIET times FEED_POLL_SECONDS.

Only then does a hub that falls silent, or that loses some of its deliveries, show soon enough: the video that shows it first
may be late. On a site with fewer new videos, reading feeds rarely would save little.
"""
WORST = 0.02
"""Push has not proven itself either if, within a day, it missed videos of more than this share of the bands it reported."""
SILENT = 3
"""After so many times FEED_POLL_SECONDS without a delivery, no push takes the place of probes any more."""
PROBE_HOURS = 22.5
"""A channel whose push or feed has proven itself is probed once in so many hours: by an hourly pass after 23, and so none counts
as not synced for a day."""
FAILING_AFTER = 3
"""A feed that could not be read so many times in a row, or that nobody reads, proves nothing."""
OVERDUE = 300
"""Seconds after which a feed that is due counts as one that nobody reads."""
_HEALTHY = """f.trusted_at IS NOT NULL AND f.failures < %(failing)s
           AND f.next_read_at > statement_timestamp() - make_interval(secs => %(overdue)s)"""
_WATCHED: dict[str, float] = {"failing": FAILING_AFTER, "overdue": OVERDUE}
DELIVERING = """COALESCE((SELECT max(d.delivered_at) FROM syncjobs_subscription d)
                         > statement_timestamp() - make_interval(secs => %(quiet)s), false)"""
"""Whether the hub has delivered anything to the site in `quiet` seconds."""
RELIABLE = """(
    SELECT count(*) FILTER (WHERE d.delivered_at > statement_timestamp() - make_interval(secs => %(quiet)s)) >= %(busy)s
       AND count(*) FILTER (WHERE d.trust_lost_at > statement_timestamp() - interval '1 day')
           <= %(worst)s * count(*) FILTER (WHERE d.delivered_at > statement_timestamp() - interval '1 day')
      FROM syncjobs_subscription d)"""
"""Whether the hub delivers so much, and misses so little, that feeds may be read rarely. `reliable()` has its values."""

UNREAD = 1800
FAILED_SHARE = 0.05
"""If so many of the feeds could not be read for UNREAD seconds, their channels are probed."""
_FAILED = f"""
    SELECT count(*) FILTER (
               WHERE f.failures >= %(failing)s AND f.read_at < statement_timestamp() - make_interval(secs => %(unread)s)
                 AND (f.probed_at IS NULL OR f.probed_at < f.read_at)
                 AND NOT EXISTS (SELECT 1 FROM syncjobs_subscription s
                                  WHERE s.band_id = f.band_id AND s.state = 'VERIFIED' AND s.trusted_at IS NOT NULL
                                    AND s.lease_ends_at > statement_timestamp() AND {DELIVERING}))
           >= GREATEST(1, %(share)s * count(*))
      FROM syncjobs_channelfeed f
     WHERE f.band_id NOT IN (SELECT id FROM bands_band WHERE paused_at IS NOT NULL)"""  # noqa: S608 - constants
"""A pass leaves out paused bands, so it would be queued again and again for their feeds."""
_MISSES = """
    WITH missed AS (
        SELECT s.id, s.band_id, max(v.created_at) AS at
          FROM syncjobs_subscription s JOIN bands_video v ON v.band_id = s.band_id AND v.channel_id = s.channel_id
         WHERE s.band_id = ANY(%(bands)s) AND s.state = 'VERIFIED' AND s.lease_ends_at > v.created_at
           AND v.noticed_by IN ('feed', 'probe', 'full_sync') AND v.created_at > statement_timestamp() - interval '1 hour'
           AND v.published_at > s.verified_at AND v.published_at < v.created_at - make_interval(secs => %(grace)s)
           AND (s.trust_lost_at IS NULL OR s.trust_lost_at < v.created_at)
         GROUP BY s.id)
    UPDATE syncjobs_subscription s
       SET trusted_at = NULL, trust_lost_at = missed.at,
           next_request_at = CASE WHEN requested_at > statement_timestamp() - make_interval(secs => %(renewed)s)
                                  THEN next_request_at ELSE LEAST(next_request_at, statement_timestamp()) END
      FROM (SELECT s.id, missed.at FROM syncjobs_subscription s JOIN missed USING (id) ORDER BY s.id FOR NO KEY UPDATE OF s)
           AS missed
     WHERE s.id = missed.id"""
_FEED_MISSES = """
    UPDATE syncjobs_channelfeed f
       -- Without validators, the next answer is the whole feed.
       SET trusted_at = NULL, trust_lost_at = missed.at, etag = '', last_modified = ''
      FROM (SELECT f.band_id, max(v.created_at) AS at
              FROM syncjobs_channelfeed f JOIN bands_video v ON v.band_id = f.band_id AND v.channel_id = f.channel_id
             WHERE f.band_id = ANY(%(bands)s) AND v.noticed_by IN ('probe', 'full_sync')
               AND v.created_at > statement_timestamp() - interval '1 hour'
               AND v.published_at BETWEEN f.watched_since AND f.read_at - make_interval(secs => %(lag)s)
               AND (f.trust_lost_at IS NULL OR f.trust_lost_at < v.created_at)
             GROUP BY f.band_id) AS missed,
           (SELECT band_id FROM syncjobs_channelfeed WHERE band_id = ANY(%(bands)s)
             ORDER BY band_id FOR NO KEY UPDATE) AS locked
     WHERE f.band_id = missed.band_id AND f.band_id = locked.band_id"""
_NEWEST = """(
    SELECT v.youtube_id, v.published_at FROM bands_video v
     WHERE v.band_id = f.band_id AND v.channel_id = f.channel_id AND v.availability = 'AVAILABLE'
       AND v.privacy_status IN ('public', '')
       AND v.published_at < statement_timestamp() - make_interval(secs => %(lag)s)
     ORDER BY v.published_at DESC LIMIT 1) AS known"""
_SHOWN = """unnest(%(bands)s::bigint[], %(newest)s::timestamptz[]) AS shown (band_id, newest)
              JOIN syncjobs_channelfeed f USING (band_id)"""
"""All writers lock the rows of feeds in the order of their bands."""
_FEEDS_SHOW = f"""
    UPDATE syncjobs_channelfeed f SET trusted_at = statement_timestamp()
      FROM (SELECT f.band_id FROM {_SHOWN}
             WHERE f.trusted_at IS NULL AND shown.newest >= ALL (SELECT known.published_at FROM {_NEWEST})
             ORDER BY f.band_id FOR NO KEY UPDATE OF f) AS right_ones
     WHERE f.band_id = right_ones.band_id"""  # noqa: S608 - constants
_FEEDS_LACK = f"""
    UPDATE syncjobs_channelfeed f SET trusted_at = NULL, etag = '', last_modified = ''
      FROM (SELECT f.band_id FROM {_SHOWN}
             WHERE f.trusted_at IS NOT NULL
               AND EXISTS (SELECT 1 FROM {_NEWEST}
                            WHERE known.published_at > shown.newest AND known.youtube_id <> ALL (%(ids)s))
             ORDER BY f.band_id FOR NO KEY UPDATE OF f) AS wrong_ones
     WHERE f.band_id = wrong_ones.band_id"""  # noqa: S608 - constants
_PROVEN = f"""
    SELECT s.band_id FROM syncjobs_subscription s
     WHERE s.band_id = ANY(%(bands)s) AND s.state = 'VERIFIED' AND s.lease_ends_at > statement_timestamp()
       AND s.trusted_at IS NOT NULL AND {RELIABLE}
       AND (s.trust_lost_at IS NULL OR s.trust_lost_at < statement_timestamp() - make_interval(days => %(distrust)s))
       AND (SELECT count(*) FROM bands_video v
             WHERE v.band_id = s.band_id AND v.noticed_by = 'push'
               AND v.published_at > statement_timestamp() - make_interval(days => %(days)s)
               AND (s.trust_lost_at IS NULL OR v.created_at > s.trust_lost_at)) >= %(least)s"""  # noqa: S608 - constants
_FEEDS_PROVEN = f"SELECT f.band_id FROM syncjobs_channelfeed f WHERE {_HEALTHY}"  # noqa: S608 - constants
_NOTE_PROBES = """
    UPDATE syncjobs_channelfeed f SET probed_at = statement_timestamp()
      FROM (SELECT band_id FROM syncjobs_channelfeed WHERE band_id = ANY(%s) ORDER BY band_id FOR NO KEY UPDATE) asked
     WHERE f.band_id = asked.band_id"""
_NOT_DUE = f"""
    SELECT f.band_id FROM syncjobs_channelfeed f
     WHERE f.probed_at > statement_timestamp() - make_interval(secs => %(seconds)s)
       AND ({_HEALTHY}
            OR EXISTS (SELECT 1 FROM syncjobs_subscription s
                        WHERE s.band_id = f.band_id AND s.channel_id = f.channel_id AND s.state = 'VERIFIED'
                          AND s.lease_ends_at > statement_timestamp() AND s.trusted_at IS NOT NULL
                          AND {DELIVERING}))
     ORDER BY f.probed_at"""  # noqa: S608 - constants


def have_feeds_failed() -> bool:
    """Whether many feeds could not be read for a while, of channels that nothing else was asked about since."""
    values = {"unread": UNREAD, "failing": FAILING_AFTER, "share": FAILED_SHARE, "quiet": silent_after()}
    with connection.cursor() as cursor:
        cursor.execute(_FAILED, values)
        return bool(cursor.fetchone()[0])


def note_misses(band_ids: Iterable[int]) -> None:
    """Take trust away where a video of the last hour was found by something else than what should have reported it.

    Such a push is subscribed again. Call this outside of transactions: pushes lock these rows before those of videos.
    """
    values: dict[str, Any] = {"bands": list(band_ids), "grace": PUSH_GRACE, "lag": FEED_LAG, "renewed": RENEWED}
    if not values["bands"]:
        return
    with connection.cursor() as cursor:
        cursor.execute(_MISSES, values)
        cursor.execute(_FEED_MISSES, values)


def note_feeds(shown: Mapping[int, Sequence[FeedEntry]]) -> None:
    """Trust the feeds that show the newest video that we know, and no others. `shown` has the channel's own entries, by band.

    An empty feed is right as long as we know no video of the channel.
    """
    if not shown:
        return
    never = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    entries = [entry for feed in shown.values() for entry in feed]
    values: dict[str, Any] = {
        "bands": list(shown),
        "newest": [max((e.published_at for e in feed if e.published_at), default=never) for feed in shown.values()],
        "ids": [entry.video_id for entry in entries],
        "lag": FEED_LAG,
    }
    with connection.cursor() as cursor:
        cursor.execute(_FEEDS_SHOW, values)
        cursor.execute(_FEEDS_LACK, values)


def reliable() -> dict[str, float]:
    """Return the values of RELIABLE."""
    return {"quiet": QUIET * settings.FEED_POLL_SECONDS, "busy": BUSY, "worst": WORST}


def silent_after() -> float:
    """Return after how many seconds without a delivery push no longer takes the place of probes."""
    return SILENT * float(settings.FEED_POLL_SECONDS)


def push_proven(band_ids: Iterable[int]) -> set[int]:
    """Return those of the bands whose push has proven itself, so that their feeds may be read rarely.

    They are none while the hub is not reliable.
    """
    values: dict[str, Any] = {
        "bands": list(band_ids),
        "distrust": DISTRUST_DAYS,
        "days": PROVEN_DAYS,
        "least": PROVEN_BY,
    } | reliable()
    with connection.cursor() as cursor:
        cursor.execute(_PROVEN, values)
        return {band_id for (band_id,) in cursor.fetchall()}


def feeds_proven() -> set[int]:
    """Return the bands whose feed shows the videos that we know, and is read regularly: their first page need not be read."""
    with connection.cursor() as cursor:
        cursor.execute(_FEEDS_PROVEN, _WATCHED)
        return {band_id for (band_id,) in cursor.fetchall()}


def not_due_for_probe() -> list[int]:
    """Return the bands that need no hourly probe, the one that was probed longest ago first.

    Their feed has proven itself, or their push has and the hub delivers; and they were probed within a day.
    """
    with connection.cursor() as cursor:
        cursor.execute(_NOT_DUE, _WATCHED | {"seconds": PROBE_HOURS * 3600, "quiet": silent_after()})
        return [band_id for (band_id,) in cursor.fetchall()]


def note_probes(band_ids: Iterable[int]) -> None:
    """Note that the videoCount of these bands' channels was asked for. The caller has begun a transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_NOTE_PROBES, [list(band_ids)])
