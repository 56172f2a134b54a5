"""The audit log."""

from __future__ import annotations

from typing import Any

from tests.api.recorded.requests.ask import ADMIN, JOBS, NOBODY, each, get, head, ids, post

REQUESTS: list[Any] = [
    get("admin/audit", ADMIN),
    head("admin/audit", ADMIN),
    *each(
        ids,
        "admin/audit",
        """
        action=retry_job
        actor=ADMIN
        targetType=band
        targetId=11
        targetType=schedule&targetId=52
        result=recently_synced
        startDate={hour-19}
        endDate={day-3}
        startDate={day-5}&endDate={day-5}
        page=2&limit=2
        page=9
        """,
        ADMIN,
    ),
    *each(
        get,
        "admin/audit",
        """
        action=nonsense
        targetType=nonsense
        result=nonsense
        startDate=x
        startDate=2026-11-24&endDate=2026-11-23T23:59:59Z
        page=0
        limit=101
        sortBy=at
        """,
        ADMIN,
    ),
    get("admin/audit"),
    get("admin/audit", NOBODY),
    [post("admin/queue/pause", {"reason": "Audit me"}, ADMIN), get("admin/audit?limit=1", ADMIN)],
    [post(f"{JOBS}/trigger", {"syncType": "FULL", "bandId": "16"}), get("admin/audit?limit=1", ADMIN)],
]
