"""The chart of a band's syncs: one row of bars for each figure, drawn as SVG on the same days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from ..stats.bands import Day, Syncs
from ..templatetags.monitor import number

_STEP, _BAR, _HEIGHT, _LOWEST = 10, 8, 32, 1.5
"""The bars stretch to the width of their column, so these are shares of it."""
Part = tuple[str, Sequence[int]]
"""The look of a part of the bars, and its value on each day."""


@dataclass(frozen=True, slots=True)
class Series:
    """One figure: its sum, its value on its highest day, and its bars."""

    label: str
    total: int
    most: int
    picture: SafeString


def chart(syncs: Syncs) -> list[Series]:
    """Return the rows of the chart. Each has a scale of its own, because a sync finds far more videos than it adds."""
    days = syncs.days
    succeeded, failed = [day.syncs - day.failed for day in days], [day.failed for day in days]
    return [
        _series(pgettext("chart", "Syncs"), days, ("off", succeeded), ("bad", failed)),
        _series(_("Found"), days, ("run", [day.found for day in days])),
        _series(_("Added"), days, ("good", [day.added for day in days])),
        _series(_("Errors"), days, ("bad", [day.errors for day in days])),
    ]


def _series(label: str, days: Sequence[Day], *parts: Part) -> Series:
    sums = [sum(values) for values in zip(*(values for _look, values in parts), strict=True)]
    most = max(sums, default=0)
    bars = format_html_join("", "{}", ((bar,) for bar in _bars(days, sums, most, parts)))
    picture = format_html(
        '<svg class="bar bar-days" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">{}</svg>',
        max(len(days), 1) * _STEP,
        _HEIGHT,
        bars,
    )
    return Series(label, sum(sums), most, picture)


def _bars(days: Sequence[Day], sums: Sequence[int], most: int, parts: Sequence[Part]) -> list[SafeString]:
    """Draw the bar of each day that has a value; its parts stand on each other, and its title says the value."""
    bars = []
    for place, day in enumerate(days):
        if not sums[place]:
            continue
        bottom, shapes = float(_HEIGHT), []
        for look, values in parts:
            height = max(_LOWEST, _HEIGHT * values[place] / most) if values[place] else 0.0
            height = min(height, bottom)
            bottom -= height
            shapes.append((look, place * _STEP + 1, f"{bottom:.1f}", _BAR, f"{height:.1f}"))
        drawn = format_html_join("", '<rect class="bar-{}" x="{}" y="{}" width="{}" height="{}"></rect>', shapes)
        title = f"{date_format(day.day, 'SHORT_DATE_FORMAT')}: {number(sums[place])}"
        bars.append(format_html("<g><title>{}</title>{}</g>", title, drawn))
    return bars
