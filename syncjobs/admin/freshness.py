"""The questions before the hub is asked again, and before feeds are read at once, for one band or for all."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bands.models import Band

from ..audit.actors import Actor
from ..operations import feeds, subscriptions
from .core import links
from .core.pages import Question, ask


def ask_to_subscribe(request: HttpRequest, band: Band | None = None) -> HttpResponse:
    """Confirm, then ask YouTube's hub again for the subscription of a band, or of all."""
    question = Question(
        title=_("Subscribe to %(band)s again?") % {"band": band.name} if band else _("Subscribe to all bands again?"),
        text=_("YouTube's hub is asked within a minute, for no quota. A subscription that works goes on working.")
        if band
        else _("YouTube's hub is asked for two bands a second, for no quota. Subscriptions that work go on working."),
        button=_("Subscribe again"),
        icon="link",
        back=_back(band),
        parent=band.name if band else "",
    )

    def do(actor: Actor, _values: dict[str, Any]) -> str:
        renewed = subscriptions.renew(actor, [band.pk] if band else None)
        if not band:
            text = ngettext("The hub will be asked for %(n)s band.", "The hub will be asked for %(n)s bands.", renewed)
            return text % {"n": renewed}
        if renewed:
            return _("%(band)s: the hub will be asked again.") % {"band": band.name}
        return _("%(band)s has no subscription: it is inactive, or its channel is not known.") % {"band": band.name}

    return ask(request, question, do)


def ask_to_read(request: HttpRequest, band: Band | None = None) -> HttpResponse:
    """Confirm, then have the feed of a band read at once, or those of all."""
    question = Question(
        title=_("Read the feed of %(band)s now?") % {"band": band.name} if band else _("Read all feeds now?"),
        text=_("A worker reads the channel's 15 newest videos within seconds, for no quota.")
        if band
        else _("A worker reads the 15 newest videos of each channel, eight channels a second, for no quota."),
        button=_("Read the feed now") if band else _("Read all feeds now"),
        icon="feed",
        back=_back(band),
        parent=band.name if band else "",
    )

    def do(actor: Actor, _values: dict[str, Any]) -> str:
        number = feeds.read_now(actor, [band.pk] if band else None)
        if not band:
            return ngettext("%(n)s feed will be read.", "%(n)s feeds will be read.", number) % {"n": number}
        if number:
            return _("%(band)s: the feed will be read.") % {"band": band.name}
        return _("%(band)s has no feed: it is inactive, or its channel is not known.") % {"band": band.name}

    return ask(request, question, do)


def _back(band: Band | None) -> str:
    return links.band(band.pk) if band else links.freshness()
