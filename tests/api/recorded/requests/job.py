"""One job, and its retry and cancel."""

from __future__ import annotations

from typing import Any

from tests.api.recorded.requests.ask import JOBS, NOBODY, PLAIN, fresh, get, head, ids, post

REQUESTS: list[Any] = [
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
    fresh(f"{JOBS}/1003"),
    *[post(f"{JOBS}/{pk}/retry") for pk in (1003, 1004, 1005, 1001, 1006, 1008, 1009, 1013, 1014, 9999)],
    post(f"{JOBS}/1004/retry", {}),
    post(f"{JOBS}/1004/retry", {"force": True}),
    post(f"{JOBS}/1004/retry", []),
    post(f"{JOBS}/1004/retry?force=1"),
    post(f"{JOBS}/1004/retry", who=NOBODY),
    post(f"{JOBS}/1004/retry", who=PLAIN),
    [post(f"{JOBS}/1005/retry"), get(f"{JOBS}/{{last.jobId}}")],
    *[post(f"{JOBS}/{pk}/run") for pk in (1016, 1006, 1001, 9999)],
    post(f"{JOBS}/1016/run", {"why": "x"}),
    post(f"{JOBS}/1016/run", who=NOBODY),
    post(f"{JOBS}/1016/run", who=PLAIN),
    [post(f"{JOBS}/1017/run"), get(f"{JOBS}/1017"), post(f"{JOBS}/1017/run")],
    *[post(f"{JOBS}/{pk}/front") for pk in (1016, 1006, 1001, 9999)],
    [post(f"{JOBS}/1017/front"), get(f"{JOBS}/1017")],
    [post(f"{JOBS}/1017/priority", {"priority": 10}), get(f"{JOBS}/1017")],
    post(f"{JOBS}/1017/priority", {"priority": 41}),
    post(f"{JOBS}/1017/priority", {}),
    post(f"{JOBS}/1017/delay", {"minutes": 5}),
    post(f"{JOBS}/1001/delay", {"minutes": 5}),
    *[post(f"{JOBS}/1017/delay", body) for body in ({}, {"minutes": 0}, {"minutes": 43_201}, {"minutes": "5"})],
    post(f"{JOBS}/1017/delay", {"minutes": 5}, who=NOBODY),
    post(f"{JOBS}/1017/delay", {"minutes": 5}, who=PLAIN),
    *[post(f"{JOBS}/{pk}/cancel") for pk in (1018, 1011, 1014, 1003, 1007, 9999)],
    post(f"{JOBS}/1018/cancel", {"why": "x"}),
    post(f"{JOBS}/1018/cancel", who=NOBODY),
    post(f"{JOBS}/1018/cancel", who=PLAIN),
    [post(f"{JOBS}/1018/cancel"), get(f"{JOBS}/1018"), post(f"{JOBS}/1018/cancel")],
    [post(f"{JOBS}/1011/cancel"), get(f"{JOBS}/1011")],
    [post(f"{JOBS}/1006/cancel"), ids(f"{JOBS}?parentId=1006"), get(f"{JOBS}/1008")],
]
