"""The requests whose answers are recorded, by resource.

An entry is one request, or a list of requests that follow on each other. `{hour-3}` and `{day-5}` stand for times of the
world, and `{last.jobId}` for `jobId` in the previous answer (`{last.etag}` for its ETag).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.api.recorded_world import BROKEN, GONE, HTML, ODD, PASSWORD

MODERATOR, ADMIN, SUPER_ADMIN, PLAIN, NOBODY = "MODERATOR", "ADMIN", "SUPER_ADMIN", "plain", "nobody"


@dataclass
class Ask:
    """A request. `ids_only` records only the ids of a list's rows."""

    method: str
    path: str
    body: Any = None
    who: str = MODERATOR
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    content_type: str = "application/json"
    ids_only: bool = False
    times: int = 1

    def __str__(self) -> str:
        """Return its name in the recording."""
        parts = [self.who, self.method, self.path, *(f"{name}: {value}" for name, value in self.headers.items())]
        if self.raw is not None:
            parts += [self.content_type, repr(self.raw[:60])]
        return " ".join(parts) + (f" × {self.times}" if self.times > 1 else "")


def get(path: str, who: str = MODERATOR, **more: Any) -> Ask:
    return Ask("GET", f"/api/{path}", who=who, **more)


def ids(path: str, who: str = MODERATOR) -> Ask:
    return get(path, who, ids_only=True)


def head(path: str, who: str = MODERATOR) -> Ask:
    return Ask("HEAD", f"/api/{path}", who=who)


def post(path: str, body: Any = None, who: str = MODERATOR, **more: Any) -> Ask:
    return Ask("POST", f"/api/{path}", body, who, **more)


def patch(path: str, body: Any = None, who: str = ADMIN) -> Ask:
    return Ask("PATCH", f"/api/{path}", body, who)


def delete(path: str, who: str = ADMIN, body: Any = None) -> Ask:
    return Ask("DELETE", f"/api/{path}", body, who)


def _all(make: Any, path: str, values: str, who: str = MODERATOR) -> list[Any]:
    """Return a request for each of the query strings, one per line."""
    return [make(f"{path}?{value.strip()}", who) for value in values.strip().splitlines()]


def _fresh(path: str, who: str = MODERATOR) -> list[Ask]:
    """Ask twice; the second answer is 304."""
    return [ids(path, who), get(path, who, headers={"If-None-Match": "{last.etag}"})]


JOBS = "admin/sync-jobs"
_JOB_FILTERS = f"""
    status=FAILED
    status=FAILED&status=CANCELLED
    status=FAILED,CANCELLED
    status=
    jobType=FULL_SYNC
    jobType=STATS_REFRESH,ENRICH&status=QUEUED
    bandId=11
    bandId=999
    queue=maintenance
    queue=maintenance&jobType=FULL_SYNC
    requestedBy=MODERATOR&limit=100
    requestedBy=schedule: Night
    parentId=1006
    error={BROKEN}
    error={GONE}&status=FAILED
    error=ffff
    due=now
    due=later
    delayReason=QUOTA_STATS
    delayReason=RETRY
    search=1003
    search=brass
    search=503
    search=Deleted
    search=nothing like it
    startDate={{hour-4}}
    endDate={{day-3}}&limit=100
    startDate={{day-5}}&endDate={{day-3}}
    startDate={{day-5}}&endDate={{day-5}}&status=COMPLETED
    sortBy=startedAt&limit=5
    sortBy=completedAt&sortOrder=asc&limit=5
    sortBy=createdAt&sortOrder=asc&limit=5
    sortBy=startedAt&sortOrder=asc&status=QUEUED
    page=2&limit=7
    page=3&limit=7&sortBy=completedAt
    page=99
    page=2&limit=3&bandId=11&status=COMPLETED
    page=2&limit=2&search=503&sortOrder=asc
"""
_JOB_REFUSALS = """
    nonsense=1
    status=BROKEN
    jobType=full_sync
    bandId=x
    bandId=0
    bandId=1&bandId=2
    queue=nowhere
    parentId=-1
    error=XYZ
    due=soon
    delayReason=NEVER
    startDate=yesterday
    startDate=2026-02-31
    startDate=2026-11-24T09:30:00
    startDate=2026-11-24&endDate=2026-11-20
    sortBy=band
    sortOrder=up
    page=0
    page=x
    limit=0
    limit=101
    search=%00
    requestedBy=%00
    page=0&limit=0
"""
_JOBS: list[Any] = [
    get(f"{JOBS}?limit=100"),
    ids(JOBS),
    head(JOBS),
    *_all(ids, JOBS, _JOB_FILTERS),
    *_all(get, JOBS, _JOB_REFUSALS),
    get(f"{JOBS}?search={'x' * 201}"),
    get(JOBS, NOBODY),
    get(JOBS, PLAIN),
    get(JOBS, headers={"Authorization": "Bearer nonsense"}),
    get(JOBS, headers={"Authorization": "Bearer"}),
    get(JOBS, headers={"Accept": "text/csv"}),
    _fresh(JOBS),
    [ids(JOBS), ids(JOBS), Ask("HEAD", f"/api/{JOBS}", headers={"If-None-Match": "{last.etag}"})],
    get(JOBS, headers={"If-None-Match": 'W/"other"'}, ids_only=True),
]
_JOB: list[Any] = [
    *[get(f"{JOBS}/{pk}") for pk in (1003, 1006, 1007, 1011, 1016, 1017, 1018)],
    head(f"{JOBS}/1003"),
    get(f"{JOBS}/9999"),
    get(f"{JOBS}/x"),
    get(f"{JOBS}/01"),
    get(f"{JOBS}/99999999999999999999"),
    get(f"{JOBS}/1003?page=1"),
    get(f"{JOBS}/1003/"),
    get(f"{JOBS}/1003", NOBODY),
    get(f"{JOBS}/1003", PLAIN),
    _fresh(f"{JOBS}/1003"),
    *[post(f"{JOBS}/{pk}/retry") for pk in (1003, 1004, 1005, 1001, 1006, 1008, 1009, 1013, 1014, 9999)],
    post(f"{JOBS}/1004/retry", {}),
    post(f"{JOBS}/1004/retry", {"force": True}),
    post(f"{JOBS}/1004/retry", []),
    post(f"{JOBS}/1004/retry?force=1"),
    post(f"{JOBS}/1004/retry", who=NOBODY),
    post(f"{JOBS}/1004/retry", who=PLAIN),
    [post(f"{JOBS}/1005/retry"), get(f"{JOBS}/{{last.jobId}}")],
    *[post(f"{JOBS}/{pk}/cancel") for pk in (1018, 1011, 1014, 1003, 1007, 9999)],
    post(f"{JOBS}/1018/cancel", {"why": "x"}),
    post(f"{JOBS}/1018/cancel", who=NOBODY),
    post(f"{JOBS}/1018/cancel", who=PLAIN),
    [post(f"{JOBS}/1018/cancel"), get(f"{JOBS}/1018"), post(f"{JOBS}/1018/cancel")],
    [post(f"{JOBS}/1011/cancel"), get(f"{JOBS}/1011")],
    [post(f"{JOBS}/1006/cancel"), ids(f"{JOBS}?parentId=1006"), get(f"{JOBS}/1008")],
]

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


_FAILED_FULL = {"action": "retry", "filter": {"status": "FAILED", "jobType": ["FULL_SYNC"]}}
_TRIGGERS: list[Any] = [
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
_BULK: list[Any] = [
    post(f"{JOBS}/bulk", {"action": "retry", "ids": ["1003", "1004", "1005", "1001", "9999", "1013"]}),
    post(f"{JOBS}/bulk", {"action": "cancel", "ids": ["1018", "1011", "1003", "9999"]}),
    post(f"{JOBS}/bulk", {"action": "cancel", "ids": ["1006"]}),
    post(f"{JOBS}/bulk", _FAILED_FULL),
    post(f"{JOBS}/bulk", {"action": "cancel", "filter": {"due": "later"}}),
    post(f"{JOBS}/bulk", {"action": "cancel", "filter": {}}),
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

_QUEUES: list[Any] = [
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

ERRORS = "admin/sync/errors"
_ERRORS: list[Any] = [
    get(ERRORS),
    *_all(
        get,
        ERRORS,
        """
        window=all
        window=5h
        window=30d&limit=1
        acknowledged=true
        acknowledged=false&window=all
        window=
        window=5
        window=0h
        window=99999d
        limit=0
        limit=101
        acknowledged=yes
        page=1
        """,
    ),
    head(ERRORS),
    get(ERRORS, NOBODY),
    get(ERRORS, PLAIN),
    [get(ERRORS), get(ERRORS, headers={"If-None-Match": "{last.etag}"})],
    *[
        post(f"{ERRORS}/{BROKEN}/acknowledge", body)
        for body in (None, {}, {"note": ""}, {"note": "x" * 2001}, {"note": 1}, {"what": 1}, [])
    ],
    post(f"{ERRORS}/ffff/acknowledge", {"note": "Seen"}),
    post(f"{ERRORS}/{BROKEN}/acknowledge", who=NOBODY),
    post(f"{ERRORS}/{BROKEN}/acknowledge", who=PLAIN),
    [
        post(f"{ERRORS}/{BROKEN}/acknowledge", {"note": "YouTube was down."}),
        get(f"{ERRORS}?acknowledged=true"),
        post(f"{ERRORS}/{BROKEN}/acknowledge"),
        delete(f"{ERRORS}/{BROKEN}/acknowledge", MODERATOR),
        get(f"{ERRORS}?acknowledged=false"),
    ],
    delete(f"{ERRORS}/{GONE}/acknowledge", MODERATOR),
    delete(f"{ERRORS}/{ODD}/acknowledge", MODERATOR),
    delete(f"{ERRORS}/ffff/acknowledge", MODERATOR),
    delete(f"{ERRORS}/{GONE}/acknowledge", MODERATOR, {"note": "x"}),
    delete(f"{ERRORS}/{GONE}/acknowledge", NOBODY),
    delete(f"{ERRORS}/{GONE}/acknowledge", PLAIN),
    *[post(f"{ERRORS}/{key}/retry") for key in (BROKEN, GONE, ODD, "ffff", "a.b")],
    post(f"{ERRORS}/{BROKEN}/retry", {"what": 1}),
    post(f"{ERRORS}/{BROKEN}/retry", who=NOBODY),
    post(f"{ERRORS}/{BROKEN}/retry", who=PLAIN),
    [post(f"{ERRORS}/{GONE}/retry"), post(f"{ERRORS}/{GONE}/retry")],
]

_FIGURES: list[Any] = [
    get("admin/jobs/metrics"),
    head("admin/jobs/metrics"),
    get("admin/jobs/metrics?x=1"),
    get("admin/jobs/metrics", NOBODY),
    get("admin/jobs/metrics", PLAIN),
    get("admin/jobs/trends"),
    get("admin/jobs/trends?period=7d"),
    get("admin/jobs/trends?period=30d"),
    get("admin/jobs/trends?period=1y"),
    get("admin/jobs/trends?from=1"),
    get("admin/jobs/trends", NOBODY),
    get("admin/jobs/trends", PLAIN),
    [get("admin/jobs/metrics"), get("admin/jobs/metrics", headers={"If-None-Match": "{last.etag}"})],
    get("admin/jobs/stuck"),
    head("admin/jobs/stuck"),
    get("admin/jobs/stuck?x=1"),
    get("admin/jobs/stuck", NOBODY),
    get("admin/jobs/stuck", PLAIN),
    get("admin/workers"),
    head("admin/workers"),
    get("admin/workers?x=1"),
    get("admin/workers", NOBODY),
    get("admin/workers", PLAIN),
    get("admin/quota"),
    head("admin/quota"),
    get("admin/quota?x=1"),
    get("admin/quota", NOBODY),
    get("admin/quota", PLAIN),
    get("admin/quota/history?days=1"),
    get("admin/quota/history?days=5"),
    get("admin/quota/history?days=0"),
    get("admin/quota/history?days=366"),
    get("admin/quota/history?days=x"),
    get("admin/quota/history?limit=1"),
    get("admin/quota/history", NOBODY),
    get("admin/quota/history", PLAIN),
]

_AUDIT: list[Any] = [
    get("admin/audit", ADMIN),
    head("admin/audit", ADMIN),
    *_all(
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
    *_all(
        get,
        "admin/audit",
        """
        action=nonsense
        targetType=nonsense
        result=nonsense
        startDate=x
        startDate=2026-11-24&endDate=2026-11-24T00:00:00Z
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

_EXPORTS: list[Any] = [
    get(f"{JOBS}/export"),
    get(f"{JOBS}/export?format=json&status=FAILED,CANCELLED"),
    get(f"{JOBS}/export?format=csv&search=503&sortBy=completedAt&sortOrder=asc"),
    get(f"{JOBS}/export?bandId=999"),
    get(f"{JOBS}/export?bandId=999&format=json"),
    get(f"{JOBS}/export?parentId=1006&format=json", headers={"Accept": "text/plain"}),
    head(f"{JOBS}/export"),
    get(f"{JOBS}/export?format=xml"),
    get(f"{JOBS}/export?page=1"),
    get(f"{JOBS}/export?status=BROKEN"),
    get(f"{JOBS}/export", NOBODY),
    get(f"{JOBS}/export", PLAIN),
    get(f"{ERRORS}/export"),
    get(f"{ERRORS}/export?format=json&window=all"),
    get(f"{ERRORS}/export?acknowledged=true"),
    get(f"{ERRORS}/export?acknowledged=false&format=json"),
    get(f"{ERRORS}/export?format=xml"),
    get(f"{ERRORS}/export?window=x"),
    get(f"{ERRORS}/export?limit=1"),
    get(f"{ERRORS}/export", NOBODY),
    get(f"{ERRORS}/export", PLAIN),
    get("admin/audit/export", ADMIN),
    get("admin/audit/export?format=json", ADMIN),
    get("admin/audit/export?format=json&action=retry_job", ADMIN),
    get("admin/audit/export?page=1", ADMIN),
    get("admin/audit/export"),
    get("admin/audit/export", NOBODY),
]

_CRON = {"minute": "30", "hour": "3", "dayOfWeek": "mon-fri", "timezone": "America/New_York"}
_NEW_SCHEDULE = {"name": "Weekly", "jobType": "FULL_SYNC", "cron": _CRON}
_SCHEDULES: list[Any] = [
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

PRESETS = "admin/filter-presets"
_PRESETS: list[Any] = [
    get(PRESETS),
    get(PRESETS, ADMIN),
    head(PRESETS),
    get(f"{PRESETS}?x=1"),
    get(PRESETS, NOBODY),
    get(PRESETS, PLAIN),
    *[
        post(PRESETS, body)
        for body in (
            {"name": "Today", "filters": {"status": ["FAILED", "CANCELLED"], "bandId": "11"}},
            {"name": " Spaces ", "filters": {}, "shared": False},
            {"name": "Mine", "filters": {}},
            {"name": "Ours", "filters": {}, "shared": True},
            {"name": "", "filters": {}},
            {"name": "   ", "filters": {}},
            {"name": "x" * 81, "filters": {}},
            {"name": 1, "filters": {}},
            {"name": "N"},
            {"filters": {}},
            {"name": "N", "filters": []},
            {"name": "N", "filters": {"nonsense": "1"}},
            {"name": "N", "filters": {"status": "BROKEN"}},
            {"name": "N", "filters": {"bandId": 11}},
            {"name": "N", "filters": {"search": ""}},
            {"name": "N", "filters": {}, "shared": "yes"},
            {"name": "N", "filters": {}, "owner": 1},
            {},
            None,
        )
    ],
    post(PRESETS, {"name": "Ours", "filters": {"due": "now"}, "shared": True}, ADMIN),
    post(PRESETS, {"name": "Failed", "filters": {}, "shared": True}, ADMIN),
    post(PRESETS, {"name": "N", "filters": {}}, NOBODY),
    post(PRESETS, {"name": "N", "filters": {}}, PLAIN),
    *[
        patch(f"{PRESETS}/62", body, MODERATOR)
        for body in (
            {"name": "Renamed"},
            {"filters": {"due": "later"}},
            {"shared": True},
            {"filters": {"due": "x"}},
            {"what": 1},
            {},
        )
    ],
    patch(f"{PRESETS}/61", {"name": "N"}, MODERATOR),
    patch(f"{PRESETS}/63", {"name": "N"}, MODERATOR),
    patch(f"{PRESETS}/61", {"name": "N"}),
    patch(f"{PRESETS}/61", {"shared": False}),
    patch(f"{PRESETS}/999", {"name": "N"}),
    patch(f"{PRESETS}/62", {"name": "N"}, NOBODY),
    patch(f"{PRESETS}/62", {"name": "N"}, PLAIN),
    [delete(f"{PRESETS}/62", MODERATOR), delete(f"{PRESETS}/62", MODERATOR), get(PRESETS)],
    delete(f"{PRESETS}/61", MODERATOR),
    delete(f"{PRESETS}/61"),
    delete(f"{PRESETS}/63", MODERATOR),
    delete(f"{PRESETS}/62", MODERATOR, {"x": 1}),
    delete(f"{PRESETS}/62", NOBODY),
    get(f"{PRESETS}/62"),
]

_NEW_BAND = {"name": "Port Marlow", "slug": "port-marlow"}
_BANDS: list[Any] = [
    get("bands"),
    head("bands"),
    *_all(
        ids,
        "bands",
        """
        search=brass
        search=nothing
        state=active
        state=inactive
        state=problem
        state=failing
        state=never
        state=no-channel
        state=active&search=c&limit=2
        page=2&limit=3
        page=9
        """,
    ),
    *_all(
        get,
        "bands",
        """
        state=x
        page=0
        limit=101
        nonsense=1
        search=%00
        """,
    ),
    get("bands", NOBODY),
    get("bands", PLAIN),
    get("bands/11"),
    get("bands/12"),
    get("bands/15"),
    head("bands/11"),
    get("bands/999"),
    get("bands/x"),
    get("bands/11?x=1"),
    get("bands/11", NOBODY),
    get("bands/11", PLAIN),
    *[
        post("bands", body, ADMIN)
        for body in (
            _NEW_BAND,
            _NEW_BAND
            | {
                "schoolName": "Marlow",
                "nickname": "M",
                "city": "Ashby",
                "state": "GA",
                "conference": "C",
                "founded": 1990,
                "bandType": "HS",
                "searchKeywords": ["a", "b"],
                "isActive": False,
                "isFeatured": True,
                "primaryColor": "#123456",
                "secondaryColor": "",
                "youtubeChannel": "https://www.youtube.com/@marlow",
                "playlists": ["https://www.youtube.com/playlist?list=PLabcdefghijkl"],
            },
            _NEW_BAND | {"youtubeChannel": f"UC{11:022}"},
            _NEW_BAND | {"youtubeChannel": "@herons"},
            _NEW_BAND | {"youtubeChannel": "not a channel"},
            _NEW_BAND | {"youtubeChannel": "https://example.org/@marlow"},
            _NEW_BAND | {"playlists": ["x"]},
            _NEW_BAND | {"playlists": "x"},
            _NEW_BAND | {"slug": "herons"},
            _NEW_BAND | {"slug": "herons", "youtubeChannel": "@wren", "founded": 1},
            _NEW_BAND | {"slug": "a b"},
            _NEW_BAND | {"name": " "},
            _NEW_BAND | {"name": HTML},
            _NEW_BAND | {"name": "x" * 201, "slug": "x" * 121},
            _NEW_BAND | {"founded": "1990"},
            _NEW_BAND | {"founded": 1990.0},
            _NEW_BAND | {"primaryColor": "red"},
            _NEW_BAND | {"isActive": 1},
            _NEW_BAND | {"searchKeywords": [1]},
            _NEW_BAND | {"id": "1", "videoCount": 2},
            {"name": "N"},
            {"slug": "n"},
            {},
            [],
            None,
        )
    ],
    post("bands", _NEW_BAND),
    post("bands", _NEW_BAND, NOBODY),
    *[
        patch("bands/11", body)
        for body in (
            {"city": "Marlow"},
            {"isActive": False, "founded": None},
            {"youtubeChannel": "@other"},
            {"youtubeChannel": ""},
            {"youtubeChannel": f"UC{12:022}"},
            {"slug": "brass"},
            {"slug": ""},
            {"name": ""},
            {"founded": 3000},
            {"channelId": "x"},
            {"videoCount": 1, "founded": "x"},
            {},
            [],
        )
    ],
    patch("bands/999", {"city": "Marlow"}),
    patch("bands/11", {"city": "Marlow"}, MODERATOR),
    patch("bands/11", {"city": "Marlow"}, NOBODY),
    [patch("bands/17", {"youtubeChannel": "@wrens"}), get("bands/17"), get("admin/audit?limit=1", ADMIN)],
    [delete("bands/16"), delete("bands/16"), get("bands/16"), ids("bands")],
    delete("bands/11"),
    delete("bands/999"),
    delete("bands/16", ADMIN, {"x": 1}),
    delete("bands/16", MODERATOR),
    delete("bands/16", NOBODY),
]
_VIDEO_QUERIES = """
    search=halftime
    search=nothing
    availability=UNAVAILABLE
    availability=MISSING&availability=UNAVAILABLE
    availability=MISSING,UNAVAILABLE
    sortBy=viewCount
    sortBy=viewCount&sortOrder=asc
    sortOrder=asc
    page=2&limit=3
    page=9
"""
_VIDEO_REFUSALS = """
    availability=x
    sortBy=title
    sortOrder=up
    page=0
    limit=101
    nonsense=1
    search=%00
"""
_VIDEOS: list[Any] = [
    get("videos"),
    head("videos"),
    *_all(ids, "videos", _VIDEO_QUERIES),
    ids("videos?bandId=12"),
    ids("videos?bandId=999"),
    *_all(get, "videos", _VIDEO_REFUSALS),
    get("videos?bandId=x"),
    get("videos", NOBODY),
    get("videos", PLAIN),
    get("bands/12/videos"),
    head("bands/11/videos"),
    *_all(ids, "bands/11/videos", _VIDEO_QUERIES),
    *_all(get, "bands/11/videos", _VIDEO_REFUSALS),
    get("bands/11/videos?bandId=12"),
    get("bands/999/videos"),
    get("bands/14/videos"),
    get("bands/11/videos", NOBODY),
    get("bands/11/videos", PLAIN),
]

_LOGIN = {"username": "MODERATOR", "password": PASSWORD}
_SESSION: list[Any] = [
    *[
        post("auth/token", body, NOBODY)
        for body in (
            _LOGIN,
            _LOGIN | {"password": "wrong"},
            _LOGIN | {"username": "unknown"},
            _LOGIN | {"username": "gone"},
            _LOGIN | {"username": "plain"},
            _LOGIN | {"more": 1},
            _LOGIN | {"password": ""},
            {"username": 1},
            {},
            [],
            None,
        )
    ],
    post("auth/token?x=1", _LOGIN, NOBODY),
    post("auth/token", _LOGIN, NOBODY, headers={"Authorization": "Bearer nonsense"}),
    [post("auth/token", _LOGIN | {"password": "x"}, NOBODY, times=20), post("auth/token", _LOGIN, NOBODY)],
    *[
        post(f"auth/{path}", body, NOBODY)
        for path in ("token/refresh", "logout")
        for body in ({"refresh": "nonsense"}, {"refresh": ""}, {"refresh": 1}, {"refresh": "a", "b": 1}, {}, [], None)
    ],
    [
        post("auth/token", _LOGIN, NOBODY),
        post("auth/token/refresh", {"refresh": "{last.access}"}, NOBODY),
    ],
    [post("auth/token", _LOGIN, NOBODY), get("auth/me", NOBODY, headers={"Authorization": "Bearer {last.refresh}"})],
    [post("auth/token", _LOGIN, NOBODY), get("auth/me", NOBODY, headers={"Authorization": "bearer {last.access}"})],
    [
        post("auth/token", _LOGIN, NOBODY),
        post("auth/token/refresh", {"refresh": "{last.refresh}"}, NOBODY),
        post("auth/logout", {"refresh": "{last.refresh}"}, NOBODY),
        post("auth/logout", {"refresh": "{kept.refresh}"}, NOBODY),
        post("auth/token/refresh", {"refresh": "{kept.refresh}"}, NOBODY),
    ],
    *[get("auth/me", who) for who in (NOBODY, PLAIN, MODERATOR, ADMIN, SUPER_ADMIN)],
    head("auth/me"),
    get("auth/me?x=1"),
]

_REST: list[Any] = [
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

RESOURCES: dict[str, list[Any]] = {
    "jobs": _JOBS,
    "job": _JOB,
    "triggers": _TRIGGERS,
    "bulk": _BULK,
    "queues": _QUEUES,
    "errors": _ERRORS,
    "figures": _FIGURES,
    "audit": _AUDIT,
    "exports": _EXPORTS,
    "schedules": _SCHEDULES,
    "presets": _PRESETS,
    "bands": _BANDS,
    "videos": _VIDEOS,
    "session": _SESSION,
    "rest": _REST,
}

ADDRESSES = {
    "bulk_id": "81", "job_id": "1003", "schedule_id": "51", "preset_id": "62", "band_id": "11", "fingerprint": BROKEN,
    "id": "1003",
}  # fmt: skip
"""Values of path parameters for trying each method of each path as each role."""
