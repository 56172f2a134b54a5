"""For load balancers, containers and Prometheus: is the process up, can it do its work, and how does it stand?"""

from __future__ import annotations

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.deprecation import MiddlewareMixin
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt

from syncjobs.api import metrics
from syncjobs.api.core import exception_handler


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400 in the shape of the API for the API's clients, as a page for everybody else."""
    return exception_handler.bad_request(request) if _is_api(request) else defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403, likewise."""
    return exception_handler.forbidden(request) if _is_api(request) else defaults.permission_denied(request, exception)


@csrf_exempt
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404, likewise; also the view for addresses that no other has."""
    return (
        exception_handler.not_found(request)
        if _is_api(request)
        else defaults.page_not_found(request, exception or Http404())
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """500, likewise."""
    return exception_handler.server_error(request) if _is_api(request) else defaults.server_error(request)


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


class NotFoundMiddleware(MiddlewareMixin):
    """With DEBUG too, people see our page: Django's would list our addresses, and looks like a fault."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return not_found(request, exception) if isinstance(exception, Http404) else None


class HealthMiddleware(MiddlewareMixin):
    """Answers before the host name is looked at: who asks after health knows the machine by its address only."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        if request.path_info == "/metrics":
            return metrics.metrics(request)
        if request.path_info not in ("/healthz", "/readyz"):
            return None
        if request.method not in ("GET", "HEAD"):
            return exception_handler.read_only(request)
        return readyz() if request.path_info == "/readyz" else JsonResponse({"status": "ok"})


def readyz() -> JsonResponse:
    """PostgreSQL and Redis answer too; 503 says which one doesn't."""
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
