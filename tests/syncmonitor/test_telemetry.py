"""Sentry and OpenTelemetry: nothing of them when they are off, one trace for each job when they are on."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from asgiref.sync import async_to_sync
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured

from syncjobs.engine import broker, outcomes, tracing
from syncjobs.models import SyncJob
from syncjobs.operations import triggers
from syncjobs.youtube.simulator import Simulator
from syncmonitor import telemetry
from syncmonitor.threads import OneThreadHandler
from tests.factories import PERSON, band_with_videos, claim, queue_job, run_all
from tests.processes import ROOT, free_port
from tests.syncmonitor.test_settings import PRODUCTION, settings_for

OFF = """
import sys, django
django.setup()
import syncmonitor.asgi, syncjobs.tasks
print([name for name in sys.modules if name.startswith(("sentry_sdk", "opentelemetry.sdk.trace", "opentelemetry.exporter"))])
"""
REPORT = """
import logging, django
django.setup()
from syncjobs.engine import log_context
import sentry_sdk
secret = "a value of a variable"
with log_context.bound(job=7):
    try:
        raise ValueError("It broke with AIza-test-key-0123456789")
    except ValueError:
        logging.getLogger("syncjobs").exception("A job failed")
sentry_sdk.flush(10)
"""


class Collector:
    """A server that keeps the bodies it is sent, by path."""

    def __init__(self) -> None:
        bodies = self.bodies = []  # type: ignore[var-annotated]

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                is_packed = self.headers.get("Content-Encoding") == "gzip"
                bodies.append((self.path, gzip.decompress(body) if is_packed else body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def spans(self) -> list[Any]:
        """Return the spans sent so far."""
        proto = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
        tracing.flush()
        requests = [
            proto.ExportTraceServiceRequest.FromString(body) for path, body in self.bodies if path == "/v1/traces"
        ]
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()


@pytest.fixture
def traced(collector: Collector, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Collector:
    pytest.importorskip("opentelemetry.sdk")
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = f"http://{collector.address}"
    monkeypatch.setattr(tracing, "_started", None)
    return collector


def _python(code: str, **variables: str) -> str:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "syncmonitor.settings"} | variables
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nothing_is_imported_when_they_are_off() -> None:
    assert _python(OFF).strip() == "[]"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SENTRY_DSN", "nonsense"),
        ("SENTRY_DSN", "https://sentry.example/1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector"),
    ],
)
def test_wrong_values_are_refused(name: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"\n  {name}: "):
        settings_for(**PRODUCTION | {name: value})


def test_a_missing_library_is_named() -> None:
    assert telemetry._missing("SENTRY_DSN", "sentry_sdk_of_nobody") == [
        "SENTRY_DSN: install requirements-observability.txt, or unset it."
    ]
    assert telemetry._missing("SENTRY_DSN", "nobody.at.all")


def test_sentry_is_told_of_an_error_without_values(collector: Collector) -> None:
    pytest.importorskip("sentry_sdk")
    _python(REPORT, SENTRY_DSN=f"http://key@{collector.address}/1")
    envelopes = [body.decode() for path, body in collector.bodies if path == "/api/1/envelope/"]
    [event] = [json.loads(line) for body in envelopes for line in body.splitlines() if '"exception"' in line]
    assert event["tags"]["job"] == "7"
    assert event["exception"]["values"][0]["value"] == "It broke with [API key]"
    assert "a value of a variable" not in "".join(envelopes)
    assert "AIza" not in "".join(envelopes)


@pytest.mark.django_db(transaction=True)
def test_a_job_is_one_trace_across_its_attempts(youtube: Simulator, traced: Collector) -> None:
    band, _channel = band_with_videos(youtube.world, 60)
    triggers.trigger_sync(PERSON, band, full=True)
    outcomes.release(claim(), "The worker is shutting down.")
    run_all(["video-sync"])
    job = SyncJob.objects.get()
    spans = traced.spans()
    assert {int.from_bytes(span.trace_id, "big") for span in spans} == {tracing.ids_of(job.pk)[0]}
    [root] = [span for span in spans if span.name == "queue FULL_SYNC"]
    assert not root.parent_span_id
    [run] = [span for span in spans if span.name == "run FULL_SYNC"]
    assert run.parent_span_id == root.span_id
    attributes = {each.key: each.value for each in run.attributes}
    assert attributes["syncmonitor.attempt"].int_value == 2
    assert attributes["syncmonitor.event"].string_value == "job_completed"
    calls = [span for span in spans if span.name.startswith("youtube ")]
    assert len(calls) == 4
    assert {span.parent_span_id for span in calls} == {run.span_id}
    assert all(span.end_time_unix_nano > span.start_time_unix_nano for span in calls)


@pytest.mark.django_db(transaction=True)
def test_a_failed_call_says_why(youtube: Simulator, traced: Collector, settings: LazySettings) -> None:
    band, _channel = band_with_videos(youtube.world, 1)
    queue_job(band=band)
    settings.YOUTUBE_API_ENDPOINT = f"http://127.0.0.1:{free_port()}"
    run_all(["video-sync"])
    call = next(span for span in traced.spans() if span.name.startswith("youtube "))
    assert (call.status.code, call.status.message) == (2, "connection")


@pytest.mark.django_db(transaction=True)
def test_a_request_has_a_span_in_the_trace_of_its_sender(traced: Collector) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(OneThreadHandler())
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get("/api/admin/sync-jobs/1", headers={"traceparent": parent})

    assert async_to_sync(ask)().status_code == 401
    [span] = traced.spans()
    assert span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert span.parent_span_id.hex() == "b7ad6b7169203331"
    attributes = {each.key: each.value for each in span.attributes}
    assert attributes["http.response.status_code"].int_value == 401
    assert span.name == f"GET {attributes['http.route'].string_value}"
    assert "/1" not in span.name


@pytest.mark.django_db(transaction=True)
def test_a_collector_that_is_away_hinders_nobody(youtube: Simulator, traced: Collector, settings: LazySettings) -> None:
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = f"http://127.0.0.1:{free_port()}"
    band, _channel = band_with_videos(youtube.world, 1)
    queue_job(band=band)
    run_all(["video-sync"])
    assert SyncJob.objects.get().status == "COMPLETED"
    assert broker.pending_wake_ups("video-sync") is not None
