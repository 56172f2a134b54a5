"""Videos: all of them, the page of each, and syncing one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bands.models import Availability, Band, LiveState, Video

from ..audit.actors import Actor
from ..exceptions import NotFound
from ..operations import triggers
from .core.pages import Question, ask, is_part, page, show, style
from .core.paging import order, paginate, search_box, sort_field, values_of

_COLUMNS = {
    "published": "published_at",
    "views": "view_count",
    "length": "duration_seconds",
}
_GONE = "gone"


class VideoFilters(forms.Form):
    """What the list of videos is narrowed by."""

    q = search_box(gettext_lazy("Search"), gettext_lazy("Title or YouTube id"))
    availability = forms.ChoiceField(
        required=False,
        label=gettext_lazy("State"),
        choices=[
            ("", gettext_lazy("Any")),
            *Availability.choices,
            (_GONE, gettext_lazy("Missing or unavailable")),
        ],
    )
    band = forms.ModelChoiceField(
        Band.objects.only("name").order_by("name"),
        required=False,
        label=gettext_lazy("Band"),
        empty_label=gettext_lazy("Any"),
    )
    sort = sort_field(_COLUMNS, "-published")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("availability", "band"):
            self.fields[name].widget.attrs["data-submits"] = ""


@page("bands.view_video")
def videos(request: HttpRequest) -> HttpResponse:
    """All videos, the newest first."""
    filters = VideoFilters(request.GET)
    wanted = values_of(filters)
    found = Video.objects.select_related("band").defer("description", "tags")
    if wanted["q"]:
        found = found.filter(title__icontains=wanted["q"]) | found.filter(youtube_id=wanted["q"])
    if wanted["availability"] == _GONE:
        found = found.exclude(availability=Availability.AVAILABLE)
    elif wanted["availability"]:
        found = found.filter(availability=wanted["availability"])
    if wanted["band"]:
        found = found.filter(band=wanted["band"])
    context = {
        "page": paginate(request, order(found, wanted["sort"], _COLUMNS)),
        "sort": wanted["sort"],
        "is_filtered": any(wanted[name] for name in ("q", "availability", "band")),
    }
    if is_part(request):
        return render(request, "syncjobs/videos/rows.html", context)
    context["filters"] = style(filters)
    return show(request, "syncjobs/videos/list.html", context, title=_("Videos"), is_live=True)


def _get(video_id: int) -> Video:
    video = Video.objects.select_related("band").filter(pk=video_id).first()
    if video is None:
        raise NotFound(_("There is no such video."))
    return video


@page("bands.view_video")
def video(request: HttpRequest, video_id: int) -> HttpResponse:
    """All that is known of a video."""
    found = _get(video_id)
    crumbs = ((reverse("admin:bands_video_changelist"), _("Videos")),)
    context = {"video": found, "is_live_video": found.live_state != LiveState.NONE}
    return show(request, "syncjobs/videos/video.html", context, title=str(found), crumbs=crumbs)


@page("syncjobs.trigger_sync", posts=True)
def sync(request: HttpRequest, video_id: int) -> HttpResponse:
    """Ask YouTube for the video anew."""
    found = _get(video_id)
    question = Question(
        title=_("Sync this video"),
        text=_("This asks YouTube for “%(title)s” anew. It costs 1 unit.") % {"title": found},
        button=_("Sync this video"),
        back=reverse("admin:bands_video_change", args=[video_id]),
        above=str(found),
        icon="retry",
    )

    def do(actor: Actor, _values: dict[str, Any]) -> str:
        created = triggers.trigger_video(actor, found.youtube_id, found.band)
        values = {"job": created.job.pk}
        if created.is_new:
            return _("Sync #%(job)s is queued.") % values
        return _("Sync #%(job)s of this video is under way already.") % values

    return ask(request, question, do)


PAGES = (
    ("videos/", videos, "bands_video_changelist"),
    ("videos/<id:video_id>/", video, "bands_video_change"),
    ("videos/<id:video_id>/sync/", sync, "bands_video_sync"),
)
