"""The admin's list of jobs against the API's list of as many rows, in one run: `python -m tests.bench.admin_list 10000000`.

Server time of whole requests, by turns, through all middleware; `make seed-jobs` makes the jobs. The bound is a ratio of 3.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

from . import seed
from .report import Figure, show

ROUNDS = 25
LIMIT = 3.0
FILTERS = (
    "",
    "status=FAILED",
    "status=COMPLETED&job_type=FULL_SYNC",
    "band_id=1",
    "queue=video-sync&sort_by=completed_at",
    "start_date=2026-11-01&sort_order=asc",
    "requested_by=pat",
    "search=Band+49",
)


def _by_turns(acts: list[Callable[[], Any]]) -> list[float]:
    """Medians, in ms."""
    times: list[list[float]] = [[] for _ in acts]
    for act in acts:
        act()
    for _ in range(ROUNDS):
        for act, measured in zip(acts, times, strict=True):
            began = time.perf_counter()
            act()
            measured.append((time.perf_counter() - began) * 1000)
    return [statistics.median(measured) for measured in times]


def main() -> None:
    count = int(sys.argv[1])
    seed.prepare(count)
    from django.contrib.auth import get_user_model
    from django.test import Client
    from rest_framework_simplejwt.tokens import AccessToken

    from bands.text import camel_case
    from syncjobs import counters
    from syncjobs.operations import people, presets

    if counters.count(counters.Selection()) < count:
        seed.seed(count)
    people.setup_roles()
    user, _ = get_user_model().objects.get_or_create(username="bench", defaults={"is_staff": True})
    user.groups.set(people.Group.objects.filter(name="MODERATOR"))
    admin = Client(SERVER_NAME="localhost")
    admin.force_login(user)
    api = Client(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {AccessToken.for_user(user)}"})
    figures = []
    for query in FILTERS:
        for limit in (20, 100):
            asked = f"{query}&limit={limit}".lstrip("&")

            def of_api(asked: str = asked) -> Any:
                filters = presets.respell(dict(parse_qsl(asked)), camel_case)
                return api.get(f"/api/admin/sync-jobs?{urlencode(filters)}")

            def of_admin(asked: str = asked) -> Any:
                return admin.get(f"/admin/syncjobs/syncjob/?{asked}")

            assert of_api().status_code == of_admin().status_code == 200
            ours, theirs = _by_turns([of_admin, of_api])
            name = f"{asked} ({ours:.1f} ms, API {theirs:.1f} ms)"
            figures.append(Figure(name, ours / theirs, "<=", LIMIT))
    sys.exit(0 if show(f"The admin's list / the API's list of as many rows, at {count:,} jobs", figures) else 1)


if __name__ == "__main__":
    main()
