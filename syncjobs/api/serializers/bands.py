"""Bands."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bands.models import Band, ChannelProblem
from bands.text import ONE_LINE, VISIBLE

from ...stats.freshness import of_band
from ..core.fields import ANYTHING, Flag, Many, NullableText, Strict, Text, Whole
from .freshness import BandFeed, BandPush

_COLOR = r"(#[0-9A-Fa-f]{6})?"
_CHANNEL_ID = "UC[A-Za-z0-9_-]{22}"
# Letters of the scripts that most handles are written in. Regular expressions of OpenAPI have no name for all letters.
_LETTERS = (
    r"\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0391-\u03a1\u03a3-\u03e1\u0400-\u0481\u05d0-\u05ea\u0620-\u064a\u0904-\u0939"
    r"\u0e01-\u0e30\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3"
)
_HANDLE = f"@([A-Za-z0-9_.-]{{3,30}}|[A-Za-z0-9_.-]{{0,40}}[{_LETTERS}][A-Za-z0-9_.{_LETTERS}-]{{0,40}})"
_CHANNEL = rf"^(|{_CHANNEL_ID}|{_HANDLE}|(https://)?(www\.|m\.)?youtube\.com/(channel/{_CHANNEL_ID}|{_HANDLE}))$"
_PLAYLIST = r"^(https://www\.youtube\.com/playlist\?list=)?PL[A-Za-z0-9_-]{10,62}$"


@extend_schema_field({"type": "string", "pattern": _CHANNEL, "maxLength": 300, "examples": ["@HumanJukebox"]})
class Channel(Text):
    """Parsed by `operations.band_fields`, which accepts more than the pattern: any URL of a channel that people paste."""


@extend_schema_field({"type": "string", "pattern": _PLAYLIST, "maxLength": 300})
class _Playlist(Text):
    """Parsed by `operations.band_fields` as well."""


class BandBody(Strict):
    """The fields of a band to change; the others stay as they are."""

    slug = Text(required=False, max_length=120, pattern=r"[-a-zA-Z0-9_]+", like="human-jukebox")
    name = Text(required=False, max_length=200, pattern=VISIBLE + ONE_LINE, like="Human Jukebox")
    schoolName = Text(source="school_name", required=False, allow_blank=True, max_length=200)
    nickname = Text(required=False, allow_blank=True, max_length=200)
    city = Text(required=False, allow_blank=True, max_length=120)
    state = Text(required=False, allow_blank=True, max_length=60)
    conference = Text(required=False, allow_blank=True, max_length=120)
    founded = Whole(required=False, allow_null=True, min_value=1700, max_value=2100, help_text="A year.")
    bandType = Text(source="band_type", required=False, allow_blank=True, max_length=60)
    searchKeywords = Many(
        source="search_keywords", child=Text(allow_blank=True, max_length=120), required=False, max_length=50
    )
    isActive = Flag(source="is_active", required=False)
    isFeatured = Flag(source="is_featured", required=False)
    primaryColor = Text(source="primary_color", required=False, allow_blank=True, pattern=_COLOR, like="#660000")
    secondaryColor = Text(source="secondary_color", required=False, allow_blank=True, pattern=_COLOR, like="#FFFFFF")
    youtubeChannel = Channel(
        pattern=ANYTHING,
        source="youtube_channel",
        required=False,
        allow_blank=True,
        max_length=300,
        help_text="The channel's id, @handle or URL in any form; empty: no channel.",
    )
    playlists = Many(
        child=_Playlist(pattern=ANYTHING, max_length=300),
        required=False,
        max_length=50,
        help_text="Additional playlists to sync: ids or URLs.",
    )


class NewBandBody(BandBody):
    """A new band; name and slug are required."""

    slug = Text(max_length=120, pattern=r"[-a-zA-Z0-9_]+", like="human-jukebox")
    name = Text(max_length=200, pattern=VISIBLE + ONE_LINE, like="Human Jukebox")


class BandPauseBody(Strict):
    """Why the band is paused."""

    reason = Text(required=False, allow_blank=True, max_length=500, default="")


class BandSerializer(serializers.ModelSerializer[Band]):
    """A band with the state of its syncs."""

    id = serializers.CharField()
    schoolName = serializers.CharField(source="school_name")
    founded = serializers.IntegerField(allow_null=True)
    bandType = serializers.CharField(source="band_type")
    searchKeywords = serializers.ListField(child=serializers.CharField(), source="search_keywords")
    isActive = serializers.BooleanField(source="is_active")
    isFeatured = serializers.BooleanField(source="is_featured")
    primaryColor = serializers.CharField(source="primary_color")
    secondaryColor = serializers.CharField(source="secondary_color")
    youtubeChannel = serializers.CharField(source="channel_reference")
    playlists = serializers.ListField(child=serializers.CharField(), source="extra_playlists")
    channelId = serializers.CharField(source="channel_id")
    channelTitle = serializers.CharField(source="channel_title")
    channelProblem = serializers.ChoiceField(choices=ChannelProblem.choices, source="channel_problem")
    channelProblemSince = serializers.DateTimeField(source="channel_problem_since", allow_null=True)
    lastFullSyncAt = serializers.DateTimeField(source="last_full_sync_at", allow_null=True)
    lastIncrementalSyncAt = serializers.DateTimeField(source="last_incremental_sync_at", allow_null=True)
    consecutiveFailures = serializers.IntegerField(source="consecutive_failures")
    videoCount = serializers.IntegerField(source="video_count")
    unavailableVideos = serializers.IntegerField(source="unavailable_videos", help_text="Missing once, or unavailable.")
    pausedAt = serializers.DateTimeField(
        source="paused_at", allow_null=True, help_text="Since when its jobs wait; null: they don't."
    )
    pausedBy = NullableText(source="paused_by")
    pauseReason = NullableText(source="pause_reason")
    push = serializers.SerializerMethodField()
    feed = serializers.SerializerMethodField()

    class Meta:
        model = Band
        fields = (
            "id", "slug", "name", "schoolName", "nickname", "city", "state", "conference", "founded", "bandType",
            "searchKeywords", "isActive", "isFeatured", "primaryColor", "secondaryColor", "youtubeChannel", "playlists",
            "channelId", "channelTitle", "channelProblem", "channelProblemSince", "lastFullSyncAt",
            "lastIncrementalSyncAt", "consecutiveFailures", "videoCount", "unavailableVideos", "pausedAt", "pausedBy",
            "pauseReason", "push", "feed",
        )  # fmt: skip

    @extend_schema_field(BandPush)
    def get_push(self, band: Band) -> Any:
        return BandPush(of_band(band)).data

    @extend_schema_field(BandFeed)
    def get_feed(self, band: Band) -> Any:
        return BandFeed(of_band(band)).data
