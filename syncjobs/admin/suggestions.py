"""Suggested channels: suggesting one, and accepting or declining it."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bands.models import Band, BandQuerySet

from ..audit.actors import Actor
from ..choices import SuggestionState
from ..engine import clock
from ..exceptions import InvalidInput
from ..models import ChannelSuggestion
from ..operations import suggestions
from . import band_form
from .core import links
from .core.pages import Question, Unchanged, actor_of, ask, refuse, style

_DECIDED, _DAYS = 3, 14
"""So many decisions of so many days are shown."""


class SuggestionForm(forms.Form):
    """The channel and why, with the names that `operations.suggestions` reports problems by."""

    channel = band_form.channel_field()
    note = forms.CharField(
        required=False,
        max_length=suggestions.MAX_TEXT,
        label=gettext_lazy("Note (optional)"),
        help_text=gettext_lazy("Where you found it, for the admin who decides."),
    )

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["channel"].required = True
        self.fields["channel"].widget.attrs |= band_form.look_up_attributes(request, "id_channel")


class AcceptForm(forms.Form):
    """The channel that the person sees the band have; scripts may leave it out."""

    present = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)

    def clean_present(self) -> str | None:
        return self.cleaned_data["present"] if "present" in self.data else None


class DeclineForm(forms.Form):
    """Why a suggestion is declined."""

    reason = forms.CharField(
        max_length=suggestions.MAX_TEXT,
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("Shown to its author on the band's page, and kept in the audit log."),
    )


def context_of(band: Band) -> dict[str, Any]:
    """Return what the band's page shows: the open suggestions, the oldest first, and the last decisions."""
    since = clock.approximate() - dt.timedelta(days=_DAYS)
    rows = ChannelSuggestion.objects.filter(Q(state=SuggestionState.OPEN) | Q(decided_at__gte=since), band=band)
    found = list(rows.order_by("pk"))
    decided = [row for row in found if row.state != SuggestionState.OPEN]
    for row in decided:
        if row.reason == suggestions.OTHER_ACCEPTED:
            row.reason = _(suggestions.OTHER_ACCEPTED)
    return {
        "suggestions": [row for row in found if row.state == SuggestionState.OPEN],
        "decided": decided[: -_DECIDED - 1 : -1],
    }


def noted(bands: BandQuerySet) -> BandQuerySet:
    """Annotate `has_suggestion`: whether a channel is suggested for the band."""
    return bands.annotate(has_suggestion=Exists(ChannelSuggestion.objects.open().filter(band=OuterRef("pk"))))


def ask_to_suggest(request: HttpRequest, band: Band) -> HttpResponse:
    """Ask for the channel, show what YouTube knows about it, and save the suggestion."""
    form = SuggestionForm(request.POST if request.method == "POST" else None, request=request)
    question = Question(
        title=_("Suggest a channel for %(band)s") % {"band": band.name},
        text=_(
            "An admin sees your suggestion on the band's page and accepts or declines it. Until then you can withdraw it."
        ),
        button=_("Suggest"),
        back=links.band(band.pk),
        parent=band.name,
        icon="plus",
    )
    if request.method == "POST" and "look_up" in request.POST:
        found = band_form.look_up(request, band, "channel")
        return render(request, "syncjobs/bands/channel.html", {"look_up": found, "band": band})

    def do(actor: Actor, values: dict[str, Any]) -> str:
        if band_form.is_missing(request, values["channel"]):
            text = _("YouTube has no such channel. Check how it is written, or paste its URL.")
            raise InvalidInput(text, field="channel")
        channel = band_form.looked_up(request, values["channel"])
        suggestion, is_new = suggestions.suggest(actor, band.pk, values["channel"], values["note"], channel)
        if is_new:
            return _("%(channel)s is suggested for %(band)s.") % {"channel": suggestion, "band": band.name}
        said = _("%(who)s has already suggested this channel.") % {"who": suggestion.author_label}
        if suggestions.is_author(actor, suggestion):
            said = _("You have already suggested this channel.")
        lost = _("Your note was not saved.")
        return Unchanged(f"{said} {lost}" if values["note"] else said)

    return ask(
        request, question, do, form=style(form), template="syncjobs/bands/suggest.html", then=links.band(band.pk)
    )


def ask_to_accept(request: HttpRequest, suggestion: ChannelSuggestion) -> HttpResponse:
    """Show what changes, then give the band the channel."""
    if refusal := refuse(request, suggestions.decided_problem(suggestion), links.band(suggestion.band_id)):
        return refusal
    band = suggestion.band
    present = suggestions.present_channel(band)
    form = AcceptForm(request.POST if request.method == "POST" else None, initial={"present": present})
    question = Question(
        title=_("Accept the channel for %(band)s?") % {"band": band.name},
        text=_(
            "The next sync of the band reads all videos of the new channel. The videos that the band has now are kept; "
            "those that YouTube no longer has become unavailable."
        ),
        warning=""
        if suggestion.channel_id
        else _(
            "Nobody has looked this channel up on YouTube yet. The next sync of the band does, and fails if there is none."
        ),
        button=_("Accept"),
        back=links.band(band.pk),
        parent=band.name,
        icon="check",
        details=[
            (present or _("no channel")) + f" → {suggestion.reference}",
            *([f"{suggestion.channel_title} {suggestion.channel_handle}"] if suggestion.channel_title else []),
            _("Suggested by %(who)s") % {"who": suggestion.author_label},
            *([suggestion.note] if suggestion.note else []),
        ],
    )

    def do(actor: Actor, values: dict[str, Any]) -> str:
        suggestions.accept(actor, suggestion.pk, seen=values["present"])
        named = {"band": band.name, "channel": suggestion.reference}
        return _("%(band)s has the channel %(channel)s now. It has not been synced yet.") % named

    may_sync = request.user.has_perm("syncjobs.trigger_sync") and band.is_active
    next_step = (links.object_page("bands_band_sync", band.pk), _("Sync now")) if may_sync else None
    return ask(request, question, do, form=form, next_step=next_step)


def ask_to_decline(request: HttpRequest, suggestion: ChannelSuggestion) -> HttpResponse:
    """Ask for the reason, then decline a suggestion."""
    if refusal := refuse(request, suggestions.decided_problem(suggestion), links.band(suggestion.band_id)):
        return refusal
    band = suggestion.band
    question = Question(
        title=_("Decline the channel for %(band)s?") % {"band": band.name},
        text=_("%(who)s suggested %(channel)s.") % {"who": suggestion.author_label, "channel": suggestion.reference},
        button=_("Decline"),
        back=links.band(band.pk),
        parent=band.name,
        icon="cross",
    )

    def do(actor: Actor, values: dict[str, Any]) -> str:
        suggestions.decline(actor, suggestion.pk, values["reason"])
        return _("The suggestion is declined.")

    return ask(request, question, do, form=style(DeclineForm(request.POST if request.method == "POST" else None)))


def ask_to_withdraw(request: HttpRequest, suggestion: ChannelSuggestion) -> HttpResponse:
    """Confirm, then withdraw a suggestion."""
    if refusal := refuse(
        request, suggestions.withdraw_problem(actor_of(request), suggestion), links.band(suggestion.band_id)
    ):
        return refusal
    band = suggestion.band
    question = Question(
        title=_("Withdraw your suggestion for %(band)s?") % {"band": band.name},
        text=_("You suggested %(channel)s.") % {"channel": suggestion.reference},
        button=_("Withdraw"),
        back=links.band(band.pk),
        parent=band.name,
        icon="cross",
    )

    def do(actor: Actor, _values: dict[str, Any]) -> str:
        suggestions.withdraw(actor, suggestion.pk)
        return _("The suggestion is withdrawn.")

    return ask(request, question, do)
