"""Health checks and metrics for load balancers, containers and Prometheus."""

from __future__ import annotations

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.deprecation import MiddlewareMixin

from syncjobs.api import metrics
from syncjobs.api.core import exception_handler


class HealthMiddleware(MiddlewareMixin):
    """Responds before Django checks the host name, because load balancers use the machine's IP address."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        if request.path_info == "/metrics":
            return metrics.metrics(request)
        if request.path_info not in ("/healthz", "/readyz"):
            return None
        if request.method not in ("GET", "HEAD"):
            return exception_handler.read_only(request)
        return readyz() if request.path_info == "/readyz" else JsonResponse({"status": "ok"})


def readyz() -> JsonResponse:
    """Check PostgreSQL and Redis. Return 503 if one of them doesn't answer, naming both."""
    checks = {"database": _database_answers(), "redis": _redis_answers()}
    ready = all(checks.values())
    return JsonResponse({"status": "ok" if ready else "unavailable", **checks}, status=200 if ready else 503)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError):
        return False
    return True


def _redis_answers() -> bool:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
