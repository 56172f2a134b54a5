"""Selections of jobs that can be counted, and how a range of time is split between the counts and the jobs."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from ..choices import JobStatus, QueuedPart

HOUR, QUARTER, DAY = dt.timedelta(hours=1), dt.timedelta(hours=6), dt.timedelta(days=1)


class Grain(IntEnum):
    """What a count distinguishes besides type and status: its `since`, then its `across`.

    Counts are of all bands together, except for the grains with BAND in their name. Those use quarters of a day instead
    of days and hours. The function `syncjobs_grains` in sql/job_counts.sql computes them.
    """

    TOTAL = 0  # whether it has started, whether it has ended
    BAND = 1
    DAY = 2  # of creation
    HOUR = 3
    BAND_QUARTER = 4
    STARTED_DAY = 10  # of the start, then of creation
    STARTED_HOUR = 11
    STARTED_OF_HOUR = 12  # hour of creation, then day of the start
    STARTED_BAND_QUARTER = 13
    ENDED_DAY = 20
    ENDED_HOUR = 21
    ENDED_OF_HOUR = 22
    ENDED_BAND_QUARTER = 23


_IS_OF_PART = {
    QueuedPart.WAITING.value: "syncjobs_syncjob.run_at <= statement_timestamp()",
    QueuedPart.DELAYED.value: "syncjobs_syncjob.run_at > statement_timestamp()",
}
"""The condition of each part of the queued jobs."""
OF_ERRORS = 100
"""Added to a grain: the same counts of the jobs with errors alone."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Jobs by what the counts distinguish. Empty tuples and None don't filter; `end` is excluded."""

    statuses: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    band_id: int | None = None
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    with_errors: bool = False
    part: str = ""
    """One of QueuedPart: of the queued jobs, only these are selected."""

    @property
    def is_dated(self) -> bool:
        """Whether it filters by time of creation."""
        return self.start is not None or self.end is not None


@dataclass(frozen=True, slots=True)
class Labeled:
    """Jobs whose band has one of these names ("name"), or that one of these people or schedules requested ("by")."""

    kind: Literal["name", "by"]
    labels: tuple[str, ...]
    with_errors: bool = False
    part: str = ""


def of_part(part: str) -> str:
    """Return the condition that leaves out the queued jobs of the other part."""
    return f"(syncjobs_syncjob.status <> '{JobStatus.QUEUED}' OR {_IS_OF_PART[part]})"


@dataclass(frozen=True, slots=True)
class Uncounted:
    """Jobs of the selection that nothing counts, but that an index finds: those due later, or of a requester, or both."""

    selection: Selection
    is_delayed: bool
    requester: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """`n` jobs of one status and type in a period; `n` is negative if the cell corrects another one.

    `since` starts the period (None: any time). Jobs that were counted one by one also have their `hour`. `untimed` jobs
    don't have the time they are counted by.
    """

    since: dt.datetime | None
    status: str
    job_type: str
    n: int
    hour: dt.datetime | None = None
    untimed: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """A range of time: whole steps from `low` to `high` (None: unbounded), and edges to add (1) or subtract (-1)."""

    low: dt.datetime | None
    high: dt.datetime | None
    edges: tuple[tuple[dt.datetime, dt.datetime, int], ...]
    has_whole: bool = True


def split(selection: Selection, step: dt.timedelta) -> Split:
    """Split the selection's dates into whole steps and edges. No edge is longer than half a step, unless no step is whole."""
    start, end = selection.start, selection.end
    low, high = (start and nearest(start, step)), (end and nearest(end, step))
    if start and end and low and high and low >= high:
        return Split(None, None, ((start, end, 1),) if start < end else (), has_whole=False)
    edges = []
    if start and low and start != low:
        edges.append((min(start, low), max(start, low), 1 if start < low else -1))
    if end and high and end != high:
        edges.append((min(end, high), max(end, high), 1 if high < end else -1))
    return Split(low, high, tuple(edges))


def floor(instant: dt.datetime, step: dt.timedelta) -> dt.datetime:
    """Return the last whole step in UTC that is not after the instant."""
    instant = instant.astimezone(dt.UTC)
    hours = step // HOUR
    return instant.replace(hour=instant.hour - instant.hour % hours, minute=0, second=0, microsecond=0)


def ceil(instant: dt.datetime, step: dt.timedelta) -> dt.datetime:
    """Return the first whole step in UTC that is not before the instant."""
    below = floor(instant, step)
    return below if below == instant else below + step


def nearest(instant: dt.datetime, step: dt.timedelta) -> dt.datetime:
    """Return the whole step in UTC that is nearest to the instant."""
    below = floor(instant, step)
    if instant - below <= step / 2 or below > dt.datetime.max.replace(tzinfo=dt.UTC) - step:
        return below
    return below + step
