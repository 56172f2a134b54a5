"""Schedules."""

from __future__ import annotations

from typing import Any

from tests.api.recorded.requests.ask import ADMIN, MODERATOR, NOBODY, PLAIN, delete, get, head, patch, post

_CRON = {"minute": "30", "hour": "3", "dayOfWeek": "mon-fri", "timezone": "America/New_York"}
_NEW_SCHEDULE = {"name": "Weekly", "jobType": "FULL_SYNC", "cron": _CRON}
REQUESTS: list[Any] = [
    get("admin/schedules"),
    head("admin/schedules"),
    get("admin/schedules?page=1"),
    get("admin/schedules", NOBODY),
    get("admin/schedules", PLAIN),
    *[
        post("admin/schedules", body, ADMIN)
        for body in (
            _NEW_SCHEDULE,
            {"name": "Often", "jobType": "ENRICH", "interval": {"every": 2, "period": "hours"}, "enabled": False},
            {"name": "Both", "jobType": "ENRICH", "interval": {"every": 2, "period": "hours"}, "cron": None},
            {"name": "Hour", "jobType": "PRUNE", "cron": {"hour": "*/2"}},
            _NEW_SCHEDULE | {"name": "Night"},
            _NEW_SCHEDULE | {"interval": {"every": 2, "period": "hours"}},
            {"name": "Neither", "jobType": "PRUNE"},
            _NEW_SCHEDULE | {"name": ""},
            _NEW_SCHEDULE | {"name": "  "},
            _NEW_SCHEDULE | {"name": "x" * 181},
            _NEW_SCHEDULE | {"jobType": "SINGLE_VIDEO"},
            _NEW_SCHEDULE | {"cron": {}},
            _NEW_SCHEDULE | {"cron": {"minute": "60"}},
            _NEW_SCHEDULE | {"cron": {"hour": 3}},
            _NEW_SCHEDULE | {"cron": {"timezone": "Mars"}},
            _NEW_SCHEDULE | {"cron": {"second": "1"}},
            _NEW_SCHEDULE | {"cron": {"dayOfMonth": "31", "monthOfYear": "2"}},
            _NEW_SCHEDULE | {"cron": "daily"},
            {"name": "N", "jobType": "PRUNE", "interval": {"every": 0, "period": "days"}},
            {"name": "N", "jobType": "PRUNE", "interval": {"every": 5, "period": "seconds"}},
            {"name": "N", "jobType": "PRUNE", "interval": {"every": "5", "period": "weeks"}},
            {"name": "N", "jobType": "PRUNE", "interval": 5},
            _NEW_SCHEDULE | {"enabled": "yes", "what": 1},
            {},
            [],
            None,
        )
    ],
    post("admin/schedules", _NEW_SCHEDULE),
    post("admin/schedules", _NEW_SCHEDULE, NOBODY),
    *[
        patch("admin/schedules/51", body)
        for body in (
            {"enabled": False},
            {"name": "Nightly"},
            {"name": "Statistics"},
            {"cron": {"hour": "4"}},
            {"interval": {"every": 3, "period": "days"}},
            {"cron": None},
            {"jobType": "PRUNE"},
            {"jobType": "nonsense"},
            {"what": 1},
            {},
            [],
        )
    ],
    patch("admin/schedules/53", {"enabled": False}),
    patch("admin/schedules/999", {"enabled": False}),
    patch("admin/schedules/51", {"enabled": False}, MODERATOR),
    patch("admin/schedules/51", {"enabled": False}, NOBODY),
    [delete("admin/schedules/52"), delete("admin/schedules/52"), get("admin/schedules")],
    delete("admin/schedules/53"),
    delete("admin/schedules/51", ADMIN, {"x": 1}),
    delete("admin/schedules/51", MODERATOR),
    delete("admin/schedules/51", NOBODY),
    get("admin/schedules/51"),
    *[post(f"admin/schedules/{pk}/run", who=ADMIN) for pk in (51, 52, 53, 999)],
    post("admin/schedules/51/run", {"x": 1}, ADMIN),
    post("admin/schedules/51/run"),
    post("admin/schedules/51/run", who=NOBODY),
    [
        patch("admin/schedules/52", {"jobType": "PRUNE"}),
        post("admin/schedules/52/run", who=ADMIN),
        get("admin/schedules"),
    ],
]
