"""Take pictures of every page at three widths, light and dark: `make screenshots`.

They go to test-results/screenshots/. Those that the documentation shows are of the demonstration of `make run` instead, and go to
docs/screenshots/.

    python -m tests.browser.screenshots              every page
    python -m tests.browser.screenshots --docs       those that the documentation shows
    python -m tests.browser.screenshots jobs quota   only these pages, by the names of their URLs
"""

from __future__ import annotations

import io
import itertools
import os
import sys
import tempfile
from pathlib import Path

os.environ |= {
    "DEBUG": "true",
    "SYNCMONITOR_INSTANCE": "screenshots",
    "DJANGO_SETTINGS_MODULE": "syncmonitor.settings",
    "YOUTUBE_SIMULATED": "true",
    "YOUTUBE_API_KEY": "simulated-key",
    "PUBLIC_URL": "https://sync.example.org",
    # A quota small enough that the usage of 16 bands is visible.
    "YOUTUBE_QUOTA_MAIN": "500",
    "YOUTUBE_QUOTA_STATS": "200",
    "YOUTUBE_QUOTA_RESERVED": "50",
    # Playwright keeps an event loop in this thread; Django's ORM would refuse to work there.
    "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
}
ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "screenshots"
OTHERS = ROOT / "test-results" / "screenshots"
SHOWN = {
    ("dashboard", 1440, "light"): "dashboard.png",
    ("syncjobs_errorgroup_changelist", 1440, "light"): "errors.png",
    ("quota", 1440, "light"): "quota.png",
    ("syncjobs_worker_changelist", 1440, "light"): "workers.png",
    ("bands_band_change", 1440, "light"): "band.png",
    ("syncjobs_syncjob_changelist", 360, "dark"): "jobs-phone.png",
}
"""Screenshots in docs/screenshots/, by URL name, width and color scheme."""
WIDTHS = (360, 768, 1440)
TALLEST = 2400


def main(wanted: list[str]) -> None:
    """Take the pictures of the wanted pages, or of all pages if none is named."""
    from syncmonitor import embedded

    embedded.ensure()
    import django

    django.setup()
    from django.core.management import call_command
    from playwright.sync_api import sync_playwright

    from syncjobs.youtube.simulator import Simulator
    from tests.processes import environment, web_server

    from . import world
    from .driver import FLAGS, chromium_path

    path = chromium_path()
    if path is None:
        sys.exit("No Chromium on the PATH.")
    call_command("migrate", verbosity=0)
    call_command("flush", interactive=False, verbosity=0)
    call_command("setup_roles", stdout=io.StringIO())
    is_documentation = wanted == ["--docs"]
    _seed_demo() if is_documentation else world.fill()
    for folder in (DOCS, OTHERS):
        folder.mkdir(parents=True, exist_ok=True)
    with (
        Simulator() as youtube,
        tempfile.TemporaryDirectory() as logs,
        web_server(environment(youtube.url), Path(logs) / "web.log") as base,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        for scheme in ("light", "dark"):
            _photograph(browser, base, scheme, wanted, is_documentation=is_documentation)
        browser.close()


def _seed_demo() -> None:
    """Fill the database as `make run` does, with workers that are only rows and have just started two jobs."""
    import datetime as dt

    from django.core.management import call_command
    from django.db.models.functions import Now

    from syncjobs.alerts import rounds
    from syncjobs.choices import JobType, QueueName
    from syncjobs.engine.claim import WorkerIdentity, claim_next
    from syncjobs.models import AlertRound, Attempt, SyncJob, Worker
    from syncjobs.operations import checklist, schedules
    from tests.factories import PERSON

    call_command("seed_demo", stdout=io.StringIO())
    checklist.dismiss(PERSON)
    # The schedules that a migration installs are gone with all other rows.
    for schedule, job_type, cron in (
        ("Full sync of all bands", JobType.FULL_SYNC, {"hour": "3", "day_of_week": "0"}),
        ("Statistics of all videos", JobType.STATS_REFRESH, {"hour": "4"}),
        ("Availability check", JobType.AVAILABILITY_CHECK, {"hour": "5"}),
    ):
        cron["timezone"] = "America/Los_Angeles"
        schedules.save(PERSON, None, {"name": schedule, "job_type": job_type, "cron": cron})
    name = "celery@band-room"
    Worker.objects.create(name=name, process_id=411, queues=list(QueueName.values), concurrency=4)
    Worker.objects.create(name="beat@band-room", process_id=380, queues=[], concurrency=0, is_scheduler=True)
    for done in (300, 50):
        attempt = claim_next(QueueName.VIDEO_SYNC, WorkerIdentity(name, 411))
        assert attempt is not None
        SyncJob.objects.filter(pk=attempt.job_id).update(progress_done=done, progress_total=done * 2, videos_found=done)
    Attempt.objects.running().update(lease_expires_at=Now() + dt.timedelta(hours=9))
    for _ in range(2):
        AlertRound.objects.update(due_at=Now())
        rounds.run_if_due()


def _documented() -> dict[str, str]:
    """Return the address of each page that the documentation shows, by the name of its URL."""
    from django.urls import reverse

    from bands.models import Band
    from syncjobs.youtube.simulator import demo

    moved = Band.objects.order_by("pk")[demo.MOVED]
    others = {
        "dashboard": reverse("admin:index"),
        "bands_band_change": reverse("admin:bands_band_change", args=[moved.pk]),
    }
    return {name: others.get(name) or reverse(f"admin:{name}") for name, _width, _scheme in SHOWN}


def _photograph(browser: object, base: str, scheme: str, wanted: list[str], *, is_documentation: bool) -> None:
    from django.db.models.functions import Now

    from syncjobs.choices import Role
    from syncjobs.models import Worker

    from .driver import Visitor, addresses

    visitor = Visitor(browser, base, Role.SUPER_ADMIN, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    pages = _documented() if is_documentation else addresses()
    for (name, address), width in itertools.product(pages.items(), WIDTHS):
        shown = SHOWN.get((name, width, scheme))
        if shown is None if is_documentation else wanted and name not in wanted:
            continue
        # The workers of this world are only rows.
        Worker.objects.exclude(name="celery@north-2").update(heartbeat_at=Now())
        visitor.page.set_viewport_size({"width": width, "height": 900})
        answer = visitor.page.goto(base + address)
        if answer is None or answer.status != 200:
            continue
        # The stream of changes stays open, so the network is never idle.
        visitor.page.wait_for_timeout(600)
        height = min(TALLEST, int(visitor.page.evaluate("document.documentElement.scrollHeight")))
        visitor.page.set_viewport_size({"width": width, "height": max(height, 600)})
        _save(
            visitor.page.screenshot(),
            DOCS / shown if is_documentation and shown else OTHERS / f"{name}-{width}-{scheme}.png",
        )


def _save(picture: bytes, path: Path) -> None:
    """Save with a palette: a page has few colors, and the repository keeps every version."""
    from PIL import Image

    Image.open(io.BytesIO(picture)).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
