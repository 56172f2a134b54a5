"""Error groups: their list, and the page of each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseBase, QueryDict
from django.shortcuts import render
from django.urls import URLPattern, reverse
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..choices import UNHANDLED_STATES, ErrorState, JobType
from ..engine import clock, error_reasons
from ..listing import export as listing_export
from ..listing.export import file_of
from ..models import ErrorGroup, SyncJob
from ..operations import errors as operations
from ..stats import errors as stats_errors
from ..stats.errors import GroupFigures, GroupFilter, GroupPage
from ..templatetags.monitor import number
from . import error_actions, error_help
from .core import charts, links
from .core.model_admin import PageAdmin, requires
from .core.pages import is_part, show
from .core.paging import FilterForm
from .site import site

_PER_PAGE, _BANDS, _DAYS, _NOTES = 20, 10, 30, 50
_NAMED, _LONGEST = 3, 60
_WINDOWS = {
    "24h": (gettext_lazy("24 hours"), dt.timedelta(hours=24)),
    "7d": (gettext_lazy("7 days"), dt.timedelta(days=7)),
    "30d": (gettext_lazy("30 days"), dt.timedelta(days=30)),
    "all": (gettext_lazy("All time"), None),
}
_PERIODS = {
    "24h": gettext_lazy("in the last 24 hours"),
    "7d": gettext_lazy("in the last 7 days"),
    "30d": gettext_lazy("in the last 30 days"),
    "all": gettext_lazy("since the beginning"),
}


_TO_DO, _ALL = "todo", "all"
_STATES: list[tuple[str, Any, Sequence[str] | None]] = [
    (_TO_DO, gettext_lazy("To do"), UNHANDLED_STATES),
    *((state.value, state.label, [state.value]) for state in ErrorState),
    (_ALL, gettext_lazy("All"), None),
]
_STATES_OF = {value: states for value, _label, states in _STATES}


def _assignee_choices() -> list[tuple[str, Any]]:
    people = [(str(person.pk), person.get_username()) for person in operations.assignees()]
    return [("", _("Anyone")), ("me", _("Me")), ("nobody", _("Nobody")), *people]


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
    state = forms.ChoiceField(
        required=False, choices=[(value, label) for value, label, _states in _STATES], widget=forms.HiddenInput
    )
    is_new = forms.ChoiceField(required=False, choices=[("1", "")], widget=forms.HiddenInput)
    reason = forms.ChoiceField(required=False, label=gettext_lazy("Reason"), choices=_reason_choices)
    assignee = forms.ChoiceField(required=False, label=gettext_lazy("Assigned to"), choices=_assignee_choices)
    page = forms.IntegerField(required=False, min_value=1, max_value=100_000, widget=forms.HiddenInput)

    def __init__(self, data: QueryDict, *, person: int | None) -> None:
        super().__init__(_with_former_names(data))
        self._person = person

    def value(self, name: str, default: Any = None) -> Any:
        """Return the parameter if it is valid, otherwise the default; the form shows the error."""
        return self.cleaned_data.get(name) or default

    def selection(self) -> GroupFilter:
        """Return the groups to select; `since` is where the window starts."""
        span = _WINDOWS[self.value("window", "24h")][1]
        return GroupFilter(
            since=clock.approximate() - span if span else None,
            states=_STATES_OF[self.value("state", _TO_DO)],
            reason=self.value("reason"),
            assignee=self._assignee(),
            is_new=bool(self.value("is_new")),
        )

    def _assignee(self) -> int | None:
        name = self.value("assignee")
        if name == "me":
            return self._person
        return 0 if name == "nobody" else int(name) if name else None

    def address(self, **changes: Any) -> str:
        """Return a query string with these filters, some of them changed, and the first page."""
        names = ("window", "state", "is_new", "reason", "assignee")
        values = {name: self.value(name) for name in names} | changes
        return "?" + urlencode({name: value for name, value in values.items() if value})


def _with_former_names(data: QueryDict) -> QueryDict:
    """Return the parameters, with those that the page had before error groups had states as they are called now."""
    former = data.get("acknowledged")
    if former not in ("true", "false"):
        return data
    data = data.copy()
    del data["acknowledged"]
    data.setdefault("state", "acknowledged" if former == "true" else _TO_DO)
    return data


@admin.register(ErrorGroup, site=site)
class ErrorGroupAdmin(PageAdmin):
    """Error groups are listed, shown and exported, people decide about them, and their failed jobs are retried."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("export/", self.export_view, "export"),
            self.page("<slug:fingerprint>/acknowledge/", self.acknowledge_view, "acknowledge"),
            self.page("<slug:fingerprint>/resolve/", self.resolve_view, "resolve"),
            self.page("<slug:fingerprint>/ignore/", self.ignore_view, "ignore"),
            self.page("<slug:fingerprint>/assign/", self.assign_view, "assign"),
            self.page("<slug:fingerprint>/note/", self.note_view, "note"),
            self.page("<slug:fingerprint>/reopen/", self.reopen_view, "reopen"),
            self.page("<slug:fingerprint>/retry/", self.retry_view, "retry"),
            *super().get_urls(),
        ]

    @requires("view")
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """List the groups, most frequent first."""
        form = ErrorFilters(request.GET, person=request.user.pk)
        form.is_valid()
        context = _list_context(form, may_retry=request.user.has_perm("syncjobs.retry_job"))
        if is_part(request):
            return render(request, "syncjobs/errors/groups.html", context)
        return show(request, "syncjobs/errors/list.html", context, title=_("Errors"), is_live=True)

    @requires("view")
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a group: its message and meaning, charts, the bands it affects, and its newest jobs."""
        context = _group_context(request, object_id.replace("\x00", ""))
        may_retry = request.user.has_perm("syncjobs.retry_job")
        context["can_retry"] = (
            may_retry and operations.unretried_jobs(fingerprint=context["group"].fingerprint).exists()
        )
        if is_part(request):
            return render(request, "syncjobs/errors/facts.html", context | {"is_refresh": True})
        crumbs = ((reverse("admin:syncjobs_errorgroup_changelist"), _("Errors")),)
        title = str(context["meaning"].title)
        return show(request, "syncjobs/errors/group.html", context, title=title, crumbs=crumbs, is_live=True)

    @requires(operations.MAY_ACT, post=True)
    def acknowledge_view(self, request: HttpRequest, fingerprint: str) -> HttpResponse:
        """Mark a group as acknowledged, with a note."""
        return error_actions.ask_to_acknowledge(request, fingerprint)

    @requires(operations.MAY_ACT, post=True)
    def resolve_view(self, request: HttpRequest, fingerprint: str) -> HttpResponse:
        """Mark a group as resolved, with a note."""
        return error_actions.ask_to_resolve(request, fingerprint)

    @requires(operations.MAY_ACT, post=True)
    def ignore_view(self, request: HttpRequest, fingerprint: str) -> HttpResponse:
        """Ignore a group until a date."""
        return error_actions.ask_to_ignore(request, fingerprint)

    @requires(operations.MAY_ACT, post=True)
    def assign_view(self, request: HttpRequest, fingerprint: str) -> HttpResponse:
        """Assign a group to somebody, or to nobody."""
        return error_actions.ask_to_assign(request, fingerprint)

    @requires(operations.MAY_ACT, post=True)
    def note_view(self, request: HttpRequest, fingerprint: str) -> HttpResponse:
        """Add a note to a group's thread."""
        return error_actions.ask_for_note(request, fingerprint)

    @requires(operations.MAY_ACT, post=True)
    def reopen_view(self, request: HttpRequest, fingerprint: str) -> HttpResponse:
        """Undo what somebody decided about a group."""
        return error_actions.ask_to_reopen(request, fingerprint)

    @requires("syncjobs.retry_job", post=True)
    def retry_view(self, request: HttpRequest, fingerprint: str) -> HttpResponse:
        """Say how many of the group's failed jobs haven't been retried yet, then retry them."""
        return error_actions.ask_to_retry(request, fingerprint)

    @requires("view")
    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Stream the errors that the list counts, one per line, as CSV; with `error`, those of one group."""
        form = ErrorFilters(request.GET, person=request.user.pk)
        if not form.is_valid():
            return HttpResponseBadRequest(form.errors.as_text(), content_type="text/plain; charset=utf-8")
        fingerprint = request.GET.get("error", "").replace("\x00", "")[:16] or None
        log = stats_errors.log(form.selection(), fingerprint=fingerprint)
        return file_of(listing_export.errors(log, "csv", person=request.user.pk), "csv", listing_export.dated("errors"))


def _list_context(form: ErrorFilters, *, may_retry: bool) -> dict[str, Any]:
    window, number = form.value("window", "24h"), form.value("page", 1)
    page = stats_errors.groups(form.selection(), limit=_PER_PAGE + 1, offset=(number - 1) * _PER_PAGE)
    return {
        "form": form,
        "window": window,
        "windows": [(label, form.address(window=value), value == window) for value, (label, _span) in _WINDOWS.items()],
        **_states(form, page),
        "rows": _rows(page.groups[:_PER_PAGE], window, may_retry=may_retry),
        "trend": _("Per hour") if window == "24h" else _("Per day"),
        "total": page.total,
        "as_of": clock.approximate(),
        "refresh_url": form.address(page=number),
        "export_url": reverse("admin:syncjobs_errorgroup_export") + form.address(),
        "clear_url": form.address(reason="", assignee="", is_new=""),
        "is_narrowed": any(form.value(name) for name in ("reason", "assignee", "is_new")),
        "newer_url": form.address(page=number - 1) if number > 1 else "",
        "more_url": form.address(page=number + 1) if len(page.groups) > _PER_PAGE else "",
    }


def _states(form: ErrorFilters, page: GroupPage) -> dict[str, Any]:
    """Return the chips of the states, and what the heading counts."""
    state, is_new = form.value("state", _TO_DO), bool(form.value("is_new"))
    chips, counts = [], {}
    for value, label, states in _STATES:
        counts[value] = sum(n for each, n in page.by_state.items() if states is None or each in states)
        is_current = value == state and not is_new
        url = form.address(state="" if value == _TO_DO else value, is_new="")
        chips.append((label, url, is_current, counts[value], f"state-{value}"))
    new_url = form.address(state="", is_new="" if is_new else "1")
    chips.insert(1, (_("New"), new_url, is_new, page.new, "state-new"))
    shown = page.new if is_new else counts[state]
    return {
        "state_chips": chips,
        "state": state,
        "is_new": is_new,
        "shown": shown,
        "heading": _heading(state, shown, is_new=is_new),
        "period": _PERIODS[form.value("window", "24h")],
        "all_url": form.address(state=_ALL, is_new=""),
        "others": counts[_ALL] - shown,
    }


def _heading(state: str, n: int, *, is_new: bool) -> str:
    """Return how many groups there are, and which."""
    text = {
        _TO_DO: ngettext("%(n)s error group to deal with", "%(n)s error groups to deal with", n),
        ErrorState.OPEN: ngettext("%(n)s open error group", "%(n)s open error groups", n),
        ErrorState.REGRESSED: ngettext("%(n)s regressed error group", "%(n)s regressed error groups", n),
        ErrorState.ACKNOWLEDGED: ngettext("%(n)s acknowledged error group", "%(n)s acknowledged error groups", n),
        ErrorState.IGNORED: ngettext("%(n)s ignored error group", "%(n)s ignored error groups", n),
        ErrorState.RESOLVED: ngettext("%(n)s resolved error group", "%(n)s resolved error groups", n),
        _ALL: ngettext("%(n)s error group", "%(n)s error groups", n),
    }[state]
    if is_new:
        text = ngettext("%(n)s new error group", "%(n)s new error groups", n)
    return text % {"n": number(n)}


def _rows(groups: list[GroupFigures], window: str, *, may_retry: bool) -> list[dict[str, Any]]:
    now, keys = clock.approximate(), [group.fingerprint for group in groups]
    days = {} if window == "24h" else stats_errors.per_day(keys, _first_day(window, now))
    retryable = stats_errors.retryable(keys) if may_retry else set()
    rows = []
    for group in groups:
        if window == "24h":
            trend = charts.hours(group.per_hour, now)
        else:
            trend = charts.days(days[group.fingerprint], _first_day(window, now).date(), now)
        url, meaning = links.error(group.fingerprint), error_reasons.explain(group.reason)
        bands = ", ".join(Truncator(name).chars(_LONGEST) for name in group.band_names[:_NAMED] if name)
        if bands and group.bands > _NAMED:
            bands += ", …"
        can_retry = group.fingerprint in retryable
        rows.append(
            {"group": group, "url": url, "meaning": meaning, "trend": trend, "bands": bands, "can_retry": can_retry}
        )
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
    bands = stats_errors.bands(fingerprint, _BANDS)
    helps = error_help.of_group(request, group, [(band_id, name) for band_id, name, _count in bands])
    return {
        "group": group,
        "meaning": meaning,
        "notes": [(note, stats_errors.word_of(note)) for note in stats_errors.notes(fingerprint, _NOTES)],
        "help": helps,
        "hours_chart": charts.error_hours(group.per_hour, now),
        "days_chart": charts.error_days(stats_errors.per_day([fingerprint], first_day)[fingerprint], first_day, now),
        "bands": [
            (band_id, name, count, links.jobs(error=fingerprint, band_id=band_id)) for band_id, name, count in bands
        ],
        "jobs": [{"job": job, "label": JobType(job.job_type).label} for job in jobs],
        "jobs_url": links.jobs(error=fingerprint),
        "failed_url": links.jobs(error=fingerprint, status="FAILED"),
        "as_of": now,
    }
