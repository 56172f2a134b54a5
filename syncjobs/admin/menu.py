"""The menu of a phone: every page, with what there is to see on it."""

from __future__ import annotations

import datetime as dt

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from bands.models import Band, BandState

from ..choices import JobStatus
from ..engine import clock
from ..live.health import Health
from ..models import ChannelSuggestion, SyncJob
from ..operations.suggestions import MAY_DECIDE
from ..stats import errors
from ..templatetags.monitor import number
from .core.health import alert_counts, health_of
from .core.navigation import entry_of, navigation


@require_safe
def menu(request: HttpRequest) -> HttpResponse:
    """Show the entries of the menu, which the browser asks for when it is opened; `at` is the path of the page."""
    at, now = request.GET.get("at", ""), health_of(request)
    entries = navigation(request, at)
    shown = {entry["name"] for entry in entries}
    counts = {name: count(now) for name, count in _COUNTS.items() if name in shown}
    for entry in entries:
        if n := counts.get(entry["name"]):
            entry["count"] = _words(entry["name"]) % number(n)
        if entry["name"] == "bands_band_changelist" and (suggested := _suggestions(request)):
            entry["count"] = ", ".join(filter(None, [entry.get("count"), _("%s suggested") % number(suggested)]))
    context = {"monitor_nav": entries, "monitor_entry": entry_of(at), "alert_counts": alert_counts(request)}
    return render(request, "syncjobs/parts/menu.html", context)


def _running(_now: Health) -> int:
    return SyncJob.objects.filter(status=JobStatus.IN_PROGRESS).count()


def _errors(_now: Health) -> int:
    """Count the groups that the list of errors shows at first."""
    return errors.to_do(clock.now() - dt.timedelta(days=1))


def _bands(_now: Health) -> int:
    return Band.objects.in_state(BandState.FAILING).count()


def _suggestions(request: HttpRequest) -> int:
    """Count the suggested channels that the person may decide about."""
    return ChannelSuggestion.objects.open().count() if request.user.has_perm(MAY_DECIDE) else 0


def _workers(now: Health) -> int:
    return sum(state in ("silent", "failing") for _name, state in now.states)


_COUNTS = {
    "syncjobs_syncjob_changelist": _running,
    "syncjobs_errorgroup_changelist": _errors,
    "bands_band_changelist": _bands,
    "syncjobs_worker_changelist": _workers,
}


def _words(name: str) -> str:
    """Return what an entry's count counts."""
    return {
        "syncjobs_syncjob_changelist": _("%s in progress"),
        "syncjobs_errorgroup_changelist": _("%s to do"),
        "bands_band_changelist": _("%s failing"),
        "syncjobs_worker_changelist": _("%s not responding"),
    }[name]
