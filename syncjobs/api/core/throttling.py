"""Rate limits."""

from __future__ import annotations

from rest_framework.throttling import ScopedRateThrottle, UserRateThrottle

from ...engine import clock


def _seconds() -> float:
    """Return the time, which is the same on all web servers."""
    return clock.approximate().timestamp()


class LogInRate(ScopedRateThrottle):
    """A rate per address for attempts to log in."""

    timer = staticmethod(_seconds)


class TriggerRate(UserRateThrottle):
    """One rate per person for everything that makes jobs, so that nobody floods the queues."""

    scope = "trigger"
    timer = staticmethod(_seconds)
