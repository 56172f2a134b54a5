"""From a click in the list of jobs to its new rows, in a real browser: `python -m tests.bench.list_clicks 10000000`.

A click ends when the frame with the new rows has been drawn. The server's time is that of the click's own request, from its
first byte to the last one of the answer, as the browser sees it.
"""

from __future__ import annotations

import os
import statistics
import sys
from typing import Any

from . import seed
from .report import Figure, show
from .server import as_in_production, running

ROUNDS = 25
MAX_MS, MAX_RATIO = 250, 3.0
PASSWORD = "correct horse battery"
PATH = "/admin/syncjobs/syncjob/"
STEPS = (
    ("filter", "#chip-status-FAILED"),
    ("next page", "#page-next"),
    ("sort", "#sort-created_at"),
    ("filter", "#chip-has_errors"),
    ("filter", "#chip-status-FAILED"),
    ("next page", "#page-next"),
    ("filter", "#chip-has_errors"),
    ("next page", "#page-last"),
    ("sort", "#sort-created_at"),
    ("filter", "#chip-requested_by"),
    ("next page", "#page-next"),
    ("filter", "#chip-requested_by"),
    ("filter", "#chip-status-COMPLETED"),
    ("next page", "#page-next"),
    ("filter", "#chip-status-COMPLETED"),
    ("filter", "#chip-status-DELAYED"),
)
_CLICK = """async (selector) => {
    performance.clearResourceTimings();
    const listed = new Promise((done) => document.addEventListener("listed", done, { once: true }));
    const began = performance.now();
    document.querySelector(selector).click();
    await listed;
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    const took = performance.now() - began;
    const asked = performance.getEntriesByType("resource").find((each) => each.initiatorType === "xmlhttprequest");
    return [took, asked.responseEnd - asked.requestStart];
}"""


def _p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20, method="inclusive")[-1]


def _measure(page: Any, base: str) -> dict[str, list[tuple[float, float]]]:
    times: dict[str, list[tuple[float, float]]] = {}
    for number in range(ROUNDS + 1):
        page.goto(f"{base}{PATH}")
        page.wait_for_load_state("load")
        for kind, selector in STEPS:
            took, server = page.evaluate(_CLICK, selector)
            if number:  # The first is to warm up.
                times.setdefault(kind, []).append((took, server))
                times.setdefault("all", []).append((took, server))
    return times


def main() -> None:
    count = int(sys.argv[1])
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    seed.prepare(count)
    from django.contrib.auth import get_user_model
    from playwright.sync_api import sync_playwright

    from syncjobs import counters
    from syncjobs.operations import people
    from tests.browser.driver import FLAGS, chromium_path

    if counters.count(counters.Selection()) < count:
        seed.seed(count)
    people.setup_roles()
    # Whose jobs the bench makes: see seed.py.
    user, _ = get_user_model().objects.get_or_create(username="pat", defaults={"is_staff": True})
    user.groups.set(people.Group.objects.filter(name="MODERATOR"))
    user.set_password(PASSWORD)
    user.save()
    with (
        as_in_production() as variables,
        running("syncmonitor.asgi:application", variables) as (port, _pid),
        sync_playwright() as playwright,
    ):
        base = f"http://127.0.0.1:{port}"
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{base}/admin/login/")
        page.fill("#id_username", "pat")
        page.fill("#id_password", PASSWORD)
        page.click("[type=submit]")
        page.wait_for_url(f"{base}/admin/")
        times = _measure(page, base)
        browser.close()
    figures = []
    for kind, measured in times.items():
        took, server = [each[0] for each in measured], [each[1] for each in measured]
        if kind == "all":
            figures.append(Figure("from click to new rows, p95", _p95(took), "<=", MAX_MS, "ms"))
            figures.append(Figure("p95 / the server's p95", _p95(took) / _p95(server), "<=", MAX_RATIO))
            figures.append(Figure("the server's time, p95", _p95(server), unit="ms"))
        else:
            name = f"{kind}: median {statistics.median(took):.0f}, server {statistics.median(server):.0f}; p95"
            figures.append(Figure(name, _p95(took), unit="ms"))
    sys.exit(0 if show(f"Clicks in the list of jobs, at {count:,} jobs", figures) else 1)


if __name__ == "__main__":
    main()
