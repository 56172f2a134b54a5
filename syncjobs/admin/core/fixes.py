"""Links to what removes the cause of an error, so that a retry can succeed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.translation import gettext as _

from ...engine import error_reasons
from ...operations.queues import ALL_QUEUES
from . import links

MOST_BANDS = 3
"""So many bands of an error are offered; its page has the rest."""
_EDIT_BAND, _ADD_BAND, _PAUSE = "bands.change_band", "bands.add_band", "syncjobs.pause_queue"


@dataclass(frozen=True, slots=True)
class Fix:
    """A link to a page where a person can remove the cause. `short` is the label where the band is named beside it."""

    label: str
    url: str
    icon: str
    short: str = ""


def of(request: HttpRequest, reason: str, bands: Sequence[tuple[int, str]]) -> list[Fix]:
    """Return what helps with an error of this reason and the person may do; `bands` are (id, name) of those that have it."""
    needs = error_reasons.explain(reason).needs
    if needs == _EDIT_BAND and request.user.has_perm(_EDIT_BAND):
        label, short = _("Change the channel of %(band)s"), _("Change the channel")
        if reason == "playlistUnreadable":
            label, short = _("Edit %(band)s"), _("Edit the band")
        return [
            Fix(label % {"band": name}, links.object_page("bands_band_edit", pk), "edit", short) for pk, name in bands
        ]
    if needs == _ADD_BAND and request.user.has_perm(needs):
        return [Fix(_("Add band"), links.page("bands_band_add"), "plus")]
    if needs == _PAUSE and request.user.has_perm(needs):
        return [Fix(_("Resume all queues"), links.object_page("syncjobs_queue_resume", ALL_QUEUES), "play")]
    if not request.user.has_perm("bands.view_band"):
        return []
    return [Fix(_("Open %(band)s") % {"band": name}, links.band(pk), "music", _("Show the band")) for pk, name in bands]
