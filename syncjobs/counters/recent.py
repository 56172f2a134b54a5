"""How many errors each group has had in the last day, by hour, and of how many bands: kept ready, and exact when read.

The counts are of the errors from a moment on (`since` of syncjobs_errorwindow) but for those not yet folded. Only the fold
writes them; it moves that moment along as well. Reading adds what is not folded and takes away what lies between that
moment and the one asked for, in one statement. Migration 0010 has the tables.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

WINDOW = dt.timedelta(hours=24)

_SINCE = "(SELECT since FROM syncjobs_errorwindow)"
_ERRORS = (
    "(SELECT group_id, COALESCE(band_id, 0) AS band_id, 1 AS errors, created_at AS at FROM syncjobs_joberror) AS e"
)
_DELTAS = "syncjobs_errordelta"


def _rows(source: str, errors: str, *conditions: str) -> str:
    columns = f"group_id, band_id, floor(date_part('epoch', at) / 3600)::int AS hour, {errors} AS n"
    return f"SELECT {columns} FROM {source} WHERE {' AND '.join(conditions)}"  # noqa: S608


def _passed_over(source: str, since: str, sign: str = "") -> str:
    """The errors between the counts' moment and `since`: taken away if it is the later, added if the earlier."""
    errors = f"{sign}errors * sign(date_part('epoch', {_SINCE} - {since}))::int"
    return _rows(source, errors, f"at >= LEAST({_SINCE}, {since})", f"at < GREATEST({_SINCE}, {since})")


def _summed(*parts: str) -> str:
    rows = " UNION ALL ".join(parts)
    return f"SELECT group_id, band_id, hour, sum(n)::bigint AS n FROM ({rows}) AS change GROUP BY 1, 2, 3 HAVING sum(n) <> 0"  # noqa: S608


def changes(since: str) -> str:
    """What the counts lack to be those of all errors from `since` on, as a query: group_id, band_id (0: none), hour, n."""
    return _summed(_rows(_DELTAS, "errors", f"at >= {_SINCE}"), _passed_over(_ERRORS, since))


FIGURE = """
    SELECT group_id, COALESCE(r.errors, 0) + COALESCE(c.n, 0) AS n, COALESCE(r.bands, 0) AS bands
      FROM syncjobs_recentgroup r
      FULL JOIN (SELECT group_id, sum(n)::bigint AS n FROM recent_change GROUP BY 1) AS c USING (group_id)
     WHERE COALESCE(r.errors, 0) + COALESCE(c.n, 0) > 0"""
"""The groups with recent errors, given the changes as `recent_change`; their bands are without the changes."""
BANDS_CHANGED = """
    (SELECT sum((COALESCE(r.n, 0) + c.n > 0)::int - (COALESCE(r.n, 0) > 0)::int)
       FROM (SELECT band_id, sum(n) AS n FROM recent_change
              WHERE group_id = fingerprint AND band_id <> 0 GROUP BY 1) AS c
       LEFT JOIN syncjobs_recentband r ON r.group_id = fingerprint AND r.band_id = c.band_id)"""
"""By how much the changes alter the number of bands of the group `fingerprint`; null for not at all."""
HOURS = """
    (SELECT hours FROM syncjobs_recentgroup r WHERE r.group_id = fingerprint)
    || (SELECT array_agg(ARRAY[hour, n]) FROM recent_change WHERE group_id = fingerprint)"""
"""Hours of that group (since 1970), each with how many errors to add up for it; null for none."""

FOLDED = _summed(_rows("taken", "errors", f"at >= {_SINCE}"))
ADD = """
    recent_bands AS (
        INSERT INTO syncjobs_recentband (group_id, band_id, n)
        SELECT group_id, band_id, sum(n) FROM recent_change WHERE band_id <> 0 GROUP BY 1, 2
        ON CONFLICT (group_id, band_id) DO UPDATE SET n = syncjobs_recentband.n + EXCLUDED.n),
    recent_hours AS (
        INSERT INTO syncjobs_recenthour (group_id, hour, n)
        SELECT group_id, hour, sum(n) FROM recent_change GROUP BY 1, 2
        ON CONFLICT (group_id, hour) DO UPDATE SET n = syncjobs_recenthour.n + EXCLUDED.n),
    recent_groups AS (
        INSERT INTO syncjobs_recentgroup (group_id, errors, bands, hours)
        SELECT group_id, sum(n), 0, '{}' FROM recent_change GROUP BY 1
        ON CONFLICT (group_id) DO UPDATE SET errors = syncjobs_recentgroup.errors + EXCLUDED.errors)"""
"""Adds `recent_change` to the counts, as parts of a WITH. Whoever does must `tidy` after."""
# An error not yet folded that leaves the window was never counted: reading has kept it apart.
_MOVED = _summed(
    _passed_over(_ERRORS, "%(to)s"),
    _passed_over(_DELTAS, "%(to)s", "-"),
)
_SLIDE = f"WITH recent_change AS MATERIALIZED ({_MOVED}), {ADD} SELECT DISTINCT group_id FROM recent_change"  # noqa: S608
_BANDS = "(SELECT count(*) FROM syncjobs_recentband b WHERE b.group_id = g.group_id)"
_HOURS = "ARRAY(SELECT ARRAY[hour, n] FROM syncjobs_recenthour h WHERE h.group_id = g.group_id ORDER BY hour)"

_TRUTH = _summed(_rows(_ERRORS, "errors", f"at >= {_SINCE}"), _rows(_DELTAS, "-errors", f"at >= {_SINCE}"))
_OF_BAND = "SELECT group_id, band_id, sum(n) AS n FROM truth WHERE band_id <> 0 GROUP BY 1, 2 HAVING sum(n) <> 0"
_OF_HOUR = "SELECT group_id, hour, sum(n) AS n FROM truth GROUP BY 1, 2 HAVING sum(n) <> 0"
_OF_GROUP = """
    SELECT group_id, sum(n) AS errors, count(DISTINCT band_id) FILTER (WHERE band_id <> 0) AS bands
      FROM truth GROUP BY 1 HAVING sum(n) <> 0"""
WRONG = f"""
    WITH truth AS ({_TRUTH})
    SELECT (SELECT count(*) FROM ({_OF_BAND}) AS t
              FULL JOIN syncjobs_recentband r USING (group_id, band_id) WHERE t.n IS DISTINCT FROM r.n)
         + (SELECT count(*) FROM ({_OF_HOUR}) AS t
              FULL JOIN syncjobs_recenthour r USING (group_id, hour) WHERE t.n IS DISTINCT FROM r.n)
         + (SELECT count(*) FROM ({_OF_GROUP}) AS t
              FULL JOIN syncjobs_recentgroup r USING (group_id) WHERE (t.errors, t.bands) IS DISTINCT FROM (r.errors, r.bands))
         + (SELECT count(*) FROM syncjobs_recentgroup g WHERE hours <> {_HOURS})"""  # noqa: S608
ANEW = (
    "DELETE FROM syncjobs_recentband",
    "DELETE FROM syncjobs_recenthour",
    "DELETE FROM syncjobs_recentgroup",
    "UPDATE syncjobs_errorwindow SET since = now() - interval '24 hours'",
    f"WITH truth AS ({_TRUTH}) INSERT INTO syncjobs_recentband (group_id, band_id, n) {_OF_BAND}",
    f"WITH truth AS ({_TRUTH}) INSERT INTO syncjobs_recenthour (group_id, hour, n) {_OF_HOUR}",
    f"WITH truth AS ({_TRUTH}) INSERT INTO syncjobs_recentgroup (group_id, errors, bands, hours)"  # noqa: S608
    f" SELECT *, {_HOURS} FROM ({_OF_GROUP}) AS g",
)


def slide(cursor: Any, to: dt.datetime) -> None:
    """Move the counts' moment, should it be a minute behind or an hour ahead, in the caller's transaction and fold lock.

    It must be a transaction without the groups' locks: whoever deletes a group locks that before these counts.
    """
    cursor.execute(
        "SELECT FROM syncjobs_errorwindow WHERE since NOT BETWEEN %(to)s - interval '1 minute' AND %(to)s + interval '1 hour'",
        {"to": to},
    )
    if not cursor.rowcount:
        return
    cursor.execute(_SLIDE, {"to": to})
    changed = [group_id for (group_id,) in cursor.fetchall()]
    cursor.execute("UPDATE syncjobs_errorwindow SET since = %s", [to])
    tidy(cursor, changed)


def tidy(cursor: Any, groups: list[str]) -> None:
    """Of these groups, whose counts have changed, drop what there is none of any more, and sum up the rest."""
    cursor.execute("DELETE FROM syncjobs_recentband WHERE group_id = ANY(%s) AND n = 0", [groups])
    cursor.execute("DELETE FROM syncjobs_recenthour WHERE group_id = ANY(%s) AND n = 0", [groups])
    cursor.execute("DELETE FROM syncjobs_recentgroup WHERE group_id = ANY(%s) AND errors = 0", [groups])
    cursor.execute(
        f"UPDATE syncjobs_recentgroup g SET bands = {_BANDS}, hours = {_HOURS} WHERE group_id = ANY(%s)",  # noqa: S608
        [groups],
    )
