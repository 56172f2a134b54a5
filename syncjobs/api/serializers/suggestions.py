"""Suggested channels."""

from __future__ import annotations

from rest_framework import serializers

from bands.text import ONE_LINE, VISIBLE

from ...choices import SuggestionState
from ...models import ChannelSuggestion
from ...operations import suggestions
from ..core.fields import ANYTHING, Id, NullableText, Strict, Text
from .bands import Channel


class SuggestionBody(Strict):
    """The channel to suggest, and for which band."""

    bandId = Id(source="band_id")
    youtubeChannel = Channel(
        pattern=ANYTHING, source="channel", max_length=300, help_text="The channel's id, @handle or URL in any form."
    )
    note = Text(
        required=False, allow_blank=True, max_length=500, default="", pattern=ONE_LINE, help_text="Where you found it."
    )


class AcceptBody(Strict):
    """What the band had when its channel was compared with the suggested one."""

    bandYoutubeChannel = Text(
        pattern=ANYTHING,
        source="channel",
        required=False,
        allow_blank=True,
        max_length=300,
        help_text="The channel that the band has, as the suggestion says: 409 if it has another one by now.",
    )


class DeclineBody(Strict):
    """Why a suggestion is declined; its author sees it."""

    reason = Text(max_length=500, pattern=VISIBLE + ONE_LINE, like="This is a fan's channel.")


class SuggestionSerializer(serializers.ModelSerializer[ChannelSuggestion]):
    """A channel that somebody suggests for a band."""

    id = serializers.CharField()
    bandId = serializers.CharField(source="band_id")
    bandName = serializers.CharField(source="band.name")
    bandYoutubeChannel = serializers.SerializerMethodField(help_text="The channel that the band has; empty: none.")
    youtubeChannel = serializers.CharField(source="reference", help_text="As entered.")
    channelId = NullableText(source="channel_id", help_text="null: its author has not looked it up.")
    channelTitle = NullableText(source="channel_title")
    note = NullableText()
    state = serializers.ChoiceField(choices=SuggestionState.values)
    author = serializers.CharField(source="author_label")
    createdAt = serializers.DateTimeField(source="created_at")
    decidedBy = NullableText(source="decided_by")
    decidedAt = serializers.DateTimeField(source="decided_at", allow_null=True)
    reason = NullableText(help_text="Why it was declined.")

    class Meta:
        model = ChannelSuggestion
        fields = (
            "id", "bandId", "bandName", "bandYoutubeChannel", "youtubeChannel", "channelId", "channelTitle", "note", "state",
            "author", "createdAt", "decidedBy", "decidedAt", "reason",
        )  # fmt: skip

    def get_bandYoutubeChannel(self, suggestion: ChannelSuggestion) -> str:
        return suggestions.present_channel(suggestion.band)
