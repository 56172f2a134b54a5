"""Rules that the document doesn't express: an end lies after its start, February has no 31st, errors are ignored until a
time in the future, the time zones there are, the addresses that a kind of channel takes, and the thresholds of each rule
of alerts.

Schemathesis loads this file when it runs in the root of the checkout (schemathesis.toml); it does not use Django.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any
from uuid import uuid4

import schemathesis

_ADDRESSES = {
    "EMAIL": "mo@example.org, pat@example.org",
    "WEBHOOK": "https://hooks.example.org/T0/secret",
    "APPRISE": "ntfy://ntfy.example.org/topic",
    "PING": "https://ping.example.org/0",
}


@schemathesis.hook
def before_call(context: Any, case: Any, **_options: Any) -> None:
    """Remove generated values that the document allows but the API must refuse."""
    (case.headers or {}).pop("If-Match", None)  # No generated version is the present one.
    if "Idempotency-Key" in (case.headers or {}) and case.meta and case.meta.generation.mode.is_positive:
        case.headers["Idempotency-Key"] = (
            uuid4().hex
        )  # Generated keys repeat, which is an error if the requests differ.
    if case.meta is not None and not case.meta.generation.mode.is_positive:
        _send_what_is_wrong(case)
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    body = case.body if isinstance(case.body, dict) else {}
    if case.meta.phase.name.value == "examples":
        if case.method.upper() == "PATCH" and "/alert-channels" in case.path:
            _correct_channel(body)  # The document has no example of an address for a kind that it doesn't know.
        return
    for given in (case.query, body.get("filter"), body.get("filters")):
        if isinstance(given, dict):
            _correct_dates(given)
        if isinstance(given, dict) and not _is_in_order(given):
            del given["endDate"]
    if isinstance(case.query, dict) and case.query.get("day"):
        # A day that the calendar has, and that has begun.
        case.query["day"] = (dt.datetime.now(dt.UTC) - dt.timedelta(days=1)).date().isoformat()
    if case.path.endswith("/ignore"):
        body["until"] = (dt.datetime.now(dt.UTC) + dt.timedelta(days=30)).isoformat()
    if "/alert-rules" in case.path:
        body.pop("threshold", None)
    if "/alert-channels" in case.path:
        _correct_channel(body)
    cron = body.get("cron")
    if isinstance(cron, dict) and "dayOfMonth" in cron:
        cron.pop("monthOfYear", None)
    if isinstance(cron, dict) and "timezone" in cron:
        cron["timezone"] = "America/New_York"


def _correct_channel(body: dict[str, Any]) -> None:
    """Let the address fit the kind; both must be there, because a stored channel may have another kind."""
    if "kind" in body and "address" in body:
        body["address"] = _ADDRESSES[body["kind"]]
    else:
        body.pop("kind", None)
        body.pop("address", None)
    if "timeZone" in body:
        body["timeZone"] = "America/New_York"
    if not (body.get("quietFrom") and body.get("quietUntil")):
        body.pop("quietFrom", None)
        body.pop("quietUntil", None)


def _send_what_is_wrong(case: Any) -> None:
    """Replace empty objects and lists, which count as absent, by NUL, which is invalid everywhere."""
    for name, value in (case.query or {}).items():
        if value in ({}, []):
            case.query[name] = "\x00"


def _correct_dates(given: dict[str, Any]) -> None:
    """Replace days that their month doesn't have."""
    for name in ("startDate", "endDate"):
        if given.get(name):
            given[name] = re.sub(r"(-\d\d)-(?:29|3[01])", r"\1-28", given[name])


def _is_in_order(given: dict[str, Any]) -> bool:
    """Return whether the end is later than the start in any time zone."""
    if not (given.get("startDate") and given.get("endDate")):  # An empty value counts as absent.
        return True
    start, end = (dt.date.fromisoformat(given[name][:10]) for name in ("startDate", "endDate"))
    return end - start > dt.timedelta(days=1)
