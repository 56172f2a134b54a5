"""Alerts and their rules."""

from __future__ import annotations

from typing import Any

from tests.api.recorded.requests.ask import ADMIN, MODERATOR, NOBODY, PLAIN, delete, each, get, head, ids, patch, post

ALERTS, RULES = "admin/alerts", "admin/alert-rules"
REQUESTS: list[Any] = [
    get(ALERTS),
    head(ALERTS),
    *each(
        ids,
        ALERTS,
        """
        state=unresolved
        state=attention
        state=acknowledged
        state=snoozed
        state=resolved
        rule=worker_silent,queue_paused
        severity=CRITICAL
        subjectType=band&subjectId=11
        startDate={day-2}
        endDate={day-2}
        limit=1&page=2
        """,
    ),
    *each(get, ALERTS, "state=open\nrule=x\nseverity=BAD\nsubjectType=x\nlimit=0\nsort=x"),
    get(ALERTS, NOBODY),
    get(ALERTS, PLAIN),
    get(f"{ALERTS}/92"),
    get(f"{ALERTS}/99"),
    get(f"{ALERTS}/x"),
    *[
        post(f"{ALERTS}/91/acknowledge", body)
        for body in (None, {"note": ""}, {"note": "Mine"}, {"note": "x" * 2001}, {"note": 1}, {"what": 1})
    ],
    *[post(f"{ALERTS}/{pk}/acknowledge") for pk in (93, 99)],
    [post(f"{ALERTS}/91/acknowledge", {"note": "Mine"}), ids(f"{ALERTS}?state=attention")],
    [delete(f"{ALERTS}/92/acknowledge", MODERATOR), get(f"{ALERTS}/92")],
    delete(f"{ALERTS}/93/acknowledge", MODERATOR),
    *[post(f"{ALERTS}/91/snooze", body) for body in (None, {"minutes": 0}, {"minutes": 43201}, {"minutes": "5"})],
    [post(f"{ALERTS}/91/snooze", {"minutes": 5}), ids(f"{ALERTS}?state=snoozed"), delete(f"{ALERTS}/91/snooze", MODERATOR)],
    post(f"{ALERTS}/93/snooze", {"minutes": 5}),
    [post(f"{ALERTS}/91/snooze", {"minutes": 1}), ids(f"{ALERTS}?state=snoozed")],
    [
        post(f"{ALERTS}/bulk", {"action": "acknowledge", "ids": ["91", "92", "93", "99"], "note": "Ours"}, MODERATOR),
        get(f"{ALERTS}/91"),
        post(f"{ALERTS}/bulk", {"action": "snooze", "ids": ["91", "92"], "minutes": 1}),
        ids(f"{ALERTS}?state=snoozed"),
        post(f"{ALERTS}/bulk", {"action": "unsnooze", "ids": ["92"]}),
        post(f"{ALERTS}/bulk", {"action": "reopen", "ids": ["91", "92"]}),
        post(f"{ALERTS}/bulk", {"action": "reopen", "ids": ["91", "92"]}),
        ids(f"{ALERTS}?state=attention"),
    ],
    *[
        post(f"{ALERTS}/bulk", {"action": "acknowledge", "ids": ["91"]} | wrong)
        for wrong in (
            {"ids": []}, {"ids": ["93"]}, {"ids": ["99"]}, {"ids": ["93", "99"]}, {"ids": [91]},
            {"ids": [str(number) for number in range(1, 1002)]}, {"action": "delete"}, {"minutes": 5}, {"action": "snooze"},
            {"action": "snooze", "minutes": 0}, {"action": "snooze", "minutes": 5, "note": "x"},
            {"action": "reopen", "note": "x"}, {"note": "x" * 2001}, {"filter": {}},
        )
    ],
    post(f"{ALERTS}/bulk", {"action": "acknowledge", "ids": ["91"]}, PLAIN),
    get(RULES),
    get(RULES, PLAIN),
    patch(f"{RULES}/band_stale", {"threshold": 72.5, "resolveAfter": 60}),
    patch(f"{RULES}/band_stale", {"enabled": False}),
    patch(f"{RULES}/band_stale", {}),
    *[
        patch(f"{RULES}/band_stale", body)
        for body in ({"threshold": -1}, {"threshold": "5"}, {"enabled": 1}, {"resolveAfter": 1.5}, {"x": 1}, [])
    ],
    *[
        patch(f"{RULES}/{rule}", {"threshold": threshold})
        for rule, threshold in (
            ("no_worker", 5), ("no_worker", None), ("band_failing", 2.5), ("failure_rate", 101), ("failure_rate", 0),
        )
    ],
    patch(f"{RULES}/no_worker", {"threshold": 5, "resolveAfter": 90_000}),
    patch(f"{RULES}/nothing", {"enabled": True}),
    patch(f"{RULES}/band_stale", {"enabled": True}, MODERATOR),
    [patch(f"{RULES}/band_stale", {"threshold": 1}), patch(f"{RULES}/band_stale", {"threshold": None}, ADMIN)],
]  # fmt: skip
