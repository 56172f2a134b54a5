"""The form of a band, and looking its channel up before it is saved."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.cache import cache
from django.http import HttpRequest
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bands.channels import Assigned
from bands.models import Band

from ..exceptions import DomainError, NotFound, TooMany
from ..operations import band_fields, bands, channels
from ..youtube.errors import Kind, YouTubeError
from ..youtube.types import Channel
from .core.edits import EditForm
from .core.pages import actor_of

_CACHE_SECONDS = 3600
_PROBLEM_SECONDS = 60
"""So long a problem is not looked up again unless the person asks for it."""
BY_ITSELF = "auto"
"""The value of `look_up` in the request that the page sends by itself once somebody has pasted or changed the channel."""


def channel_field() -> forms.CharField:
    """Return a field for a channel's URL, @handle or id."""
    return forms.CharField(
        required=False,
        max_length=300,
        label=gettext_lazy("YouTube channel"),
        help_text=gettext_lazy("Paste the channel's URL, @handle or ID (UC…)."),
        widget=forms.TextInput(attrs={"placeholder": "https://www.youtube.com/@…", "spellcheck": "false"}),
    )


def look_up_attributes(request: HttpRequest, field_id: str) -> dict[str, str]:
    """Return the attributes with which a page looks up what somebody has pasted into a channel field or typed there."""
    return {
        "hx-post": request.path,
        # A field that was pasted into has changed as well once it is left. The second request finds the first one's result.
        "hx-trigger": "change, paste delay:300ms",
        "hx-vals": json.dumps({"look_up": BY_ITSELF}),
        "hx-target": "#channel-found",
        "hx-sync": "this:queue last",
        "hx-indicator": "#channel-pending",
        "hx-disabled-elt": "unset",
        "aria-describedby": f"{field_id}_helptext channel-found",
    }


class BandForm(EditForm):
    """The fields of a band, with the names that `operations.band_fields` reads."""

    youtube_channel = channel_field()
    playlists = forms.CharField(
        required=False,
        max_length=5000,
        label=gettext_lazy("More playlists"),
        help_text=gettext_lazy(
            "URLs or IDs (PL…), one per line. Their videos are synced in addition to the channel's uploads."
        ),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    name = forms.CharField(max_length=200, label=gettext_lazy("Name"))
    slug = forms.CharField(
        required=False,
        max_length=120,
        label=gettext_lazy("Slug"),
        help_text=gettext_lazy("Letters, digits, - and _. If empty, it is made from the name."),
    )
    school_name = forms.CharField(required=False, max_length=200, label=gettext_lazy("School"))
    nickname = forms.CharField(required=False, max_length=200, label=gettext_lazy("Nickname"))
    city = forms.CharField(required=False, max_length=120, label=gettext_lazy("City"))
    state = forms.CharField(required=False, max_length=60, label=gettext_lazy("State"))
    conference = forms.CharField(
        required=False,
        max_length=120,
        label=gettext_lazy("Conference"),
        widget=forms.TextInput(attrs={"list": "conferences", "autocomplete": "off"}),
    )
    band_type = forms.CharField(required=False, max_length=60, label=gettext_lazy("Type"))
    founded = forms.CharField(
        required=False,
        max_length=4,
        label=gettext_lazy("Founded"),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "placeholder": "1890"}),
    )
    search_keywords = forms.CharField(
        required=False,
        max_length=5000,
        label=gettext_lazy("Search keywords"),
        help_text=gettext_lazy("Separated by semicolons (;)."),
    )
    primary_color = forms.CharField(
        required=False,
        max_length=7,
        label=gettext_lazy("Primary color"),
        widget=forms.TextInput(attrs={"placeholder": "#660000"}),
    )
    secondary_color = forms.CharField(
        required=False,
        max_length=7,
        label=gettext_lazy("Secondary color"),
        widget=forms.TextInput(attrs={"placeholder": "#FFFFFF"}),
    )
    is_active = forms.BooleanField(
        required=False, initial=True, label=gettext_lazy("Active: schedules keep its videos up to date")
    )
    is_featured = forms.BooleanField(required=False, label=gettext_lazy("Featured"))

    def __init__(self, *args: Any, request: HttpRequest, band: Band | None, **kwargs: Any) -> None:
        super().__init__(*args, is_new=band is None, **kwargs)
        self._request, self._band = request, band
        self.fields["youtube_channel"].widget.attrs |= look_up_attributes(request, "id_youtube_channel")

    def clean(self) -> None:
        """If the form has errors, add those the operation would raise, so that all of them are shown at once."""
        if self.errors:
            values, band_id = self.values(), self._band.pk if self._band else None
            for name, message in bands.find_problems(values, band_id, self.channel()):
                if name in values:
                    self.add_error(name, message)

    def values(self) -> dict[str, Any]:
        """Return the valid fields that the person changed, as `operations.bands` takes them.

        An unchanged channel is left out: for a channel that only the sync resolved, the form shows the id, which would
        count as a new reference.
        """
        changed = self.changed()
        values = {name: value for name, value in self.cleaned_data.items() if name in changed}
        if values.get("slug") == "":
            del values["slug"]
            if "name" in self.cleaned_data:
                values["slug"] = slugify(self.cleaned_data["name"])[:120]
        if "founded" in values:
            values["founded"] = values["founded"] or None
        if "playlists" in values:
            values["playlists"] = [line.strip() for line in values["playlists"].splitlines() if line.strip()]
        if self._band and values.get("youtube_channel") == (self._band.channel_reference or self._band.channel_id):
            del values["youtube_channel"]
        return values

    def channel(self) -> Channel | None:
        """Return the channel YouTube knows by the reference in the field, if this user has looked it up."""
        return looked_up(self._request, self.cleaned_data.get("youtube_channel", ""))


def initial_of(band: Band) -> dict[str, Any]:
    """Return the form's initial values for a band."""
    return {name: getattr(band, name) for name in band_fields.TEXT_FIELDS} | {
        "youtube_channel": band.channel_reference or band.channel_id,
        "playlists": "\n".join(band.extra_playlists),
        "founded": band.founded,
        "search_keywords": "; ".join(band.search_keywords),
        "is_active": band.is_active,
        "is_featured": band.is_featured,
    }


@dataclass(frozen=True, slots=True)
class LookUp:
    """The result of looking a channel up: the channel, or the problem, or neither."""

    channel: Channel | None = None
    problem: str = ""
    others: tuple[Assigned, ...] = ()
    """Other bands with this channel."""


def look_up(request: HttpRequest, band: Band | None, field: str = "youtube_channel") -> LookUp:
    """Resolve the channel in the form's field (1 unit at most) and cache the result until the form is saved.

    If the page asks by itself, that costs nothing for a channel that has just been looked up, or that the band has.
    """
    by_itself = request.POST.get("look_up") == BY_ITSELF
    reference = request.POST.get(field, "").replace("\x00", "").strip()[:300]
    if by_itself and (not reference or (band and reference == (band.channel_reference or band.channel_id))):
        return LookUp()
    if not reference:
        return LookUp(problem=_("Paste a channel first."))
    known = cache.get(_key(request, reference)) if by_itself else None
    if isinstance(known, str):
        return LookUp(problem=known)
    channel = known if isinstance(known, Channel) else None
    try:
        channel = channel or channels.resolve_channel(actor_of(request), reference)
    except (DomainError, YouTubeError) as error:
        problem = error.message if isinstance(error, DomainError) else _problem(error)
        if isinstance(error, TooMany):
            return LookUp(problem=problem)  # Soon it is no longer true.
        cache.set(_key(request, reference), problem, _PROBLEM_SECONDS)
        if isinstance(error, NotFound):
            cache.set(_missing_key(request, reference), True, _CACHE_SECONDS)
        return LookUp(problem=problem)
    cache.delete(_missing_key(request, reference))
    cache.set(_key(request, reference), channel, _CACHE_SECONDS)
    candidate = Band(pk=band.pk if band else None, channel_id=channel.id, channel_handle=channel.handle)
    return LookUp(channel, others=tuple(channels.channel_index().others(candidate)[:3]))


def _problem(error: YouTubeError) -> str:
    if error.kind == Kind.QUOTA:
        return _("Today's YouTube quota is used up. Save the band anyway: its first sync will look the channel up.")
    if error.kind == Kind.CONFIGURATION:
        return _("YouTube rejected the API key: %(message)s") % {"message": error.message}
    if error.kind == Kind.TRANSIENT:
        return _("YouTube is not responding. Try again, or save the band: its first sync will look the channel up.")
    return _("YouTube error: %(message)s") % {"message": error.message}


def _key(request: HttpRequest, reference: str) -> str:
    return f"channel-look-up:{request.user.pk}:{hashlib.sha256(reference.encode()).hexdigest()}"


def _missing_key(request: HttpRequest, reference: str) -> str:
    return f"{_key(request, reference)}:missing"


def is_missing(request: HttpRequest, reference: str) -> bool:
    """Whether YouTube had no such channel when this person looked it up lately."""
    return bool(cache.get(_missing_key(request, reference)))


def looked_up(request: HttpRequest, reference: str) -> Channel | None:
    """Return the channel that this person has looked up by this reference lately."""
    channel = cache.get(_key(request, reference)) if reference else None
    return channel if isinstance(channel, Channel) else None
