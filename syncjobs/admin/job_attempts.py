"""A job's attempts as bars on one time axis, drawn as SVG."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..choices import JobStatus
from ..templatetags.monitor import duration, outcome_look

_WIDTH, _HEIGHT, _THINNEST = 1000, 12, 8
"""The bars stretch to the width of the page, so these are shares of it."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One attempt, or what a queued job waits for if `attempt` is None, with the wait before it."""

    attempt: Any
    picture: SafeString
    waited: str
    took: str


@dataclass(frozen=True, slots=True)
class Axis:
    """The time that all bars share."""

    start: dt.datetime
    end: dt.datetime
    bars: Sequence[Bar]

    @property
    def span(self) -> str:
        """Return how long the axis is."""
        return duration(self.end - self.start)


def axis(job: Any, attempts: Sequence[Any], now: dt.datetime) -> Axis | None:
    """Return the bars of some of the job's attempts, given oldest first; None without attempts."""
    if not attempts:
        return None
    first = attempts[0]
    start = job.created_at if first.number == 1 else first.started_at
    waits_until = max(job.run_at, now) if job.status == JobStatus.QUEUED else None
    ends = [each.ended_at or (now if each is attempts[-1] else each.started_at) for each in attempts]
    end = max(filter(None, (*ends, waits_until, job.completed_at, None if job.is_terminal else now)))
    begins = [start, *ends]
    bars = [_bar(start, end, begins[n], attempt.started_at, ends[n], attempt) for n, attempt in enumerate(attempts)]
    if waits_until:
        bars.append(_bar(start, end, ends[-1], waits_until, None, None))
    return Axis(start, end, bars)


def _bar(
    start: dt.datetime, end: dt.datetime, free: dt.datetime, begin: dt.datetime, until: dt.datetime | None, attempt: Any
) -> Bar:
    """Draw the wait from `free` to `begin`, and the attempt from then `until` it ended."""
    whole = max((end - start).total_seconds(), 0.001)

    def place(at: dt.datetime) -> float:
        return min(max((at - start).total_seconds() / whole, 0.0), 1.0) * _WIDTH

    left = min(place(begin), _WIDTH - _THINNEST) if until else place(begin)
    shapes = [("wait", place(free), left - place(free), 5, 2)]
    if until:
        shapes.append((outcome_look(attempt), left, max(place(until) - left, _THINNEST), 0, _HEIGHT))
    drawn = format_html_join(
        "",
        '<rect class="bar-{}" x="{}" width="{}" y="{}" height="{}"></rect>',
        ((look, f"{x:.1f}", f"{max(width, 0):.1f}", y, height) for look, x, width, y, height in shapes),
    )
    picture = format_html(
        '<svg class="bar" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">{}</svg>',
        _WIDTH,
        _HEIGHT,
        drawn,
    )
    return Bar(attempt, picture, _waited(begin - free, attempt), duration(until - begin) if until else "")


def _waited(wait: dt.timedelta, attempt: Any) -> str:
    if wait < dt.timedelta(seconds=1):
        return ""
    pattern = (
        _("%s after it was queued") if attempt is not None and attempt.number == 1 else _("%s after the attempt before")
    )
    return pattern % duration(wait)
