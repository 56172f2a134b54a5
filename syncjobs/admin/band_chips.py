"""The chips of the list of bands: how many bands each filter would leave."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.utils.translation import gettext as _

from bands.models import BandQuerySet, BandState

from ..listing.bands import BandStates
from .core.job_filters import Chip

_HEALTH = (
    BandState.FAILING,
    BandState.PROBLEM,
    BandState.NO_CHANNEL,
    BandState.STALE,
    BandState.NEVER,
    BandState.PAUSED,
    BandState.INACTIVE,
    BandState.FRESH,
    BandState.HEALTHY,
)
"""The states that have a chip, what needs a person first."""


def chips(request: HttpRequest, wanted: dict[str, Any], bands: BandQuerySet) -> list[Chip]:
    """Return a chip for all of the bands, one for each state of their health, and one for suggested channels.

    Each takes the place of the others, and has the number of bands that the list would then have: what the chips filter by
    makes no difference to it, but the other filters do.
    """
    by_chip = {"health": "", "suggestion": ""}
    others = BandStates.narrow(bands, wanted | by_chip)
    by_state = others.count_by_state()
    everything = by_state[BandState.ACTIVE] + by_state[BandState.INACTIVE]
    choices = [("", _("All"), everything), *((state, str(state.label), by_state[state]) for state in _HEALTH)]
    health, is_on = request.GET.get("health", ""), bool(wanted["suggestion"])
    drawn = [
        Chip(
            label,
            _url(request, **by_chip | {"health": state}),
            state == health and (bool(state) or not is_on),
            name=f"health-{state or 'all'}",
            count=count,
        )
        for state, label, count in choices
    ]
    count = BandStates.narrow(others, by_chip | {"suggestion": "open"}).count()
    if is_on or count:
        url = _url(request, suggestion="") if is_on else _url(request, **by_chip | {"suggestion": "open"})
        drawn.append(Chip(_("Channel suggested"), url, is_on, name="suggestion", count=count))
    return drawn


def _url(request: HttpRequest, **changes: str) -> str:
    """Return the list's address with other filters, on the first page."""
    values = {name: value for name, value in request.GET.items() if name != "page"} | changes
    return "?" + urlencode({name: value for name, value in values.items() if value})
