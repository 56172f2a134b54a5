"""Suggest a channel for a band, withdraw the suggestion, and decide about it.

A moderator may not change bands. A suggestion that an admin accepts changes the band as an edit does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from bands import channels
from bands.models import Band

from ..audit.actors import Actor
from ..audit.record import audited
from ..choices import SuggestionState
from ..exceptions import Conflict, InvalidInput, NotFound, NotPermitted
from ..models import ChannelSuggestion
from ..youtube.references import ChannelReference, MalformedReference, parse_channel, unwrap
from ..youtube.types import Channel
from . import band_fields, bands
from .band_pauses import lock_band
from .channels import channel_index
from .texts import check_text, translated

MAY_SUGGEST, MAY_DECIDE = "syncjobs.trigger_sync", "bands.change_band"
MAX_TEXT = 500
MAX_OPEN = 20
"""A band has at most so many suggestions that nobody has decided about: its page shows them all."""
OTHER_ACCEPTED = gettext_noop("Another suggestion was accepted.")
"""The reason that the site gives itself. It is stored in English, and pages translate it."""
_MAX_REFERENCE = 300


def get(suggestion_id: int) -> ChannelSuggestion:
    """Return the suggestion with its band. Raises NotFound."""
    suggestion = ChannelSuggestion.objects.filter(pk=suggestion_id).select_related("band").first()
    if suggestion is None:
        raise NotFound(_("There is no suggestion %(id)s.") % {"id": suggestion_id}, field="id")
    return suggestion


def suggest(
    actor: Actor, band_id: int, reference: str, note: str = "", channel: Channel | None = None
) -> tuple[ChannelSuggestion, bool]:
    """Suggest a channel for a band; return the suggestion, and whether it is new: somebody else may have made it already.

    `channel` is what YouTube knows by the reference, if the actor has looked it up.

    Raises NotFound, InvalidInput, and Conflict if the band or another one has the channel, or the band MAX_OPEN suggestions.
    """
    reference = unwrap(reference)
    with audited(actor, "suggest_channel", "band", band_id) as span:
        note = _text(note, "note")
        parsed = _parsed(reference)
        # Two people who suggest the same at once wait for each other here.
        band = lock_band(band_id)
        _refuse_present(band, reference, parsed, channel)
        open_now = list(ChannelSuggestion.objects.open().filter(band=band).order_by("pk"))
        found = _same(open_now, parsed, channel)
        if found is None and len(open_now) >= MAX_OPEN:
            raise Conflict(
                _("%(band)s has %(n)s open suggestions. An admin has to decide about them first.")
                % {"band": band.name, "n": MAX_OPEN},
                field="channel",
            )
        if found is not None and channel is not None and not found.channel_id:
            # Its author had not looked it up.
            ChannelSuggestion.objects.filter(pk=found.pk).update(**_known(channel))
        suggestion = found or ChannelSuggestion.objects.create(
            band=band,
            reference=reference,
            note=note,
            author_id=actor.user_id,
            author_label=actor.label[:200],
            **_known(channel),
        )
        span.message, span.data = note, {"band": band.name, "channel": reference, "new": found is None}
    return suggestion, found is None


def accept(actor: Actor, suggestion_id: int, *, seen: str | None = None) -> Band:
    """Give the band the suggested channel, and decline other suggestions for it. Return the band.

    `seen` is the channel that the actor saw the band have, as `present_channel` returns it; None: any.

    Raises NotFound, Conflict if somebody has decided about it or the band no longer has the channel `seen`, and Taken if
    another band has the suggested channel by now.
    """

    def check(band: Band) -> None:
        if seen is not None and seen != (now := present_channel(band)):
            nothing = _("no channel")
            values = {"now": now or nothing, "seen": seen or nothing}
            message = _(
                "The band's channel is not the one you saw: %(now)s instead of %(seen)s. Look, then decide again."
            )
            raise Conflict(message % values, field="channel")

    suggestion = get(suggestion_id)
    with audited(actor, "accept_suggestion", "band", suggestion.band_id) as span:
        # Its lock on the band comes before those on its suggestions, as in the deletion of a band.
        values = {"youtube_channel": suggestion.reference}
        band = bands.change(actor, suggestion.band_id, values, _channel_of(suggestion), check=check)
        _decide(actor, suggestion, SuggestionState.ACCEPTED)
        others = ChannelSuggestion.objects.open().filter(band=band)
        others.update(**_decision(actor, SuggestionState.DECLINED, OTHER_ACCEPTED))
        span.message = suggestion.reference
        span.data = {"band": band.name, "suggestion": suggestion.pk, "author": suggestion.author_label}
    return band


def decline(actor: Actor, suggestion_id: int, reason: str) -> ChannelSuggestion:
    """Decline a suggestion; its author sees the reason. Raises NotFound, InvalidInput, and Conflict if it is decided."""
    suggestion = get(suggestion_id)
    with audited(actor, "decline_suggestion", "band", suggestion.band_id) as span:
        reason = _text(reason, "reason")
        if not reason:
            raise InvalidInput(_("Say why, so that its author knows."), field="reason")
        _decide(actor, suggestion, SuggestionState.DECLINED, reason)
        span.message = reason
        span.data = {"band": suggestion.band.name, "suggestion": suggestion.pk, "channel": suggestion.reference}
    return suggestion


def withdraw(actor: Actor, suggestion_id: int) -> ChannelSuggestion:
    """Take one's own suggestion back. Raises NotFound, NotPermitted, and Conflict if somebody has decided about it."""
    suggestion = get(suggestion_id)
    with audited(actor, "withdraw_suggestion", "band", suggestion.band_id) as span:
        if error := withdraw_problem(actor, suggestion):
            raise error
        _decide(actor, suggestion, SuggestionState.WITHDRAWN)
        span.data = {"band": suggestion.band.name, "suggestion": suggestion.pk, "channel": suggestion.reference}
    return suggestion


def present_channel(band: Band) -> str:
    """Return the channel that a band has, as it was entered; empty if it has none."""
    return band_fields.shown(band, "youtube_channel")


def decided_problem(suggestion: ChannelSuggestion) -> Conflict | None:
    """Return an error if somebody has decided about the suggestion."""
    texts = {
        SuggestionState.ACCEPTED.value: _("%(who)s accepted this suggestion at %(time)s UTC."),
        SuggestionState.DECLINED.value: _("%(who)s declined this suggestion at %(time)s UTC."),
        SuggestionState.WITHDRAWN.value: _("%(who)s withdrew this suggestion at %(time)s UTC."),
    }
    if suggestion.state not in texts:
        return None
    values = {"who": suggestion.decided_by, "time": f"{suggestion.decided_at:%Y-%m-%d %H:%M:%S}"}
    return Conflict(texts[suggestion.state] % values)


def withdraw_problem(actor: Actor, suggestion: ChannelSuggestion) -> Conflict | NotPermitted | None:
    """Return why the actor can't withdraw the suggestion, if so."""
    if not is_author(actor, suggestion):
        return NotPermitted(_("Only %(who)s can withdraw this suggestion.") % {"who": suggestion.author_label})
    return decided_problem(suggestion)


def is_author(actor: Actor, suggestion: ChannelSuggestion) -> bool:
    """Whether the actor has made the suggestion. Operators have no account, only the name and host that label them."""
    if actor.user_id is not None or suggestion.author_id is not None:
        return actor.user_id == suggestion.author_id
    return actor.is_personal and actor.label[:200] == suggestion.author_label


def _decide(actor: Actor, suggestion: ChannelSuggestion, state: SuggestionState, reason: str = "") -> None:
    undecided = ChannelSuggestion.objects.open().filter(pk=suggestion.pk)
    if not undecided.update(**_decision(actor, state, reason)):
        raise Conflict(_("Somebody has already decided about this suggestion."))


def _decision(actor: Actor, state: SuggestionState, reason: str = "") -> dict[str, Any]:
    return {"state": state, "decided_at": Now(), "decided_by": actor.label[:200], "reason": reason}


def _text(text: str, field: str) -> str:
    text = text.strip()
    if len(text) > MAX_TEXT:
        raise InvalidInput(_("Must be at most %(max)s characters.") % {"max": MAX_TEXT}, field=field)
    check_text(text, field)
    return text


def _parsed(reference: str) -> ChannelReference:
    if len(reference) > _MAX_REFERENCE:
        raise InvalidInput(_("Must be at most %(max)s characters.") % {"max": _MAX_REFERENCE}, field="channel")
    check_text(reference, "channel")
    try:
        return parse_channel(reference)
    except MalformedReference as error:
        raise InvalidInput(translated(error), field="channel") from None


def _refuse_present(band: Band, reference: str, parsed: ChannelReference, channel: Channel | None) -> None:
    """Raise Conflict if the band or another one has the channel. A handle may have moved on to another channel."""
    has = band.channel_id == channel.id if channel else reference == band.channel_reference
    if has or (parsed.kind == "id" and parsed.value == band.channel_id):
        raise Conflict(_("%(band)s already has this channel.") % {"band": band.name}, field="channel")
    candidate = Band(pk=band.pk, channel_reference=reference)
    candidate.channel_id = channel.id if channel else parsed.value if parsed.kind == "id" else ""
    candidate.channel_handle = channel.handle if channel else ""
    if conflict := channels.channel_conflict(candidate, channel_index()):
        raise Conflict(conflict, field="channel")


def _same(
    suggestions: Iterable[ChannelSuggestion], parsed: ChannelReference, channel: Channel | None
) -> ChannelSuggestion | None:
    """Return the first suggestion of the same channel."""

    def names(reference: ChannelReference, channel_id: str) -> set[tuple[str, str]]:
        value = reference.value if reference.kind == "id" else reference.value.casefold()
        return {(reference.kind, value), *([("id", channel_id)] if channel_id else [])}

    wanted = names(parsed, channel.id if channel else "")
    return next((each for each in suggestions if wanted & names(parse_channel(each.reference), each.channel_id)), None)


def _known(channel: Channel | None) -> dict[str, Any]:
    if channel is None:
        return {}
    return {
        "channel_id": channel.id,
        "channel_handle": channel.handle[:120],
        "channel_title": channel.title[:200],
        "video_count": channel.video_count,
    }


def _channel_of(suggestion: ChannelSuggestion) -> Channel | None:
    """Return the channel as its author saw it, so that the band's next sync need not look it up."""
    if not suggestion.channel_id:
        return None
    return Channel(
        id=suggestion.channel_id,
        handle=suggestion.channel_handle,
        title=suggestion.channel_title,
        uploads_playlist_id=channels.uploads_playlist_id(suggestion.channel_id),
        video_count=suggestion.video_count,
    )
