"""Triggers and estimates."""

from __future__ import annotations

from typing import Any

from tests.api.recorded.requests.ask import JOBS, NOBODY, PLAIN, get, post

_SYNCS: tuple[Any, ...] = (
    {"syncType": "FULL"},
    {"syncType": "INCREMENTAL"},
    {"syncType": "FULL", "bandId": None, "priority": None},
    {"syncType": "INCREMENTAL", "bandId": "11"},
    {"syncType": "FULL", "bandId": "11"},
    {"syncType": "FULL", "bandId": "12", "forceSync": True, "priority": 40},
    {"syncType": "FULL", "bandId": "13"},
    {"syncType": "FULL", "bandId": "14"},
    {"syncType": "FULL", "bandId": "16"},
    {"syncType": "FULL", "bandId": "16", "forceSync": True},
    {"syncType": "INCREMENTAL", "bandId": "17"},
    {"syncType": "FULL", "bandId": "999"},
    {"syncType": "FULL", "forceSync": True},
    # Invalid requests
    {},
    [],
    "FULL",
    {"syncType": "full"},
    {"syncType": None},
    {"syncType": ["FULL"]},
    {"bandId": "11"},
    {"syncType": "FULL", "bandId": 11},
    {"syncType": "FULL", "bandId": "x"},
    {"syncType": "FULL", "bandId": "0"},
    {"syncType": "FULL", "forceSync": "yes"},
    {"syncType": "FULL", "priority": 25},
    {"syncType": "FULL", "priority": "20"},
    {"syncType": "FULL", "priority": True},
    {"syncType": "FULL", "what": 1, "else": 2},
    {"what": 1, "bandId": 11},
)


def _unreadable(path: str) -> list[Any]:
    return [
        post(path, raw=b""),
        post(path, raw=b'{"syncType": '),
        post(path, raw=b'{"syncType": NaN}'),
        post(path, raw=b"\xff\xfe"),
        post(path, raw=b"null"),
        post(path, raw=b"a=1", content_type="application/x-www-form-urlencoded"),
        post(path, raw=b"<a/>", content_type="text/xml"),
        post(path, raw=b'{"syncType": "' + b"x" * 1_000_001 + b'"}'),
    ]


REQUESTS: list[Any] = [
    *[post(f"{JOBS}/trigger", body) for body in _SYNCS],
    *_unreadable(f"{JOBS}/trigger"),
    post(f"{JOBS}/trigger?x=1", {"syncType": "FULL"}),
    post(f"{JOBS}/trigger", {"syncType": "FULL"}, NOBODY),
    post(f"{JOBS}/trigger", {"syncType": "FULL"}, PLAIN),
    post(f"{JOBS}/trigger", {}, PLAIN),
    get(f"{JOBS}/trigger"),
    [post(f"{JOBS}/trigger", _SYNCS[0]), get(f"{JOBS}/{{last.jobId}}"), post(f"{JOBS}/trigger", _SYNCS[0])],
    [post(f"{JOBS}/trigger", _SYNCS[3], times=60), post(f"{JOBS}/trigger", _SYNCS[3])],
    *[post(f"{JOBS}/estimate", body) for body in _SYNCS],
    *_unreadable(f"{JOBS}/estimate")[:4],
    post(f"{JOBS}/estimate", {"syncType": "FULL"}, NOBODY),
    post(f"{JOBS}/estimate", {"syncType": "FULL"}, PLAIN),
]
