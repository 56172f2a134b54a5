"""Health checks and metrics for load balancers, containers and Prometheus."""

from __future__ import annotations

import secrets
import threading

from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.deprecation import MiddlewareMixin

from syncjobs import exceptions
from syncjobs.api import metrics
from syncjobs.api.core import exception_handler
from syncjobs.engine import broker

is_stopping = threading.Event()
"""Set while this process ends: see draining.py."""
_NO_SUCH_TABLE = "42P01"
"""A code of https://www.postgresql.org/docs/current/errcodes-appendix.html."""


class HealthMiddleware(MiddlewareMixin):
    """Responds before Django checks the host name, because load balancers use the machine's IP address."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        if request.path_info == "/metrics":
            return _metrics(request)
        if request.path_info not in ("/healthz", "/readyz"):
            return None
        if request.method not in ("GET", "HEAD"):
            return exception_handler.read_only(request)
        return readyz() if request.path_info == "/readyz" else JsonResponse({"status": "ok"})


def _metrics(request: HttpRequest) -> HttpResponse:
    try:
        return metrics.metrics(request)
    except (DatabaseError, InterfaceError) as error:
        if outage := exceptions.unavailable(error):
            return exception_handler.unavailable(outage)
        raise


def readyz() -> JsonResponse:
    """Check that PostgreSQL and Redis take writes, and name what doesn't.

    The status is 503 "unavailable" without PostgreSQL. Without Redis it is 200 "degraded": people can do everything, but
    workers hear of new jobs late, so a load balancer must not take the site offline. It is 503 "stopping" while the process
    ends, so that a load balancer chooses another.
    """
    if is_stopping.is_set():
        return JsonResponse({"status": "stopping"}, status=503)
    problems = {"database": _database_problem(), "redis": broker.problem()}
    status = "unavailable" if problems["database"] else "degraded" if problems["redis"] else "ok"
    body = {"status": status, **{name: not problem for name, problem in problems.items()}}
    if status != "ok":
        body["problems"] = [problem for problem in problems.values() if problem]
    return JsonResponse(body, status=503 if status == "unavailable" else 200)


def _database_problem() -> str:
    """Write a row, to the disk. Return what is wrong, or an empty string."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO syncmonitor_cache (cache_key, value, expires) VALUES ('readyz', %s, now())"
                " ON CONFLICT (cache_key) DO UPDATE SET value = EXCLUDED.value, expires = EXCLUDED.expires",
                [secrets.token_hex(8)],
            )
    except (DatabaseError, InterfaceError) as error:
        if getattr(error.__cause__, "sqlstate", None) == _NO_SUCH_TABLE:
            return ""  # It answers, but `migrate` hasn't run yet.
        outage = exceptions.unavailable(error)
        return outage.message if outage else f"The database refuses writes ({type(error).__name__})."
    return ""
