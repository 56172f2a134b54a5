"""Our admin site: Django's, with a navigation, a dashboard and further pages of its own."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, path, re_path, reverse

from ..choices import Origin
from ..exceptions import Busy, TooManyAttempts
from ..limits import Attempt
from ..operations import people
from ..youtube.costs import Bucket
from . import checklist, dashboard, events, health, imports, keys, menu, palette, quota, settings
from .core.navigation import TITLE, page_context
from .core.pages import View, actor_of, answering_domain_errors, redirecting_old_names


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
            path("checklist/dismiss/", self.admin_view(checklist.dismiss), name="checklist_dismiss"),
            path("health/", self.admin_view(health.notes), name="health"),
            path("import/", self.admin_view(imports.upload), name="import"),
            path("import/<id:import_id>/", self.admin_view(imports.progress), name="import_progress"),
            path("go/", self.admin_view(palette.palette), name="palette"),
            path("keys/", self.admin_view(keys.keys), name="keys"),
            path("menu/", self.admin_view(menu.menu), name="menu"),
            path("settings/", self.admin_view(settings.settings), name="settings"),
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
        try:
            response = super().login(request, extra_context)
        except TooManyAttempts as error:
            return _too_many(request, error)
        if response.status_code == HTTPStatus.FOUND:
            with people.log_in(actor_of(request)):
                return response
        people.record_failed_log_in(request.POST.get("username", ""), Origin.ADMIN, request.META.get("REMOTE_ADDR", ""))
        return response

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # type: ignore[override]
        """Log out, and record it."""
        is_logging_out, actor = request.method == "POST" and request.user.is_authenticated, actor_of(request)
        response = super().logout(request, extra_context)
        if is_logging_out:
            people.record_log_out(actor)
        return response

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # type: ignore[override]
        """Let a person change their own password. Wrong guesses of the old one are limited like those at login."""
        if request.method != "POST":
            return super().password_change(request, extra_context)
        attempt = Attempt(request.META.get("REMOTE_ADDR", ""), request.user.get_username())
        began = time.monotonic()
        try:
            attempt.begin()
            response = super().password_change(request, extra_context)
            form = (getattr(response, "context_data", None) or {}).get("form")
            if form is None or "old_password" not in form.errors:
                attempt.take_back()
            else:
                attempt.was_wrong(began)
        except TooManyAttempts as error:
            return _too_many(request, error)
        except Busy:  # Nobody has looked at the password.
            attempt.take_back()
            raise
        if form is None or "old_password" in form.errors:
            people.record_password_change(actor_of(request), was_refused=form is not None)
        return response


def _too_many(request: HttpRequest, error: TooManyAttempts) -> HttpResponse:
    refusal = render(request, "429.html", {"message": error.message}, status=429)
    refusal["Retry-After"] = str(error.retry_after)
    return refusal


site = MonitorSite(name="admin")
