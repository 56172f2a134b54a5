"""What JSON Schema can't say of requests: that an end lies after its start, and that there is no 31st of February.

Schemathesis reads this whenever it is run from the root of the checkout (schemathesis.toml); no Django here.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import schemathesis


@schemathesis.hook
def before_call(context: Any, case: Any, **_options: Any) -> None:
    """Take out of what was drawn by chance what the API has to refuse though the document allows it."""
    if case.meta is not None and not case.meta.generation.mode.is_positive:
        _send_what_is_wrong(case)
    if case.meta is None or not case.meta.generation.mode.is_positive or case.meta.phase.name.value == "examples":
        return
    body = case.body if isinstance(case.body, dict) else {}
    for given in (case.query, body.get("filter"), body.get("filters")):
        if isinstance(given, dict) and not _is_in_order(given):
            del given["endDate"]
    cron = body.get("cron")
    if isinstance(cron, dict) and "dayOfMonth" in cron:
        cron.pop("monthOfYear", None)


def _send_what_is_wrong(case: Any) -> None:
    """An object or list with nothing in it is written as nothing, which counts as not given; NUL is wrong everywhere."""
    for name, value in (case.query or {}).items():
        if value in ({}, []):
            case.query[name] = "\x00"


def _is_in_order(given: dict[str, Any]) -> bool:
    """Whether the end is later than the start in any time zone."""
    if not (given.get("startDate") and given.get("endDate")):  # Empty is as good as not given.
        return True
    start, end = (dt.date.fromisoformat(given[name][:10]) for name in ("startDate", "endDate"))
    return end - start > dt.timedelta(days=1)
