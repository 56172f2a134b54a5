"""A bucket's day as a chart: the units used so far and by hour, the forecast and the limit, drawn as SVG."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ..stats.quota import BucketFigures

_WIDTH, _HEIGHT, _LOW = 1000, 130, 56
"""The drawings stretch to the width of the page, so these are shares of it."""
_TICKS = 4
_BAR = '<rect class="chart-bar" x="{}" width="{}" y="{}" height="{}"></rect>'
_LEAST = 2
"""The height of the smallest bar."""


@dataclass(frozen=True, slots=True)
class Chart:
    """The drawings, the units at the top of each, the times on their axis, and the figures as rows: start, units, sum."""

    total: SafeString
    by_hour: SafeString
    top: int
    most: int
    ticks: Sequence[dt.datetime]
    rows: Sequence[tuple[dt.datetime, int, int]]


def chart(figures: BucketFigures, hours: Mapping[dt.datetime, int]) -> Chart | None:
    """Return the chart of today's hours; None if nothing was used, and nothing will be as far as we know."""
    state, now, forecast = figures.state, figures.as_of, figures.forecast.at_least
    if not forecast:
        return None
    start, end = min(hours), state.resets_at
    past = [(begin, units) for begin, units in hours.items() if begin <= now]
    sums = list(accumulate(units for _begin, units in past))
    top, most = max(state.limit, forecast), max(units for _begin, units in past)

    def across(at: dt.datetime) -> float:
        return _WIDTH * min(max((at - start) / (end - start), 0.0), 1.0)

    def up(units: int) -> float:
        return _HEIGHT - (_HEIGHT - _LEAST) * units / top

    ends = [begin for begin, _units in past[1:]] + [min(now, end)]
    line = [(0.0, up(0)), *((across(at), up(so_far)) for at, so_far in zip(ends, sums, strict=True))]
    shapes = [
        _path("area", [*line, (line[-1][0], up(0))]),
        _path("limit", [(0, up(state.limit)), (_WIDTH, up(state.limit))]),
        _path("used", line),
    ]
    if state.closed_at is None:
        shapes.append(_path("forecast", [line[-1], (_WIDTH, up(forecast))]))
    step = _WIDTH / len(hours)
    bars = [
        (f"{across(begin):.1f}", f"{step * 0.8:.1f}", f"{_LOW - height:.1f}", f"{height:.1f}")
        for begin, units in past
        if units
        for height in [max(_LOW * units / most, _LEAST)]
    ]
    return Chart(
        total=_svg(_HEIGHT, format_html_join("", "{}", ((shape,) for shape in shapes))),
        by_hour=_svg(_LOW, format_html_join("", _BAR, bars)),
        top=top,
        most=most,
        ticks=[start + (end - start) * number / _TICKS for number in range(_TICKS + 1)],
        rows=[(begin, units, so_far) for (begin, units), so_far in zip(past, sums, strict=True)],
    )


def _path(look: str, points: Sequence[tuple[float, float]]) -> SafeString:
    drawn = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return format_html('<path class="chart-{}" d="M{}"></path>', look, drawn)


def _svg(height: int, shapes: SafeString) -> SafeString:
    return format_html(
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">{}</svg>', _WIDTH, height, shapes
    )
