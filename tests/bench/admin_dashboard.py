"""The dashboard against an empty page of the admin, in one run: `python -m tests.bench.admin_dashboard 10000000`.

Server time of whole requests, by turns, through all middleware. Nothing is cached between requests but what PostgreSQL
itself keeps; the first request of each is reported too. The bound is a ratio of 5 for the page. What it asks for once it is
shown is reported alone, and as a sum with the page.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

from . import seed
from .report import Figure, show

if TYPE_CHECKING:
    from django.test import Client

ROUNDS = 25
LIMIT = 5.0
EMPTY, PAGE = "/admin/keys/", "/admin/"


def _admin(count: int) -> Client:
    """Return a client of the site with so many jobs, logged in as an admin."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    from syncjobs import counters
    from syncjobs.operations import people

    if counters.count(counters.Selection()) < count:
        seed.seed(count)
    people.setup_roles()
    user, _ = get_user_model().objects.get_or_create(username="bench", defaults={"is_staff": True})
    user.groups.set(people.Group.objects.filter(name="ADMIN"))
    admin = Client(SERVER_NAME="localhost")
    admin.force_login(user)
    return admin


def main() -> None:
    count = int(sys.argv[1])
    seed.prepare(count)
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from syncjobs.admin import dashboard

    admin = _admin(count)

    def get(address: str) -> float:
        """Milliseconds."""
        headers: dict[str, Any] = {"HX-Request": "true"} if "part=" in address else {}
        began = time.perf_counter()
        answer = admin.get(address, headers=headers)
        assert answer.status_code == 200
        return (time.perf_counter() - began) * 1000

    later = [f"{PAGE}?part={name}&period={period}" for name in dashboard._LATER for period in ("24h", "30d")]
    # The first requests of a process import and compile what they need.
    first_empty, first = get(EMPTY), get(PAGE)
    times: dict[str, list[float]] = {address: [] for address in (EMPTY, PAGE, *later)}
    for _ in range(ROUNDS):
        for address, measured in times.items():
            measured.append(get(address))
    medians = {address: statistics.median(measured) for address, measured in times.items()}
    with CaptureQueriesContext(connection) as queries:
        get(PAGE)
    empty = medians[EMPTY]
    whole = medians[PAGE] + sum(medians[address] for address in later if "24h" in address)
    holds = show(
        f"The dashboard at {count:,} jobs",
        [
            Figure("empty page", empty, unit="ms"),
            Figure("dashboard / empty page", medians[PAGE] / empty, "<=", LIMIT),
            Figure("the first requests of a process, dashboard / empty page", first / first_empty),
            Figure("queries of the dashboard", len(queries), "<=", 15),
            *(Figure(address, medians[address] / empty) for address in later),
            Figure("with all it asks for later / empty page", whole / empty),
        ],
    )
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
