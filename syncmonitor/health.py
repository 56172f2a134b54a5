"""For load balancers and containers: is the process up, and can it do its work?"""

from __future__ import annotations

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.deprecation import MiddlewareMixin
from django.views import defaults

from syncjobs.api import errors


def server_error(request: HttpRequest) -> HttpResponse:
    """500 in the shape of the API for the API's clients, as a page for everybody else."""
    return errors.server_error(request) if request.path.startswith("/api/") else defaults.server_error(request)


class HealthMiddleware(MiddlewareMixin):
    """Answers before the host name is looked at: who asks after health knows the machine by its address only."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        if request.path_info == "/healthz":
            return JsonResponse({"status": "ok"})
        return readyz() if request.path_info == "/readyz" else None


def readyz() -> JsonResponse:
    """PostgreSQL and Redis answer too; 503 says which one doesn't."""
    checks = {"database": _database_answers(), "redis": _redis_answers()}
    ready = all(checks.values())
    return JsonResponse({"status": "ok" if ready else "unavailable", **checks}, status=200 if ready else 503)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _redis_answers() -> bool:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
