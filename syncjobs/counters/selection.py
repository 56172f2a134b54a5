"""What can be counted: selections of jobs, and the ranges of time that the counts and the jobs answer together."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import IntEnum

HOUR, QUARTER, DAY = dt.timedelta(hours=1), dt.timedelta(hours=6), dt.timedelta(days=1)


class Grain(IntEnum):
    """What a row of the table of counts tells apart, besides type and status: by `since`, then by `across`.

    Of all bands together but for those named after the band, which know quarters of a day instead of days and hours.
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


@dataclass(frozen=True, slots=True)
class Selection:
    """Jobs by what the counts tell apart. Empty tuples and None don't narrow; `end` is excluded."""

    statuses: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    band_id: int | None = None
    start: dt.datetime | None = None
    end: dt.datetime | None = None

    @property
    def is_dated(self) -> bool:
        """Whether a time of creation narrows it."""
        return self.start is not None or self.end is not None


@dataclass(frozen=True, slots=True)
class Cell:
    """`n` jobs of one status and type in a stretch of time; negative where it corrects another cell.

    `since` begins the stretch (None: any time); `hour` is within it, for jobs counted one by one. `untimed` jobs
    don't have the time that was asked for.
    """

    since: dt.datetime | None
    status: str
    job_type: str
    n: int
    hour: dt.datetime | None = None
    untimed: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """A range of creation: whole steps from `low` to `high` (None: unbounded), and edges to add (1) or take away (-1)."""

    low: dt.datetime | None
    high: dt.datetime | None
    edges: tuple[tuple[dt.datetime, dt.datetime, int], ...]
    has_whole: bool = True


def split(selection: Selection, step: dt.timedelta) -> Split:
    """The selection's dates by whole steps. An edge is never longer than half a step but in a range without a whole one."""
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
    """The last whole step, UTC, that is not after it."""
    instant = instant.astimezone(dt.UTC)
    hours = step // HOUR
    return instant.replace(hour=instant.hour - instant.hour % hours, minute=0, second=0, microsecond=0)


def ceil(instant: dt.datetime, step: dt.timedelta) -> dt.datetime:
    """The first whole step, UTC, that is not before it."""
    below = floor(instant, step)
    return below if below == instant else below + step


def nearest(instant: dt.datetime, step: dt.timedelta) -> dt.datetime:
    """The whole step, UTC, that is nearest to it."""
    below = floor(instant, step)
    if instant - below <= step / 2 or below > dt.datetime.max.replace(tzinfo=dt.UTC) - step:
        return below
    return below + step
