"""The feed of changes, unknown addresses, and what is not under /api."""

from __future__ import annotations

from typing import Any

from tests.api.recorded.requests.ask import JOBS, NOBODY, PLAIN, Ask, get, head

REQUESTS: list[Any] = [
    *[get("admin/events", who) for who in (NOBODY, PLAIN)],
    get("admin/events?nonsense=1"),
    get("admin/events?lastEventId=x"),
    get("admin/events", headers={"Last-Event-ID": "x"}),
    *[
        Ask(method, f"/api/{path}", who=NOBODY)
        for path in ("", "nothing", "admin", "admin/sync-jobs/", "bands/0", "admin/sync/errors/a.b/acknowledge")
        for method in ("GET", "POST", "OPTIONS")
    ],
    Ask("GET", "/api", who=NOBODY),
    get("schema?x=1", NOBODY),
    head("schema", NOBODY),
    get("docs?x=1", NOBODY),
    get("docs?script=x", NOBODY),
    head("docs", NOBODY),
    Ask("GET", "/healthz", who=NOBODY),
    Ask("GET", "/readyz", who=NOBODY),
    Ask("POST", "/healthz", who=NOBODY),
    Ask("GET", "/metrics", who=NOBODY),
    Ask("GET", "/metrics", who=NOBODY, headers={"Authorization": "Bearer a-token-for-the-metrics"}),
    Ask("GET", "/metrics", who=NOBODY, headers={"Authorization": "Bearer wrong"}),
    Ask("POST", "/metrics", who=NOBODY, headers={"Authorization": "Bearer a-token-for-the-metrics"}),
    Ask("OPTIONS", f"/api/{JOBS}", who=NOBODY, headers={"Origin": "https://front.example"}),
    Ask(
        "OPTIONS",
        f"/api/{JOBS}",
        who=NOBODY,
        headers={"Origin": "https://front.example", "Access-Control-Request-Method": "GET"},
    ),
    get("auth/me", headers={"Origin": "https://front.example"}),
]
