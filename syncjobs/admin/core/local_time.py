"""The time zone of the person at the browser, which a script of ours puts into a cookie."""

from __future__ import annotations

import datetime as dt
import zoneinfo

from django.http import HttpRequest

COOKIE = "timezone"


def zone_of(request: HttpRequest) -> dt.tzinfo:
    """Return the browser's time zone; UTC if it is unknown."""
    name = request.COOKIES.get(COOKIE, "")
    try:
        return zoneinfo.ZoneInfo(name) if name and len(name) < 64 else dt.UTC
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return dt.UTC


def start_of(day: dt.date, zone: dt.tzinfo) -> dt.datetime:
    """Return the first moment of the day in the zone."""
    return dt.datetime.combine(day, dt.time(), zone)
