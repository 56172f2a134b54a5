"""Tags and filters that every page uses: icons, badges, chips, times, meters and live regions."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from django import template
from django.templatetags.static import static
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import escape, format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..choices import AttemptOutcome, FeedState, JobStatus, PushState, Role
from ..engine.clock import is_wrong
from ..engine.quota import BucketState
from ..youtube.costs import Bucket

register = template.Library()

_STATUS_LOOKS = {
    # status → (color of the badge, icon)
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
    """Draw a decorative icon, hidden from screen readers: the words beside it say the same."""
    return _icon(name)


@cache
def _icon(name: str) -> SafeString:
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', _sprite(), name)


@register.simple_tag
def badge(text: str, look: str = "off", picture: str = "") -> SafeString:
    """Draw a label; `look` is one of off, run, good, bad, warn."""
    return format_html('<span class="badge badge-{}">{}{}</span>', look, icon(picture) if picture else "", text)


@register.simple_tag
def chip(
    text: str,
    url: str,
    is_on: bool = False,
    picture: str = "",
    title: str = "",
    name: str = "",
    count: int | None = None,
) -> SafeString:
    """Draw a link that toggles a filter or selects a view; `is_on` marks the current one, `count` is what it leads to."""
    label = f' id="chip-{escape(name)}"' if name else ""
    figure = "" if count is None else f' <span class="chip-count">{number(count)}</span>'
    current = ' aria-current="true"' if is_on else ""
    hint = f' title="{escape(title)}"' if title else ""
    drawing = icon(picture) if picture else ""
    link = f'<a class="chip"{label} href="{escape(url)}"{current}{hint}>{drawing}{escape(text)}{figure}</a>'
    return mark_safe(link)  # noqa: S308 - escaped above; format_html takes ten times as long


@register.simple_tag
def filter_chips(chips: Iterable[Any]) -> SafeString:
    """Draw chips of filters with their counts; those that are on have a tick."""
    drawn = (chip(c.label, c.url, c.is_on, "check" if c.is_on else "", "", c.name, c.count) for c in chips)
    return mark_safe("\n".join(drawn))  # noqa: S308 - each is safe


@register.simple_tag
def job_link(job_id: int, key: str = "") -> SafeString:
    """Link to a job, opened in the dialog. `key` "open" makes it what Enter opens in the selected row."""
    url = reverse("admin:syncjobs_syncjob_change", args=[job_id])
    opens = format_html(' data-key="{}"', key) if key else ""
    return format_html(
        '<a href="{}" class="nowrap" data-dialog data-dialog-hash="job-{}"{}>#{}</a>', url, job_id, opens, job_id
    )


@register.simple_tag
def figure(value: float | None, url: str, *names: str, look: str = "") -> SafeString:
    """Link a figure to the list of what it counts. `names` say what that is, as a link that is only “3” says nothing."""
    shown = number(value)
    label = f"{', '.join(str(name) for name in names)}: {shown}"
    return format_html('<a class="{}" aria-label="{}" href="{}">{}</a>', look, label, url, shown)


@register.simple_tag
def live(
    url: str,
    on: str = "job",
    poll: int = 30,
    every: int | None = None,
    swap: str = "outerHTML",
    job: int | None = None,
    active: bool | None = None,
    load: bool = False,
    always: bool = False,
    **query: Any,
) -> SafeString:
    """Make the element a live region (see live.js) that is fetched from `url` with `query`, also at once if it is to `load`.

    `on` are the events that refresh it, at most every `every` milliseconds; `poll` are the seconds between requests
    while there is no event stream, or `always`: no event reports changes of bands, errors and schedules. `job` limits the
    events to one job; `active` False stops the polling.
    """
    if query:
        url = f"{url}?{urlencode(query)}"
    attributes = {"data-live": on, "data-live-job": job, "data-live-every": every, "data-poll": poll or None}
    attributes |= {"data-always": "true"} if always else {}
    if active is not None:
        attributes["data-active"] = "true" if active else "false"
    attributes |= {
        "hx-get": url,
        "hx-trigger": "load, refresh" if load else "refresh",
        "hx-swap": f"morph:{swap}",
        "hx-ext": "morph",
    }
    return mark_safe(  # noqa: S308
        " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items() if value is not None)
    )


@register.simple_tag
def status_badge(job: Any, now: dt.datetime | None = None, is_silent: bool = False) -> SafeString:
    """Draw a job's status; a queued job with `run_at` after `now` is delayed, one whose worker is silent may not run."""
    if is_silent and job.status == JobStatus.IN_PROGRESS:
        return badge(_("Worker not responding"), "bad", "alert")
    return badge(*_status(job, now))


@register.simple_tag
def status_dot(job: Any, now: dt.datetime | None = None) -> SafeString:
    """Draw a job's status as an icon only, with its name as a tooltip and for screen readers."""
    text, look, picture = _status(job, now)
    return format_html(
        '<span class="badge badge-dot badge-{}" title="{}">{}<span class="visually-hidden">{}</span></span>',
        look,
        text,
        icon(picture),
        text,
    )


def _status(job: Any, now: dt.datetime | None) -> tuple[str, str, str]:
    """Return the text, look and icon of a job's badge."""
    look, picture = _STATUS_LOOKS[JobStatus(job.status)]
    if job.status == JobStatus.QUEUED and now is not None and job.run_at > now:
        return _("Delayed"), "warn", "clock"
    if job.status == JobStatus.COMPLETED and job.error_count:
        return _("Completed with errors"), "warn", "alert"
    if job.status == JobStatus.IN_PROGRESS and job.cancel_requested_at:
        return _("Cancelling"), "warn", "stop"
    return str(JobStatus(job.status).label), look, picture


_OUTCOME_LOOKS = {
    AttemptOutcome.SUCCEEDED: ("good", "check"),
    AttemptOutcome.RUNNING: ("run", "spinner"),
    AttemptOutcome.FAILED: ("bad", "cross"),
    AttemptOutcome.LOST: ("bad", "cross"),
    AttemptOutcome.KILLED: ("bad", "cross"),
}


@register.simple_tag
def outcome_badge(attempt: Any) -> SafeString:
    """Draw how an attempt ended."""
    look, picture = _OUTCOME_LOOKS.get(attempt.outcome, ("off", "stop"))
    return badge(str(attempt.get_outcome_display()), look, picture)


def outcome_look(attempt: Any) -> str:
    """Return the look of an attempt's outcome."""
    return _OUTCOME_LOOKS.get(attempt.outcome, ("off", ""))[0]


@register.simple_tag
def result_badge(result: str, text: str) -> SafeString:
    """Draw the result of an audited action."""
    return badge(text, "good", "check") if result == "ok" else badge(text, "bad", "cross")


@register.simple_tag
def worker_badge(state: str) -> SafeString:
    """Draw a worker's state: "silent", "failing", "stopping", or anything else for online."""
    if state == "silent":
        return badge(_("Not responding"), "bad", "alert")
    if state == "failing":
        return badge(_("Its tasks fail"), "bad", "alert")
    if state == "stopping":
        return badge(_("Stopping"), "warn", "stop")
    return badge(_("Online"), "good", "check")


_PUSH_LOOKS = {
    PushState.PENDING: ("off", "hourglass"),
    PushState.REFUSED: ("bad", "cross"),
    PushState.LAPSED: ("bad", "clock"),
    PushState.SILENT: ("warn", "alert"),
    PushState.UNPROVEN: ("run", "check"),
    PushState.TRUSTED: ("good", "check"),
}
_FEED_LOOKS = {
    FeedState.OVERDUE: ("bad", "clock"),
    FeedState.FAILING: ("warn", "alert"),
    FeedState.UNPROVEN: ("run", "check"),
    FeedState.TRUSTED: ("good", "check"),
}


@register.simple_tag
def push_badge(state: PushState) -> SafeString:
    """Draw what push is worth for a band."""
    return badge(str(state.label), *_PUSH_LOOKS.get(state, ("off", "")))


@register.simple_tag
def feed_badge(state: FeedState) -> SafeString:
    """Draw what a band's feed is worth."""
    return badge(str(state.label), *_FEED_LOOKS.get(state, ("off", "")))


@register.simple_tag
def clock_skew(seconds: float | None) -> str:
    """Say how a host's clock differs from the database's, if it is too much to be ignored."""
    if not is_wrong(seconds):
        return ""
    assert seconds is not None
    text = _("Its clock is %(seconds)s s fast.") if seconds > 0 else _("Its clock is %(seconds)s s slow.")
    return text % {"seconds": number_format(abs(seconds), 1)}


@register.simple_tag
def role_badge(role: Role | None) -> SafeString:
    """Draw a person's role."""
    if not role:
        return format_html('<span class="quiet">{}</span>', _("None"))
    look, picture = {Role.SUPER_ADMIN: ("run", "star"), Role.ADMIN: ("run", "")}.get(role, ("off", ""))
    return badge(str(role.label), look, picture)


@register.simple_tag
def when(at: dt.datetime | None, kind: str = "at", none: str = "—") -> SafeString | str:
    """Show an instant in UTC; the script rewrites it.

    `kind` is "at" (in the reader's time zone), "clock" (the same without the day), "ago", "elapsed" (time since) or
    "countdown" (time until).
    """
    if at is None:
        return none
    text = at.astimezone(dt.UTC).isoformat(timespec="milliseconds")
    day, time = text[:10], text[11:19]
    shown = time[:5] if kind == "clock" else f"{day} {time[:5]}"
    # No escaping needed; a list has hundreds of these.
    return mark_safe(  # noqa: S308
        f'<time datetime="{text[:23]}Z" data-time="{kind}" title="{day} {time} UTC">{shown} UTC</time>'
    )


@register.simple_tag
def day(date: dt.date) -> SafeString:
    """Show a day of the calendar, of an instant the one in UTC; the script writes it in the reader's language."""
    if isinstance(date, dt.datetime):
        date = date.astimezone(dt.UTC).date()
    return format_html('<time datetime="{0}" data-time="day">{0}</time>', date.isoformat())


@register.filter
def duration(value: float | dt.timedelta | None) -> str:
    """Format seconds or a timedelta: 4.2 s, 3 min 5 s, 2 h 10 min, 3 d 4 h. None is "—"."""
    if value is None:
        return "—"
    seconds = value.total_seconds() if isinstance(value, dt.timedelta) else float(value)
    if seconds < 60:
        return f"{number_format(seconds, 1)} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h"


@register.filter
def number(value: float | None) -> str:
    """Format a number with the locale's thousands separator. None is "—": unknown is never 0."""
    if value is None:
        return "—"
    if isinstance(value, int) and -1000 < value < 1000:
        return str(value)
    return number_format(value, force_grouping=True)


@register.simple_tag
def meter(value: float, maximum: float | None, label: str, look: str = "run") -> SafeString:
    """Draw a progress bar; without a maximum, an indeterminate one."""
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
    """Draw a row of bars, scaled to the largest value."""
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
def requester(label: str) -> str:
    """Name who asked for a job by its label: a person, or a schedule in the language of the page. No username has a colon."""
    if not label.startswith("schedule: "):
        return label
    return _("schedule: %(name)s") % {"name": label.removeprefix("schedule: ")}


@register.filter
def milliseconds(value: float | None) -> str:
    """Format a duration in milliseconds."""
    return duration(None if value is None else value / 1000)


@register.simple_tag
def percent(share: float | None) -> str:
    """Format a share from 0 to 1; None is "—". Only exactly 1 is shown as 100%."""
    if share is None:
        return "—"
    shown = number_format(math.floor(share * 1000) / 10, 1) if 0.99 < share < 1 else f"{share * 100:.0f}"
    # Translators: the number of percent; some languages put a space before the sign.
    return _("%s%%") % shown


@register.simple_tag
def bucket_label(bucket: str) -> str:
    """Name one of YouTube's daily quota buckets."""
    return str(_BUCKETS[Bucket(bucket)])


@register.simple_tag
def bucket_look(state: BucketState) -> str:
    """Return the look of a bucket's meter: how close it is to what automatic jobs may spend."""
    usable = state.limit - state.reserved
    if state.closed_at or state.used >= usable:
        return "bad"
    return "warn" if state.used >= 0.8 * usable else "good"
