"""What the admin's templates are made of: icons, badges, times and meters, each written once."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from functools import cache
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..choices import JobStatus
from ..engine.quota import BucketState
from ..youtube.costs import Bucket

register = template.Library()

_LOOKS = {
    # status → (colour of the badge, icon)
    JobStatus.QUEUED: ("off", "hourglass"),
    JobStatus.IN_PROGRESS: ("run", "spinner"),
    JobStatus.COMPLETED: ("good", "check"),
    JobStatus.FAILED: ("bad", "cross"),
    JobStatus.CANCELLED: ("off", "stop"),
}


_BUCKETS = {
    Bucket.MAIN: gettext_lazy("Main quota"),
    Bucket.SEARCH: gettext_lazy("Searches"),
    Bucket.STATS: gettext_lazy("Statistics"),
}


@cache
def _sprite() -> str:
    return static("syncjobs/icons.svg")


@register.simple_tag
def icon(name: str) -> SafeString:
    """A picture that says nothing to a screen reader: words stand beside it."""
    return _icon(name)


@cache
def _icon(name: str) -> SafeString:
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', _sprite(), name)


@register.simple_tag
def badge(text: str, look: str = "off", picture: str = "") -> SafeString:
    """A label in one of the looks off, run, good, bad, warn."""
    return format_html('<span class="badge badge-{}">{}{}</span>', look, icon(picture) if picture else "", text)


@register.simple_tag
def status_badge(job: Any, now: dt.datetime | None = None) -> SafeString:
    """How a job stands, in colour, picture and words; a queued one that is not due yet is delayed."""
    return badge(*_standing(job, now))


@register.simple_tag
def status_dot(job: Any, now: dt.datetime | None = None) -> SafeString:
    """The same where there is room for the picture only; the words are there to hear, and on hover."""
    text, look, picture = _standing(job, now)
    return format_html(
        '<span class="badge badge-dot badge-{}" title="{}">{}<span class="visually-hidden">{}</span></span>',
        look,
        text,
        icon(picture),
        text,
    )


def _standing(job: Any, now: dt.datetime | None) -> tuple[str, str, str]:
    """Words, look and picture."""
    look, picture = _LOOKS[JobStatus(job.status)]
    if job.status == JobStatus.QUEUED and now is not None and job.run_at > now:
        return _("Delayed"), "warn", "clock"
    if job.status == JobStatus.COMPLETED and job.error_count:
        return _("Completed with errors"), "warn", "alert"
    if job.status == JobStatus.IN_PROGRESS and job.cancel_requested_at:
        return _("Stopping"), "warn", "stop"
    return str(JobStatus(job.status).label), look, picture


@register.simple_tag
def when(at: dt.datetime | None, kind: str = "at", none: str = "—") -> SafeString | str:
    """An instant; the script shows it in the reader's zone ("at"), or as "ago" or "countdown". UTC without it."""
    if at is None:
        return none
    text = at.astimezone(dt.UTC).isoformat(timespec="milliseconds")
    day, time = text[:10], text[11:19]
    # Nothing here needs escaping, and a list has hundreds of these.
    return mark_safe(  # noqa: S308
        f'<time datetime="{text[:23]}Z" data-time="{kind}" title="{day} {time} UTC">{day} {time[:5]} UTC</time>'
    )


@register.filter
def duration(value: float | dt.timedelta | None) -> str:
    """Seconds, or a timedelta, as people say it: 4.2 s, 3 min 5 s, 2 h 10 min, 3 d 4 h. "—" for None."""
    if value is None:
        return "—"
    seconds = value.total_seconds() if isinstance(value, dt.timedelta) else float(value)
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h"


@register.filter
def number(value: float | None) -> str:
    """With thousands set off by a thin space; "—" for None: unknown is never 0."""
    return "—" if value is None else f"{value:,}".replace(",", "\u202f")


@register.simple_tag
def meter(value: float, maximum: float | None, label: str, look: str = "run") -> SafeString:
    """A bar of `value` of `maximum`; without a maximum it only says that something goes on."""
    if not maximum:
        return format_html('<progress class="meter meter-{}" aria-label="{}"></progress>', look, label)
    return format_html(
        '<progress class="meter meter-{}" max="{}" value="{}" aria-label="{}"></progress>',
        look,
        maximum,
        min(value, maximum),
        label,
    )


@register.simple_tag
def sparkline(values: Sequence[int], label: str) -> SafeString:
    """A row of bars, the largest as high as there is room."""
    most = max(values, default=0) or 1
    width = 120 / max(len(values), 1)
    bars = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}"></rect>',
        (
            (
                f"{n * width:.2f}",
                f"{28 - max(1.5, 26 * value / most):.2f}",
                f"{max(width - 1, 1):.2f}",
                f"{max(1.5, 26 * value / most):.2f}",
            )
            for n, value in enumerate(values)
            if value
        ),
    )
    return format_html('<svg class="spark" viewBox="0 0 120 28" role="img" aria-label="{}">{}</svg>', label, bars)


@register.filter
def milliseconds(value: float | None) -> str:
    """A duration that is given in milliseconds."""
    return duration(None if value is None else value / 1000)


@register.filter
def utc_day(value: dt.datetime) -> str:
    """The day that begins at this instant, in UTC."""
    return date_format(value.astimezone(dt.UTC).date(), "SHORT_DATE_FORMAT")


@register.simple_tag
def percent(share: float | None) -> str:
    """A share from 0 to 1; "—" for None. Rounded down above 99: 100 % is said only when it is so."""
    if share is None:
        return "—"
    return f"{math.floor(share * 1000) / 10:.1f} %" if 0.99 < share < 1 else f"{share:.0%}".replace("%", " %")


@register.simple_tag
def bucket_label(bucket: str) -> str:
    """What people call one of YouTube's daily allowances."""
    return str(_BUCKETS[Bucket(bucket)])


@register.simple_tag
def bucket_look(state: BucketState) -> str:
    """The colour of a bucket's meter: how near it is to what automatic jobs may spend."""
    usable = state.limit - state.reserved
    if state.closed_at or state.used >= usable:
        return "bad"
    return "warn" if state.used >= 0.8 * usable else "good"
