"""How far a page of the admin is behind the database, in a real browser: `python -m tests.bench.live`.

A job's progress changes again and again; the page notes when it shows each value.
"""

from __future__ import annotations

import os
import sys
import time

from . import seed
from .report import Figure, show
from .server import running

JOBS, CHANGES, PAUSE_SECONDS = 10_000, 60, 0.7
PASSWORD = "correct horse battery"
_WATCH = """() => {
    window.shown = {};
    const look = () => {
        const bar = document.querySelector("#job-facts progress[value]");
        if (bar && !(bar.value in window.shown)) window.shown[bar.value] = Date.now();
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
}"""


def main() -> None:
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright keeps an event loop in this thread
    seed.prepare(JOBS)
    seed.seed(JOBS)
    from playwright.sync_api import sync_playwright

    from syncjobs.choices import JobStatus, Role
    from syncjobs.models import SyncJob
    from tests.browser.driver import FLAGS, Visitor, chromium_path

    job = SyncJob.objects.filter(status=JobStatus.IN_PROGRESS).latest("pk")
    SyncJob.objects.filter(pk=job.pk).update(progress_done=0, progress_total=CHANGES)
    changed_at: dict[int, float] = {}
    with running() as (port, _pid), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        visitor = Visitor(browser, f"http://localhost:{port}", Role.MODERATOR)
        page = visitor.go(f"/admin/syncjobs/syncjob/{job.pk}/change/")
        page.locator("#live-state[data-state=live]").wait_for()
        page.evaluate(_WATCH)
        for number in range(1, CHANGES + 1):
            SyncJob.objects.filter(pk=job.pk).update(progress_done=number)
            changed_at[number] = time.time()
            page.wait_for_timeout(PAUSE_SECONDS * 1000)
        page.wait_for_timeout(2000)
        shown = page.evaluate("window.shown")
        browser.close()
    behind = sorted(shown[str(number)] / 1000 - at for number, at in changed_at.items() if str(number) in shown)
    figures = [
        Figure("changes that the page showed", len(behind), "=", CHANGES),
        Figure("half of them within", behind[len(behind) // 2], unit="s"),
        Figure("the slowest within", behind[-1], "<=", 1, "s"),
    ]
    sys.exit(0 if show("A job's page behind the database", figures) else 1)


if __name__ == "__main__":
    main()
