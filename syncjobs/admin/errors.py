"""What goes wrong: groups of errors, what each means, and what can be done about it."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..audit.actors import Actor
from ..choices import JobType
from ..engine import error_reasons
from ..listing import export as listing_export
from ..listing.export import file_of
from ..models import BulkAction, SyncJob
from ..operations import bulk
from ..operations import errors as error_operations
from ..stats import errors as stats_errors
from ..stats.errors import GroupFigures
from ..templatetags.monitor import number
from .core import charts, links
from .core.pages import Question, ask, is_part, page, show, style

_PER_PAGE, _BANDS, _DAYS = 20, 10, 30
_WINDOWS = {
    "24h": (gettext_lazy("24 hours"), dt.timedelta(hours=24)),
    "7d": (gettext_lazy("7 days"), dt.timedelta(days=7)),
    "30d": (gettext_lazy("30 days"), dt.timedelta(days=30)),
    "all": (gettext_lazy("All time"), None),
}


class _Filters(forms.Form):
    """What the list of groups is narrowed by; all of it stands in the address."""

    window = forms.ChoiceField(required=False, choices=[(value, label) for value, (label, _span) in _WINDOWS.items()])
    reason = forms.ChoiceField(required=False)
    acknowledged = forms.ChoiceField(required=False)
    page = forms.IntegerField(required=False, min_value=1, max_value=100_000, widget=forms.HiddenInput)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.fields["window"].label, self.fields["window"].widget = _("When"), forms.HiddenInput()
        known = [(reason, f"{error_reasons.explain(reason).title} ({reason})") for reason in stats_errors.reasons()]
        self._choices("reason", _("Reason"), [("", _("Any")), *known])
        yes_no = [("", _("Any")), ("false", _("Not yet")), ("true", _("Acknowledged"))]
        self._choices("acknowledged", _("Acknowledged"), yes_no)
        style(self)

    def _choices(self, name: str, label: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.label, field.choices = label, choices
        field.widget.attrs["data-submits"] = ""

    def value(self, name: str, default: Any = None) -> Any:
        """What was given and can be used; the rest is said at its field."""
        return self.cleaned_data.get(name) or default

    def narrowing(self) -> dict[str, Any]:
        """For `error_figures`, with the window's beginning as `since`."""
        span = _WINDOWS[self.value("window", "24h")][1]
        acknowledged = self.value("acknowledged")
        return {
            "since": span and timezone.now() - span,
            "reason": self.value("reason"),
            "acknowledged": None if acknowledged is None else acknowledged == "true",
        }

    def address(self, **changes: Any) -> str:
        """These filters, with some changed, as a query string; from the first page on."""
        kept = {name: self.value(name) for name in ("window", "reason", "acknowledged")} | changes
        return "?" + urlencode({name: value for name, value in kept.items() if value})


@page("syncjobs.view_errorgroup")
def errors(request: HttpRequest) -> HttpResponse:
    """The groups, the most frequent first."""
    form = _Filters(request.GET)
    form.is_valid()
    window, number_of_page = form.value("window", "24h"), form.value("page", 1)
    offset = (number_of_page - 1) * _PER_PAGE
    found, total = stats_errors.groups(**form.narrowing(), limit=_PER_PAGE + 1, offset=offset)
    context = {
        "form": form,
        "window": window,
        "windows": [(label, form.address(window=value), value == window) for value, (label, _span) in _WINDOWS.items()],
        "rows": _rows(found[:_PER_PAGE], window),
        "trend": _("By the hour") if window == "24h" else _("By the day"),
        "total": total,
        "as_of": timezone.now(),
        "refresh_url": form.address(page=number_of_page),
        "export_url": reverse("admin:syncjobs_errorgroup_export") + form.address(),
        "is_narrowed": bool(form.value("reason") or form.value("acknowledged")),
        "newer_url": form.address(page=number_of_page - 1) if number_of_page > 1 else "",
        "more_url": form.address(page=number_of_page + 1) if len(found) > _PER_PAGE else "",
    }
    if is_part(request):
        return render(request, "syncjobs/errors/groups.html", context)
    return show(request, "syncjobs/errors/list.html", context, title=_("Errors"), is_live=True)


def _rows(groups: list[GroupFigures], window: str) -> list[dict[str, Any]]:
    now = timezone.now()
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


@page("syncjobs.view_errorgroup")
def error(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """One group: what it says and means, when and whom it met, and its newest jobs."""
    group, now = stats_errors.group(fingerprint), timezone.now()
    first_day = _first_day("all", now)
    jobs = SyncJob.objects.filter(pk__in=group.recent_jobs).order_by("-pk")
    context = {
        "group": group,
        "meaning": error_reasons.explain(group.reason),
        "hours_chart": charts.error_hours(group.per_hour, now),
        "days_chart": charts.error_days(stats_errors.per_day([fingerprint], first_day)[fingerprint], first_day, now),
        "bands": [
            (band_id, name, count, links.jobs(error=fingerprint, bandId=band_id))
            for band_id, name, count in stats_errors.bands(fingerprint, _BANDS)
        ],
        "jobs": [{"job": job, "label": JobType(job.job_type).label} for job in jobs],
        "jobs_url": links.jobs(error=fingerprint),
        "failed_url": links.jobs(error=fingerprint, status="FAILED"),
        "as_of": now,
    }
    if is_part(request):
        return render(request, "syncjobs/errors/facts.html", context)
    crumbs = ((reverse("admin:syncjobs_errorgroup_changelist"), _("Errors")),)
    title = str(error_reasons.explain(group.reason).title)
    return show(request, "syncjobs/errors/group.html", context, title=title, crumbs=crumbs, is_live=True)


class _Note(forms.Form):
    """What somebody has found out about a group, for those who come across it next."""

    note = forms.CharField(required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 4}))

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["note"].label = _("Note")
        self.fields["note"].help_text = _("What you found, and what was done about it. Shown with your name.")
        style(self)


@page("syncjobs.acknowledge_errors", posts=True)
def acknowledge(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """Say that somebody has seen to it."""
    group = error_operations.get_error_group(fingerprint)
    question = Question(
        title=_("Acknowledge this error?"),
        text=_("It stays in the list, marked as seen to. Should it come up again, the list says so."),
        button=_("Acknowledge"),
        icon="check",
        back=reverse("admin:syncjobs_errorgroup_change", args=[fingerprint]),
        details=(group.message[:300],),
    )

    def do(actor: Actor, values: dict[str, Any]) -> str:
        error_operations.acknowledge_errors(actor, fingerprint, values["note"])
        return _("Acknowledged.")

    given = request.POST if request.method == "POST" else None
    return ask(request, question, do, form=_Note(given, initial={"note": group.note}))


@page("syncjobs.acknowledge_errors", posts=True)
def reopen(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """Take back that somebody has seen to it."""
    group = error_operations.get_error_group(fingerprint)
    question = Question(
        title=_("Reopen this error?"),
        text=_("It counts as not seen to again. Its note stays."),
        button=_("Reopen"),
        icon="retry",
        back=reverse("admin:syncjobs_errorgroup_change", args=[fingerprint]),
        details=(group.message[:300],),
    )

    def do(actor: Actor, values: dict[str, Any]) -> str:
        error_operations.reopen_errors(actor, fingerprint)
        return _("Reopened.")

    return ask(request, question, do)


@page("syncjobs.retry_job", posts=True)
def retry(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """Say how many failed jobs of the group nobody has retried yet, and retry those."""
    group = error_operations.get_error_group(fingerprint)
    count = error_operations.unretried_jobs(fingerprint=fingerprint).count()
    question = Question(
        title=_("Retry the failed jobs of this error?"),
        text=ngettext(
            "%(count)s failed job can be retried: a new job is queued in its place.",
            "%(count)s failed jobs can be retried: a new job is queued in place of each.",
            count,
        )
        % {"count": number(count)}
        if count
        else _("There is nothing to retry: each failed job with this error has been retried, or none is left."),
        button=_("Retry"),
        icon="retry",
        back=reverse("admin:syncjobs_errorgroup_change", args=[fingerprint]),
        details=(group.message[:300],),
    )
    return ask(request, question, lambda actor, values: _told(bulk.retry_group(actor, fingerprint)))


def _told(outcome: bulk.BulkResult | BulkAction) -> str:
    if isinstance(outcome, BulkAction):
        return _("%(count)s jobs are retried in the background.") % {"count": number(outcome.total)}
    done = len(outcome.retried)
    message = ngettext("%(count)s job retried.", "%(count)s jobs retried.", done) % {"count": number(done)}
    if outcome.refused:
        why = next(iter(outcome.refused.values()))
        refused = len(outcome.refused)
        message += " " + ngettext(
            "%(count)s could not be: %(why)s", "%(count)s could not be; the first because: %(why)s", refused
        ) % {"count": number(refused), "why": why}
    return message


@page("syncjobs.view_errorgroup")
def export(request: HttpRequest) -> HttpResponseBase:
    """The errors that the list counts, one a line, as CSV; with `error`, those of one group."""
    form = _Filters(request.GET)
    if not form.is_valid():
        return HttpResponseBadRequest(form.errors.as_text(), content_type="text/plain; charset=utf-8")
    fingerprint = request.GET.get("error", "").replace("\x00", "")[:16] or None
    log = stats_errors.log(**form.narrowing(), fingerprint=fingerprint)
    return file_of(listing_export.errors(log, "csv"), "csv", "errors")


PAGES = (
    ("errors/", errors, "syncjobs_errorgroup_changelist"),
    ("errors/export/", export, "syncjobs_errorgroup_export"),
    ("errors/<slug:fingerprint>/", error, "syncjobs_errorgroup_change"),
    ("errors/<slug:fingerprint>/acknowledge/", acknowledge, "syncjobs_errorgroup_acknowledge"),
    ("errors/<slug:fingerprint>/reopen/", reopen, "syncjobs_errorgroup_reopen"),
    ("errors/<slug:fingerprint>/retry/", retry, "syncjobs_errorgroup_retry"),
)
