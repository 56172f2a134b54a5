"""The times of the recorded answers."""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

_SHIFT = dt.timedelta(minutes=5)


def keep_the_hour(patch: pytest.MonkeyPatch) -> None:
    """Set Django's clock back if the hour may end during the test, because figures are counted by the hour.

    PostgreSQL's clock can't be set: times of new rows are up to five minutes later.
    """
    real_now = timezone.now
    if real_now().minute >= 58:
        patch.setattr(timezone, "now", lambda: real_now() - _SHIFT)


class Clock:
    """Times relative to the hour or day of the build, with their names in the recording."""

    def __init__(self) -> None:
        self.started = timezone.now()
        self.hour = self.started.replace(minute=0, second=0, microsecond=0)
        self.midnight = self.hour.replace(hour=0)
        self.quota_day = self.started.astimezone(ZoneInfo("America/Los_Angeles")).date()
        self._names = {self.hour + dt.timedelta(hours=n): f"<hour{n:+}>" for n in range(-48, 1)}

    def ago(self, hours: int, seconds: int = 0) -> dt.datetime:
        """Return a moment of the last day, that many seconds past the hour."""
        moment = self.hour - dt.timedelta(hours=hours) + dt.timedelta(seconds=seconds)
        return self._named(moment, f"<hour{-hours:+}{f' +{seconds}s' if seconds else ''}>")

    def day(self, days: int, seconds: int = 0) -> dt.datetime:
        """Return a moment of an earlier or later day."""
        moment = self.midnight - dt.timedelta(days=days) + dt.timedelta(hours=10, minutes=20, seconds=30 + seconds)
        return self._named(moment, f"<day{-days:+}{f' +{seconds}s' if seconds else ''}>")

    def just(self, seconds: int = 0) -> dt.datetime:
        """Return a moment one minute and that many seconds before the build."""
        return self._named(self.started + dt.timedelta(seconds=seconds - 60), f"<just +{seconds}s>")

    def _named(self, moment: dt.datetime, name: str) -> dt.datetime:
        self._names[moment] = name
        return moment

    def name(self, moment: dt.datetime) -> str | None:
        """Return the name of a moment in the recording, or None if it has none."""
        if moment in self._names:
            return self._names[moment]
        age = moment - self.started
        return "<now>" if dt.timedelta(seconds=-1) <= age < _SHIFT + dt.timedelta(minutes=5) else None

    def fill(self, text: str) -> str:
        """Replace {hour-3} and {day-5} in a request by times."""

        def moment(match: re.Match[str]) -> str:
            unit, number = match[1], int(match[2])
            if unit == "day":
                return str((self.midnight + dt.timedelta(days=number)).date())
            return f"{self.hour + dt.timedelta(hours=number):%Y-%m-%dT%H:%M:%SZ}"

        return re.sub(r"\{(hour|day)([+-]\d+)\}", moment, text)
