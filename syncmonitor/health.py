"""Health checks and metrics for load balancers, containers and Prometheus; error pages for the site and the API."""

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
    """Return 400, as JSON for the API and as a page otherwise."""
    return exception_handler.bad_request(request) if _is_api(request) else defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return 403, as JSON for the API and as a page otherwise."""
    return exception_handler.forbidden(request) if _is_api(request) else defaults.permission_denied(request, exception)


@csrf_exempt
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return 404, as JSON for the API and as a page otherwise. This is also the view for unknown URLs."""
    return (
        exception_handler.not_found(request)
        if _is_api(request)
        else defaults.page_not_found(request, exception or Http404())
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Return 500, as JSON for the API and as a page otherwise."""
    return exception_handler.server_error(request) if _is_api(request) else defaults.server_error(request)


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


class NotFoundMiddleware(MiddlewareMixin):
    """Shows our 404 page with DEBUG too, instead of Django's page with a list of URLs."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return not_found(request, exception) if isinstance(exception, Http404) else None


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
