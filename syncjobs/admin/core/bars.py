"""Bars of several parts. They are SVG, because the content security policy allows no inline styles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ...engine.quota import BucketState
from ...stats.quota import Forecast

_WIDTH, _HEIGHT, _GAP = 1000, 12, 3


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bar. `units` is None while it is not known yet; `look` is the color, a class `bar-…`."""

    look: str
    label: str
    units: int | None


@dataclass(frozen=True, slots=True)
class QuotaBar:
    """A day's quota. While all fits into the limit, its parts sum to the limit; `over` are the units that don't fit."""

    parts: Sequence[Part]
    picture: SafeString
    over: int = 0


def of_quota(state: BucketState, forecast: Forecast | None) -> QuotaBar:
    """Return the bar of a bucket: what is used, what will be by the forecast, what is left, and what is reserved of that.

    Without a forecast, what will be used is unknown and counts as left.
    """
    needed = forecast.at_least if forecast else state.used
    free = max(0, state.limit - needed) if state.closed_at is None else 0
    reserved = min(state.left_of_reserved, free)
    parts = (
        Part("used", _("Used"), state.used),
        Part("queued", _("Queued"), forecast.queued if forecast else None),
        Part("scheduled", _("Scheduled"), forecast.scheduled if forecast else None),
        Part("manual", _("Manual"), forecast.people if forecast else None),
        Part("left", _("Left at reset") if forecast else _("Left"), free - reserved),
        Part("reserved", _("Reserved"), reserved),
    )
    shown = [(part.look, part.units) for part in parts if part.units]
    return QuotaBar(parts, stacked(shown, max(state.limit, needed)), max(0, needed - state.limit))


def stacked(parts: Sequence[tuple[str, float]], whole: float) -> SafeString:
    """Draw the parts (look, size) of the whole side by side. The words beside the bar say the same."""
    shapes, left = [], 0.0
    for look, size in parts:
        width = size / max(whole, 1) * _WIDTH
        shapes.append((look, f"{left:.1f}", f"{max(width - _GAP, 1):.1f}", _HEIGHT))
        left += width
    rects = format_html_join("", '<rect class="bar-{}" x="{}" width="{}" height="{}"></rect>', shapes)
    pattern = '<svg class="bar" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
    return format_html(pattern, _WIDTH, _HEIGHT, rects)
