"""How many jobs each filter of the list would select with the others as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import counters
from ..choices import QUEUE_OF_TYPE, JobStatus, JobType, QueuedPart
from ..counters import Selection
from . import filters
from .filters import Kinds, query_of, selected

_MANY = 20_000


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


def read(values: Mapping[str, Any], requester: str) -> Facets:
    """Count what each filter would select besides these cleaned values of JobFilters. `requester` asked for "mine"."""
    query = query_of(values)
    of_now = query.kinds()
    selection = query.selection
    is_timed = bool(values["due"] or values["delay_reason"] or selection.part)
    # Jobs that are due, now or later, are queued; another status replaces that.
    any_time = {**values, "status": None, "due": None, "delay_reason": None}
    of_any_time = query_of(any_time).kinds() if is_timed else of_now
    statuses = {status: _with(of_any_time, selection, statuses=(status,)) for status in JobStatus.values}
    queued, later = JobStatus.QUEUED.value, {"status": [JobStatus.QUEUED.value], "due": "later"}
    delayed = query_of({**any_time, **later}).count() if statuses[queued] else 0
    statuses[QueuedPart.DELAYED.value] = delayed
    statuses[QueuedPart.WAITING.value] = max(0, statuses[queued] - delayed)
    return Facets(
        kinds=of_now,
        statuses=statuses,
        types={kind: _with(of_now, selection, types=_allowed(kind, values["queue"])) for kind in JobType.values},
        with_errors=_other(values, of_now, selection, "has_errors", "true"),
        mine=None if _is_slow(values, requester) else _other(values, of_now, selection, "requested_by", requester),
    )


def _is_slow(values: Mapping[str, Any], requester: str) -> bool:
    """Whether a text would have to be sought in each of very many jobs of the person."""
    seeks = bool(values["search"] or values["error"]) and values["requested_by"] != requester
    return seeks and counters.labeled("by", [requester]).total() > _MANY


def _with(kinds: Kinds, selection: Selection, **changes: tuple[str, ...]) -> int:
    wanted = Selection(changes.get("statuses", selection.statuses), changes.get("types", selection.types))
    return selected(kinds, wanted)


def _allowed(job_type: str, queue: str | None) -> tuple[str, ...]:
    return (job_type,) if not queue or QUEUE_OF_TYPE[job_type] == queue else ("none",)


def _other(values: Mapping[str, Any], of_now: Kinds, selection: Selection, name: str, value: str) -> int:
    """Count the jobs with another value of a filter."""
    kinds = of_now if values[name] == value else filters.query_of({**values, name: value}).kinds()
    return selected(kinds, selection)
