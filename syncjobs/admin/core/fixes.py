"""Links to what removes the cause of an error, so that a retry can succeed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from ...engine import error_reasons
from ...models import ChannelSuggestion
from ...operations.queues import ALL_QUEUES
from ...operations.suggestions import MAY_SUGGEST
from . import links

MOST_BANDS = 3
"""So many bands of an error are offered; its page has the rest."""
_LONGEST = 60
EDIT_BAND, _ADD_BAND, _PAUSE = "bands.change_band", "bands.add_band", "syncjobs.pause_queue"
_ABOUT_PLAYLIST = "playlistUnreadable"


@dataclass(frozen=True, slots=True)
class Fix:
    """A link to a page where a person can remove the cause.

    `short` is the label where the band is named beside it. `note` is a sentence to read before using the link.
    """

    label: str
    url: str
    icon: str
    short: str = ""
    is_dialog: bool = False
    note: str = ""


def is_about_channel(reason: str) -> bool:
    """Return whether an error of this reason is about the band's channel, so that another one removes its cause."""
    return error_reasons.explain(reason).needs == EDIT_BAND and reason != _ABOUT_PLAYLIST


def of(request: HttpRequest, reason: str, bands: Sequence[tuple[int, str]]) -> list[Fix]:
    """Return what helps with an error of this reason and the person may do; `bands` are (id, name) of those that have it."""
    needs = error_reasons.explain(reason).needs
    if needs == EDIT_BAND and request.user.has_perm(EDIT_BAND):
        label, short, field = _("Change the channel of %(band)s"), _("Change the channel"), "id_youtube_channel"
        if reason == _ABOUT_PLAYLIST:
            label, short, field = _("Edit %(band)s"), _("Edit the band"), "id_playlists"
        suggested = [] if reason == _ABOUT_PLAYLIST else _suggested(request, bands)
        edits = [
            Fix(label % {"band": name}, f"{links.object_page('bands_band_edit', pk)}#{field}", "edit", short)
            for pk, name in bands
        ]
        return [*suggested, *edits]
    if is_about_channel(reason) and request.user.has_perm(MAY_SUGGEST):
        label, short = _("Suggest a channel for %(band)s"), _("Suggest a channel")
        url = {pk: links.object_page("bands_band_suggest", pk) for pk, _name in bands}
        return [
            *_suggested(request, bands),
            *(Fix(label % {"band": name}, url[pk], "plus", short) for pk, name in bands),
        ]
    if needs == _ADD_BAND and request.user.has_perm(needs):
        return [Fix(_("Add band"), links.page("bands_band_add"), "plus")]
    if needs == _PAUSE and request.user.has_perm(needs):
        return [Fix(_("Resume all queues"), links.object_page("syncjobs_queue_resume", ALL_QUEUES), "play")]
    if not request.user.has_perm("bands.view_band"):
        return []
    return [Fix(_("Open %(band)s") % {"band": name}, links.band(pk), "music", _("Show the band")) for pk, name in bands]


def _suggested(request: HttpRequest, bands: Sequence[tuple[int, str]]) -> list[Fix]:
    """Return a link to each band for which a channel has been suggested, the oldest suggestion of each."""
    suggested = ChannelSuggestion.objects.open().filter(band__in=[pk for pk, _name in bands])
    of_band = {each.band_id: each for each in suggested.order_by("-pk")}
    label, short = _("See the channel suggested for %(band)s"), _("See the suggested channel")
    note = _("%(who)s has suggested %(channel)s: an admin decides.")
    if request.user.has_perm(EDIT_BAND):
        note = _("%(who)s has suggested %(channel)s: accept or decline it.")
    return [
        Fix(label % {"band": name}, links.band(pk), "star", short, note=note % _shown(of_band[pk]))
        for pk, name in bands
        if pk in of_band
    ]


def _shown(suggestion: ChannelSuggestion) -> dict[str, str]:
    return {
        "who": suggestion.author_label,
        "channel": Truncator(suggestion.channel_handle or suggestion.reference).chars(_LONGEST),
    }
