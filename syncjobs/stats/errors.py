"""Figures of error groups, in a window of time or over all time."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import TruncDay
from django.utils.translation import gettext as _

from ..choices import JobStatus
from ..engine import clock
from ..exceptions import NotFound
from ..models import ErrorGroup, JobError
from ..sql import query

_RECENT_JOBS = 5
MAX_BAND_NAMES = 100
"""A group names this many of its bands."""
_SAMPLED = 2000
_DAY = dt.timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """An error group and its figures in the window. `per_hour` has the last 24 hours, without hours that have no errors."""

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
    band_names: list[str]
    """The bands with the newest errors first, at most MAX_BAND_NAMES."""
    recent_jobs: list[int]
    per_hour: dict[str, int]
    has_come_back: bool
    """Whether an error occurred after the group was acknowledged."""


def groups(
    since: dt.datetime | None,
    *,
    acknowledged: bool | None = None,
    reason: str | None = None,
    limit: int = 20,
    offset: int = 0,
) -> tuple[list[GroupFigures], int]:
    """Return the most frequent groups with errors since then (None: all time), and the number of errors of all such groups.

    A group that has come back after it was acknowledged doesn't count as `acknowledged`.
    """
    return _read(since=since, acknowledged=acknowledged, reason=reason, limit=limit, offset=offset)


def group(fingerprint: str) -> GroupFigures:
    """Return a group with its figures of all time, even if none of its errors is left. Raises NotFound."""
    groups, _total = _read(fingerprint=fingerprint)
    if not groups:
        raise NotFound(
            _("There is no error group %(fingerprint)s.") % {"fingerprint": fingerprint[:16]}, field="fingerprint"
        )
    return groups[0]


def with_permanent_error(job_ids: Collection[int]) -> set[int]:
    """Return those of the jobs that ended with an error that a retry alone does not solve."""
    ends = JobError.objects.filter(job_id__in=job_ids, will_retry=False, group__is_permanent=True)
    return set(ends.filter(job__status=JobStatus.FAILED).values_list("job_id", flat=True))


def last_reason(job_id: int) -> str:
    """Return the reason of the error that ended the job; "" if it has none."""
    ends = JobError.objects.filter(job_id=job_id, will_retry=False).order_by("-pk")
    return ends.values_list("reason", flat=True).first() or ""


def reasons() -> list[str]:
    """Return the reasons of all groups, sorted."""
    return list(ErrorGroup.objects.order_by("reason").values_list("reason", flat=True).distinct())


def per_day(fingerprints: Sequence[str], since: dt.datetime) -> dict[str, dict[dt.date, int]]:
    """Return how many errors each group had on each day (UTC) since then, without days that have none."""
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
    """Return the bands with most of a group's errors: id, name, errors. Id and name are None for no or a deleted band."""
    with connection.cursor() as cursor:
        cursor.execute(query("error_group_bands"), {"fingerprint": fingerprint, "limit": limit})
        return [(band_id, name, int(n)) for band_id, name, n in cursor.fetchall()]


def log(
    since: dt.datetime | None = None,
    *,
    acknowledged: bool | None = None,
    reason: str | None = None,
    fingerprint: str | None = None,
) -> QuerySet[JobError]:
    """Return the errors of the selected groups, newest first."""
    errors = JobError.objects.order_by("-created_at", "-pk")
    if since:
        errors = errors.filter(created_at__gte=since)
    if acknowledged is not None:
        is_quiet = Q(group__acknowledged_at__gte=F("group__last_seen_at"))
        errors = errors.filter(is_quiet) if acknowledged else errors.filter(Q(group__acknowledged_at=None) | ~is_quiet)
    if reason is not None:
        errors = errors.filter(group__reason=reason)
    return errors if fingerprint is None else errors.filter(group_id=fingerprint)


def _read(**parameters: Any) -> tuple[list[GroupFigures], int]:
    values = dict.fromkeys(("since", "fingerprint", "reason", "acknowledged")) | {"limit": 1, "offset": 0}
    values |= {"newest": _RECENT_JOBS, "names": MAX_BAND_NAMES, "sampled": _SAMPLED, **parameters}
    values["day"] = _start_of_hours(values["since"])
    with connection.cursor() as cursor:
        cursor.execute(query("error_groups"), values)
        columns = [column.name for column in cursor.description or ()]
        rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    total = int(rows[0]["total"])
    return [_figures(**row) for row in rows if row["fingerprint"]], total


def _start_of_hours(since: dt.datetime | None) -> dt.datetime:
    """Return where the last 24 hours begin; at `since` if that means the same, so that `per_hour` sums to the count."""
    day_ago = clock.now() - _DAY
    return since if since is not None and abs(since - day_ago) < dt.timedelta(hours=1) else day_ago


def _figures(*, hours: list[list[int]], total: Any, count: Any, bands: Any, **columns: Any) -> GroupFigures:
    per_hour = {_hour_label(hour): errors for hour, errors in hours}
    return GroupFigures(count=int(count), bands=int(bands), per_hour=per_hour, **columns)


@lru_cache(maxsize=64)
def _hour_label(hours: int) -> str:
    """Return the start of an hour, counted since 1970."""
    return time.strftime("%Y-%m-%dT%H:00:00Z", time.gmtime(hours * 3600))
