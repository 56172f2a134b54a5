"""Which channel is told about an alert, and when not."""

from __future__ import annotations

import datetime as dt
import zoneinfo

from ..choices import AlertSubject, Severity
from ..models import Alert, AlertChannel


def takes(channel: AlertChannel, alert: Alert) -> bool:
    """Whether the channel is to be told about the alert. One band among its `bands` leaves out all other bands."""
    if alert.severity not in channel.severities or (channel.rules and alert.rule not in channel.rules):
        return False
    if alert.subject_type == AlertSubject.CHANNEL and alert.subject_id == str(channel.pk):
        return False  # It would wait for itself.
    if alert.subject_type != AlertSubject.BAND:
        return True
    bands = {str(band.pk) for band in channel.bands.all()}
    return not bands or alert.subject_id in bands


def quiet_until(channel: AlertChannel, severity: str, now: dt.datetime) -> dt.datetime | None:
    """Return the end of the quiet hours that `now` is in; None if it is in none, or the severity has none.

    The hours are those of clocks in the channel's zone, also on days on which these are changed. From 22:00 until 22:00 is
    never.
    """
    start, end = channel.quiet_from, channel.quiet_until
    if start is None or end is None or start == end:
        return None
    if severity == Severity.CRITICAL and not channel.quiet_for_critical:
        return None
    zone = _zone(channel.time_zone)
    local = now.astimezone(zone)
    time = local.time().replace(tzinfo=None)
    is_quiet = start <= time < end if start < end else time >= start or time < end
    if not is_quiet:
        return None
    day = local.date() if time < end else local.date() + dt.timedelta(days=1)
    return dt.datetime.combine(day, end, zone).astimezone(dt.UTC)


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):  # The system's data have changed.
        return zoneinfo.ZoneInfo("UTC")
