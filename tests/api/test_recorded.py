"""Answers of the whole API, compared with the recorded ones.

    RECORD=1 .venv/bin/python -m pytest tests/api/test_recorded.py

records them again in `recorded/`, one file per resource. `recorded/world.py` has the data and
`recorded/requests/` the requests. An answer must equal the recorded one, including the order of its keys; only the wording
of the messages in an error may differ.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import difflib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django.db import transaction
from django.test import Client

from syncjobs import limits
from tests.api.recorded import world
from tests.api.recorded.clock import Clock, keep_the_hour
from tests.api.recorded.requests import ADDRESSES, RESOURCES
from tests.api.recorded.requests.ask import NOBODY, SUPER_ADMIN, Ask
from tests.api.recorded.world import PASSWORD, PEOPLE

FOLDER = Path(__file__).parent / "recorded"
RECORDS = bool(os.environ.get("RECORD"))
MOST_DIFFERENCES = 10
_HEADERS = (
    "Content-Type", "Allow", "Location", "ETag", "Retry-After", "Content-Disposition", "Cache-Control",
    "WWW-Authenticate", "Vary", "Access-Control-Allow-Origin", "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers", "Access-Control-Expose-Headers",
)  # fmt: skip
_SECRET_OR_RUNNING = {
    "access": "<token>", "refresh": "<token>", "oldestRunnableAge": "<seconds>", "runningSeconds": "<seconds>",
    "factor": "<number>", "resetsAt": "<reset>", "nextRunAt": "<next run>",
    "key": "<key>", "deadlineAt": "<deadline>", "nextReadAt": "<next read>",
    "nextRequestAt": "<next request>", "snoozedUntil": "<end of snooze>",
}  # fmt: skip
"""Values that differ at every request, by key; null stays."""
_HOURLY = {"overdue": "<whether overdue>", "lastRunAt": "<last run or null>"}
"""Values that depend on the hour of the test: a schedule's last run is forgotten if its new time has passed since."""
_KEYED_BY_DATA = ("children", "perHour", "retried", "refused")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00| UTC)")


class Api:
    """Send requests as any person and keep the answers in the form of the recording."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._client = Client(raise_request_exception=False)
        self._tokens: dict[str, str] = {}

    def ask(self, request: Ask, before: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the entry of the recording and the values that later requests may refer to."""
        for _time in range(request.times):
            answer = self._send(request, before)
        assert answer.status_code < 500, f"{request}: {answer.status_code}"
        text = _text_of(answer)
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        lines = sorted(text.splitlines()) if request.path == "/metrics" else text.splitlines()
        content = json.loads(text) if is_json and text else lines
        entry: dict[str, Any] = {"request": str(request)}
        if request.body is not None:
            entry["body"] = request.body if len(str(request.body)) < 1000 else f"{len(str(request.body))} characters"
        entry["status"] = answer.status_code
        entry["headers"] = {name: _header(name, answer[name]) for name in _HEADERS if name in answer}
        entry["answer"] = normalized(content, self._clock)
        if request.ids_only and isinstance(content, dict) and "data" in content:
            entry["answer"]["data"] = " ".join(row["id"] for row in content["data"])
        known = content if isinstance(content, dict) else {}
        return entry, known | {"etag": answer.headers.get("ETag", "")}

    def _send(self, request: Ask, before: list[dict[str, Any]]) -> Any:
        def filled(text: str) -> str:
            for name, known in (("last", before[-1:]), ("kept", before[:1])):
                text = re.sub(rf"\{{{name}\.(\w+)\}}", lambda match, found=known: str(found[0][match[1]]), text)
            return self._clock.fill(text)

        headers = {name: filled(value) for name, value in request.headers.items()}
        if request.who != NOBODY:
            headers = {"Authorization": f"Bearer {self._token(request.who)}"} | headers
        body = request.raw
        if body is None:
            body = b"" if request.body is None else filled(json.dumps(request.body)).encode()
        path = filled(request.path)
        return self._client.generic(request.method, path, body, request.content_type, headers=headers)

    def _token(self, who: str) -> str:
        if who not in self._tokens:
            login = {"username": who, "password": PASSWORD}
            answer = self._client.post("/api/auth/token", login, "application/json")
            self._tokens[who] = answer.json()["access"]
        return self._tokens[who]

    def log_everybody_in(self) -> None:
        """Log everybody in, so that no scenario has to."""
        for who in PEOPLE:
            self._token(who)


def _text_of(answer: Any) -> str:
    if not answer.streaming:
        return str(answer.content.decode())
    if not answer.is_async:
        return b"".join(answer.streaming_content).decode()

    async def read() -> bytes:
        return b"".join([part async for part in answer.streaming_content])

    return asyncio.run(read()).decode()


def normalized(content: Any, clock: Clock, key: str = "") -> Any:
    """Return the content without the values that differ at every request.

    Times of the world get their names and others of the last minutes become <now>; tokens, ages and the parts of the
    quota's forecast that depend on the time of day are replaced. Objects whose keys are data are sorted. The last two
    points of a daily trend are added up, because the time of day decides to which of them a recent job belongs.
    """
    if isinstance(content, dict):
        if key == "forecast":
            return {name: value if name in ("used", "queued") else "<forecast>" for name, value in content.items()}
        if key == "saved":
            return dict.fromkeys(content, "<saved>")
        if "byDay" in content:
            days = [day | {"since": "<midnight>"} for day in content["byDay"]]
            content = content | {"since": "<midnight>", "byDay": days}
        if "series" in content and content.get("period") in ("7d", "30d"):
            content = content | {"series": _by_day(content["series"], clock)}
        items = sorted(content.items()) if key in _KEYED_BY_DATA else content.items()
        return {_with_names(name, clock): normalized(value, clock, name) for name, value in items}
    if isinstance(content, list):
        return [normalized(each, clock, key) for each in content]
    if key in _HOURLY:
        return _HOURLY[key]
    if key in _SECRET_OR_RUNNING and content is not None:
        return _SECRET_OR_RUNNING[key]
    if key == "day":
        return f"<quota day{(dt.date.fromisoformat(content) - clock.quota_day).days:+}>"
    return _with_names(content, clock) if isinstance(content, str) else content


def _by_day(series: list[dict[str, Any]], clock: Clock) -> list[dict[str, Any]]:
    *series, yesterday, today = (
        point | {"since": f"<day{(dt.datetime.fromisoformat(point['since']) - clock.midnight).days:+}>"}
        for point in series
    )
    return [*series, {name: n if name == "since" else yesterday[name] + n for name, n in today.items()}]


def _with_names(text: str, clock: Clock) -> str:
    def name(match: re.Match[str]) -> str:
        moment = dt.datetime.fromisoformat(match[0].replace(" UTC", "Z").replace(" ", "T"))
        return clock.name(moment.replace(tzinfo=dt.UTC)) or clock.name(moment) or match[0]

    text = _TIME.sub(name, text)
    # Prometheus metrics
    text = re.sub(
        r"^(syncmonitor_queue_oldest_runnable_seconds\{.*\}|\w+_timestamp_seconds(?:\{.*\})?) [1-9].*",
        r"\1 <number>",
        text,
    )
    varying = r"syncmonitor_(?:clock_skew_seconds\{.*\}|schedules_overdue|quota_saved_units)"
    text = re.sub(rf"^({varying}) .*", r"\1 <number>", text)
    return re.sub(r"\b(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d UTC", "<time> UTC", text)


def _header(name: str, value: str) -> str:
    return {"ETag": "<tag>", "Retry-After": "<seconds>"}.get(name, value)


def without_wording(entry: Any) -> str:
    """Return the entry as text, without the messages of errors and refused jobs."""
    entry = json.loads(json.dumps(entry))
    answer = entry.get("answer") if isinstance(entry, dict) else None
    if isinstance(answer, dict) and isinstance(answer.get("errors"), list) and "type" in answer:
        for each in (answer, *answer["errors"]):
            each["message"] = "…"
    if isinstance(answer, dict) and isinstance(answer.get("refused"), dict):
        answer["refused"] = dict.fromkeys(answer["refused"], "…")
    return json.dumps(entry, indent=1, ensure_ascii=False)


def compare(name: str, entries: list[Any]) -> list[str]:
    """Record the entries, or return what differs from the recorded ones."""
    path = FOLDER / f"{name}.json"
    if RECORDS:
        FOLDER.mkdir(exist_ok=True)
        path.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n")
        return []
    recorded = json.loads(path.read_text())
    pairs = [(without_wording(old), without_wording(new)) for old, new in zip(recorded, entries, strict=False)]
    differences = [
        "\n".join(difflib.unified_diff(old.splitlines(), new.splitlines(), f"{name} recorded", "now", n=4, lineterm=""))
        for old, new in pairs
        if old != new
    ]
    if len(recorded) != len(entries):
        differences.append(f"{name}: {len(recorded)} answers are recorded, but there are {len(entries)} requests.")
    return differences


@pytest.fixture
def api(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Api:
    keep_the_hour(monkeypatch)
    # Wrong passwords are slowed down, and on a busy machine 20 of them would take longer than the minute they count for.
    monkeypatch.setattr(limits, "SLOW_STEP_SECONDS", 0.0)
    monkeypatch.setattr(limits, "_MINUTE", 3600)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.METRICS_TOKEN = "a-token-for-the-metrics"
    settings.PUBLIC_URL = "https://sync.example.org"
    settings.CORS_ALLOWED_ORIGINS = ["https://front.example"]
    settings.YOUTUBE_QUOTA_RESERVED = 500
    api = Api(world.build())
    api.log_everybody_in()
    return api


def _play(api: Api, scenario: Any) -> list[dict[str, Any]]:
    """Send the requests in order, then undo their changes. New rows get the same ids each time."""
    requests: list[Ask] = scenario if isinstance(scenario, list) else [scenario]
    cache.clear()  # The cache holds the request counts of each person.
    if all(request.method in ("GET", "HEAD") for request in requests):
        return _ask_all(api, requests)
    with transaction.atomic():
        world.number_new_rows()
        entries = _ask_all(api, requests)
        transaction.set_rollback(True)
    return entries


def _ask_all(api: Api, requests: list[Ask]) -> list[dict[str, Any]]:
    entries, known = [], []
    for request in requests:
        entry, answer = api.ask(request, known)
        if known:
            entry["request"] = f"then {entry['request']}"
        entries.append(entry)
        known.append(answer)
    return entries


def _document() -> dict[str, Any]:
    answer = Client().get("/api/schema")
    assert answer.status_code == 200
    return dict(answer.json())


# The exports read committed rows through separate connections.
@pytest.mark.django_db(transaction=True)
def test_the_api_answers_as_recorded(api: Api) -> None:
    differences = []
    for name, scenarios in RESOURCES.items():
        differences += compare(name, [entry for scenario in scenarios for entry in _play(api, scenario)])
    differences += compare("roles", _by_role(api))
    assert not differences, f"{len(differences)} answers differ:\n" + "\n".join(differences[:MOST_DIFFERENCES])


def _by_role(api: Api) -> list[dict[str, Any]]:
    """Try each method of each path with an invalid body: only permitted roles get a 400. Other methods are 405."""
    paths = _document()["paths"] | {"/api/schema": {}, "/api/docs": {}}
    entries = []
    for path in sorted(paths):
        address = re.sub(r"\{(\w+)\}", lambda match: ADDRESSES[match[1]], path)
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            if method in ("GET", "HEAD") and path in ("/api/admin/events", "/api/schema", "/api/docs"):
                continue
            everybody = (NOBODY, *PEOPLE) if method.lower() in paths[path] else (NOBODY, SUPER_ADMIN)
            body = None if method in ("GET", "HEAD") else {"?": 1}
            answers = {who: _play(api, Ask(method, address, body, who))[0] for who in everybody}
            entry = {"request": f"{method} {path}"} | {who: answer["status"] for who, answer in answers.items()}
            entries.append(entry | {"Allow": answers[NOBODY]["headers"].get("Allow")})
    return entries


def test_the_document_lists_the_operations_as_recorded() -> None:
    entries = [
        {
            "operation": f"{method.upper()} {path} {operation['operationId']}",
            "parameters": sorted(f"{each['in']} {each['name']}" for each in operation.get("parameters", [])),
            "answers": sorted(operation["responses"]),
            "body": sorted(operation.get("requestBody", {}).get("content", {})),
        }
        for path, methods in sorted(_document()["paths"].items())
        for method, operation in sorted(methods.items())
    ]
    assert compare("schema", entries) == []


def test_each_operation_is_recorded() -> None:
    """Each path and method of the document has a recorded answer that succeeds."""
    recorded = [
        entry["request"].removeprefix("then ").split()[1:3]
        for path in FOLDER.glob("*.json")
        for entry in json.loads(path.read_text())
        if entry.get("status", 500) < 300
    ]
    missing = [
        f"{method.upper()} {path}"
        for path, methods in _document()["paths"].items()
        for method in methods
        if not any(
            verb == method.upper() and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), address.partition("?")[0])
            for verb, address in recorded
        )
    ]
    assert missing == ["GET /api/admin/events"]  # It never ends.
