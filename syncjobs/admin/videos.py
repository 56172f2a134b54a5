"""Videos: their list, the page of each, and syncing one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bands.models import Availability, Band, LiveState, Video
from bands.videos import OF_OTHER_CHANNEL

from ..audit.actors import Actor
from ..choices import QUEUE_OF_TYPE, JobType
from ..exceptions import NotFound
from ..operations import schedules, triggers
from ..operations.waiting import pauses, pauses_of_new
from .core import links
from .core.model_admin import PageAdmin, id_of, requires
from .core.pages import Question, ask, show
from .core.paging import FilterForm, order, paginate, search_box, show_list, sort_field
from .site import site

_COLUMNS = {"published": "published_at", "views": "view_count", "length": "duration_seconds"}
_GONE, _OTHER = "gone", "other"


class VideoFilters(FilterForm):
    """The filters of the list of videos."""

    q = search_box(gettext_lazy("Search"), gettext_lazy("Title or YouTube ID"))
    availability = forms.ChoiceField(
        required=False,
        label=gettext_lazy("State"),
        choices=[("", gettext_lazy("Any")), *Availability.choices, (_GONE, gettext_lazy("Missing or unavailable"))],
    )
    band = forms.ModelChoiceField(
        Band.objects.only("name").order_by("name"),
        required=False,
        label=gettext_lazy("Band"),
        empty_label=gettext_lazy("Any"),
    )
    channel = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Channel"),
        choices=[
            ("", gettext_lazy("Any")),
            ("own", gettext_lazy("The band's own")),
            (_OTHER, gettext_lazy("Another channel")),
        ],
    )
    sort = sort_field(_COLUMNS, "-published")


@admin.register(Video, site=site)
class VideoAdmin(PageAdmin):
    """Videos come from YouTube; they are only shown and synced here."""

    def get_urls(self) -> list[URLPattern]:
        return [self.page("<id:video_id>/sync/", self.sync_view, "sync"), *super().get_urls()]

    @requires("view")
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """List all videos, newest first."""
        filters = VideoFilters(request.GET)
        wanted = filters.values()
        videos = Video.objects.select_related("band").defer("description", "tags")
        if wanted["q"]:
            videos = videos.filter(title__icontains=wanted["q"]) | videos.filter(youtube_id=wanted["q"])
        if wanted["availability"] == _GONE:
            videos = videos.exclude(availability=Availability.AVAILABLE)
        elif wanted["availability"]:
            videos = videos.filter(availability=wanted["availability"])
        if wanted["band"]:
            videos = videos.filter(band=wanted["band"])
        if wanted["channel"]:
            videos = videos.filter(OF_OTHER_CHANNEL if wanted["channel"] == _OTHER else ~OF_OTHER_CHANNEL)
        page = paginate(request, order(videos, wanted["sort"], _COLUMNS))
        return show_list(request, "videos", filters, {"page": page}, title=_("Videos"))

    @requires("view")
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the details of a video."""
        video = _get(id_of(object_id))
        crumbs = ((reverse("admin:bands_video_changelist"), _("Videos")),)
        context: dict[str, Any] = {"video": video, "is_live_video": video.live_state != LiveState.NONE}
        if video.availability == Availability.MISSING:
            context["next_check"] = schedules.next_run_of(JobType.AVAILABILITY_CHECK)
        return show(request, "syncjobs/videos/video.html", context, title=str(video), crumbs=crumbs)

    @requires("syncjobs.trigger_sync", post=True)
    def sync_view(self, request: HttpRequest, video_id: int) -> HttpResponse:
        """Queue a sync of one video."""
        video = _get(video_id)
        question = Question(
            title=_("Sync this video"),
            text=_("This fetches “%(title)s” from YouTube again. It costs 1 unit.") % {"title": video},
            button=_("Sync this video"),
            back=links.object_page("bands_video_change", video_id),
            parent=str(video),
            icon="play",
            details=[*filter(None, [pauses_of_new(QUEUE_OF_TYPE[JobType.SINGLE_VIDEO], video.band_id)])],
        )

        def do(actor: Actor, _values: dict[str, Any]) -> str:
            created = triggers.trigger_video(actor, video.youtube_id, video.band)
            values = {"job": created.job.pk}
            said = (
                _("Sync #%(job)s is queued.")
                if created.is_new
                else _("Sync #%(job)s of this video is already queued or running.")
            )
            return f"{said % values} {pauses([created.job.pk])}".rstrip()

        return ask(request, question, do)


def _get(video_id: int) -> Video:
    """Return the video. Raises NotFound."""
    video = Video.objects.select_related("band").filter(pk=video_id).first()
    if video is None:
        raise NotFound(_("There is no video %(id)s.") % {"id": video_id})
    return video
