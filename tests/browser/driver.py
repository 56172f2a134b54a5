"""How the tests and the screenshots drive a browser: which one, who is logged in, and which pages there are."""

from __future__ import annotations

import shutil
from typing import Any

from django.contrib.auth import get_user_model
from playwright.sync_api import Browser, BrowserContext, Page

from bands.models import Band, Video
from syncjobs import urls
from syncjobs.choices import JobStatus, Role
from syncjobs.models import ErrorGroup, SyncJob
from syncjobs.operations import people, schedules
from tests.factories import PERSON

PASSWORD = "correct horse battery"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# What is not a page to look at: files, and parts of pages.
_NO_PAGES = {"jobs_export", "errors_export", "audit_export", "schedule_preview", "jobs_rows", "jobs_bands"}
STOCK = ("/admin/", "/admin/password_change/")


def chromium_path() -> str | None:
    """The machine's Chromium, if it has one."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


class Visitor:
    """A logged-in person's browser: a page, and everything that went wrong on it."""

    def __init__(self, browser: Browser, base: str, role: str, **options: Any) -> None:
        self.base = base
        self.context: BrowserContext = browser.new_context(**options)
        self.context.set_default_timeout(15_000)
        # No picture can be had from YouTube here; none is a page's failure.
        self.context.route("https://i.ytimg.com/**", lambda route: route.abort())
        self.page: Page = self.context.new_page()
        self.problems: list[str] = []
        self.watch(self.page)
        name = f"{role}".lower()
        people.save_user(PERSON, name, PASSWORD, Role(role))
        self._log_in(name)

    def watch(self, page: Page) -> None:
        """Note what goes wrong on it."""
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("response", lambda r: self.problems.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        page.on("requestfailed", lambda r: self.problems.append(f"{r.failure} {r.url}") if _counts(r) else None)

    def _on_console(self, message: Any) -> None:
        if message.type in ("error", "warning") and "ytimg.com" not in str(message.location):
            self.problems.append(message.text)

    def _log_in(self, name: str) -> None:
        self.page.goto(f"{self.base}/admin/login/")
        self.page.fill("#id_username", name)
        self.page.fill("#id_password", PASSWORD)
        self.page.click("[type=submit]")
        self.page.wait_for_url(f"{self.base}/admin/")

    def go(self, path: str) -> Page:
        """Open a page of the site."""
        self.page.goto(self.base + path)
        return self.page


def _counts(request: Any) -> bool:
    """A stream, or anything else that a page takes with it when it is left, has not failed."""
    return not ("/admin/events" in request.url or "ytimg.com" in request.url or request.failure == "net::ERR_ABORTED")


def addresses() -> dict[str, str]:
    """Every page of the admin that can be opened, by the name of its URL, each with something to show (see `world`)."""
    failed = SyncJob.objects.filter(status=JobStatus.FAILED).earliest("pk").pk
    running = SyncJob.objects.filter(status=JobStatus.IN_PROGRESS).earliest("pk").pk
    values = {
        "band_id": Band.objects.earliest("pk").pk,
        "video_id": Video.objects.earliest("pk").pk,
        "fingerprint": ErrorGroup.objects.get(reason="internalError").pk,
        "schedule_id": schedules.list_schedules().get(name="Night reading").pk,
        "user_id": get_user_model().objects.earliest("pk").pk,
        "name": "video-sync",
        "queue": "video-sync",
    }
    found = {"dashboard": STOCK[0], "password": STOCK[1]}
    for module in urls._MODULES:
        for route, _view, name in module.PAGES:
            path = route
            for parameter, value in (values | {"job_id": failed if "retry" in route else running}).items():
                for kind in ("id", "slug", "str", "int"):
                    path = path.replace(f"<{kind}:{parameter}>", str(value))
            if "<" not in path and name not in _NO_PAGES:
                found[name] = f"/admin/{path}"
    return found
