"""Read the Atom feeds of channels, the second net below push. They cost no quota.

A feed is claimed by one statement, read without a transaction, and its answer is stored if nobody else has claimed it
meanwhile. Two processes never read the same feed at once; if one dies, another reads its feeds LEASE seconds later.

YouTube answers 404 and 500 for the feeds of channels that exist (observed), so an error only has the feed read again soon.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from operator import itemgetter

from django.conf import settings
from django.db import connection, connections, transaction
from django.db.models.functions import Now

from bands.models import Band, NoticedBy

from ..audit.actors import SYSTEM
from ..choices import JobType
from ..engine.background import Background
from ..engine.enqueue import band_key, create_job, lock_bands
from ..exceptions import is_away
from ..models import SyncJob
from ..youtube.feeds import FEED_SIZE, FeedAnswer, FeedEntry, FeedFailed, read_feed
from . import notices, trust

logger = logging.getLogger(__name__)

ROUND_SECONDS, BATCH = 10.0, 80
"""At most so many feeds are read in one round: 8 a second, or 7,200 in 15 minutes."""
MATCH_SECONDS = 30.0
PROBE_PAUSE = 600
"""Seconds between passes that are queued because feeds fail."""
OVERDUE = 60.0
"""What has been due for so many seconds is not left to the elected worker."""
OTHERS_LOOK_SECONDS = 120.0
"""The workers that are not elected look this often for what is overdue."""
THREADS = 10
TIMEOUT = 10.0
LEASE = 120
"""Seconds after which a feed is read by another process: more than a batch takes, even if all requests time out."""
RETRIES = (20, 20, 20, 20, 20, 20, 40, 80, 160, 320)
"""Pauses in seconds after the first failures in a row. After so many, the feed is read as often as others."""
BUSY = (403, 429)
"""YouTube answers so to those who ask too often. Such a feed is not read sooner than others."""
RARELY = 8
"""How many times as seldom a feed is read whose channel's push has proven itself, while the hub is reliable."""
JITTER = 0.1
CATCH_UP = 1 / 3
"""The share of FEED_POLL_SECONDS in which feeds are read that would have been read already without push."""

_MATCH = """
    WITH wanted AS (
        SELECT id, channel_id FROM bands_band WHERE is_active AND channel_id <> ''),
    gone AS (
        DELETE FROM syncjobs_channelfeed f
         WHERE NOT EXISTS (SELECT 1 FROM wanted w WHERE w.id = f.band_id AND w.channel_id = f.channel_id)
        RETURNING band_id)
    INSERT INTO syncjobs_channelfeed (band_id, channel_id, next_read_at, failures, problem, etag, last_modified)
    SELECT b.id, b.channel_id, statement_timestamp() + random() * make_interval(secs => %s), 0, '', '', ''
      FROM bands_band b JOIN wanted w USING (id)
     WHERE NOT EXISTS (SELECT 1 FROM syncjobs_channelfeed f WHERE f.band_id = b.id)
     ORDER BY b.id FOR KEY SHARE OF b
    ON CONFLICT (band_id) DO NOTHING"""
"""The row of a channel that has changed is deleted, and created by the next statement.

The lock leaves out bands that are being deleted.
"""

_CLAIM = """
    UPDATE syncjobs_channelfeed f
       SET tried_at = statement_timestamp(), next_read_at = statement_timestamp() + make_interval(secs => %s)
      FROM (SELECT band_id FROM syncjobs_channelfeed WHERE next_read_at <= statement_timestamp() - make_interval(secs => %s)
             ORDER BY next_read_at LIMIT %s FOR UPDATE SKIP LOCKED) due
     WHERE f.band_id = due.band_id
    RETURNING f.band_id, f.channel_id, f.tried_at, f.etag, f.last_modified, f.failures"""

_READ_SOONER = f"""
    UPDATE syncjobs_channelfeed f
       SET next_read_at = GREATEST(f.tried_at + make_interval(secs => %(poll)s * (1 - %(jitter)s * random())),
                                   statement_timestamp() + make_interval(secs => %(spread)s * random()))
      FROM (SELECT band_id FROM syncjobs_channelfeed
             WHERE next_read_at > statement_timestamp() + make_interval(secs => %(spread)s)
               AND next_read_at > tried_at + make_interval(secs => GREATEST(%(poll)s, %(lease)s))
             ORDER BY band_id FOR NO KEY UPDATE) rare
     WHERE f.band_id = rare.band_id AND NOT {trust.RELIABLE}"""  # noqa: S608 - constants
"""A feed is never read sooner than it would have been without push, and a claimed one is left alone."""

_STORE = """
    WITH stored AS (
    UPDATE syncjobs_channelfeed f
       SET status = n.status, problem = n.problem, failures = n.failures,
           read_at = CASE WHEN n.failures = 0 THEN statement_timestamp() ELSE f.read_at END,
           etag = CASE WHEN n.failures = 0 THEN n.etag ELSE f.etag END,
           last_modified = CASE WHEN n.failures = 0 THEN n.last_modified ELSE f.last_modified END,
           next_read_at = statement_timestamp() + make_interval(secs => n.pause)
      FROM unnest(%s::bigint[], %s::timestamptz[], %s::int[], %s::text[], %s::int[], %s::text[], %s::text[], %s::float8[])
           AS n (band_id, tried_at, status, problem, failures, etag, last_modified, pause)
     WHERE f.band_id = n.band_id AND f.tried_at = n.tried_at
    RETURNING f.band_id, f.status, f.failures),
    noted AS (
    INSERT INTO syncjobs_metricdelta (name, label, second_label, n)
    SELECT 'feed', CASE WHEN failures = 0 AND status = 304 THEN 'unchanged' WHEN failures = 0 THEN 'changed'
                        WHEN status IS NULL THEN 'no_answer' WHEN status = 404 THEN 'not_found'
                        WHEN status >= 500 THEN 'server_error' WHEN status >= 400 THEN 'client_error'
                        ELSE 'bad_answer' END, '', count(*)
      FROM stored GROUP BY 2)
    SELECT band_id FROM stored"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A feed that this process reads. `tried_at` is the fence."""

    band_id: int
    channel_id: str
    tried_at: dt.datetime
    etag: str
    last_modified: str
    failures: int


@dataclass(frozen=True, slots=True)
class Result:
    """The answer for a feed, or why there is none."""

    claimed: Claimed
    answer: FeedAnswer | None
    status: int | None
    problem: str

    @property
    def entries(self) -> list[FeedEntry]:
        """The feed's videos, or none if it has not changed or could not be read."""
        return self.answer.feed.entries if self.answer and self.answer.feed else []


def match_bands() -> None:
    """Have a row for the feed of each active band with a channel, and no others. New ones are read at once, but spread."""
    with connection.cursor() as cursor:
        cursor.execute(_MATCH, [min(60, settings.FEED_POLL_SECONDS)])


def probe_unread() -> bool:
    """Have the channels probed now whose feeds fail together, unless that was done since they were last read.

    The last hourly pass may have left them out just before, so the next one would come late. Return whether a job was queued.
    """
    if not trust.have_feeds_failed():
        return False
    recent = SyncJob.objects.filter(
        job_type=JobType.INCREMENTAL_SYNC, fans_out=True, created_at__gt=Now() - dt.timedelta(seconds=PROBE_PAUSE)
    )
    if recent.exists():
        return False
    key = f"{JobType.INCREMENTAL_SYNC}:all"
    return create_job(SYSTEM, JobType.INCREMENTAL_SYNC, dedupe_key=key, fans_out=True).is_new


def read_sooner() -> int:
    """If the hub delivers too little, or misses too much, read feeds as though there were no push. Return how many that changes.

    Push had proven itself, so they would be read in up to two hours. In the next round, none of them is left to change.
    """
    poll = settings.FEED_POLL_SECONDS
    values = {"poll": poll, "jitter": JITTER, "spread": CATCH_UP * poll, "lease": LEASE} | trust.reliable()
    with connection.cursor() as cursor:
        cursor.execute(_READ_SOONER, values)
        return int(cursor.rowcount)


def read_due(limit: int = BATCH, *, late: float = 0.0) -> int:
    """Read up to `limit` feeds that have been due for `late` seconds, several at once, and store what they show.

    Return their number.
    """
    claimed = _claim(limit, late)
    if claimed:
        _store(list(_threads().map(_read, claimed)))
    return len(claimed)


def _claim(limit: int, late: float = 0.0) -> list[Claimed]:
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [LEASE, late, limit])
        return [Claimed(*row) for row in cursor.fetchall()]


@cache
def _threads() -> ThreadPoolExecutor:
    """Return the threads that make requests. They use no database."""
    return ThreadPoolExecutor(THREADS, "feeds")


def _read(claimed: Claimed) -> Result:
    try:
        answer = read_feed(
            settings.YOUTUBE_FEED_ENDPOINT,
            claimed.channel_id,
            etag=claimed.etag,
            last_modified=claimed.last_modified,
            timeout=TIMEOUT,
        )
    except FeedFailed as error:
        return Result(claimed, None, error.status, str(error))
    return Result(claimed, answer, 200 if answer.feed else 304, "")


def _store(results: Sequence[Result]) -> None:
    """Store the videos first: a process that dies before the answers are stored has the feeds read again."""
    bands = Band.objects.in_bulk([result.claimed.band_id for result in results if result.entries])
    kept = [result for result in results if _has_stored_videos(bands.get(result.claimed.band_id), result)]
    trust.note_misses(bands)
    stored = _store_answers(kept)
    trust.note_feeds(
        {
            result.claimed.band_id: [entry for entry in result.entries if entry.channel_id == result.claimed.channel_id]
            for result in kept
            if result.claimed.band_id in stored and result.answer and result.answer.feed
        }
    )


def _has_stored_videos(band: Band | None, result: Result) -> bool:
    """Store the videos of a feed. Return False if that failed: others are not to suffer, and the feed is read again."""
    # The channel may have changed, or the band have become inactive, since the feed was claimed.
    if band is None or not band.is_active or band.channel_id != result.claimed.channel_id:
        return True
    try:
        _store_videos(band, result.entries)
    except Exception as error:
        if is_away(error):
            raise
        logger.exception("The videos in the feed of %s could not be stored", band.channel_id)
        return False
    return True


def _store_videos(band: Band, entries: Sequence[FeedEntry]) -> None:
    """Store the videos of a feed. If it has room for 15 and all are new, there may be more: the band is synced."""
    with transaction.atomic():
        new = notices.store(band, entries, NoticedBy.FEED)
        # Bands are locked before jobs, as in a band's deletion.
        if len(new) >= FEED_SIZE and lock_bands([band.pk]):
            key = band_key(JobType.INCREMENTAL_SYNC, band.pk)
            create_job(SYSTEM, JobType.INCREMENTAL_SYNC, band=band, dedupe_key=key)


def _store_answers(results: Sequence[Result]) -> set[int]:
    """Store the answers; return the bands whose feeds nobody else has claimed meanwhile."""
    proven = trust.push_proven([result.claimed.band_id for result in results])
    rows = [_columns(result, is_proven=result.claimed.band_id in proven) for result in results]
    # All writers lock the rows in this order.
    columns = list(map(list, zip(*sorted(rows, key=itemgetter(0)), strict=True)))
    with connection.cursor() as cursor:
        cursor.execute(_STORE, columns)
        return {band_id for (band_id,) in cursor.fetchall()}


def _columns(result: Result, *, is_proven: bool) -> tuple[int, dt.datetime, int | None, str, int, str, str, float]:
    failures = 0 if result.answer else result.claimed.failures + 1
    usual = settings.FEED_POLL_SECONDS * (RARELY if is_proven else 1)
    is_retried = 0 < failures <= len(RETRIES) and result.status not in BUSY
    pause = RETRIES[failures - 1] if is_retried else usual
    # Earlier, never later, so that no feed is read less often than promised.
    jitter = 1 - JITTER * random.random()  # noqa: S311 - not a secret
    claimed, answer = result.claimed, result.answer
    return (
        claimed.band_id,
        claimed.tried_at,
        result.status,
        result.problem,
        failures,
        answer.etag if answer else "",
        answer.last_modified if answer else "",
        min(pause, usual) * jitter,
    )


class _Rounds:
    """What a worker does every ten seconds: the elected one reads what is due.

    Any other asks for what that one has left undone, but seldom. It sees at once that it is elected, which costs nothing.
    """

    def __init__(self) -> None:
        self._matched_at = self._looked_at = 0.0

    def run(self, is_elected: bool) -> None:
        now = time.monotonic()
        if is_elected and now - self._matched_at >= MATCH_SECONDS:
            match_bands()
            read_sooner()
            probe_unread()
            self._matched_at = now
        if is_elected:
            read_due()
            return
        if now - self._looked_at >= OTHERS_LOOK_SECONDS:
            self._looked_at = now
            read_due(late=OVERDUE)
        connections.close_all()


_thread: Background | None = None


def start(is_elected: Callable[[], bool]) -> None:
    """Start the thread of this worker that reads feeds."""
    global _thread
    rounds = _Rounds()
    _thread = Background("feeds", lambda: rounds.run(is_elected()), seconds=ROUND_SECONDS)
    _thread.start()


def stop() -> None:
    """Stop the thread."""
    if _thread is not None:
        _thread.stop()
