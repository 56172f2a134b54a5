"""Browser helpers for tests and screenshots: Chromium, logged-in visitors and the list of pages."""

from __future__ import annotations

import shutil
from typing import Any

from django.conf import settings
from django.contrib.admin import ModelAdmin
from django.contrib.auth import get_user_model
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import PeriodicTask
from playwright.sync_api import Browser, BrowserContext, Page

from syncjobs.admin.core.model_admin import PageAdmin
from syncjobs.admin.site import site
from syncjobs.choices import DeliveryState, JobStatus, Role
from syncjobs.models import AlertDelivery, ChannelSuggestion, ErrorGroup, Queue, SyncJob, Worker
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
# Exports, parts of pages, and a confirmation that needs selected jobs; by the end of the URL's name.
_NO_PAGES = ("_export", "_preview", "_rows", "_bands", "_bulkaction_add")
STOCK = ("/admin/", "/admin/password_change/")


def chromium_path() -> str | None:
    """Return the path of the machine's Chromium, or None."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def headless_path() -> str | None:
    """Return the path of a Chromium that has no windows, which takes half as long; otherwise `chromium_path()`."""
    return shutil.which("chromium-headless-shell") or chromium_path()


class Visitor:
    """A logged-in person's browser page, with all errors that occurred on it."""

    def __init__(self, browser: Browser, base: str, role: str, **options: Any) -> None:
        self.base = base
        self.context: BrowserContext = browser.new_context(**options)
        self.context.set_default_timeout(15_000)
        # YouTube's thumbnails cannot be loaded here; a missing one is not an error of the page.
        self.context.route("https://i.ytimg.com/**", lambda route: route.abort())
        self.page: Page = self.context.new_page()
        self.problems: list[str] = []
        self.watch(self.page)
        name = f"{role}".lower()
        people.save_user(PERSON, name, PASSWORD, Role(role))
        self._begin_session(name)

    def watch(self, page: Page) -> None:
        """Record all errors on the page."""
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("response", lambda r: self.problems.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        page.on("requestfailed", lambda r: self.problems.append(f"{r.failure} {r.url}") if _counts(r) else None)

    def _on_console(self, message: Any) -> None:
        if message.type in ("error", "warning") and "ytimg.com" not in str(message.location):
            self.problems.append(message.text)

    def _begin_session(self, name: str) -> None:
        """Log in without a page, which takes a tenth of the time of a form and the dashboard behind it."""
        client = Client()
        client.force_login(get_user_model().objects.get(username=name))
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        self.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": self.base}])

    def log_in(self, name: str) -> None:
        """Log in as people do, by the form."""
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
    """Return whether the failed request is an error. Requests that end because the page is left are not."""
    return not ("/admin/events" in request.url or "ytimg.com" in request.url or request.failure == "net::ERR_ABORTED")


def addresses() -> dict[str, str]:
    """Return the address of every admin page by the name of its URL. `world` creates the objects that they show."""
    found = {"dashboard": STOCK[0], "password": STOCK[1]}
    found |= {name: reverse(f"admin:{name}") for name in ("quota", "import", "keys", "palette")}
    for model, model_admin in site._registry.items():
        for pattern in model_admin.get_urls():
            name = getattr(pattern, "name", None)
            if not name or not _is_page(model_admin, name):
                continue
            if "<" not in str(pattern.pattern):
                found[name] = reverse(f"admin:{name}")
            elif shown := _shown(model, name):
                found[name] = reverse(f"admin:{name}", args=[shown])
    # Its reason and the buttons that help come first.
    failed = SyncJob.objects.filter(status=JobStatus.FAILED, band__channel_problem_since__isnull=False).latest("pk")
    found["failed_job"] = reverse("admin:syncjobs_syncjob_change", args=[failed.pk])
    return found


def _is_page(model_admin: ModelAdmin[Any], name: str) -> bool:
    """Return whether the page exists. A stock page exists only if the class overrides its view."""
    view = getattr(model_admin, f"{name.rsplit('_', 1)[1]}_view", None)
    return not name.endswith(_NO_PAGES) and getattr(view, "__func__", None) is not PageAdmin._no_page


def _shown(model: type[Model], name: str) -> Any:
    """Return the key of the object that the page shows, or None if the world has none."""
    if model is SyncJob and name.endswith(("_run", "_delay", "_priority", "_front")):
        return SyncJob.objects.delayed().earliest("pk").pk
    if model is SyncJob:
        status = JobStatus.FAILED if name.endswith("_retry") else JobStatus.IN_PROGRESS
        return SyncJob.objects.filter(status=status).earliest("pk").pk
    if model is ErrorGroup:
        return ErrorGroup.objects.get(reason="internalError").pk
    if model is PeriodicTask:
        return schedules.list_schedules().get(name="Nightly full sync").pk
    if model is Queue:
        return "video-sync"
    if model is Worker:
        return Worker.objects.silent().values_list("pk", flat=True).first()
    if model is AlertDelivery and name.endswith("_retry"):
        return AlertDelivery.objects.filter(state=DeliveryState.PENDING).earliest("pk").pk
    if name.endswith("_suggestion"):
        return ChannelSuggestion.objects.open().earliest("pk").pk
    return model._default_manager.order_by("pk").values_list("pk", flat=True).first()
