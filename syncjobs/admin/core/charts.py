"""The data charts.js draws: {type, labels, step, series}."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from ...choices import JobStatus
from ...counters import DAY, HOUR
from ...stats.freshness import Times

Chart = dict[str, Any]
_COLORS = {
    JobStatus.COMPLETED: "good",
    JobStatus.FAILED: "bad",
    JobStatus.CANCELLED: "off",
    JobStatus.IN_PROGRESS: "run",
    JobStatus.QUEUED: "warn",
}


def jobs(series: Sequence[dict[str, Any]], period: str) -> Chart:
    """Return the chart of jobs by creation time, stacked by status."""
    lines = [
        {"name": str(state.label), "color": color, "values": [point[state.value.lower()] for point in series]}
        for state, color in _COLORS.items()
    ]
    return _chart("bar", series, period, [line for line in lines if any(line["values"])], stacked=True)


def durations(series: Sequence[dict[str, Any]], period: str) -> Chart:
    """Return the chart of completed jobs' durations in seconds, by creation time."""
    lines = [
        {
            "name": name,
            "color": color,
            "line": True,
            "values": [None if point[key] is None else round(point[key], 1) for point in series],
        }
        for name, color, key in ((_("Duration p50"), "brand", "p50"), (_("Duration p95"), "warn", "p95"))
    ]
    return _chart("line", series, period, lines, unit="s")


def freshness(by_day: Mapping[dt.date, Times]) -> Chart:
    """Return the chart of the seconds from the publication of videos until they were stored, by day (UTC)."""
    series = [{"since": dt.datetime.combine(day, dt.time(), dt.UTC)} for day in by_day]
    lines = [
        {"name": name, "color": color, "line": True, "values": [value and round(value, 1) for value in values]}
        for name, color, values in (
            ("p50", "brand", [times.p50 for times in by_day.values()]),
            ("p95", "warn", [times.p95 for times in by_day.values()]),
        )
    ]
    return _chart("line", series, "30d", lines, unit="s")


def hours(per_hour: dict[str, int], now: dt.datetime, count: int = 24) -> list[int]:
    """Return the counts of the last hours, oldest first. The keys are the starts of hours, ISO 8601 in UTC."""
    last = now.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
    begins = [last - number * HOUR for number in range(count - 1, -1, -1)]
    return [per_hour.get(begin.strftime("%Y-%m-%dT%H:00:00Z"), 0) for begin in begins]


def days(per_day: dict[dt.date, int], first: dt.date, now: dt.datetime) -> list[int]:
    """Return the counts of the days (UTC) from `first` to today."""
    count = (now.astimezone(dt.UTC).date() - first).days + 1
    return [per_day.get(first + dt.timedelta(days=number), 0) for number in range(count)]


def error_hours(per_hour: dict[str, int], now: dt.datetime) -> Chart:
    """Return the chart of errors per hour in the last 24 hours."""
    values = hours(per_hour, now)
    last = now.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
    series = [{"since": last - (len(values) - 1 - number) * HOUR} for number in range(len(values))]
    return _chart("bar", series, "24h", [{"name": _("Errors"), "color": "bad", "values": values}])


def error_days(per_day: dict[dt.date, int], first: dt.datetime, now: dt.datetime) -> Chart:
    """Return the chart of errors per day (UTC) since `first`."""
    values = days(per_day, first.date(), now)
    series = [{"since": first + number * DAY} for number in range(len(values))]
    return _chart("bar", series, "30d", [{"name": _("Errors"), "color": "bad", "values": values}])


def quota_days(series: Sequence[dict[str, Any]]) -> Chart:
    """Return the chart of a bucket's daily usage, with each day's limit."""
    points = [
        {"since": dt.datetime.combine(point["day"], dt.time(), dt.UTC), "used": point["used"], "limit": point["limit"]}
        for point in series
    ]
    used = {"name": _("Units used"), "color": "run", "values": [point["used"] for point in points]}
    limit = {
        "name": _("Limit"),
        "color": "ink-2",
        "line": True,
        "dashed": True,
        "values": [point["limit"] for point in points],
    }
    return _chart("bar", points, "30d", [used, limit])


def _chart(kind: str, series: Sequence[dict[str, Any]], period: str, lines: list[dict[str, Any]], **more: Any) -> Chart:
    labels = [point["since"].astimezone(dt.UTC).isoformat().replace("+00:00", "Z") for point in series]
    rows = [(point["since"], [line["values"][n] for line in lines]) for n, point in enumerate(series)]
    is_empty = not any(value for line in lines for value in line["values"])
    data = {"type": kind, "labels": labels, "step": "hour" if period == "24h" else "day", "series": lines, **more}
    # Goes into an element's text, not a script: htmx strips scripts from what it swaps in.
    return {
        "json": json.dumps(data),
        "heads": [line["name"] for line in lines],
        "rows": rows[::-1],
        "is_empty": is_empty,
    }
