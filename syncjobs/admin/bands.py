"""Bands: their list, the page of each, and syncing one at a click."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bands.models import Band, BandState
from bands.text import parse_numbers

from ..audit.actors import Actor
from ..counters import Selection
from ..exceptions import NotFound
from ..listing import pages
from ..listing.pages import Order
from ..models import SyncJob
from ..operations import bands as band_operations
from ..operations import triggers
from .core.pages import Question, ask, is_part, page, show, style
from .core.paging import order, paginate, search_box, sort_field, values_of

_COLUMNS = {
    "name": "name",
    "full": "last_full_sync_at",
    "incremental": "last_incremental_sync_at",
    "failures": "consecutive_failures",
    "videos": "video_count",
    "unavailable": "unavailable_videos",
}
_RECENT_JOBS = 10
_NEWEST_VIDEOS = 10


class BandFilters(forms.Form):
    """What the list of bands is narrowed by."""

    q = search_box(gettext_lazy("Search"), gettext_lazy("Name, school, city, channel"))
    state = forms.ChoiceField(
        required=False, label=gettext_lazy("State"), choices=[("", gettext_lazy("Any")), *BandState.choices]
    )
    conference = forms.ChoiceField(required=False, label=gettext_lazy("Conference"))
    sort = sort_field(_COLUMNS, "name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = Band.objects.exclude(conference="").order_by("conference").values_list("conference", flat=True)
        field = self.fields["conference"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", _("Any")), *((name, name) for name in known.distinct())]
        for name in ("state", "conference"):
            self.fields[name].widget.attrs["data-submits"] = ""


@page("bands.view_band")
def bands(request: HttpRequest) -> HttpResponse:
    """All bands, with how their syncs are doing."""
    filters = BandFilters(request.GET)
    wanted = values_of(filters)
    found = Band.objects.with_video_counts()
    if wanted["q"]:
        found = found.matching(wanted["q"])
    if wanted["state"]:
        found = found.in_state(BandState(wanted["state"]))
    if wanted["conference"]:
        found = found.filter(conference=wanted["conference"])
    context = {
        "page": paginate(request, order(found, wanted["sort"], _COLUMNS)),
        "sort": wanted["sort"],
        "is_filtered": any(wanted[name] for name in ("q", "state", "conference")),
    }
    if is_part(request):
        return render(request, "syncjobs/bands/rows.html", context)
    context["filters"] = style(filters)
    return show(request, "syncjobs/bands/list.html", context, title=_("Bands"), is_live=True)


def get(band_id: int) -> Band:
    """The band with its counts. Raises NotFound."""
    band = Band.objects.with_video_counts().filter(pk=band_id).first()
    if band is None:
        raise NotFound(_("There is no such band."))
    return band


@page("bands.view_band")
def band(request: HttpRequest, band_id: int) -> HttpResponse:
    """One band: facts, health, its newest jobs and videos."""
    found = get(band_id)
    total, jobs = pages.page(Selection(band_id=band_id), Order(), 0, _RECENT_JOBS)
    context = {
        "band": found,
        "jobs": pages.in_order(SyncJob.objects.filter(pk__in=jobs), Order()),
        "job_total": total,
        "now": timezone.now(),
    }
    if is_part(request):
        return render(request, "syncjobs/bands/state.html", context)
    context["videos"] = order(found.videos.all(), "-published", {"published": "published_at"})[:_NEWEST_VIDEOS]
    crumbs = ((reverse("admin:bands_band_changelist"), _("Bands")),)
    return show(request, "syncjobs/bands/band.html", context, title=found.name, crumbs=crumbs, is_live=True)


@page("syncjobs.trigger_sync", posts=True)
def sync_now(request: HttpRequest, band_id: int) -> HttpResponse:
    """Look for new videos of the band."""
    found = get(band_id)
    question = Question(
        title=_("Sync %(band)s") % {"band": found.name},
        text=_("This looks for new videos on the band's channel. It costs about 2 units."),
        button=_("Sync now"),
        back=reverse("admin:bands_band_change", args=[band_id]),
        above=found.name,
        icon="retry",
    )

    def do(actor: Actor, _values: dict[str, Any]) -> str:
        created = triggers.trigger_sync(actor, found, full=False)
        values = {"band": found.name, "job": created.job.pk}
        if created.is_new:
            return _("%(band)s: sync #%(job)s is queued.") % values
        return _("%(band)s: sync #%(job)s is under way already.") % values

    return ask(request, question, do)


@page("bands.change_band", posts=True)
def switch(request: HttpRequest) -> HttpResponse:
    """Make the bands that the address names active, or inactive."""
    active = request.GET.get("active") == "1"
    ids = parse_numbers(request.GET.getlist("band"))
    chosen = list(Band.objects.filter(pk__in=ids).order_by("name"))
    question = Question(
        title=_("Make these bands active?") if active else _("Make these bands inactive?"),
        text=_("Schedules keep their videos up to date from now on.")
        if active
        else _("No schedule syncs them, and nobody can, until they are active again. Their videos stay."),
        button=_("Make active") if active else _("Make inactive"),
        back=reverse("admin:bands_band_changelist"),
        above=_("Bands"),
        icon="play" if active else "pause",
        details=[band.name for band in chosen],
    )

    def do(actor: Actor, _values: dict[str, Any]) -> str:
        changed = len(band_operations.set_active(actor, [band.pk for band in chosen], active=active))
        if active:
            return ngettext("%(n)s band is active now.", "%(n)s bands are active now.", changed) % {"n": changed}
        return ngettext("%(n)s band is inactive now.", "%(n)s bands are inactive now.", changed) % {"n": changed}

    return ask(request, question, do)


@page("bands.delete_band", posts=True)
def delete(request: HttpRequest, band_id: int) -> HttpResponse:
    """Take the band and its videos away."""
    found = get(band_id)
    question = Question(
        title=_("Delete %(band)s?") % {"band": found.name},
        text=_("The band goes, with all its videos. Its ended jobs stay, under its name. This can't be undone."),
        button=_("Delete the band"),
        back=reverse("admin:bands_band_change", args=[band_id]),
        above=found.name,
        icon="trash",
        is_danger=True,
        details=[_("Videos that go with it: %(n)s") % {"n": getattr(found, "video_count", 0)}],
    )

    def do(actor: Actor, _values: dict[str, Any]) -> str:
        band_operations.delete(actor, band_id)
        return _("%(band)s is deleted.") % {"band": found.name}

    return ask(request, question, do, then=reverse("admin:bands_band_changelist"))


PAGES = (
    ("bands/", bands, "bands_band_changelist"),
    ("bands/switch/", switch, "bands_band_switch"),
    ("bands/<id:band_id>/", band, "bands_band_change"),
    ("bands/<id:band_id>/sync/", sync_now, "bands_band_sync"),
    ("bands/<id:band_id>/delete/", delete, "bands_band_delete"),
)
