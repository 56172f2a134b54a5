"""Run every call in docs/api.md against a real server."""

from __future__ import annotations

import datetime as dt
import re
import shlex
import string
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator

from syncjobs.api import docs, urls
from syncjobs.api.core import tokens
from syncjobs.choices import Role
from syncjobs.engine import outcomes
from syncjobs.models import ErrorGroup, SyncJob, Worker
from syncjobs.operations import alert_channels, people
from tests.alerts.channels import make_channel
from tests.factories import PERSON, claim, make_alert, make_band, queue_job
from tests.processes import environment, web_server

PAGE = (Path(__file__).resolve().parents[2] / "docs/api.md").read_text()
CALLS = re.findall(r"^curl .+$", PAGE, re.MULTILINE)
CREATES = {
    "alert-channels": "CHANNEL",
    "filter-presets": "PRESET",
    "schedules": "SCHEDULE",
    "bands": "NEW_BAND",
    "suggestions": "SUGGESTION",
}


def _send(client: httpx.Client, words: list[str]) -> tuple[str, str, httpx.Response]:
    """Send the request that curl would send."""
    method, url, body, headers = "", "", None, {}
    rest = iter(words[1:])
    for word in rest:
        if word == "-X":
            method = next(rest)
        elif word == "-H":
            name, _, value = next(rest).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = next(rest)
        elif word in ("-o", "--max-time"):
            next(rest)
        elif word not in ("-s", "-N"):
            url = word
    method = method or ("POST" if body is not None else "GET")
    with client.stream(method, url, headers=headers, content=body, timeout=60) as answer:
        if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):
            answer.read()
    return method, url, answer


@pytest.mark.django_db(transaction=True)
def test_every_documented_call_succeeds(tmp_path: Path, settings: LazySettings) -> None:
    cache.clear()
    people.save_user(PERSON, "admin", "correct horse battery", Role.SUPER_ADMIN)
    band = make_band("herons", "@herons")
    failed = queue_job("PRUNE")  # type: ignore[arg-type]
    outcomes.fail(claim("maintenance"), "It broke.", reason="broken")
    known = {"METRICS_TOKEN": "a-token-for-prometheus", "ETAG": 'W/"old"', "BAND": str(band.pk)}
    known |= {"JOB": str(failed.pk), "QUEUED_JOB": str(queue_job().pk), "FINGERPRINT": ErrorGroup.objects.get().pk}
    served = environment(settings.YOUTUBE_API_ENDPOINT) | {
        "METRICS_TOKEN": known["METRICS_TOKEN"],
        "PUBLIC_URL": "http://127.0.0.1",
    }
    delayed = queue_job("ENRICH")  # type: ignore[arg-type]
    SyncJob.objects.filter(pk=delayed.pk).update(run_at=timezone.now() + dt.timedelta(hours=1))
    known["DELAYED_JOB"] = str(delayed.pk)
    Worker.objects.create(
        name="w9", process_id=9, queues=[], concurrency=1, heartbeat_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    )
    known["DEAD_WORKER"] = "w9"
    known["NEXT_WEEK"] = (timezone.now() + dt.timedelta(days=7)).isoformat()
    known |= {"ALERT": str(make_alert().pk), "RULE": "band_stale"}
    channel = make_channel()
    known["DELIVERY"] = str(alert_channels.send_test(PERSON, channel.pk).pk)
    with web_server(served, tmp_path / "web.log") as site, httpx.Client(timeout=30) as client:
        known |= {"SITE": site, "API": f"{site}/api"}
        for call in CALLS:
            words = [string.Template(word).substitute(known) for word in shlex.split(call)]
            method, url, answer = _send(client, words)
            assert answer.status_code < 300, (call, answer.text)
            if method == "POST":
                known |= _learnt(url, answer)


def _learnt(url: str, answer: httpx.Response) -> dict[str, str]:
    """Return the values of this answer that later calls need."""
    result: dict[str, Any] = answer.json()
    if url.endswith("/auth/token"):
        return {"TOKEN": result["access"], "REFRESH": result["refresh"]}
    if url.endswith("/refresh"):
        return {"SECOND_REFRESH": result["refresh"]}
    name = CREATES.get(url.rpartition("/")[2])
    return {name: result["id"]} if name else {}


def test_every_address_has_a_call_or_is_listed_as_an_exception() -> None:
    called = {re.sub(r"\$[A-Z_]+", "<>", path) for path in re.findall(r"\$API/([^\s?\"]+)", PAGE)}
    there = {re.sub(r"<\w+:\w+>", "<>", str(pattern.pattern)) for pattern in urls.urlpatterns}
    assert there - called == {"admin/sync-jobs/bulk/<>", "bands/<>", "schema", "docs"} - called


def test_only_one_thread_generates_the_document(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = []
    monkeypatch.setattr(docs, "_document", docs._document.__wrapped__)
    monkeypatch.setattr(
        SchemaGenerator, "get_schema", lambda *_, **__: locked.append(docs._one_at_a_time.locked()) or {}
    )
    assert client.get("/api/schema").status_code == 200
    assert (locked, docs._one_at_a_time.locked()) == ([True], False)


def test_every_token_error_code_is_documented(client: Client) -> None:
    message = client.get("/api/schema").json()["components"]["responses"]["Error401"]["description"]
    for code in (*tokens.PROBLEMS, "not_authenticated", "wrong_credentials"):
        assert f"`{code}`" in message
        assert re.search(rf"^\| .*`{code}`.* \|", PAGE, re.MULTILINE)
