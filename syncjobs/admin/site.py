"""Our admin site: the stock one, with the pages of `urls` and a navigation of its own."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

MOST_FAILURES_A_MINUTE = 20
"""Log-ins from one address; a right one counts for nothing, so a guesser is slowed and nobody else is."""
_MINUTE = 60

Entry = tuple[str, str | Promise, str, str, bool]
NAVIGATION: tuple[Entry, ...] = (
    # name of the URL, label, icon, permission, whether a gap stands before it
    ("index", _("Dashboard"), "home", "syncjobs.view_queue", False),
    ("syncjobs_syncjob_changelist", _("Sync jobs"), "list", "syncjobs.view_syncjob", False),
    ("syncjobs_errorgroup_changelist", _("Errors"), "alert", "syncjobs.view_errorgroup", False),
    ("quota", _("Quota"), "gauge", "syncjobs.view_quotaday", False),
    (
        "django_celery_beat_periodictask_changelist",
        _("Schedules"),
        "calendar",
        "django_celery_beat.view_periodictask",
        False,
    ),
    ("bands_band_changelist", _("Bands"), "music", "bands.view_band", True),
    ("bands_video_changelist", _("Videos"), "video", "bands.view_video", False),
    ("syncjobs_worker_changelist", _("Workers"), "server", "syncjobs.view_worker", True),
    ("syncjobs_auditentry_changelist", _("Audit"), "book", "syncjobs.view_auditentry", False),
    ("auth_user_changelist", _("People"), "people", "auth.view_user", False),
)


class MonitorSite(admin.AdminSite):
    """The site that moderators work in."""

    site_header = _("Sync monitor")
    site_title = _("Sync monitor")
    site_url = None
    enable_nav_sidebar = False

    def get_urls(self) -> list[URLPattern | URLResolver]:
        from .. import urls

        return [*urls.pages(self.admin_view), *super().get_urls()]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # type: ignore[override]
        from . import dashboard

        return dashboard.page(request)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Without the stock list of apps, which costs a permission check for each model and which no page shows."""
        return {
            "site_title": self.site_title,
            "site_header": self.site_header,
            "site_url": None,
            "has_permission": self.has_permission(request),
            "available_apps": [],
            "is_popup": False,
            "is_nav_sidebar_enabled": False,
            "log_entries": (),
            "monitor_nav": navigation(request) if self.has_permission(request) else (),
        }

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """A part of a page that is asked for after the session has ended is refused, not answered with a form."""
        if request.headers.get("HX-Request"):
            return HttpResponse(status=401)
        if request.method != "POST":
            return super().login(request, extra_context)
        failures = f"admin-log-in-failures:{request.META.get('REMOTE_ADDR', '')}"
        if cache.get(failures, 0) >= MOST_FAILURES_A_MINUTE:
            refusal = render(request, "429.html", status=429)
            refusal["Retry-After"] = str(_MINUTE)
            return refusal
        response = super().login(request, extra_context)
        if not request.user.is_authenticated:
            cache.add(failures, 0, _MINUTE)
            cache.incr(failures)
        return response


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The pages that the person may see; the one she is on is the current one."""
    entries = []
    for name, label, icon, permission, gap in NAVIGATION:
        if not request.user.has_perm(permission):
            continue
        url = reverse(f"admin:{name}")
        current = request.path == url if name == "index" else request.path.startswith(url)
        entries.append({"url": url, "label": label, "icon": icon, "gap": gap, "current": current})
    return entries


site = MonitorSite(name="admin")
