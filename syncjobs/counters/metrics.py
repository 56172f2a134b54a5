"""Events for Prometheus: how many of each kind there have been, and how long they took, whatever has been deleted since."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db import connection

from ..models import MetricDelta
from ..sql import query

BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14_400.0)
"""Upper bounds (seconds) of all histograms. New ones count from when they are added."""


class Event(StrEnum):
    """The kinds of events, with their labels and value. sql/metrics.sql and `freshness` write them."""

    JOB = "job"
    """A job ended: type, status; seconds since its start, unless it never started or fans out."""
    ATTEMPT = "attempt"
    """An attempt ended: type, outcome."""
    WAIT = "wait"
    """An attempt started: type, queue; seconds that its job was due."""
    RETRY = "retry"
    """A job is tried again: type, "automatic" or "manual"."""
    UNITS = "units"
    """Units were reserved: bucket, operation; counted by units."""
    CALL = "call"
    """YouTube was called: operation, outcome; seconds."""
    ALERT = "alert"
    """An alert opened: rule, severity."""
    DELIVERY = "delivery"
    """A message of alerts ended: kind of channel, state."""
    FRESH = "fresh"
    """A video of a watched channel was stored: how it was noticed, ""; seconds since its publication."""
    NOTICED = "noticed"
    """A video was stored: how it was noticed, ""."""
    CHANGE = "change"
    """Push or the feed reported the change or the deletion of a video that we know: "", ""."""
    PUSH = "push"
    """The hub delivered: what became of it, ""."""
    FEED = "feed"
    """A feed was read: outcome, ""."""
    FOLD = "fold"
    """The deltas were added up."""


@dataclass(frozen=True, slots=True)
class Series:
    """The events of a kind with the same labels. `buckets` has the number of events by upper bound, not cumulative."""

    name: str
    labels: tuple[str, str]
    count: int
    total: float
    buckets: dict[float, int]
    last_at: dt.datetime | None


def add(event: Event, counts: Mapping[tuple[str, str], int]) -> None:
    """Count events that no trigger sees, by their labels."""
    MetricDelta.objects.bulk_create(
        MetricDelta(name=event, label=label, second_label=second, n=n) for (label, second), n in counts.items() if n
    )


def fold(cursor: Any) -> None:
    """Add the deltas up. The caller has the transaction and the fold lock."""
    cursor.execute(query("fold_metrics"), {"bounds": list(BOUNDS)})


def read() -> list[Series]:
    """Return all series. Their counts never fall, whatever jobs, calls or alerts are deleted."""
    with connection.cursor() as cursor:
        cursor.execute(query("read_metrics"), {"bounds": list(BOUNDS)})
        rows = cursor.fetchall()
    found: dict[tuple[str, str, str], list[tuple[Any, ...]]] = {}
    for name, label, second_label, *rest in rows:
        found.setdefault((name, label, second_label), []).append(tuple(rest))
    return list(_series(found))


def _series(found: dict[tuple[str, str, str], list[tuple[Any, ...]]]) -> Iterator[Series]:
    for (name, *labels), parts in found.items():
        yield Series(
            name=name,
            labels=(labels[0], labels[1]),
            count=sum(int(n) for _bound, n, _total, _at in parts),
            total=sum(total for _bound, _n, total, _at in parts),
            buckets={bound: int(n) for bound, n, _total, _at in parts if bound >= 0},
            last_at=max((at for *_rest, at in parts if at is not None), default=None),
        )


def unfolded() -> int:
    """Return how many deltas wait for the fold, of all kinds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM syncjobs_jobdelta) + (SELECT count(*) FROM syncjobs_jobmarkdelta)"
            " + (SELECT count(*) FROM syncjobs_errordelta) + (SELECT count(*) FROM syncjobs_metricdelta)"
        )
        return int(cursor.fetchone()[0])
