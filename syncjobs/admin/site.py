"""Our admin site: Django's, with a navigation, a dashboard and further pages of its own."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.cache import cache
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, path, re_path, reverse

from ..engine import clock
from ..youtube.costs import Bucket
from . import dashboard, events, imports, keys, quota
from .core.navigation import TITLE, page_context
from .core.pages import View, answering_domain_errors, redirecting_old_names

MAX_FAILED_LOGINS_PER_MINUTE = 20
"""Per address. Successful logins don't count, so only someone guessing passwords is slowed down."""
_MINUTE = 60


class MonitorSite(admin.AdminSite):
    """The site moderators work in."""

    site_header = TITLE
    site_title = TITLE
    site_url = None
    enable_nav_sidebar = False

    def get_urls(self) -> list[URLPattern | URLResolver]:
        return [
            path("quota/", self.admin_view(quota.quota), name="quota"),
            re_path(
                rf"^quota/(?P<bucket>{'|'.join(Bucket)})/reopen/$", self.admin_view(quota.reopen), name="quota_reopen"
            ),
            path("import/", self.admin_view(imports.upload), name="import"),
            path("keys/", self.admin_view(keys.keys), name="keys"),
            path("events", events.events, name="events"),
            *super().get_urls(),
        ]

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        return super().admin_view(redirecting_old_names(answering_domain_errors(view)), cacheable)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # type: ignore[override]
        return dashboard.dashboard(request)

    def app_index(self, request: HttpRequest, app_label: str, extra_context: Any = None) -> HttpResponse:  # type: ignore[override]
        """Go to the dashboard; the navigation takes the place of the list of models."""
        return HttpResponseRedirect(reverse("admin:index"))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return page_context(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Refuse a page's own request after the session ended, instead of answering it with a login form."""
        if request.headers.get("HX-Request"):
            return HttpResponse(status=401)
        if request.method != "POST":
            return super().login(request, extra_context)
        failures = f"admin-log-in-failures:{request.META.get('REMOTE_ADDR', '')}"
        if _recent_failures(failures)[1] >= MAX_FAILED_LOGINS_PER_MINUTE:
            refusal = render(request, "429.html", status=429)
            refusal["Retry-After"] = str(_MINUTE)
            return refusal
        response = super().login(request, extra_context)
        if not request.user.is_authenticated:
            _count_failure(failures)
        return response


def _recent_failures(key: str) -> tuple[float, int]:
    """Return when the current minute of failures began, and their number."""
    began_at, count = cache.get(key) or (clock.now().timestamp(), 0)
    return began_at, count


def _count_failure(key: str) -> None:
    """Count one more failed log-in. Requests that count at the same time wait for each other."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
        began_at, count = _recent_failures(key)
        cache.set(key, (began_at, count + 1), max(1, began_at + _MINUTE - clock.now().timestamp()))


site = MonitorSite(name="admin")
