"""How many jobs each filter of the list would select with the others as they are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Count, Q

from .. import counters
from ..choices import QUEUE_OF_TYPE, JobStatus, JobType, QueuedPart
from ..counters import Kinds, Labeled, Selection
from . import pages
from .filters import JobFilters, JobQuery, kinds_of, query_of, selected

_MANY = 20_000
Range = tuple[dt.datetime, dt.datetime | None]
"""Times of creation from the first to before the second; None for any later ones."""


@dataclass(frozen=True, slots=True)
class Facets:
    """Exact numbers of jobs. That of a status doesn't depend on the statuses selected now, that of a type not on the types."""

    kinds: Kinds
    """By status and type, those that are not selected too."""
    statuses: Mapping[str, int]
    """By status; the queued jobs also by the values of QueuedPart."""
    types: Mapping[str, int]
    with_errors: int
    mine: int | None
    """None if nobody knows it without reading too many jobs."""
    ranges: Sequence[int]
    """Created in each of the ranges that were asked for, whatever the dates selected now."""


def read(values: Mapping[str, Any], requester: str, ranges: Sequence[Range] = ()) -> Facets:
    """Count what each filter would select besides these values of JobFilters, as `with_matches` returns them.

    `requester` asked for "mine". What the counts know is counted in one statement.
    """
    query = query_of(values)
    changes: dict[str, dict[str, Any]] = {
        # Jobs that are due, now or later, are queued; another status replaces that.
        "any time": {"due": None, "delay_reason": None},
        "with errors": {"has_errors": "true"},
    }
    if not _is_slow(values, requester):
        changes["mine"] = {"requested_by": requester}
    if query.selection.part:
        changes["any time"]["status"] = None
    later = {"status": [JobStatus.QUEUED.value], "due": "later", "delay_reason": None}
    if query.counted_set is not None:
        changes["delayed"] = later
    if query.is_counted:
        changes |= {f"range {n}": {"start_date": start, "end_date": end} for n, (start, end) in enumerate(ranges)}
    kinds, totals = _count(query, values, changes)
    statuses = {each: _with(kinds["any time"], query.selection, statuses=(each,)) for each in JobStatus.values}
    if "delayed" not in totals:
        totals["delayed"] = query_of({**values, **later}).count() if statuses[JobStatus.QUEUED] else 0
    delayed = statuses[QueuedPart.DELAYED.value] = totals["delayed"]
    statuses[QueuedPart.WAITING.value] = max(0, statuses[JobStatus.QUEUED] - delayed)
    return Facets(
        kinds=kinds["now"],
        statuses=statuses,
        types={
            each: _with(kinds["now"], query.selection, types=_allowed(each, values["queue"])) for each in JobType.values
        },
        with_errors=totals["with errors"],
        mine=totals.get("mine"),
        ranges=[totals[f"range {n}"] for n in range(len(ranges))] if query.is_counted else _read_ranges(query, ranges),
    )


def _count(
    query: JobQuery, values: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Kinds], dict[str, int]]:
    """Count the jobs of the query, as "now", and those with each of the changes to its values, by their names.

    The totals are those of the statuses and types selected.
    """
    queries = {
        name: query_of({**values, **change})
        for name, change in changes.items()
        if any(values[each] != new for each, new in change.items())
    }
    now, *others = kinds_of([query, *queries.values()])
    kinds = dict.fromkeys(["now", *changes], now) | dict(zip(queries, others, strict=True))
    return kinds, {name: selected(each, queries.get(name, query).selection) for name, each in kinds.items()}


def _read_ranges(query: JobQuery, ranges: Sequence[Range]) -> list[int]:
    """Count the query's jobs in each range by reading the jobs once."""
    if not ranges:
        return []
    selection = replace(query.selection, start=min(start for start, _ in ranges), end=None)
    jobs = JobFilters.narrow(pages.selected(selection), query.narrowing)
    within = [Q(created_at__gte=start) & (Q() if end is None else Q(created_at__lt=end)) for start, end in ranges]
    return list(jobs.aggregate(**{f"n{n}": Count("pk", filter=each) for n, each in enumerate(within)}).values())


def _is_slow(values: Mapping[str, Any], requester: str) -> bool:
    """Whether a text would have to be sought in each of very many jobs of the person."""
    seeks = bool(values["search"] or values["error"]) and values["requested_by"] != requester
    return seeks and counters.kinds([Labeled("by", (requester,))])[0].total() > _MANY


def _with(kinds: Kinds, selection: Selection, **changes: tuple[str, ...]) -> int:
    wanted = Selection(changes.get("statuses", selection.statuses), changes.get("types", selection.types))
    return selected(kinds, wanted)


def _allowed(job_type: str, queue: str | None) -> tuple[str, ...]:
    return (job_type,) if not queue or QUEUE_OF_TYPE[job_type] == queue else ("none",)
