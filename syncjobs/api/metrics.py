"""Metrics for Prometheus, for clients with the token or an allowed address."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .. import counters
from ..engine import clock, quota
from ..models import ErrorGroup, Worker
from ..operations import schedules
from ..stats import queues as queue_status
from .core import exception_handler

_STATES = ("waiting", "active", "delayed", "completed", "failed", "cancelled")


def metrics(request: HttpRequest) -> HttpResponse:
    """Serve the Prometheus metrics. Return 404 if they aren't configured, to hide the URL."""
    if not (settings.METRICS_TOKEN or settings.METRICS_ALLOWED_ADDRESSES):
        return exception_handler.not_found(request)
    if not _is_allowed(request):
        return _refusal()
    if request.method not in ("GET", "HEAD"):
        return exception_handler.read_only(request)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures())
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


class _Figures(Collector):
    """Figures read from the database on request, because each web process would count only its own."""

    def collect(self) -> Iterator[Metric]:
        yield from _queues()
        yield from _types()
        yield from _buckets()
        yield from _processes()
        groups = ErrorGroup.objects.filter(acknowledged_at=None).count()
        yield GaugeMetricFamily("syncmonitor_error_groups_open", "Error groups that nobody has acknowledged.", groups)


def _queues() -> Iterator[Metric]:
    jobs = GaugeMetricFamily("syncmonitor_jobs", "Jobs by queue and state.", labels=["queue", "state"])
    age = GaugeMetricFamily(
        "syncmonitor_queue_oldest_runnable_seconds", "Age of the oldest runnable job; 0: none.", labels=["queue"]
    )
    paused = GaugeMetricFamily("syncmonitor_queue_paused", "1 while the queue is paused.", labels=["queue"])
    workers = GaugeMetricFamily("syncmonitor_workers", "Workers alive that consume the queue.", labels=["queue"])
    for queue in queue_status.queues():
        for state in _STATES:
            jobs.add_metric([queue.name, state], getattr(queue, state))
        age.add_metric([queue.name], queue.oldest_waiting_age or 0)
        paused.add_metric([queue.name], queue.is_paused)
        workers.add_metric([queue.name], queue.workers)
    yield from (jobs, age, paused, workers)


def _processes() -> Iterator[Metric]:
    skew = GaugeMetricFamily(
        "syncmonitor_clock_skew_seconds", "How far the host's clock is ahead of the database's.", labels=["process"]
    )
    skew.add_metric(["web"], clock.skew())
    for worker in Worker.objects.exclude(clock_skew=None):
        skew.add_metric([worker.name], worker.clock_skew or 0)
    alive = queue_status.scheduler_is_alive()
    now = clock.now()
    overdue = sum(schedules.is_overdue(schedule, now) for schedule in schedules.list_schedules())
    yield skew
    yield GaugeMetricFamily("syncmonitor_scheduler_alive", "1 while a scheduler (beat) reports.", alive)
    yield GaugeMetricFamily("syncmonitor_schedules_overdue", "Schedules that were due but did not run.", overdue)


def _types() -> Iterator[Metric]:
    family = GaugeMetricFamily("syncmonitor_jobs_by_type", "Jobs by type and status.", labels=["type", "status"])
    for cell in counters.cells(counters.Selection()):
        family.add_metric([cell.job_type, cell.status], cell.n)
    yield family


def _buckets() -> Iterator[Metric]:
    def family(name: str, help_text: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"syncmonitor_quota_{name}", help_text, labels=["bucket"])

    used, limit = family("used_units", "Units used today."), family("limit_units", "Units per day.")
    reserved = family("reserved_units", "Units of the limit reserved for manual syncs.")
    closed = family("closed", "1 if YouTube said that the bucket is used up.")
    resets = family("reset_timestamp_seconds", "Time of the next reset.")
    for state in quota.today():
        used.add_metric([state.bucket], state.used)
        limit.add_metric([state.bucket], state.limit)
        reserved.add_metric([state.bucket], state.reserved)
        closed.add_metric([state.bucket], state.closed_at is not None)
        resets.add_metric([state.bucket], state.resets_at.timestamp())
    yield from (used, limit, reserved, closed, resets)
