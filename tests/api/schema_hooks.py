"""Rules that the document doesn't express: an end lies after its start, February has no 31st, and the time zones there are.

Schemathesis loads this file when it runs in the root of the checkout (schemathesis.toml); it does not use Django.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any
from uuid import uuid4

import schemathesis


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
    if case.meta is None or not case.meta.generation.mode.is_positive or case.meta.phase.name.value == "examples":
        return
    body = case.body if isinstance(case.body, dict) else {}
    for given in (case.query, body.get("filter"), body.get("filters")):
        if isinstance(given, dict):
            _correct_dates(given)
        if isinstance(given, dict) and not _is_in_order(given):
            del given["endDate"]
    cron = body.get("cron")
    if isinstance(cron, dict) and "dayOfMonth" in cron:
        cron.pop("monthOfYear", None)
    if isinstance(cron, dict) and "timezone" in cron:
        cron["timezone"] = "America/New_York"


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
