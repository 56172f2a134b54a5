"""Write videos: change only rows that differ, and count exactly what was added and changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

import orjson
from django.db import connection, transaction
from django.db.models import Case, Count, F, Q, Value, When
from django.db.models.functions import Now
from psycopg.sql import SQL, Composable, Identifier

from . import prepared
from .models import Availability, NoticedBy, Video

_COUNTS = ("view_count", "like_count", "comment_count")
_DETAILS = ("channel_id", "channel_title", "title", "description", "published_at", "duration_seconds", "live_state",
            "scheduled_start_at", "thumbnails", "tags", "category_id", "default_language", "definition", "privacy_status",
            "embeddable", "made_for_kids", *_COUNTS)  # fmt: skip
PAUSES = (
    dt.timedelta(),
    dt.timedelta(minutes=1),
    dt.timedelta(minutes=10),
    dt.timedelta(hours=1),
    dt.timedelta(hours=6),
)
"""How long an incomplete video waits before it is asked for again, by the number of incomplete responses before."""
_PENDING_COLUMNS = (
    "availability, details_pending, live_state, tags, category_id, default_language, definition, privacy_status"
)
_PENDING = "'AVAILABLE', true, 'none', '{}'::text[], '', '', '', ''"
"""The columns and values that are the same for all videos whose details are not known yet."""
COUNT_LAG = dt.timedelta(hours=2)
_BASICS = ("channel_id", "channel_title", "title", "description", "published_at", "thumbnails")

OF_OTHER_CHANNEL = ~Q(channel_id="") & ~Q(channel_id=F("band__channel_id")) & ~Q(band__channel_id="")
"""Videos of a channel that is not the one of their band: of its former one, or found in its extra playlists."""


@dataclass(frozen=True, slots=True)
class UpsertCounts:
    """Number of rows that a write added and changed. Unchanged rows count as neither."""

    added: int = 0
    updated: int = 0

    def __add__(self, other: UpsertCounts) -> UpsertCounts:
        return UpsertCounts(self.added + other.added, self.updated + other.updated)


NO_CHANGES = UpsertCounts()


def upsert_details(videos: Iterable[Video]) -> UpsertCounts:
    """Insert or update videos with details from videos.list, and mark them as available.

    A video stays with its band, except that the band of its own channel takes it over from a band that only lists it
    in a playlist. Columns in a video's `unknown` keep what is stored; such a video stays pending and is asked for again.
    Rows are written in order of their ids, so that concurrent writers don't deadlock.
    """
    counts = NO_CHANGES
    for unknown, group in groupby(_unique(videos), key=lambda video: video.unknown):
        rows = list(group)
        counts += _write(_upsert_statement(unknown), _as_json(rows, ("youtube_id", "band_id", "noticed_by", *_DETAILS)))
        if unknown:
            _ask_again([row.youtube_id for row in rows])
    return counts


_OWNER = """CASE WHEN bands_video.band_id = EXCLUDED.band_id OR EXCLUDED.channel_id = ''
                  OR NOT EXISTS (SELECT 1 FROM bands_band new_band
                                  WHERE new_band.id = EXCLUDED.band_id AND new_band.channel_id = EXCLUDED.channel_id)
                  OR EXISTS (SELECT 1 FROM bands_band old_band
                              WHERE old_band.id = bands_video.band_id AND old_band.channel_id = EXCLUDED.channel_id)
                THEN bands_video.band_id ELSE EXCLUDED.band_id END"""
"""The band of an existing video: see `upsert_details`."""


@cache
def _upsert_statement(unknown: frozenset[str]) -> str:
    """Return the statement that inserts rows, or updates their known columns. Complete rows are no longer pending."""
    known = [name for name in _DETAILS if name not in unknown]
    columns = ("youtube_id", "band_id", "noticed_by", *_DETAILS)
    # A start that was known stays: the part that has it is absent once a stream is over.
    value = {name: SQL("EXCLUDED.{}").format(Identifier(name)) for name in known} | {
        "scheduled_start_at": SQL("COALESCE(EXCLUDED.scheduled_start_at, bands_video.scheduled_start_at)")
    }
    pending = SQL("bands_video.details_pending, bands_video.details_tries") if unknown else SQL("false, 0")
    return (
        SQL("""
        INSERT INTO bands_video ({columns}, availability, details_stored_at, details_pending)
        SELECT {rows}
        ON CONFLICT (youtube_id) DO UPDATE
           SET {assignments}, band_id = {owner}, availability = 'AVAILABLE',
               details_stored_at = COALESCE(bands_video.details_stored_at, CASE WHEN bands_video.noticed_by <> ''
                                                                                THEN statement_timestamp() END),
               (details_pending, details_tries) = ROW ({pending}), details_due_at = NULL,
               details_attempt = NULL,
               updated_at = CASE WHEN ({old}, bands_video.availability, bands_video.band_id)
                                      IS DISTINCT FROM ({new}, 'AVAILABLE', {owner})
                                 THEN statement_timestamp() ELSE bands_video.updated_at END,
               availability_since = CASE WHEN bands_video.availability = 'AVAILABLE'
                                         THEN bands_video.availability_since ELSE statement_timestamp() END
         WHERE ({old}, bands_video.availability, bands_video.details_pending, bands_video.details_tries,
                bands_video.band_id) IS DISTINCT FROM ({new}, 'AVAILABLE', {pending}, {owner})
        RETURNING xmax = 0, updated_at = statement_timestamp()""")
        .format(
            columns=_names("{}", columns),
            rows=_from_json(columns, f"'AVAILABLE', statement_timestamp(), {str(bool(unknown)).lower()}"),
            assignments=SQL(", ").join(SQL("{} = {}").format(Identifier(name), value[name]) for name in known),
            owner=SQL(_OWNER),
            pending=pending,
            old=_names("bands_video.{}", known),
            new=SQL(", ").join(value[name] for name in known),
        )
        .as_string()
    )


def _ask_again(youtube_ids: list[str]) -> None:
    """Keep videos pending, with growing pauses, until so many responses in a row were incomplete that it is no accident."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE bands_video
               SET details_pending = details_tries < %(most)s,
                   details_tries = LEAST(details_tries + 1, %(most)s + 1),
                   details_due_at = statement_timestamp() + (%(pauses)s::interval[])[details_tries + 1]
             WHERE youtube_id = ANY(%(ids)s)""",
            {"ids": youtube_ids, "most": len(PAUSES), "pauses": list(PAUSES)},
        )


def insert_basics(videos: Iterable[Video]) -> UpsertCounts:
    """Insert videos with the fields of a playlist page, details pending.

    Existing videos stay as they are, but the details of those that were missing or unavailable are asked for again. One
    statement does both, so that all rows are locked in the order of their ids.
    """
    rows = _unique(videos)
    if not rows:
        return NO_CHANGES
    columns = ("youtube_id", "band_id", "noticed_by", *_BASICS)
    statement = SQL("""
        INSERT INTO bands_video ({columns}, {pending_columns})
        SELECT {rows}
        ON CONFLICT (youtube_id) DO UPDATE
           SET details_pending = true, details_due_at = NULL, details_attempt = NULL
         WHERE bands_video.availability <> 'AVAILABLE' AND NOT bands_video.details_pending
        RETURNING xmax = 0, false""").format(
        columns=_names("{}", columns), pending_columns=SQL(_PENDING_COLUMNS), rows=_from_json(columns, _PENDING)
    )
    return _write(statement.as_string(), _as_json(rows, columns))


class Noticed(NamedTuple):
    """A video that push or the feed reported. Creating instances of the model would double the time of a notice."""

    youtube_id: str
    band_id: int
    channel_id: str
    channel_title: str
    title: str
    published_at: dt.datetime | None
    noticed_by: NoticedBy
    notice_updated_at: dt.datetime | None
    details_due_at: dt.datetime


def notice_videos(videos: Iterable[Noticed], *, also: str = "", values: Mapping[str, Any] | None = None) -> list[str]:
    """Insert videos that push or the feed reported, and have the details of known ones fetched again that have changed since.

    Details are pending from each video's `details_due_at` on. `notice_updated_at` is YouTube's time of the change, so a
    notice that comes twice, late or out of order changes nothing. New videos are added to their band's
    `channel_video_count`, which incremental passes compare with YouTube's. Return the ids of the inserted videos.

    Videos of a band that has been deleted, or has another channel now, are left out.

    `also` is an UPDATE, INSERT or DELETE with named `values` that the same statement makes, whatever becomes of the videos:
    each statement of its own would have a commit that waits for the disk. Where it reads `written`, it sees the new videos.
    """
    rows = _unique(videos)
    if not rows:
        return []
    given = {
        "bands": sorted({row.band_id for row in rows}),
        "rows": orjson.dumps([row._asdict() for row in rows]).decode(),
    }
    return [youtube_id for (youtube_id,) in prepared.execute(_notice_statement(also), given | dict(values or {}))]


@cache
def _notice_statement(also: str) -> str:
    return (
        SQL("""
        WITH kept AS MATERIALIZED (
            -- As in the deletion of a band, its row is locked before its videos.
            SELECT id, channel_id FROM bands_band WHERE id = ANY(%(bands)s) ORDER BY id FOR KEY SHARE),
        written AS (
            INSERT INTO bands_video ({columns}, description, thumbnails, {pending_columns})
            SELECT {columns}, '', '{{}}', {pending}
              FROM json_populate_recordset(NULL::bands_video, %(rows)s::json) AS reported
             WHERE (reported.band_id, reported.channel_id) IN (SELECT id, channel_id FROM kept)
            ON CONFLICT (youtube_id) DO UPDATE
               SET details_pending = true, details_attempt = NULL, details_tries = 0, band_id = {owner},
                   notice_updated_at = EXCLUDED.notice_updated_at,
                   details_due_at = CASE WHEN bands_video.details_pending AND COALESCE(
                                              bands_video.details_due_at < EXCLUDED.details_due_at, true)
                                         THEN bands_video.details_due_at ELSE EXCLUDED.details_due_at END
             WHERE COALESCE(bands_video.notice_updated_at < EXCLUDED.notice_updated_at,
                            bands_video.notice_updated_at IS NULL)
               AND (bands_video.availability <> 'AVAILABLE' OR bands_video.title <> EXCLUDED.title
                    -- Feeds change this time without a change of the video.
                    OR (EXCLUDED.noticed_by = 'push' AND EXCLUDED.notice_updated_at
                        > COALESCE(bands_video.details_stored_at, bands_video.created_at)))
            RETURNING youtube_id, band_id, xmax = 0 AS is_new),
        counted AS (
            -- Rows of bands are changed after those of videos.
            UPDATE bands_band SET channel_video_count = channel_video_count + new.number
              FROM (SELECT band_id, count(*) AS number FROM written WHERE is_new GROUP BY band_id) AS new
             WHERE bands_band.id = new.band_id){also}
        SELECT youtube_id FROM written WHERE is_new""")
        .format(
            columns=_names("{}", Noticed._fields),
            pending_columns=SQL(_PENDING_COLUMNS),
            pending=SQL(_PENDING),
            owner=SQL(_OWNER),
            also=SQL(f", also AS ({also})" if also else ""),
        )
        .as_string()
    )


def notice_deletions(deleted_at: Mapping[str, dt.datetime | None], channel_id: str, due_at: dt.datetime) -> int:
    """Have videos of a channel looked up by id, because YouTube reported their deletion at these times.

    Return the number of changed rows.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH deleted AS (SELECT * FROM unnest(%s::text[], %s::timestamptz[]) AS t (youtube_id, at)),
                 locked AS (
                SELECT v.id, deleted.at FROM bands_video v JOIN deleted USING (youtube_id)
                 WHERE v.channel_id = %s AND v.availability <> 'UNAVAILABLE'
                   AND COALESCE(v.notice_updated_at < deleted.at, v.notice_updated_at IS NULL)
                 ORDER BY v.youtube_id FOR UPDATE OF v)
            UPDATE bands_video v
               SET details_pending = true, details_attempt = NULL, details_tries = 0, details_due_at = %s,
                   notice_updated_at = locked.at
              FROM locked WHERE v.id = locked.id""",
            [list(deleted_at), list(deleted_at.values()), channel_id, due_at],
        )
        return int(cursor.rowcount)


def recently_noticed(band_ids: Iterable[int] | None = None) -> dict[int, int]:
    """Return how many videos of bands push or feeds have reported lately, by band; of all bands if `band_ids` is None.

    YouTube's videoCount may lag behind them (observed: by minutes).
    """
    noticed = (NoticedBy.PUSH, NoticedBy.FEED)
    rows = Video.objects.exclude(noticed_by="").filter(noticed_by__in=noticed, created_at__gt=Now() - COUNT_LAG)
    if band_ids is not None:
        rows = rows.filter(band_id__in=list(band_ids))
    return dict(rows.order_by().values_list("band_id").annotate(number=Count("pk")))


def newest_to_request(videos: Q, limit: int) -> list[int]:
    """Return the ids of up to `limit` videos whose details are not pending, the newest first."""
    rows = Video.objects.filter(videos, details_pending=False).order_by(F("published_at").desc(nulls_last=True), "-id")
    return list(rows.values_list("pk", flat=True)[:limit])


def request_details(ids: Iterable[int]) -> int:
    """Have the details of videos fetched again, 50 per unit, by the next ENRICH job. Return the number of changed rows.

    Call it once per transaction: only the rows of one call are locked in the order that all writers use.
    """
    with transaction.atomic():
        locked = _lock(Q(pk__in=list(ids)))
        return Video.objects.filter(pk__in=locked).update(
            details_pending=True, details_due_at=None, details_attempt=None
        )


def update_counts(counts: Sequence[tuple[str, int | None, int | None, int | None]]) -> int:
    """Write (youtube_id, views, likes, comments) where they differ; return the number of changed rows."""
    if not counts:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE bands_video v
               SET view_count = n.views, like_count = n.likes, comment_count = n.comments,
                   updated_at = statement_timestamp()
              FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::bigint[]) AS n (youtube_id, views, likes, comments)
             WHERE v.youtube_id = n.youtube_id
               AND (v.view_count, v.like_count, v.comment_count) IS DISTINCT FROM (n.views, n.likes, n.comments)""",
            [list(column) for column in zip(*sorted(counts), strict=True)],
        )
        return int(cursor.rowcount)


def mark_missing(youtube_ids: Sequence[str]) -> int:
    """Mark videos that a successful videos.list omitted: missing the first time, unavailable the second.

    Return the number of changed rows.
    """
    if not youtube_ids:
        return 0
    with transaction.atomic():
        ids = _lock(Q(youtube_id__in=youtube_ids))
        return (
            Video.objects.filter(pk__in=ids)
            .filter(~Q(availability=Availability.UNAVAILABLE) | Q(details_pending=True))
            .update(
                availability=Case(
                    When(availability=Availability.AVAILABLE, then=Value(Availability.MISSING)),
                    default=Value(Availability.UNAVAILABLE),
                ),
                availability_since=Case(
                    When(availability=Availability.UNAVAILABLE, then=F("availability_since")), default=Now()
                ),
                details_pending=False,
                details_attempt=None,
                updated_at=Now(),
            )
        )


def mark_absent_from_playlists(videos: Q) -> int:
    """Mark available videos that are in no playlist any more as missing; an availability check decides by id.

    Return the number of changed rows.
    """
    with transaction.atomic():
        ids = _lock(videos & Q(availability=Availability.AVAILABLE))
        return Video.objects.filter(pk__in=ids).update(
            availability=Availability.MISSING, availability_since=Now(), updated_at=Now()
        )


def _lock(condition: Q) -> list[int]:
    """Lock rows in the order that all writers use; return their ids."""
    rows = Video.objects.filter(condition).order_by("youtube_id").select_for_update()
    return list(rows.values_list("pk", flat=True))


_Row = TypeVar("_Row", Video, Noticed)


def _unique(videos: Iterable[_Row]) -> list[_Row]:
    return sorted({video.youtube_id: video for video in videos}.values(), key=lambda video: video.youtube_id)


def _names(pattern: str, columns: Iterable[str]) -> Composable:
    return SQL(", ").join(SQL(pattern).format(Identifier(name)) for name in columns)


def _from_json(columns: Sequence[str], fixed: str) -> Composable:
    """Return the rows of a statement's one parameter. A placeholder for each value takes several times as long."""
    names = _names("{}", columns)
    return SQL("{}, {} FROM json_populate_recordset(NULL::bands_video, %s::json)").format(names, SQL(fixed))


def _as_json(rows: Iterable[Video], columns: Sequence[str]) -> str:
    return orjson.dumps([{name: getattr(row, name) for name in columns} for row in rows]).decode()


def _write(statement: str, rows: str) -> UpsertCounts:
    with connection.cursor() as cursor:
        cursor.execute(statement, [rows])
        written = cursor.fetchall()
    added = sum(is_new for is_new, _ in written)
    # A refresh that finds nothing new only ends the wait for details.
    return UpsertCounts(added=added, updated=sum(is_changed and not is_new for is_new, is_changed in written))
