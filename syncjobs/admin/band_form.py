"""Adding a band and changing one, with its channel looked up before it is saved."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bands.models import Band

from ..audit.actors import Actor
from ..exceptions import DomainError
from ..operations import bands, channels
from ..youtube.errors import Kind, YouTubeError
from ..youtube.types import Channel
from .bands import get
from .core.pages import Question, actor_of, ask, is_part, page, show, style

_REMEMBERED_SECONDS = 3600


class BandForm(forms.Form):
    """A band as people write it; its fields have the names that `band_fields` reads."""

    youtubeChannel = forms.CharField(
        required=False,
        max_length=300,
        label=gettext_lazy("YouTube channel"),
        help_text=gettext_lazy("Paste the channel's URL, its @handle or its id (UC…)."),
        widget=forms.TextInput(attrs={"placeholder": "https://www.youtube.com/@…", "spellcheck": "false"}),
    )
    playlists = forms.CharField(
        required=False,
        max_length=5000,
        label=gettext_lazy("More playlists"),
        help_text=gettext_lazy(
            "URLs or ids (PL…), one a line. Their videos are kept too, besides the channel's uploads."
        ),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    name = forms.CharField(max_length=200, label=gettext_lazy("Name"))
    slug = forms.CharField(
        required=False,
        max_length=120,
        label=gettext_lazy("Slug"),
        help_text=gettext_lazy("Letters, digits, - and _. Left empty, it is made of the name."),
    )
    schoolName = forms.CharField(required=False, max_length=200, label=gettext_lazy("School"))
    nickname = forms.CharField(required=False, max_length=200, label=gettext_lazy("Nickname"))
    city = forms.CharField(required=False, max_length=120, label=gettext_lazy("City"))
    state = forms.CharField(required=False, max_length=60, label=gettext_lazy("State"))
    conference = forms.CharField(
        required=False,
        max_length=120,
        label=gettext_lazy("Conference"),
        widget=forms.TextInput(attrs={"list": "conferences", "autocomplete": "off"}),
    )
    bandType = forms.CharField(required=False, max_length=60, label=gettext_lazy("Type"))
    founded = forms.CharField(
        required=False,
        max_length=4,
        label=gettext_lazy("Founded"),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "placeholder": "1890"}),
    )
    searchKeywords = forms.CharField(
        required=False,
        max_length=5000,
        label=gettext_lazy("Search keywords"),
        help_text=gettext_lazy("With ; between them."),
    )
    primaryColor = forms.CharField(
        required=False,
        max_length=7,
        label=gettext_lazy("First colour"),
        widget=forms.TextInput(attrs={"placeholder": "#660000"}),
    )
    secondaryColor = forms.CharField(
        required=False,
        max_length=7,
        label=gettext_lazy("Second colour"),
        widget=forms.TextInput(attrs={"placeholder": "#FFFFFF"}),
    )
    isActive = forms.BooleanField(
        required=False, initial=True, label=gettext_lazy("Active: schedules keep its videos up to date")
    )
    isFeatured = forms.BooleanField(required=False, label=gettext_lazy("Featured"))

    def __init__(self, *given: Any, request: HttpRequest, band: Band | None, **options: Any) -> None:
        super().__init__(*given, **options)
        self._request, self._band = request, band

    def clean(self) -> None:
        """With what the form itself finds is said what the operation would find only after that is mended."""
        if self.errors:
            values, band_id = self.values(), self._band.pk if self._band else None
            for name, said in bands.find_problems(values, band_id, self.channel()):
                if name in values:
                    self.add_error(name, said)

    def values(self) -> dict[str, Any]:
        """As `band_changes` takes them: those that the form has nothing against, without a channel left as it was shown.

        Of a channel that was found by the sync alone the form shows the id, which would be a new reference.
        """
        given = dict(self.cleaned_data)
        if given.get("slug") == "":
            del given["slug"]
            if "name" in given:
                given["slug"] = slugify(given["name"])[:120]
        if "founded" in given:
            given["founded"] = given["founded"] or None
        if "playlists" in given:
            given["playlists"] = [line.strip() for line in given["playlists"].splitlines() if line.strip()]
        if self._band and given.get("youtubeChannel") == (self._band.channel_reference or self._band.channel_id):
            del given["youtubeChannel"]
        return given

    def channel(self) -> Channel | None:
        """What YouTube has said of the channel that stands there, if the person has looked it up."""
        return _remembered(self._request, self.cleaned_data.get("youtubeChannel", ""))


def _initial(band: Band) -> dict[str, Any]:
    return {
        "youtubeChannel": band.channel_reference or band.channel_id,
        "playlists": "\n".join(band.extra_playlists),
        "name": band.name,
        "slug": band.slug,
        "schoolName": band.school_name,
        "nickname": band.nickname,
        "city": band.city,
        "state": band.state,
        "conference": band.conference,
        "bandType": band.band_type,
        "founded": band.founded,
        "searchKeywords": "; ".join(band.search_keywords),
        "primaryColor": band.primary_color,
        "secondaryColor": band.secondary_color,
        "isActive": band.is_active,
        "isFeatured": band.is_featured,
    }


# ---- Looking a channel up


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking for a channel: it, or why there is none."""

    channel: Channel | None = None
    problem: str = ""
    others: tuple[Band, ...] = ()
    """The bands that have the channel already."""


def look_up(request: HttpRequest, band: Band | None) -> Answer:
    """Ask YouTube for the channel that is pasted, and keep what it says for when the form is saved."""
    reference = request.POST.get("youtubeChannel", "").replace("\x00", "").strip()[:300]
    if not reference:
        return Answer(problem=_("Paste a channel first."))
    try:
        channel = channels.resolve_channel(actor_of(request), reference)
    except DomainError as error:
        return Answer(problem=error.message)
    except YouTubeError as error:
        return Answer(problem=_why(error))
    cache.set(_key(request, reference), channel, _REMEMBERED_SECONDS)
    found = Band(pk=band.pk if band else None, channel_id=channel.id, channel_handle=channel.handle)
    return Answer(channel, others=tuple(channels.channel_index().others(found)[:3]))


def _why(error: YouTubeError) -> str:
    if error.kind == Kind.QUOTA:
        return _(
            "YouTube says that today's quota is used up. Save the band as it is: its first sync looks the channel up."
        )
    if error.kind == Kind.CONFIGURATION:
        return _("YouTube refuses our API key: %(message)s") % {"message": error.message}
    if error.kind == Kind.TRANSIENT:
        return _("YouTube doesn't answer just now. Try again, or save the band: its first sync looks the channel up.")
    return _("YouTube says: %(message)s") % {"message": error.message}


def _key(request: HttpRequest, reference: str) -> str:
    return f"channel-found:{request.user.pk}:{hashlib.sha256(reference.encode()).hexdigest()}"


def _remembered(request: HttpRequest, reference: str) -> Channel | None:
    found = cache.get(_key(request, reference)) if reference else None
    return found if isinstance(found, Channel) else None


# ---- The pages


@page("bands.add_band", posts=True)
def add(request: HttpRequest) -> HttpResponse:
    """A new band."""
    return _edit(request, None)


@page("bands.change_band", posts=True)
def change(request: HttpRequest, band_id: int) -> HttpResponse:
    """Change what is known of a band."""
    return _edit(request, get(band_id))


def _edit(request: HttpRequest, band: Band | None) -> HttpResponse:
    initial = _initial(band) if band else None
    form = BandForm(request.POST or None, request=request, band=band, initial=initial)
    question = Question(
        title=_("Change %(band)s") % {"band": band.name} if band else _("Add a band"),
        text="",
        button=_("Save"),
        back=reverse("admin:bands_band_change", args=[band.pk]) if band else reverse("admin:bands_band_changelist"),
        above=band.name if band else _("Bands"),
    )
    if request.method == "POST" and "look_up" in request.POST:
        return _looked_up(request, question, form, band)
    saved: list[int] = []

    def do(actor: Actor, _cleaned: dict[str, Any]) -> str:
        values, channel = form.values(), form.channel()
        if band is None:
            saved.append(bands.create(actor, values, channel).pk)
            return _("%(band)s is added.") % {"band": values["name"]}
        saved.append(bands.change(actor, band.pk, values, channel).pk)
        return _("%(band)s is changed.") % {"band": values["name"]}

    return ask(
        request,
        question,
        do,
        form=style(form),
        then=lambda: reverse("admin:bands_band_change", args=saved),
        template="syncjobs/bands/form.html",
        extra={"conferences": _conferences(), "band": band},
    )


def _conferences() -> list[str]:
    known = Band.objects.exclude(conference="").order_by("conference")
    return list(known.values_list("conference", flat=True).distinct())


def _looked_up(request: HttpRequest, question: Question, form: BandForm, band: Band | None) -> HttpResponse:
    answer = look_up(request, band)
    if is_part(request):
        return render(request, "syncjobs/bands/channel.html", {"answer": answer})
    shown = {name: form[name].value() for name in form.fields}
    unchecked = BandForm(request=request, band=band, initial=shown)
    context = {
        "question": question,
        "form": style(unchecked),
        "answer": answer,
        "conferences": _conferences(),
        "band": band,
    }
    crumbs = ((question.back, question.above),)
    return show(request, "syncjobs/bands/form.html", context, title=question.title, crumbs=crumbs)


PAGES = (
    ("bands/add/", add, "bands_band_add"),
    ("bands/<id:band_id>/change/", change, "bands_band_edit"),
)
