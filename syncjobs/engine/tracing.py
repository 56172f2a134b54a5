"""Spans for OpenTelemetry, if OTEL_EXPORTER_OTLP_ENDPOINT is set. Otherwise nothing of it is imported or measured.

All spans of a job are in one trace, across its attempts and workers. Its ids follow from the job's id, so no row has to keep
them: the root is the span of its being queued, attempts are children of that, and the calls of YouTube are theirs.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction

if TYPE_CHECKING:  # The logs are configured before the models can be imported.
    from ..models import Attempt, SyncJob

_MOST_LINKS = 10
_fixed_ids: ContextVar[tuple[int, int] | None] = ContextVar("span_ids", default=None)
_started: tuple[int, Any] | None = None
_lock = threading.Lock()


def is_on() -> bool:
    """Whether spans are recorded."""
    return bool(settings.OTEL_EXPORTER_OTLP_ENDPOINT)


class _Ids:
    """Makes random ids of traces and spans, except for the root span of a job."""

    def generate_trace_id(self) -> int:
        fixed = _fixed_ids.get()
        return fixed[0] if fixed else random.getrandbits(128) or 1

    def generate_span_id(self) -> int:
        fixed = _fixed_ids.get()
        return fixed[1] if fixed else random.getrandbits(64) or 1

    def is_trace_id_random(self) -> bool:
        return True


def _provider() -> Any:
    """Return this process's provider. Its thread, which sends the spans, would not survive a fork."""
    global _started
    with _lock:
        if _started is None or _started[0] != os.getpid():
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "syncmonitor")})
            # Not a subclass of IdGenerator, which would have to be imported even if this is off.
            ids: Any = _Ids()
            provider = TracerProvider(resource=resource, id_generator=ids)
            address = f"{settings.OTEL_EXPORTER_OTLP_ENDPOINT.rstrip('/')}/v1/traces"
            provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)))
            _started = os.getpid(), provider
        return _started[1]


def _tracer() -> Any:
    return _provider().get_tracer("syncmonitor")


def flush() -> None:
    """Send the spans of this process now. Does nothing if there are none."""
    if _started is not None and _started[0] == os.getpid():
        _started[1].force_flush(5000)


def ids_of(job_id: int) -> tuple[int, int]:
    """Return the ids of the job's trace and of its root span. Another site has other ones."""
    digest = hmac.digest(settings.SECRET_KEY.encode(), f"trace of job {job_id}".encode(), hashlib.sha256)
    return int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:24], "big")


def _root_of(job_id: int) -> Any:
    from opentelemetry.trace import SpanContext, TraceFlags

    trace_id, span_id = ids_of(job_id)
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def queued_on_commit(jobs: Sequence[SyncJob]) -> None:
    """Begin the traces of new jobs once they are committed. They and the span of the request link to each other."""
    if is_on():
        transaction.on_commit(partial(_queued, jobs))


def _queued(jobs: Sequence[SyncJob]) -> None:
    from opentelemetry import trace
    from opentelemetry.context import Context

    here = trace.get_current_span()
    links = [trace.Link(here.get_span_context())] if here.get_span_context().is_valid else []
    for number, job in enumerate(jobs):
        token = _fixed_ids.set(ids_of(job.pk))
        try:
            kind = trace.SpanKind.PRODUCER
            attributes = {**_attributes(job), "syncmonitor.requested_by": job.requested_by_label}
            _tracer().start_span(f"queue {job.job_type}", Context(), kind, attributes, links).end()
        finally:
            _fixed_ids.reset(token)
        if number < _MOST_LINKS:
            here.add_link(_root_of(job.pk))


def _attributes(job: SyncJob) -> dict[str, Any]:
    found = {"job": job.pk, "job_type": job.job_type, "queue": job.queue_id, "parent_job": job.parent_id}
    found |= {"band": job.band_name or None, "band_id": job.band_id}
    return {f"syncmonitor.{name}": value for name, value in found.items() if value is not None}


@contextmanager
def attempt_span(attempt: Attempt) -> Iterator[None]:
    """Record an attempt in the trace of its job."""
    if not is_on():
        yield
        return
    from opentelemetry import trace

    parent = trace.set_span_in_context(trace.NonRecordingSpan(_root_of(attempt.job_id)))
    attributes = {"syncmonitor.attempt": attempt.number, "syncmonitor.worker": attempt.worker}
    with _tracer().start_as_current_span(
        f"run {attempt.job.job_type}", parent, trace.SpanKind.CONSUMER, _attributes(attempt.job) | attributes
    ):
        yield


def annotate(**attributes: Any) -> None:
    """Add attributes to the span of the running attempt."""
    if is_on():
        from opentelemetry import trace

        found = {f"syncmonitor.{name}": value for name, value in attributes.items() if value is not None}
        trace.get_current_span().set_attributes(found)


def call(operation: str, *, status: int | None, reason: str, seconds: float) -> None:
    """Record an HTTP call of YouTube that has just ended, as a child of the current span."""
    if not is_on():
        return
    from opentelemetry import trace

    end = time.time_ns()
    attributes: dict[str, Any] = {"syncmonitor.operation": operation}
    if status is not None:
        attributes["http.response.status_code"] = status
    span = _tracer().start_span(
        f"youtube {operation}", None, trace.SpanKind.CLIENT, attributes, start_time=end - int(seconds * 1e9)
    )
    if reason:
        span.set_attribute("error.type", reason)
        span.set_status(trace.StatusCode.ERROR, reason)
    span.end(end)


@contextmanager
def request_span(method: str, headers: Mapping[str, str]) -> Iterator[Callable[[int | None, str], None]]:
    """Record a request, in the trace of its `traceparent` if it has one. Yield what notes its status and route at the end."""
    if not is_on():
        yield lambda status, route: None
        return
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    parent = TraceContextTextMapPropagator().extract(headers)
    with _tracer().start_as_current_span(method, parent, trace.SpanKind.SERVER) as span:

        def note(status: int | None, route: str) -> None:
            span.update_name(f"{method} {route}".strip())
            span.set_attributes({"http.request.method": method, "http.route": route})
            if status is not None:
                span.set_attribute("http.response.status_code", status)
            if status is None or status >= 500:
                span.set_status(trace.StatusCode.ERROR)

        yield note
