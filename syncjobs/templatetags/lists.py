"""Tags and filters for lists: sortable column heads, pagers, and what bands and videos show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import template
from django.conf import settings
from django.core.paginator import Page
from django.template import RequestContext
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bands.models import Availability, Band, BandState, Video

from ..engine import clock
from .monitor import badge, icon

register = template.Library()
PER_PAGE = (20, 50, 100)
"""The page sizes that lists offer."""


@register.simple_tag
def labeled_cells(cells: Iterable[str], heads: Iterable[Mapping[str, Any]]) -> SafeString:
    """Draw a row of one of Django's own lists; each cell has the label of its column for the cards of a phone."""
    labels = (escape(capfirst(head["text"])) for head in heads)
    drawn = (cell.replace(">", f' data-label="{label}">', 1) for cell, label in zip(cells, labels, strict=True))
    return mark_safe("".join(drawn))  # noqa: S308 - Django has escaped the cells


@register.simple_tag(takes_context=True)
def sort_head(context: RequestContext, name: str, label: str, look: str = "", first: str = "") -> SafeString:
    """Draw a column head that sorts the list; `first` "-" makes the first click sort descending."""
    query = context["request"].GET.copy()
    current = context["sort"]
    is_sorted, is_descending = current.removeprefix("-") == name, current.startswith("-")
    query["sort"] = name if is_sorted and is_descending else f"-{name}" if is_sorted or first else name
    query.pop("page", None)
    url = f"?{query.urlencode()}"
    arrow: str = icon("down" if is_descending else "up") if is_sorted else ""
    state: str = format_html(' aria-sort="{}"', "descending" if is_descending else "ascending") if is_sorted else ""
    return format_html(
        '<th scope="col" class="{}"{}><a id="sort-{}" href="{}">{}{}</a></th>', look, state, name, url, label, arrow
    )


@register.inclusion_tag("syncjobs/parts/pager.html", takes_context=True)
def pager(context: RequestContext, page: Page[Any], label: str) -> dict[str, Any]:
    """Say which rows the page has, and link to the other pages."""
    numbers = page.paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1)
    return {"request": context["request"], "page": page, "label": label, "numbers": list(numbers), "sizes": PER_PAGE}


@register.simple_tag
def band_badge(band: Band) -> SafeString:
    """Draw the health of a band's syncs. Show the most important problem."""
    return badge(*_health(band))


@register.simple_tag
def band_problem(band: Band) -> SafeString | str:
    """Draw the most important problem of a band's syncs, but not how long ago the last one was; nothing without a problem."""
    text, look, picture = _health(band)
    if look == "good" or text == str(BandState.STALE.label):
        return ""
    return format_html(
        '<span class="badge badge-{}" title="{}">{}<span>{}</span></span>', look, text, icon(picture), text
    )


def _health(band: Band) -> tuple[str, str, str]:
    """Return the text, look and icon of the most important problem of a band's syncs."""
    if not band.is_active:
        return _("Inactive"), "off", "pause"
    if band.paused_at:
        return _("Paused"), "warn", "pause"
    if band.channel_problem:
        return str(band.get_channel_problem_display()), "bad", "alert"
    if band.sync_obstacle:
        return _("No channel"), "warn", "alert"
    if band.consecutive_failures:
        text = ngettext("%(n)s consecutive failure", "%(n)s consecutive failures", band.consecutive_failures)
        return text % {"n": band.consecutive_failures}, "bad", "cross"
    if band.last_full_sync_at is None and band.last_incremental_sync_at is None:
        text = _("New channel, not synced yet") if band.channel_changed_at else _("Never synced")
        return text, "off", "hourglass"
    if band.is_stale(clock.approximate()):
        return str(BandState.STALE.label), "warn", "clock"
    return _("Healthy"), "good", "check"


_AVAILABILITY = {
    Availability.AVAILABLE: ("good", "check"),
    Availability.MISSING: ("warn", "alert"),
    Availability.UNAVAILABLE: ("bad", "cross"),
}


@register.simple_tag
def availability_badge(video: Video) -> SafeString:
    """Draw whether the video is still on YouTube."""
    look, picture = _AVAILABILITY[Availability(video.availability)]
    return badge(str(video.get_availability_display()), look, picture)


@register.filter
def other_channel(video: Video) -> str:
    """Return the title of the video's channel, or its id if the band's has the same title; "" if it is the band's channel."""
    band = video.band
    if not video.channel_id or not band.channel_id or video.channel_id == band.channel_id:
        return ""
    is_telling = video.channel_title not in ("", band.channel_title, band.name)
    return video.channel_title if is_telling else video.channel_id


@register.filter
def thumbnail(video: Video) -> str:
    """Return the URL of a small thumbnail, or "" without one. The simulator's videos never have one."""
    if settings.YOUTUBE_SIMULATED:
        return ""
    sizes = video.thumbnails if isinstance(video.thumbnails, dict) else {}
    for size in ("medium", "default", "high"):
        image = sizes.get(size)
        url = image.get("url") if isinstance(image, dict) else None
        if isinstance(url, str) and url.startswith("https://i.ytimg.com/"):
            return url
    return ""


@register.filter
def playtime(seconds: int | None) -> str:
    """Format a video's duration as YouTube does, 4:07 or 1:02:03; unknown is "—"."""
    if seconds is None:
        return "—"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@register.simple_tag
def swatch(color: str) -> SafeString | str:
    """Show a color with its name. Drawn as SVG: the content security policy forbids inline styles."""
    if not color:
        return ""
    return format_html(
        '<span class="row"><svg class="swatch" viewBox="0 0 20 20" aria-hidden="true"><rect width="20" height="20" rx="5"'
        ' fill="{}"></rect></svg><span class="mono">{}</span></span>',
        color,
        color,
    )


@register.filter
def at(values: Mapping[str, Any], key: str) -> Any:
    """Return the value of a key that a template has in a variable, or the key."""
    return values.get(key, key)
