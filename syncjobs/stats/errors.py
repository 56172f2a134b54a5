"""Error groups with their figures, over a window of time or over all time, quick however many jobs there are."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import TruncDay
from django.utils import timezone
from django.utils.translation import gettext as _

from .. import counters
from ..exceptions import NotFound
from ..models import ErrorGroup, JobError

_RECENT_JOBS = 5
_ABOUT = dt.timedelta(hours=1)
"""So near to a day ago, the counts kept for the last day are the quicker way."""


@dataclass(frozen=True, slots=True)
class _Source:
    """Where figures come from: a query of `group_id, n` and more, and expressions with its columns and the group's."""

    figure: str
    bands: str
    last_at: str


_WINDOW = _Source(
    "SELECT group_id, count(*) AS n FROM syncjobs_joberror WHERE created_at >= %(since)s GROUP BY 1",
    """(SELECT count(DISTINCT band_id) FROM syncjobs_joberror e
         WHERE e.group_id = fingerprint AND e.created_at >= %(since)s)""",
    "newest_at",
)
_DAY = _Source(counters.recent.FIGURE, f"page.bands + COALESCE({counters.recent.BANDS_CHANGED}, 0)", "newest_at")
# All time: nothing is counted here, the groups and the triggers' counts know.
_EACH = f"""
    SELECT fingerprint AS group_id, count + COALESCE(delta.errors, 0) AS n
      FROM syncjobs_errorgroup LEFT JOIN {counters.errors.DELTAS} AS delta ON delta.group_id = fingerprint WHERE"""  # noqa: S608
_EVER = _Source(f"{_EACH} count + COALESCE(delta.errors, 0) > 0", counters.errors.BANDS, "last_seen_at")
_ONE = _Source(f"{_EACH} fingerprint = %(fingerprint)s", counters.errors.BANDS, "last_seen_at")
_PAGE = """
    WITH recent_change AS MATERIALIZED ({changes}),
         found AS MATERIALIZED (SELECT figure.* FROM ({figure}) AS figure{narrowed}),
         page AS (SELECT * FROM found ORDER BY n DESC, group_id LIMIT %(limit)s OFFSET %(offset)s)
    SELECT fingerprint, reason, message, sample, is_permanent, acknowledged_at, acknowledged_by, note, first_seen_at,
           n, {last_at} AS last_at, total, {bands} AS bands, jobs, {hours} AS hours,
           COALESCE(acknowledged_at < last_seen_at, false) AS has_come_back
      FROM (SELECT COALESCE(sum(n), 0) AS total FROM found) AS all_found
      LEFT JOIN page ON true LEFT JOIN syncjobs_errorgroup g ON fingerprint = group_id
      LEFT JOIN LATERAL (SELECT array_agg(job_id) AS jobs, max(created_at) AS newest_at
                           FROM (SELECT job_id, created_at FROM syncjobs_joberror e WHERE e.group_id = fingerprint
                                  ORDER BY created_at DESC LIMIT %(recent)s) AS newest) AS of_newest ON true
     ORDER BY n DESC, fingerprint"""

# The errors of no band are those of the group that no band has.
_MOST = f"""
    WITH of_band AS MATERIALIZED (SELECT band_id, n FROM {counters.errors.BY_BAND} AS each WHERE group_id = %(fingerprint)s),
         most AS (SELECT band_id, n FROM of_band
                  UNION ALL
                  SELECT NULL, n - (SELECT COALESCE(sum(n), 0) FROM of_band) FROM ({_EACH} fingerprint = %(fingerprint)s) AS g
                   ORDER BY n DESC, band_id LIMIT %(limit)s)
    SELECT band_id, name, n FROM most LEFT JOIN bands_band ON id = band_id WHERE n > 0 ORDER BY n DESC, band_id"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """An error group and its figures in the window. `per_hour` is of the last 24 hours, hours without errors left out."""

    fingerprint: str
    reason: str
    message: str
    sample: str
    is_permanent: bool
    acknowledged_at: dt.datetime | None
    acknowledged_by: str
    note: str
    first_seen_at: dt.datetime
    count: int
    last_at: dt.datetime
    bands: int
    recent_jobs: list[int]
    per_hour: dict[str, int]
    has_come_back: bool
    """Whether there was another since somebody acknowledged it."""


def groups(
    since: dt.datetime | None,
    *,
    acknowledged: bool | None = None,
    reason: str | None = None,
    limit: int = 20,
    offset: int = 0,
) -> tuple[list[GroupFigures], int]:
    """The most frequent groups with an error since then (None: ever), and how many errors all such groups have.

    One that has come back since somebody acknowledged it is not among those `acknowledged`.
    """
    narrowed: list[str] = []
    given: dict[str, Any] = {"limit": limit, "offset": offset}
    if acknowledged is not None:
        narrowed.append(f"{'' if acknowledged else 'NOT '}COALESCE(acknowledged_at >= last_seen_at, false)")
    if reason is not None:
        narrowed.append("reason = %(reason)s")
        given["reason"] = reason
    if since is None:
        return _read(_EVER, narrowed, **given)
    if abs(timezone.now() - counters.recent.WINDOW - since) < _ABOUT:
        return _read(_DAY, narrowed, day=since, **given)
    return _read(_WINDOW, narrowed, since=since, **given)


def group(fingerprint: str) -> GroupFigures:
    """One group with its figures of all time, should none of its errors be left either. Raises NotFound."""
    found, _total = _read(_ONE, fingerprint=fingerprint)
    if not found:
        raise NotFound(
            _("There is no error group %(fingerprint)s.") % {"fingerprint": fingerprint[:16]}, field="fingerprint"
        )
    return found[0]


def reasons() -> list[str]:
    """The reasons of all groups, by name."""
    return list(ErrorGroup.objects.order_by("reason").values_list("reason", flat=True).distinct())


def per_day(fingerprints: Sequence[str], since: dt.datetime) -> dict[str, dict[dt.date, int]]:
    """How many errors of each group there were on each day (UTC) from then on, days without any left out."""
    days: dict[str, dict[dt.date, int]] = {fingerprint: {} for fingerprint in fingerprints}
    rows = (
        JobError.objects.filter(group_id__in=fingerprints, created_at__gte=since)
        .order_by()
        .values_list("group_id", TruncDay("created_at", tzinfo=dt.UTC))
        .annotate(Count("pk"))
    )
    for fingerprint, day, count in rows:
        days[fingerprint][day.date()] = count
    return days


def bands(fingerprint: str, limit: int) -> list[tuple[int | None, str | None, int]]:
    """The bands that most of a group's errors are of: id, name and errors; None and None: of no band, or a deleted one."""
    with connection.cursor() as cursor:
        cursor.execute(_MOST, {"fingerprint": fingerprint, "limit": limit})
        return [(band_id, name, int(n)) for band_id, name, n in cursor.fetchall()]


def log(
    since: dt.datetime | None = None,
    *,
    acknowledged: bool | None = None,
    reason: str | None = None,
    fingerprint: str | None = None,
) -> QuerySet[JobError]:
    """The errors that such groups count, the newest first."""
    errors = JobError.objects.order_by("-created_at", "-pk")
    if since:
        errors = errors.filter(created_at__gte=since)
    if acknowledged is not None:
        is_quiet = Q(group__acknowledged_at__gte=F("group__last_seen_at"))
        errors = errors.filter(is_quiet) if acknowledged else errors.filter(Q(group__acknowledged_at=None) | ~is_quiet)
    if reason is not None:
        errors = errors.filter(group__reason=reason)
    return errors if fingerprint is None else errors.filter(group_id=fingerprint)


def _read(source: _Source, narrowed: Sequence[str] = (), **given: Any) -> tuple[list[GroupFigures], int]:
    values: dict[str, Any] = {"limit": 1, "offset": 0, "recent": _RECENT_JOBS, **given}
    values.setdefault("day", timezone.now() - counters.recent.WINDOW)
    of_groups = (
        f" JOIN syncjobs_errorgroup ON fingerprint = group_id WHERE {' AND '.join(narrowed)}" if narrowed else ""
    )
    with connection.cursor() as cursor:
        cursor.execute(
            _PAGE.format(
                changes=counters.recent.changes("%(day)s"),
                hours=counters.recent.HOURS,
                narrowed=of_groups,
                **asdict(source),
            ),
            values,
        )
        columns = [column.name for column in cursor.description or ()]
        rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    return [_figures(row, columns) for row in rows if row["fingerprint"]], int(rows[0]["total"])


def _figures(row: dict[str, Any], columns: Sequence[str]) -> GroupFigures:
    by_hour: dict[int, int] = {}
    for hour, count in row["hours"] or ():
        by_hour[hour] = by_hour.get(hour, 0) + count
    return GroupFigures(
        **{name: row[name] for name in columns[:9]},
        count=int(row["n"]),
        last_at=row["last_at"],
        bands=int(row["bands"]),
        recent_jobs=row["jobs"] or [],
        has_come_back=row["has_come_back"],
        per_hour={_hour_label(hour): by_hour[hour] for hour in sorted(by_hour) if by_hour[hour]},
    )


@lru_cache(maxsize=64)
def _hour_label(hours: int) -> str:
    """When an hour began, of so many since 1970."""
    return time.strftime("%Y-%m-%dT%H:00:00Z", time.gmtime(hours * 3600))
