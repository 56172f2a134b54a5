"""Rate limits."""

from __future__ import annotations

from rest_framework.throttling import UserRateThrottle


class TriggerRate(UserRateThrottle):
    """One rate per person for everything that makes jobs, so that nobody floods the queues."""

    scope = "trigger"
