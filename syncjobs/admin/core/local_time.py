"""The time zone that a person sees and enters times in: the one they chose, else their browser's."""

from __future__ import annotations

import datetime as dt
import zoneinfo

from django.http import HttpRequest

from ...operations import preferences, time_zones

COOKIE = "timezone"
"""The browser's time zone: monitor.js keeps it up to date."""


def zone_of(request: HttpRequest) -> dt.tzinfo:
    """Return the person's time zone; UTC if neither they nor the browser named one."""
    return named(chosen_by(request)) or named(request.COOKIES.get(COOKIE, "")) or dt.UTC


def chosen_by(request: HttpRequest) -> str:
    """Return the name of the time zone that the person chose; empty for the browser's."""
    return preferences.get(request.user).time_zone if request.user.is_authenticated else ""


def named(name: str) -> dt.tzinfo | None:
    """Return the time zone with this name, or None if there is none."""
    try:
        return zoneinfo.ZoneInfo(name) if name in time_zones.NAMES else None
    except zoneinfo.ZoneInfoNotFoundError:  # The system's data have changed.
        return None


def start_of(day: dt.date, zone: dt.tzinfo) -> dt.datetime:
    """Return the first moment of the day in the zone."""
    return dt.datetime.combine(day, dt.time(), zone)
