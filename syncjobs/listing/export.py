"""Lists as files, streamed by PostgreSQL's COPY. No row passes through Python."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg.sql import SQL, Composed, Identifier

from bands.text import camel_case

from ..engine import clock
from ..exceptions import Busy
from ..live import connections
from ..models import AuditEntry, JobError, SyncJob
from .filters import MAX_CHILD_ERRORS

_log = logging.getLogger(__name__)
_CHUNK_BYTES = 64 * 1024
MOST_AT_ONCE = 4
"""Files that a process streams at a time. Each occupies a database connection for as long as its reader takes."""
MOST_OF_ONE_PERSON = 2
"""Files that a process streams to one person at a time, so that nobody takes all places."""
STALL_SECONDS = 20
"""An export ends if its reader takes nothing for so long."""
RETRY_AFTER_SECONDS = 10
_POLL_SECONDS = 0.1
FORMATS = {"csv": "text/csv; charset=utf-8", "json": "application/x-ndjson"}


# Spreadsheets read full-width signs as well. ascii() of PostgreSQL returns the code point of the first character.
_FORMULA = ", ".join(str(ord(sign)) for sign in "=+-@\t\r\n＝＋－＠")


def _safe(expression: str) -> str:
    """Prefix an apostrophe to cells that spreadsheets would take for formulas."""
    return f"CASE WHEN ascii({expression}) IN ({_FORMULA}) THEN '''' || {expression} ELSE {expression} END"


def _text(expression: str) -> str:
    """A JSON string with any content."""
    return f"COALESCE(to_json({expression})::text, 'null')"


def _word(expression: str) -> str:
    """A JSON string without characters to escape (ids, times, choices), which is faster."""
    return f"COALESCE('\"' || {expression} || '\"', 'null')"


def _number(expression: str) -> str:
    """A JSON number, or null."""
    return f"COALESCE(({expression})::text, 'null')"


def _instant(column: str) -> tuple[str, str]:
    """Return ISO 8601 in UTC, for CSV and for JSON."""
    text = f"replace(timezone('UTC', {column})::text, ' ', 'T') || 'Z'"
    return text, _word(text)


def _sum(column: str) -> tuple[str, str]:
    """Return the column for CSV and for JSON; of an all-bands job with the sum of its children."""
    of_children = f"(SELECT sum(c.{column}) FROM syncjobs_syncjob c WHERE c.parent_id = j.id)"  # noqa: S608
    text = f"CASE WHEN j.fans_out THEN j.{column} + COALESCE({of_children}, 0) ELSE j.{column} END"
    return text, text


_Columns = tuple[tuple[str, str | None, str | None], ...]
"""Each column's name, which files have in camelCase, and its SQL expression in CSV and in JSON.

The expression is None if the format leaves the column out.
"""
_MILLISECONDS = "round(date_part('epoch', j.completed_at - j.started_at) * 1000)::bigint"
_OF_JOB = "SELECT e.id, e.message FROM syncjobs_joberror e WHERE e.job_id = j.id AND NOT e.will_retry"
_OF_FAMILY = f"""SELECT e.id, CASE c.band_name WHEN '' THEN e.message ELSE c.band_name || ': ' || e.message END AS message
                   FROM syncjobs_syncjob c JOIN syncjobs_joberror e ON e.job_id = c.id
                  WHERE (c.id = j.id OR c.parent_id = j.id) AND NOT e.will_retry ORDER BY e.id LIMIT {MAX_CHILD_ERRORS}"""  # noqa: S608
_LIST = "(SELECT json_agg(e.message ORDER BY e.id) FROM ({errors}) AS e)"
_TEXT = f"(SELECT {_safe('text')} FROM (SELECT string_agg(e.message, ' | ' ORDER BY e.id) AS text FROM ({{errors}}) AS e) AS s)"  # noqa: S608


def _errors(aggregate: str) -> str:
    """Return the job's errors; of an all-bands job also those of its children, as the list shows them."""
    of_family, of_job = aggregate.format(errors=_OF_FAMILY), aggregate.format(errors=_OF_JOB)
    return f"CASE WHEN j.fans_out THEN {of_family} WHEN j.error_count > 0 THEN {of_job} END"


_JOB_COLUMNS: _Columns = (
    ("id", "j.id", _word("j.id")),
    ("band_id", "j.band_id", _word("j.band_id")),
    ("band_name", _safe("j.band_name"), _text("nullif(j.band_name, '')")),
    ("job_type", "j.job_type", _word("j.job_type")),
    ("status", "j.status", _word("j.status")),
    ("queue", "j.queue", _word("j.queue")),
    ("priority", "least(j.priority, 40)", "least(j.priority, 40)"),
    ("videos_found", *_sum("videos_found")),
    ("videos_added", *_sum("videos_added")),
    ("videos_updated", *_sum("videos_updated")),
    ("created_at", *_instant("j.created_at")),
    ("started_at", *_instant("j.started_at")),
    ("completed_at", *_instant("j.completed_at")),
    ("quota_used", *_sum("quota_used")),
    ("attempts", "j.attempts_made", "j.attempts_made"),
    ("retry_of", "j.retry_of_id", _word("j.retry_of_id")),
    ("parent_id", "j.parent_id", _word("j.parent_id")),
    ("requested_by", _safe("j.requested_by_label"), _text("j.requested_by_label")),
    ("errors", _errors(_TEXT), f"COALESCE({_errors(_LIST)}, '[]'::json)"),
    ("duration", _MILLISECONDS, _number(_MILLISECONDS)),
    ("videos_unavailable", *_sum("videos_unavailable")),
    ("progress_done", "j.progress_done", None),
    ("progress_total", "j.progress_total", None),
    ("progress", None, f"""concat('{{"done":', j.progress_done, ',"total":', {_number("j.progress_total")}, '}}')"""),
    ("run_at", *_instant("j.run_at")),
    ("delay_reason", "j.delay_reason", _word("j.delay_reason")),
    ("cancel_requested_at", *_instant("j.cancel_requested_at")),
)
_ERROR_COLUMNS: _Columns = (
    ("job_id", "j.job_id", _word("j.job_id")),
    ("at", *_instant("j.created_at")),
    ("reason", _safe("j.reason"), _text("j.reason")),
    ("message", _safe("j.message"), _text("j.message")),
    ("item_id", _safe("j.item_id"), _text("j.item_id")),
    ("fingerprint", "j.group_id", _word("j.group_id")),
    ("band_id", "j.band_id", _word("j.band_id")),
    ("will_retry", "j.will_retry::text", "j.will_retry::text"),
)
_AUDIT_COLUMNS: _Columns = (
    ("id", "j.id", _word("j.id")),
    ("at", *_instant("j.at")),
    ("action", "j.action", _text("j.action")),
    ("actor", _safe("j.actor_label"), _text("j.actor_label")),
    ("origin", "j.origin", _word("j.origin")),
    ("address", _safe("j.address"), _text("j.address")),
    ("target_type", "j.target_type", _text("j.target_type")),
    ("target_id", _safe("j.target_id"), _text("j.target_id")),
    ("result", "j.result", _text("j.result")),
    ("message", _safe("j.message"), _text("j.message")),
    ("data", _safe("j.data::text"), "j.data"),
)


class _Slots:
    """Limits the streams of one process, whose requests arrive on several threads."""

    def __init__(self) -> None:
        self._taken: Counter[int | None] = Counter()
        self._lock = threading.Lock()

    def refuse_if_full(self, person: int | None) -> None:
        """Refuse another stream if the most allowed are running, for all people or for this one. Raises Busy."""
        if self._taken[person] >= MOST_OF_ONE_PERSON:
            message = _("You have %(most)s exports running, which is the maximum. Try again when one has ended.")
            raise Busy(message % {"most": MOST_OF_ONE_PERSON}, retry_after=RETRY_AFTER_SECONDS)
        if self._taken.total() >= MOST_AT_ONCE:
            message = _("%(most)s exports are running, which is the maximum. Try again in a moment.")
            raise Busy(message % {"most": MOST_AT_ONCE}, retry_after=RETRY_AFTER_SECONDS)

    @asynccontextmanager
    async def one(self, person: int | None) -> AsyncIterator[None]:
        """Occupy a slot. If several were admitted at the same moment, wait until one is free."""
        while not self._take(person):
            await asyncio.sleep(_POLL_SECONDS)
        try:
            yield
        finally:
            with self._lock:
                self._taken[person] -= 1

    def _take(self, person: int | None) -> bool:
        with self._lock:
            if self._taken[person] >= MOST_OF_ONE_PERSON or self._taken.total() >= MOST_AT_ONCE:
                return False
            self._taken[person] += 1
            return True


_slots = _Slots()


def audit(rows: QuerySet[AuditEntry], kind: str, *, person: int | None) -> AsyncIterator[bytes]:
    """Stream the audit log to a user as "csv", or as "json" with one object per line. Raises Busy."""
    return _stream(rows, _AUDIT_COLUMNS, kind, person)


def jobs(rows: QuerySet[SyncJob], kind: str, *, person: int | None) -> AsyncIterator[bytes]:
    """Stream the jobs to a user as "csv", or as "json" with one object per line. Raises Busy."""
    return _stream(rows, _JOB_COLUMNS, kind, person)


def errors(rows: QuerySet[JobError], kind: str, *, person: int | None) -> AsyncIterator[bytes]:
    """Stream the error log to a user as "csv", or as "json" with one object per line. Raises Busy."""
    return _stream(rows, _ERROR_COLUMNS, kind, person)


def _stream(rows: QuerySet[Any], columns: _Columns, kind: str, person: int | None) -> AsyncIterator[bytes]:
    # Check while the request can still be refused, and occupy the slot when the first byte is read: a stream that nobody
    # reads, as after HEAD, occupies none.
    _slots.refuse_if_full(person)
    try:
        inner, values = rows.query.sql_with_params()
    except EmptyResultSet:  # The filters contradict each other. A file without rows still has its header.
        inner = SQL("SELECT * FROM {} WHERE false").format(Identifier(rows.model._meta.db_table)).as_string()
        values = ()
    if kind == "csv":
        cells = ", ".join(f'{expression} AS "{camel_case(name)}"' for name, expression, _json in columns if expression)
        copy = SQL("COPY (SELECT {} FROM ({}) AS j) TO STDOUT WITH (FORMAT csv, HEADER)")
    else:
        # Takes two thirds of the time of row_to_json.
        members = ", ',".join(
            f'"{camel_case(name)}":\', {expression}' for name, _csv, expression in columns if expression
        )
        cells = f"concat('{{{members}, '}}')"
        # JSON has no control characters, so COPY with these as quotes and delimiters changes nothing in it.
        copy = SQL(
            "COPY (SELECT {} FROM ({}) AS j)"
            " TO STDOUT WITH (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02', ESCAPE E'\\x01')"
        )
    return _parts(copy.format(SQL(cells), SQL(inner)), values, person)


async def _parts(statement: Composed, values: tuple[Any, ...], person: int | None) -> AsyncIterator[bytes]:
    """Yield the copy's parts at the reader's pace. A task of its own copies, because a stalled reader can't stop it."""
    parts: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)

    def end(_copying: asyncio.Task[None]) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            parts.put_nowait(None)

    copying = asyncio.create_task(_copy(statement, values, person, parts))
    copying.add_done_callback(end)
    try:
        while not (copying.done() and parts.empty()) and (part := await parts.get()) is not None:
            yield part
        await copying
    except TimeoutError:
        # Django takes this for a client that went away: it ends the response, which the client sees to be incomplete.
        raise asyncio.CancelledError from None
    finally:
        copying.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await copying


async def _copy(
    statement: Composed, values: tuple[Any, ...], person: int | None, parts: asyncio.Queue[bytes | None]
) -> None:
    """Copy on a new connection, which closes, and cancels the query, at the end. Raises TimeoutError if the reader stalls."""

    async def put(blocks: list[bytes]) -> None:
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await parts.put(b"".join(blocks))
        except TimeoutError:
            _log.warning("An export ended early: its reader took nothing for %s seconds", STALL_SECONDS)
            raise

    async with _slots.one(person), await connections.connect() as connection, connection.cursor() as cursor:
        blocks: list[bytes] = []
        size = 0
        async with cursor.copy(statement, values) as copy:
            async for block in copy:
                blocks.append(bytes(block))
                size += len(block)
                if size >= _CHUNK_BYTES:
                    await put(blocks)
                    blocks, size = [], 0
        if blocks:
            await put(blocks)


def dated(name: str) -> str:
    """Return the name of a file that a person downloads, with today's date in their time zone."""
    return f"{name}-{clock.now().astimezone(timezone.get_current_timezone()):%Y-%m-%d}"


def file_of(content: Any, kind: str, name: str) -> StreamingHttpResponse:
    """Return the stream as a download."""
    ending = "ndjson" if kind == "json" else kind
    connections.release()
    return StreamingHttpResponse(
        content,
        content_type=FORMATS[kind],
        headers={"Content-Disposition": f'attachment; filename="{name}.{ending}"', "Cache-Control": "no-store"},
    )
