"""Attempts, job events and quota calls as they are stored: Django's own lists, read-only, for super admins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrPromise

from bands.text import parse_number

from ..models import Attempt, JobEvent, QuotaCall
from ..templatetags.monitor import duration, when
from .core import links
from .core.model_admin import PageAdmin, requires
from .site import site

MAX_ROWS = 10_000
"""How many rows a list pages through: counting a table of millions would take seconds."""


def _time(column: str, label: StrPromise) -> Callable[[Any, Any], SafeString | str]:
    """Return a column of a list that shows an instant."""
    return admin.display(lambda self, row: when(getattr(row, column)), description=label)


class RawList(ChangeList):
    """A list whose address can't change its order."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return ["-pk"]


class RawAdmin(PageAdmin):
    """A read-only list in order of id, which is the only order an index gives for free."""

    actions = None
    empty_value_display = "—"
    change_list_template = "syncjobs/raw.html"
    list_display_links = None
    list_per_page = 50
    search_fields = ("job",)
    show_full_result_count = False
    sortable_by = ()

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("auth.change_user")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_paginator(
        self, request: HttpRequest, queryset: QuerySet[Any], per_page: int, *args: Any, **kwargs: Any
    ) -> Paginator[Any]:
        return Paginator(queryset[:MAX_ROWS], per_page)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RawList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Refuse filters in the address: no index supports most of them."""
        return False

    @requires("view")
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        lists = [
            (
                capfirst(model._meta.verbose_name_plural),
                links.page(f"{model._meta.label_lower.replace('.', '_')}_changelist"),
                model is self.model,
            )
            for model in (Attempt, JobEvent, QuotaCall)
        ]
        context = {"title": capfirst(self.opts.verbose_name_plural), "raw_lists": lists, "max_rows": MAX_ROWS}
        return admin.ModelAdmin.changelist_view(self, request, context)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search by job number, which has an index."""
        if not search_term:
            return queryset, False
        number = parse_number(search_term.strip().removeprefix("#"))
        return (queryset.none() if number is None else queryset.filter(job=number)), False

    started = _time("started_at", _("started"))
    ended = _time("ended_at", _("ended"))
    time = _time("at", _("time"))

    @admin.display(description=_("job"))
    def job_link(self, row: Any) -> SafeString | str:
        """Link to the job, without reading its row."""
        return format_html('<a href="{}">#{}</a>', links.job(row.job_id), row.job_id) if row.job_id else "—"


@admin.register(Attempt, site=site)
class AttemptAdmin(RawAdmin):
    list_display = ("id", "job_link", "number", "outcome", "worker", "started", "ended", "error_reason", "error")


@admin.register(JobEvent, site=site)
class JobEventAdmin(RawAdmin):
    list_display = ("id", "job_link", "attempt_number", "kind", "message", "data", "time")


@admin.register(QuotaCall, site=site)
class QuotaCallAdmin(RawAdmin):
    list_display = ("id", "job_link", "bucket", "operation", "units", "status", "reason", "took", "time")

    @admin.display(description=_("HTTP status"))
    def status(self, row: QuotaCall) -> int | None:
        return row.http_status

    @admin.display(description=_("Duration"))
    def took(self, row: QuotaCall) -> str | None:
        return None if row.seconds is None else duration(row.seconds)
