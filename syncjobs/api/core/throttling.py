"""Rate limits."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from ... import limits


class LoginRate(SimpleRateThrottle):
    """One rate per network for requests without a token. Wrong passwords have a limit of their own: see limits.py."""

    scope = "login"
    num_requests: int
    duration: int
    _wait: float | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        if self.rate is None:
            return True
        network = limits.network_of(request.META.get("REMOTE_ADDR", ""))
        number, self._wait = limits.count(f"login:{network}", self.duration)
        return number <= self.num_requests

    def wait(self) -> float | None:
        return self._wait
