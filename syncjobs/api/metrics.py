"""Metrics for Prometheus, for clients with the token or an allowed address."""

from __future__ import annotations

import hmac
import ipaddress

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from .core import exception_handler
from .metric_families import Figures


def metrics(request: HttpRequest) -> HttpResponse:
    """Serve the Prometheus metrics. Return 404 if they aren't configured, to hide the URL."""
    if not (settings.METRICS_TOKEN or settings.METRICS_ALLOWED_ADDRESSES):
        return exception_handler.not_found(request)
    if not _is_allowed(request):
        return _refusal()
    if request.method not in ("GET", "HEAD"):
        return exception_handler.read_only(request)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures())
    return HttpResponse(
        generate_latest(registry), content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"}
    )


def _is_allowed(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN and _has_token(request):
        return True
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network) for network in settings.METRICS_ALLOWED_ADDRESSES)


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())


def _refusal() -> HttpResponse:
    """Return 401 if a token would help, 403 if only certain addresses are allowed."""
    if not settings.METRICS_TOKEN:
        return exception_handler.plain(403, "permission_denied", "Metrics are available to certain addresses only.")
    refusal = exception_handler.plain(401, "not_authenticated", "Metrics require the token: Authorization: Bearer …")
    refusal["WWW-Authenticate"] = 'Bearer realm="metrics"'
    return refusal
