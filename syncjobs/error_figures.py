"""Error groups with their figures, over a window of time or over all time, quick however many jobs there are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count, QuerySet
from django.db.models.functions import TruncDay
from django.utils import timezone
from django.utils.translation import gettext as _

from bands.models import Band

from . import counters
from .exceptions import NotFound
from .models import ErrorGroup, JobError

_RECENT_JOBS = 5

_IN_WINDOW = """
    SELECT group_id, count(*) AS n, max(created_at) AS last_at
      FROM syncjobs_joberror WHERE created_at >= %(since)s GROUP BY group_id"""
_BANDS_IN_WINDOW = """
    (SELECT count(DISTINCT band_id) FROM syncjobs_joberror e
      WHERE e.group_id = fingerprint AND e.created_at >= %(since)s)"""
# All time: nothing is counted here, the groups and the triggers' counts know.
_EACH = f"""
    SELECT fingerprint AS group_id, count + COALESCE(delta.errors, 0) AS n, last_seen_at AS last_at
      FROM syncjobs_errorgroup LEFT JOIN {counters.UNFOLDED_ERRORS} AS delta ON delta.group_id = fingerprint"""  # noqa: S608
_EVER = f"{_EACH} WHERE count + COALESCE(delta.errors, 0) > 0"
_ONE = f"{_EACH} WHERE fingerprint = %(fingerprint)s"
_PAGE = """
    WITH figure AS ({figures}),
         page AS (SELECT g.*, f.n, f.last_at, sum(f.n) OVER () AS total
                    FROM figure f JOIN syncjobs_errorgroup g ON g.fingerprint = f.group_id
                   WHERE (%(acknowledged)s::boolean IS NULL OR (g.acknowledged_at IS NOT NULL) = %(acknowledged)s::boolean)
                     AND (%(reason)s::text IS NULL OR g.reason = %(reason)s::text)
                   ORDER BY f.n DESC, g.fingerprint LIMIT %(limit)s OFFSET %(offset)s)
    SELECT fingerprint, reason, message, sample, is_permanent, acknowledged_at, acknowledged_by, note, first_seen_at,
           n, last_at, total, {bands} AS bands,
           ARRAY(SELECT job_id FROM syncjobs_joberror e WHERE e.group_id = fingerprint
                  ORDER BY created_at DESC LIMIT %(recent)s) AS jobs,
           (SELECT json_object_agg(to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:00:00"Z"'), n ORDER BY hour)
              FROM (SELECT date_bin('1 hour', created_at, '2000-01-01 00:00+00') AS hour, count(*) AS n
                      FROM syncjobs_joberror e WHERE e.group_id = fingerprint AND e.created_at >= %(day)s
                     GROUP BY 1) AS hours) AS per_hour
      FROM page ORDER BY n DESC, fingerprint"""


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

    @property
    def has_come_back(self) -> bool:
        """Whether there was another since somebody acknowledged it."""
        return self.acknowledged_at is not None and self.last_at > self.acknowledged_at


def groups(
    since: dt.datetime | None,
    *,
    acknowledged: bool | None = None,
    reason: str | None = None,
    limit: int = 20,
    offset: int = 0,
) -> tuple[list[GroupFigures], int]:
    """The most frequent groups with an error since then (None: ever), and how many errors all such groups have."""
    figures = _IN_WINDOW if since else _EVER
    return _read(figures, since=since, acknowledged=acknowledged, reason=reason, limit=limit, offset=offset)


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
    """The bands that most of a group's errors are of: id, name (None: of no band, or of one deleted since), errors."""
    rows = JobError.objects.filter(group_id=fingerprint).order_by().values_list("band_id").annotate(n=Count("*"))
    most = list(rows.order_by("-n", "band_id")[:limit])
    names = dict(Band.objects.filter(pk__in=[band_id for band_id, _ in most]).values_list("pk", "name"))
    return [(band_id, names.get(band_id), count) for band_id, count in most]


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
        errors = errors.filter(group__acknowledged_at__isnull=not acknowledged)
    if reason is not None:
        errors = errors.filter(group__reason=reason)
    return errors if fingerprint is None else errors.filter(group_id=fingerprint)


def _read(figures: str, **given: Any) -> tuple[list[GroupFigures], int]:
    values: dict[str, Any] = {
        "acknowledged": None,
        "reason": None,
        "limit": 1,
        "offset": 0,
        "recent": _RECENT_JOBS,
        "day": timezone.now() - dt.timedelta(hours=24),
        **given,
    }
    with connection.cursor() as cursor:
        bands = _BANDS_IN_WINDOW if given.get("since") else counters.BANDS_OF_GROUP
        cursor.execute(_PAGE.format(figures=figures, bands=bands), values)
        columns = [column.name for column in cursor.description or ()]
        rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    total = int(rows[0]["total"]) if rows else 0
    return [
        GroupFigures(
            **{name: row[name] for name in columns[:9]},
            count=int(row["n"]),
            last_at=row["last_at"],
            bands=int(row["bands"]),
            recent_jobs=row["jobs"],
            per_hour=row["per_hour"] or {},
        )
        for row in rows
    ], total
