"""Bulk actions."""

from __future__ import annotations

from typing import Any

from tests.api.recorded.requests.ask import JOBS, NOBODY, PLAIN, get, post

_FAILED_FULL = {"action": "retry", "filter": {"status": "FAILED", "jobType": ["FULL_SYNC"]}}
REQUESTS: list[Any] = [
    post(f"{JOBS}/bulk", {"action": "retry", "ids": ["1003", "1004", "1005", "1001", "9999", "1013"]}),
    post(f"{JOBS}/bulk", {"action": "cancel", "ids": ["1018", "1011", "1003", "9999"]}),
    post(f"{JOBS}/bulk", {"action": "cancel", "ids": ["1006"]}),
    post(f"{JOBS}/bulk", _FAILED_FULL),
    post(f"{JOBS}/bulk", {"action": "cancel", "filter": {"due": "later"}}),
    post(f"{JOBS}/bulk", {"action": "cancel", "filter": {}}),
    post(f"{JOBS}/bulk", {"action": "front", "ids": ["1017", "1018", "1001"]}),
    post(f"{JOBS}/bulk", {"action": "priority", "priority": 40, "ids": ["1018"]}),
    post(f"{JOBS}/bulk", {"action": "priority", "ids": ["1018"]}),
    post(f"{JOBS}/bulk", {"action": "delay", "ids": ["1018"]}),
    post(f"{JOBS}/bulk", {"action": "retry", "minutes": 5, "ids": ["1018"]}),
    post(f"{JOBS}/bulk", {"action": "retry", "filter": {"status": "COMPLETED"}}),
    [
        post(f"{JOBS}/bulk", {"action": "retry", "ids": [str(number) for number in range(1, 1003)]}),
        get(f"{JOBS}/bulk/{{last.id}}"),
    ],
    *[
        post(f"{JOBS}/bulk", body)
        for body in (
            {},
            [],
            {"action": "retry"},
            {"action": "delete", "ids": ["1"]},
            {"action": "clear", "ids": ["1"]},
            {"action": "retry", "ids": []},
            {"action": "retry", "ids": "1"},
            {"action": "retry", "ids": [1]},
            {"action": "retry", "ids": ["x", "1"]},
            {"action": "retry", "ids": ["1"], "filter": {}},
            {"action": "retry", "ids": ["1"], "more": 1},
            {"action": "retry", "filter": "all"},
            {"action": "retry", "filter": {"nonsense": "1"}},
            {"action": "retry", "filter": {"status": "BROKEN"}},
            {"action": "retry", "filter": {"status": ""}},
            {"action": "retry", "filter": {"bandId": 11}},
            {"action": "retry", "filter": {"startDate": "yesterday"}},
            {"action": "retry", "filter": {"page": "1"}},
        )
    ],
    post(f"{JOBS}/bulk", raw=b""),
    post(f"{JOBS}/bulk", {"action": "retry", "ids": ["1003"]}, NOBODY),
    post(f"{JOBS}/bulk", {"action": "retry", "ids": ["1003"]}, PLAIN),
    get(f"{JOBS}/bulk/81"),
    get(f"{JOBS}/bulk/82"),
    get(f"{JOBS}/bulk/9"),
    get(f"{JOBS}/bulk/81?x=1"),
    get(f"{JOBS}/bulk/81", NOBODY),
    get(f"{JOBS}/bulk/81", PLAIN),
]
