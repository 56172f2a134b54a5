"""Error groups: their list, the page of each, and their actions."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..audit.actors import Actor
from ..choices import JobType
from ..engine import clock, error_reasons
from ..listing import export as listing_export
from ..listing.export import file_of
from ..models import BulkAction, ErrorGroup, SyncJob
from ..operations import bulk
from ..operations import errors as operations
from ..stats import errors as stats_errors
from ..stats.errors import GroupFigures
from ..templatetags.monitor import number
from .core import advice, charts, links
from .core.edits import EditForm
from .core.model_admin import PageAdmin, requires
from .core.pages import Question, ask, is_part, show, style
from .core.paging import FilterForm
from .site import site

_PER_PAGE, _BANDS, _DAYS = 20, 10, 30
_WINDOWS = {
    "24h": (gettext_lazy("24 hours"), dt.timedelta(hours=24)),
    "7d": (gettext_lazy("7 days"), dt.timedelta(days=7)),
    "30d": (gettext_lazy("30 days"), dt.timedelta(days=30)),
    "all": (gettext_lazy("All time"), None),
}


def _reason_choices() -> list[tuple[str, str]]:
    reasons = [(reason, f"{error_reasons.explain(reason).title} ({reason})") for reason in stats_errors.reasons()]
    return [("", _("Any")), *reasons]


class ErrorFilters(FilterForm):
    """The filters of the list of error groups."""

    window = forms.ChoiceField(
        required=False,
        label=gettext_lazy("When"),
        choices=[(value, label) for value, (label, _span) in _WINDOWS.items()],
        widget=forms.HiddenInput,
    )
    reason = forms.ChoiceField(required=False, label=gettext_lazy("Reason"), choices=_reason_choices)
    acknowledged = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Acknowledged"),
        choices=[
            ("", gettext_lazy("Any")),
            ("false", gettext_lazy("Not acknowledged")),
            ("true", gettext_lazy("Acknowledged")),
        ],
    )
    page = forms.IntegerField(required=False, min_value=1, max_value=100_000, widget=forms.HiddenInput)

    def value(self, name: str, default: Any = None) -> Any:
        """Return the parameter if it is valid, otherwise the default; the form shows the error."""
        return self.cleaned_data.get(name) or default

    def narrowing(self) -> dict[str, Any]:
        """Return the arguments for `stats.errors`; `since` is where the window starts."""
        span = _WINDOWS[self.value("window", "24h")][1]
        acknowledged = self.value("acknowledged")
        return {
            "since": span and clock.approximate() - span,
            "reason": self.value("reason"),
            "acknowledged": None if acknowledged is None else acknowledged == "true",
        }

    def address(self, **changes: Any) -> str:
        """Return a query string with these filters, some of them changed, and the first page."""
        values = {name: self.value(name) for name in ("window", "reason", "acknowledged")} | changes
        return "?" + urlencode({name: value for name, value in values.items() if value})


@admin.register(ErrorGroup, site=site)
class ErrorGroupAdmin(PageAdmin):
    """Error groups are listed, shown, exported, acknowledged and reopened, and their failed jobs retried."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("export/", self.export_view, "export"),
            self.page("<slug:fingerprint>/acknowledge/", self.acknowledge_view, "acknowledge"),
            self.page("<slug:fingerprint>/reopen/", self.reopen_view, "reopen"),
            self.page("<slug:fingerprint>/retry/", self.retry_view, "retry"),
            *super().get_urls(),
        ]

    @requires("view")
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """List the groups, most frequent first."""
        form = ErrorFilters(request.GET)
        form.is_valid()
        context = _list_context(form)
        if is_part(request):
            return render(request, "syncjobs/errors/groups.html", context)
        return show(request, "syncjobs/errors/list.html", context, title=_("Errors"), is_live=True)

    @requires("view")
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a group: its message and meaning, charts, the bands it affects, and its newest jobs."""
        context = _group_context(request, object_id.replace("\x00", ""))
        if is_part(request):
            return render(request, "syncjobs/errors/facts.html", context)
        crumbs = ((reverse("admin:syncjobs_errorgroup_changelist"), _("Errors")),)
        title = str(context["meaning"].title)
        return show(request, "syncjobs/errors/group.html", context, title=title, crumbs=crumbs, is_live=True)

    @requires("syncjobs.acknowledge_errors", post=True)
    def acknowledge_view(self, request: HttpRequest, fingerprint: str) -> HttpResponse:
        """Mark a group as acknowledged, with a note."""
        group = operations.get_error_group(fingerprint)
        question = _question(
            group,
            title=_("Acknowledge this error?"),
            text=_("It stays in the list, marked as acknowledged. If it occurs again, the list says so."),
            button=_("Acknowledge"),
            icon="check",
        )

        def do(actor: Actor, values: dict[str, Any]) -> str:
            note = values["note"] if "note" in form.changed() else None
            operations.acknowledge_errors(actor, fingerprint, note, check=lambda row: form.check({"note": row.note}))
            return _("Acknowledged.")

        form = NoteForm(request.POST if request.method == "POST" else None, initial={"note": group.note})
        return ask(request, question, do, form=style(form))

    @requires("syncjobs.acknowledge_errors", post=True)
    def reopen_view(self, request: HttpRequest, fingerprint: str) -> HttpResponse:
        """Undo an acknowledgement."""
        question = _question(
            operations.get_error_group(fingerprint),
            title=_("Reopen this error?"),
            text=_("It is no longer marked as acknowledged. Its note stays."),
            button=_("Reopen"),
            icon="retry",
        )

        def do(actor: Actor, _values: dict[str, Any]) -> str:
            operations.reopen_errors(actor, fingerprint)
            return _("Reopened.")

        return ask(request, question, do)

    @requires("syncjobs.retry_job", post=True)
    def retry_view(self, request: HttpRequest, fingerprint: str) -> HttpResponse:
        """Say how many of the group's failed jobs haven't been retried yet, then retry them."""
        group = operations.get_error_group(fingerprint)
        count = operations.unretried_jobs(fingerprint=fingerprint).count()
        text = ngettext(
            "%(count)s failed job can be retried: a new job is queued in its place.",
            "%(count)s failed jobs can be retried: a new job is queued in place of each.",
            count,
        )
        question = _question(
            group,
            title=_("Retry the failed jobs of this error?"),
            text=text % {"count": number(count)}
            if count
            else _("There is nothing to retry: every failed job with this error was retried or deleted."),
            button=_("Retry"),
            icon="retry",
            warning=advice.group_warning(request, group.reason) if group.is_permanent else "",
        )
        return ask(request, question, lambda actor, _values: _summary(bulk.retry_group(actor, fingerprint)))

    @requires("view")
    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Stream the errors that the list counts, one per line, as CSV; with `error`, those of one group."""
        form = ErrorFilters(request.GET)
        if not form.is_valid():
            return HttpResponseBadRequest(form.errors.as_text(), content_type="text/plain; charset=utf-8")
        fingerprint = request.GET.get("error", "").replace("\x00", "")[:16] or None
        log = stats_errors.log(**form.narrowing(), fingerprint=fingerprint)
        return file_of(listing_export.errors(log, "csv", person=request.user.pk), "csv", "errors")


class NoteForm(EditForm):
    """A note on a group, for the next person who sees it."""

    note = forms.CharField(
        required=False,
        max_length=2000,
        label=gettext_lazy("Note"),
        help_text=gettext_lazy("What you found out and what was done about it. Shown with your name."),
        widget=forms.Textarea(attrs={"rows": 4}),
    )


def _list_context(form: ErrorFilters) -> dict[str, Any]:
    window, page = form.value("window", "24h"), form.value("page", 1)
    groups, total = stats_errors.groups(**form.narrowing(), limit=_PER_PAGE + 1, offset=(page - 1) * _PER_PAGE)
    return {
        "form": form,
        "window": window,
        "windows": [(label, form.address(window=value), value == window) for value, (label, _span) in _WINDOWS.items()],
        "rows": _rows(groups[:_PER_PAGE], window),
        "trend": _("Per hour") if window == "24h" else _("Per day"),
        "total": total,
        "as_of": clock.approximate(),
        "refresh_url": form.address(page=page),
        "export_url": reverse("admin:syncjobs_errorgroup_export") + form.address(),
        "is_narrowed": bool(form.value("reason") or form.value("acknowledged")),
        "newer_url": form.address(page=page - 1) if page > 1 else "",
        "more_url": form.address(page=page + 1) if len(groups) > _PER_PAGE else "",
    }


def _rows(groups: list[GroupFigures], window: str) -> list[dict[str, Any]]:
    now = clock.approximate()
    days = {} if window == "24h" else stats_errors.per_day([g.fingerprint for g in groups], _first_day(window, now))
    rows = []
    for group in groups:
        if window == "24h":
            trend = charts.hours(group.per_hour, now)
        else:
            trend = charts.days(days[group.fingerprint], _first_day(window, now).date(), now)
        url, meaning = links.error(group.fingerprint), error_reasons.explain(group.reason)
        rows.append({"group": group, "url": url, "meaning": meaning, "trend": trend})
    return rows


def _first_day(window: str, now: dt.datetime) -> dt.datetime:
    span = _WINDOWS[window][1] or dt.timedelta(days=_DAYS)
    return (now - span).astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _group_context(request: HttpRequest, fingerprint: str) -> dict[str, Any]:
    """Return the context of a group's page. Raises NotFound."""
    group, now = stats_errors.group(fingerprint), clock.approximate()
    meaning = error_reasons.explain(group.reason)
    first_day = _first_day("all", now)
    jobs = SyncJob.objects.filter(pk__in=group.recent_jobs).order_by("-pk")
    return {
        "group": group,
        "meaning": meaning,
        "advice": advice.for_user(request.user, str(meaning.advice), meaning.needs),
        "hours_chart": charts.error_hours(group.per_hour, now),
        "days_chart": charts.error_days(stats_errors.per_day([fingerprint], first_day)[fingerprint], first_day, now),
        "bands": [
            (band_id, name, count, links.jobs(error=fingerprint, band_id=band_id))
            for band_id, name, count in stats_errors.bands(fingerprint, _BANDS)
        ],
        "jobs": [{"job": job, "label": JobType(job.job_type).label} for job in jobs],
        "jobs_url": links.jobs(error=fingerprint),
        "failed_url": links.jobs(error=fingerprint, status="FAILED"),
        "as_of": now,
    }


def _question(group: ErrorGroup, **fields: Any) -> Question:
    return Question(back=links.error(group.pk), details=((group.sample or group.message)[:300],), **fields)


def _summary(outcome: bulk.BulkResult | BulkAction) -> str:
    """Return a sentence that says how many jobs were retried, and why others were not."""
    if isinstance(outcome, BulkAction):
        return _("%(count)s jobs are being retried in the background.") % {"count": number(outcome.total)}
    return bulk.summary(BulkAction.Action.RETRY, outcome)
