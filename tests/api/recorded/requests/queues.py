"""Queues."""

from __future__ import annotations

from typing import Any

from tests.api.recorded.requests.ask import ADMIN, JOBS, NOBODY, PLAIN, SUPER_ADMIN, get, head, ids, post

REQUESTS: list[Any] = [
    get("admin/queue/status"),
    head("admin/queue/status"),
    get("admin/queue/status?x=1"),
    get("admin/queue/status", NOBODY),
    get("admin/queue/status", PLAIN),
    [get("admin/queue/status"), get("admin/queue/status", headers={"If-None-Match": "{last.etag}"})],
    *[
        post(f"admin/queue/{verb}", body, ADMIN)
        for verb in ("pause", "resume", "clear-failed")
        for body in (
            None,
            {},
            {"queue": "maintenance"},
            {"queue": "all"},
            {"queue": "nowhere"},
            {"queue": None},
            {"queue": 1},
            {"reason": "Holidays"},
            {"reason": 5},
            {"queue": "video-sync", "reason": "x" * 501},
            {"what": "x"},
            [],
        )
    ],
    post("admin/queue/pause", {"reason": "x"}),
    post("admin/queue/resume"),
    post("admin/queue/clear-failed"),
    post("admin/queue/pause", who=NOBODY),
    post("admin/queue/resume", who=NOBODY),
    post("admin/queue/clear-failed", who=NOBODY),
    [
        post("admin/queue/pause", {"queue": "video-sync", "reason": " Holidays "}, SUPER_ADMIN),
        get("admin/queue/status"),
        post("admin/queue/pause", {"queue": "video-sync"}, ADMIN),
        post("admin/queue/resume", {"queue": "all"}, ADMIN),
        post("admin/queue/resume", {"queue": "all"}, ADMIN),
        get("admin/queue/status"),
    ],
    [post("admin/queue/clear-failed", {"queue": "video-sync"}, ADMIN), ids(f"{JOBS}?status=FAILED")],
]
