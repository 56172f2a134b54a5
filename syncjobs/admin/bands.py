"""Bands: their list, the page of each, and their actions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bands.models import Band, BandQuerySet, BandState
from bands.text import parse_numbers

from ..audit.actors import Actor
from ..choices import QUEUE_OF_TYPE, FeedState, JobType, PushState
from ..counters import Selection
from ..engine import clock
from ..exceptions import DomainError, NotFound, RecentlySynced
from ..listing import pages
from ..listing.bands import MOST_MINUTES, BandStates
from ..listing.pages import Order
from ..models import SyncJob
from ..operations import bands as operations
from ..operations import triggers
from ..operations.suggestions import MAY_DECIDE, MAY_SUGGEST
from ..operations.suggestions import get as get_suggestion
from ..operations.waiting import pauses, pauses_of_new
from ..stats import bands as stats_bands
from ..stats.freshness import of_band, with_bands
from . import band_chips, band_pauses, freshness, suggestions
from .band_explanation import explain
from .band_form import BandForm, initial_of, look_up
from .band_syncs import chart
from .core import links
from .core.model_admin import PageAdmin, id_of, requires
from .core.pages import Question, ask, is_part, refuse, show, style
from .core.paging import FilterForm, order, paginate, search_box, show_list, sort_field
from .site import site

_COLUMNS = {
    "name": "name",
    "full": "last_full_sync_at",
    "incremental": "last_incremental_sync_at",
    "failures": "consecutive_failures",
    "videos": "video_count",
    "unavailable": "unavailable_videos",
}
_RECENT_JOBS = 5
_NEWEST_VIDEOS = 10


def _values_of(column: str) -> list[str]:
    known = Band.objects.exclude(**{column: ""}).order_by(column)
    return list(known.values_list(column, flat=True).distinct())


def _choices_of(column: str) -> Callable[[], list[tuple[str, str]]]:
    return lambda: [("", _("Any")), *((name, name) for name in _values_of(column))]


class BandFilters(FilterForm):
    """The filters of the list of bands."""

    q = search_box(gettext_lazy("Search"), gettext_lazy("Name, school, city, channel"))
    health = forms.ChoiceField(
        required=False, label=gettext_lazy("Health"), choices=BandState.choices, widget=forms.HiddenInput
    )
    suggestion = forms.ChoiceField(required=False, choices=[("open", "")], widget=forms.HiddenInput)
    state = forms.ChoiceField(required=False, label=gettext_lazy("State"), choices=_choices_of("state"))
    conference = forms.ChoiceField(required=False, label=gettext_lazy("Conference"), choices=_choices_of("conference"))
    push = forms.ChoiceField(
        required=False, label=gettext_lazy("Push"), choices=[("", gettext_lazy("Any")), *PushState.choices]
    )
    feed = forms.ChoiceField(
        required=False, label=gettext_lazy("Feed"), choices=[("", gettext_lazy("Any")), *FeedState.choices]
    )
    late = forms.IntegerField(
        required=False, min_value=1, max_value=MOST_MINUTES, label=gettext_lazy("Late in 24 h by (minutes)")
    )
    sort = sort_field(_COLUMNS, "name")


@admin.register(Band, site=site)
class BandAdmin(PageAdmin):
    """Bands are added, edited, activated, synced and deleted through `operations`."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("switch/", self.switch_view, "switch"),
            self.page("pause/", self.pause_bands_view, "pause_bands"),
            self.page("resume/", self.resume_bands_view, "resume_bands"),
            self.page("<id:band_id>/pause/", self.pause_view, "pause"),
            self.page("<id:band_id>/resume/", self.resume_view, "resume"),
            self.page("<id:band_id>/edit/", self.edit_view, "edit"),
            self.page("<id:band_id>/suggest/", self.suggest_view, "suggest"),
            self.page("suggestions/<id:suggestion_id>/accept/", self.accept_view, "accept_suggestion"),
            self.page("suggestions/<id:suggestion_id>/decline/", self.decline_view, "decline_suggestion"),
            self.page("suggestions/<id:suggestion_id>/withdraw/", self.withdraw_view, "withdraw_suggestion"),
            self.page("<id:band_id>/sync/", self.sync_view, "sync"),
            self.page("<id:band_id>/subscribe/", self.subscribe_view, "subscribe"),
            self.page("<id:band_id>/feed/", self.read_feed_view, "read_feed"),
            self.page("subscribe/", self.subscribe_all_view, "subscribe_all"),
            self.page("feeds/", self.read_feeds_view, "read_feeds"),
            *super().get_urls(),
        ]

    @requires("view")
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """List all bands with the state of their syncs."""
        filters = BandFilters(request.GET)
        wanted = filters.values()
        bands = Band.objects.all()
        if wanted["q"]:
            bands = bands.matching(wanted["q"])
        for column in ("state", "conference"):
            if wanted[column]:
                bands = bands.filter(**{column: wanted[column]})
        chips = band_chips.chips(request, wanted, bands)
        shown = BandStates.narrow(suggestions.noted(bands.with_video_counts()), wanted)
        if filters.problems:
            shown = shown.none()  # As in the list of jobs: others would look like those that the filter finds.
        page = paginate(request, order(shown, wanted["sort"], _COLUMNS))
        context = {"page": page, "chips": chips, "problems": filters.problems}
        return show_list(request, "bands", filters, context, title=_("Bands"))

    @requires("view")
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a band: what is wrong, its health, syncs, newest jobs, freshness, details and newest videos."""
        bands = stats_bands.with_what_was_read(Band.objects.with_video_counts()).prefetch_related(*with_bands())
        band = _get(id_of(object_id), bands)
        total, jobs = pages.page(Selection(band_id=band.pk), Order(), 0, _RECENT_JOBS)
        now = clock.approximate()
        syncs = stats_bands.syncs(band.pk, now)
        context = {
            "band": band,
            "boxes": explain(request, band, now),
            "syncs": syncs,
            "chart": chart(syncs),
            "jobs": pages.in_order(SyncJob.objects.filter(pk__in=jobs), Order()),
            "job_total": total,
            "now": now,
        }
        context |= _freshness(band) | suggestions.context_of(band)
        if is_part(request):
            return render(request, "syncjobs/bands/state.html", context | {"is_refresh": True})
        crumbs = ((_list_url(), _("Bands")),)
        return show(request, "syncjobs/bands/band.html", context, title=band.name, crumbs=crumbs, is_live=True)

    @requires("add", post=True)
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        return _edit(request, None)

    @requires("change", post=True)
    def edit_view(self, request: HttpRequest, band_id: int) -> HttpResponse:
        """Edit a band."""
        return _edit(request, _get(band_id))

    @requires(MAY_SUGGEST, post=True)
    def suggest_view(self, request: HttpRequest, band_id: int) -> HttpResponse:
        """Suggest a channel for a band."""
        return suggestions.ask_to_suggest(request, _get(band_id))

    @requires(MAY_DECIDE, post=True)
    def accept_view(self, request: HttpRequest, suggestion_id: int) -> HttpResponse:
        """Give a band a suggested channel."""
        return suggestions.ask_to_accept(request, get_suggestion(suggestion_id))

    @requires(MAY_DECIDE, post=True)
    def decline_view(self, request: HttpRequest, suggestion_id: int) -> HttpResponse:
        """Decline a suggested channel with a reason."""
        return suggestions.ask_to_decline(request, get_suggestion(suggestion_id))

    @requires(MAY_SUGGEST, post=True)
    def withdraw_view(self, request: HttpRequest, suggestion_id: int) -> HttpResponse:
        """Take back a channel that the person has suggested."""
        return suggestions.ask_to_withdraw(request, get_suggestion(suggestion_id))

    @requires("syncjobs.trigger_sync", post=True)
    def sync_view(self, request: HttpRequest, band_id: int) -> HttpResponse:
        """Queue an incremental sync of a band; with `force`, even if it was synced recently."""
        band, force = _get(band_id), request.GET.get("force") == "1"
        question = Question(
            title=_("Sync %(band)s") % {"band": band.name},
            text=_("This looks for new videos on the band's channel. It costs about 2 units.")
            if band.synced_at(full=False)
            else _(
                "This reads all videos of the band's channel for the first time. It costs about 2 units for each 50 videos."
            ),
            details=[
                *([_("It was synced recently, and is synced again anyway.")] if force else []),
                *filter(None, [pauses_of_new(QUEUE_OF_TYPE[JobType.INCREMENTAL_SYNC], band.pk)]),
            ],
            button=_("Sync anyway") if force else _("Sync now"),
            back=links.band(band_id),
            parent=band.name,
            icon="play",
        )

        def do(actor: Actor, _values: dict[str, Any]) -> str:
            created = triggers.trigger_sync(actor, band, full=False, force=force)
            values = {"band": band.name, "job": created.job.pk}
            said = (
                _("%(band)s: sync #%(job)s is queued.")
                if created.is_new
                else _("%(band)s: sync #%(job)s is already queued or running.")
            )
            return f"{said % values} {pauses([created.job.pk])}".rstrip()

        def offer(error: DomainError) -> tuple[str, str] | None:
            return (f"{request.path}?force=1", _("Sync anyway")) if isinstance(error, RecentlySynced) else None

        return ask(request, question, do, offer=offer)

    @requires("change", post=True)
    def subscribe_view(self, request: HttpRequest, band_id: int) -> HttpResponse:
        """Ask YouTube's hub again for a band's subscription."""
        return freshness.ask_to_subscribe(request, _get(band_id))

    @requires("change", post=True)
    def subscribe_all_view(self, request: HttpRequest) -> HttpResponse:
        """Ask YouTube's hub again for all subscriptions."""
        return freshness.ask_to_subscribe(request)

    @requires("syncjobs.trigger_sync", post=True)
    def read_feed_view(self, request: HttpRequest, band_id: int) -> HttpResponse:
        """Have a band's feed read at once."""
        return freshness.ask_to_read(request, _get(band_id))

    @requires("syncjobs.trigger_sync", post=True)
    def read_feeds_view(self, request: HttpRequest) -> HttpResponse:
        """Have all feeds read at once."""
        return freshness.ask_to_read(request)

    @requires("change", post=True)
    def switch_view(self, request: HttpRequest) -> HttpResponse:
        """Activate or deactivate the bands in the query string."""
        active = request.GET.get("active") == "1"
        selected = _selected(request)
        if not selected:
            return band_pauses.nothing_selected(request, _list_url())
        different = [band for band in selected if band.is_active != active]
        if not different and (refusal := refuse(request, _already(len(selected), active=active), _list_url())):
            return refusal
        question = Question(
            title=_("Activate these bands?") if active else _("Deactivate these bands?"),
            text=_("Schedules keep their videos up to date from now on.")
            if active
            else _("They can't be synced, by a schedule or manually, until they are active again. Their videos stay."),
            button=_("Activate") if active else _("Deactivate"),
            back=_list_url(),
            icon="power",
            details=[band.name for band in different],
        )

        def do(actor: Actor, _values: dict[str, Any]) -> str:
            changed = len(operations.set_active(actor, [band.pk for band in selected], active=active))
            if active:
                return ngettext("%(n)s band activated.", "%(n)s bands activated.", changed) % {"n": changed}
            return ngettext("%(n)s band deactivated.", "%(n)s bands deactivated.", changed) % {"n": changed}

        return ask(request, question, do)

    @requires("syncjobs.trigger_sync", post=True)
    def pause_view(self, request: HttpRequest, band_id: int) -> HttpResponse:
        """Ask for a reason, then pause a band."""
        band = _get(band_id)
        return band_pauses.ask_to_pause(request, [band], links.band(band_id), band.name)

    @requires("syncjobs.trigger_sync", post=True)
    def resume_view(self, request: HttpRequest, band_id: int) -> HttpResponse:
        """Confirm, then resume a band."""
        band = _get(band_id)
        return band_pauses.ask_to_resume(request, [band], links.band(band_id), band.name)

    @requires("syncjobs.trigger_sync", post=True)
    def pause_bands_view(self, request: HttpRequest) -> HttpResponse:
        """Pause the bands in the query string."""
        return band_pauses.ask_to_pause(request, _selected(request), _list_url())

    @requires("syncjobs.trigger_sync", post=True)
    def resume_bands_view(self, request: HttpRequest) -> HttpResponse:
        """Resume the bands in the query string."""
        return band_pauses.ask_to_resume(request, _selected(request), _list_url())

    @requires("delete", post=True)
    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Delete a band and its videos."""
        band = _get(id_of(object_id))
        question = Question(
            title=_("Delete %(band)s?") % {"band": band.name},
            text=_(
                "This deletes the band and all its videos. Its completed jobs stay, under its name."
                " This can't be undone."
            ),
            button=_("Delete the band"),
            back=links.band(band.pk),
            parent=band.name,
            icon="trash",
            is_danger=True,
            details=[_("Videos to be deleted: %(n)s") % {"n": getattr(band, "video_count", 0)}],
        )

        def do(actor: Actor, _values: dict[str, Any]) -> str:
            operations.delete(actor, band.pk)
            return _("%(band)s is deleted.") % {"band": band.name}

        return ask(request, question, do, then=_list_url())


def _get(band_id: int, bands: BandQuerySet | None = None) -> Band:
    """Return the band, by default with its video counts. Raises NotFound."""
    band = (Band.objects.with_video_counts() if bands is None else bands).filter(pk=band_id).first()
    if band is None:
        raise NotFound(_("There is no band %(id)s.") % {"id": band_id})
    return band


def _already(count: int, *, active: bool) -> str:
    if active:
        return ngettext("The selected band is active already.", "The selected bands are active already.", count)
    return ngettext("The selected band is inactive already.", "The selected bands are inactive already.", count)


def _selected(request: HttpRequest) -> list[Band]:
    return list(Band.objects.filter(pk__in=parse_numbers(request.GET.getlist("band"))).order_by("name"))


def _freshness(band: Band) -> dict[str, Any]:
    videos = list(order(band.videos.all(), "-published", {"published": "published_at"})[:_NEWEST_VIDEOS])
    fresh = of_band(band)
    newest = next(filter(fresh.was_new, videos), None)
    after = newest.created_at - newest.published_at if newest and newest.published_at else None
    return {"videos": videos, "fresh": fresh, "newest": newest, "newest_after": after}


def _list_url() -> str:
    return reverse("admin:bands_band_changelist")


def _edit(request: HttpRequest, band: Band | None) -> HttpResponse:
    """Show the form of a band, look its channel up, or save it."""
    form = BandForm(request.POST or None, request=request, band=band, initial=initial_of(band) if band else None)
    question = Question(
        title=_("Edit %(band)s") % {"band": band.name} if band else _("Add a band"),
        text="",
        button=_("Save"),
        back=links.band(band.pk) if band else _list_url(),
        parent=band.name if band else "",
    )
    if request.method == "POST" and "look_up" in request.POST:
        return _show_channel(request, question, form, band)
    saved: list[int] = []

    def do(actor: Actor, _cleaned: dict[str, Any]) -> str:
        values, channel = form.values(), form.channel()
        if band is None:
            saved.append(operations.create(actor, values, channel).pk)
            return _("%(band)s is added.") % {"band": values["name"]}
        changed = operations.change(actor, band.pk, values, channel, check=lambda row: form.check(initial_of(row)))
        saved.append(changed.pk)
        return _("%(band)s is saved.") % {"band": changed.name}

    return ask(
        request,
        question,
        do,
        form=style(form),
        then=lambda: links.band(saved[0]),
        template="syncjobs/bands/form.html",
        extra={"conferences": _values_of("conference"), "band": band},
    )


def _show_channel(request: HttpRequest, question: Question, form: BandForm, band: Band | None) -> HttpResponse:
    """Show the channel that was looked up: alone for htmx, otherwise above the unvalidated form."""
    result = look_up(request, band)
    if is_part(request):
        return render(request, "syncjobs/bands/channel.html", {"look_up": result, "band": band})
    typed = {name: form[name].value() for name in form.fields}
    if result.channel and not typed["name"]:
        typed["name"] = result.channel.title
    again = BandForm(request=request, band=band, initial=typed)
    again.continue_from(form)
    context = {
        "question": question,
        "form": style(again),
        "look_up": result,
        "conferences": _values_of("conference"),
        "band": band,
    }
    crumbs = ((question.back, question.parent),)
    return show(request, "syncjobs/bands/form.html", context, title=question.title, crumbs=crumbs)
