"""The palette: one field that leads to a job by its number, to a band, to a page or to an action."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from bands.text import parse_number

from ..models import Queue, SyncJob
from .core import links
from .core.job_filters import suggestions
from .core.navigation import navigation
from .core.pages import is_part, show

_MOST = 20
_LISTS: tuple[tuple[str | Promise, dict[str, str]], ...] = (
    (gettext_lazy("Queued jobs"), links.STATES["waiting"]),
    (gettext_lazy("Running jobs"), links.STATES["active"]),
    (gettext_lazy("Failed jobs"), links.STATES["failed"]),
    (gettext_lazy("Delayed jobs"), links.STATES["delayed"]),
    (gettext_lazy("Jobs with errors"), {"has_errors": "true"}),
)
_OTHERS: tuple[tuple[str | Promise, str, str, str, str], ...] = (
    # label, icon, URL name, query, permission
    (gettext_lazy("Paused bands"), "music", "bands_band_changelist", "?health=paused", "bands.view_band"),
    (gettext_lazy("Failing bands"), "music", "bands_band_changelist", "?health=failing", "bands.view_band"),
    (gettext_lazy("Freshness"), "home", "index", "#part-freshness", "syncjobs.view_queue"),
    (gettext_lazy("Alert rules"), "bell", "syncjobs_alertrule_changelist", "", "syncjobs.view_alertrule"),
    (gettext_lazy("Alert channels"), "bell", "syncjobs_alertchannel_changelist", "", "syncjobs.view_alertchannel"),
    (
        gettext_lazy("Messages of alerts"),
        "bell",
        "syncjobs_alertdelivery_changelist",
        "",
        "syncjobs.view_alertdelivery",
    ),
)
"""Pages, lists and parts of pages that the navigation does not name."""
_ACTIONS = (
    # label, icon, URL name, permission, whether it opens in a dialog
    (gettext_lazy("Trigger sync"), "play", "syncjobs_syncjob_add", "syncjobs.trigger_sync", True),
    (gettext_lazy("Add band"), "plus", "bands_band_add", "bands.add_band", False),
    (gettext_lazy("Import bands"), "upload", "import", "bands.add_band", False),
    (
        gettext_lazy("Add schedule"),
        "calendar",
        "django_celery_beat_periodictask_add",
        "django_celery_beat.add_periodictask",
        False,
    ),
    (
        gettext_lazy("Columns and density of the list of jobs"),
        "look",
        "syncjobs_syncjob_look",
        "syncjobs.view_syncjob",
        True,
    ),
    (gettext_lazy("Your settings"), "clock", "settings", "", True),
    (gettext_lazy("Keyboard shortcuts"), "list", "keys", "", True),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A place or an action that the palette leads to."""

    label: str
    kind: str
    url: str
    icon: str
    is_dialog: bool = False


@require_safe
def palette(request: HttpRequest) -> HttpResponse:
    """Show the field, or for htmx only what the typed text finds."""
    text = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    found = [entry for _, entry in zip(range(_MOST), _entries(request, text), strict=False)]
    context = {"entries": found, "text": text}
    if is_part(request):
        return render(request, "syncjobs/palette_results.html", context)
    return show(request, "syncjobs/palette.html", context, title=_("Go to"))


def _entries(request: HttpRequest, text: str) -> Iterator[Entry]:
    """Yield what the text finds, the likeliest first."""
    may, sought = request.user.has_perm, text.casefold()
    number = parse_number(text.removeprefix("#"))
    if number is not None and may("syncjobs.view_syncjob") and SyncJob.objects.filter(pk=number).exists():
        yield Entry(_("Job #%s") % number, _("Job"), links.job(number), "list")
    for entry in (*_pages(request), *_actions(request), *_others(request)):
        if sought in entry.label.casefold():
            yield entry
    if text and may("bands.view_band"):
        for band in suggestions(text):
            yield Entry(band["label"], _("Band"), links.band(int(band["id"])), "music")


def _pages(request: HttpRequest) -> Iterator[Entry]:
    kind = _("Page")
    for page in navigation(request):
        yield Entry(str(page["label"]), kind, page["url"], page["icon"])
    if request.user.has_perm("syncjobs.view_syncjob"):
        for label, filters in _LISTS:
            yield Entry(str(label), kind, links.jobs(**filters), "list")
        yield Entry(_("My jobs"), kind, links.jobs(requested_by=request.user.get_username()), "people")


def _actions(request: HttpRequest) -> Iterator[Entry]:
    kind, may = _("Action"), request.user.has_perm
    for label, icon, name, permission, is_dialog in _ACTIONS:
        if not permission or may(permission):
            yield Entry(str(label), kind, reverse(f"admin:{name}"), icon, is_dialog)
    if may("syncjobs.pause_queue"):
        for queue in Queue.objects.all():
            name, pattern = ("resume", _("Resume queue %s")) if queue.paused_at else ("pause", _("Pause queue %s"))
            url = links.object_page(f"syncjobs_queue_{name}", queue.name)
            yield Entry(pattern % queue.name, kind, url, "play" if queue.paused_at else "pause", is_dialog=True)


def _others(request: HttpRequest) -> Iterator[Entry]:
    for label, icon, name, query, permission in _OTHERS:
        if request.user.has_perm(permission):
            yield Entry(str(label), _("Page"), reverse(f"admin:{name}") + query, icon)
