"""What bands and videos look like to a client, and what a client may write of a band."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bands.models import Band, ChannelProblem, LiveState, Video
from bands.text import VISIBLE

from .fields import ANYTHING, Flag, Many, Strict, Text, Whole

_COLOR = r"(#[0-9A-Fa-f]{6})?"
_CHANNEL = (
    r"^(|UC[A-Za-z0-9_-]{22}|@[A-Za-z0-9]{3,30}"
    r"|https://www\.youtube\.com/(channel/UC[A-Za-z0-9_-]{22}|@[A-Za-z0-9]{3,30}))$"
)
_PLAYLIST = r"^(https://www\.youtube\.com/playlist\?list=)?PL[A-Za-z0-9_-]{10,62}$"


@extend_schema_field({"type": "string", "pattern": _CHANNEL, "maxLength": 300, "examples": ["@HumanJukebox"]})
class _Channel(Text):
    """Read by `band_fields`, which takes more than the pattern says: whatever form of URL people paste."""


@extend_schema_field({"type": "string", "pattern": _PLAYLIST, "maxLength": 300})
class _Playlist(Text):
    """Read by `band_fields`, likewise."""


class BandBody(Strict):
    """What may be written of a band; what is left out stays as it is."""

    slug = Text(required=False, max_length=120, pattern=r"[-a-zA-Z0-9_]+", like="human-jukebox")
    name = Text(required=False, max_length=200, pattern=VISIBLE + ANYTHING, like="Human Jukebox")
    schoolName = Text(required=False, allow_blank=True, max_length=200)
    nickname = Text(required=False, allow_blank=True, max_length=200)
    city = Text(required=False, allow_blank=True, max_length=120)
    state = Text(required=False, allow_blank=True, max_length=60)
    conference = Text(required=False, allow_blank=True, max_length=120)
    founded = Whole(required=False, allow_null=True, min_value=1700, max_value=2100, help_text="A year.")
    bandType = Text(required=False, allow_blank=True, max_length=60)
    searchKeywords = Many(child=Text(allow_blank=True, max_length=120), required=False, max_length=50)
    isActive = Flag(required=False)
    isFeatured = Flag(required=False)
    primaryColor = Text(required=False, allow_blank=True, pattern=_COLOR, like="#660000")
    secondaryColor = Text(required=False, allow_blank=True, pattern=_COLOR, like="#FFFFFF")
    youtubeChannel = _Channel(
        required=False,
        allow_blank=True,
        max_length=300,
        help_text="Its id, @handle or URL, in any form that YouTube has; empty: none.",
    )
    playlists = Many(
        child=_Playlist(max_length=300),
        required=False,
        max_length=50,
        help_text="More playlists to read: ids or URLs.",
    )


class NewBandBody(BandBody):
    """A new band; name and slug must be there."""

    slug = Text(max_length=120, pattern=r"[-a-zA-Z0-9_]+", like="human-jukebox")
    name = Text(max_length=200, pattern=VISIBLE + ANYTHING, like="Human Jukebox")


class BandSerializer(serializers.ModelSerializer[Band]):
    """A band, with how its syncs are doing."""

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
    unavailableVideos = serializers.IntegerField(
        source="unavailable_videos", help_text="Missing once, or found unavailable since."
    )

    class Meta:
        model = Band
        fields = (
            "id", "slug", "name", "schoolName", "nickname", "city", "state", "conference", "founded", "bandType",
            "searchKeywords", "isActive", "isFeatured", "primaryColor", "secondaryColor", "youtubeChannel", "playlists",
            "channelId", "channelTitle", "channelProblem", "channelProblemSince", "lastFullSyncAt",
            "lastIncrementalSyncAt", "consecutiveFailures", "videoCount", "unavailableVideos",
        )  # fmt: skip


class VideoSerializer(serializers.ModelSerializer[Video]):
    id = serializers.CharField()
    youtubeId = serializers.CharField(source="youtube_id")
    bandId = serializers.CharField(source="band_id")
    channelTitle = serializers.CharField(source="channel_title")
    publishedAt = serializers.DateTimeField(source="published_at", allow_null=True)
    durationSeconds = serializers.IntegerField(source="duration_seconds", allow_null=True)
    liveState = serializers.ChoiceField(choices=LiveState.choices, source="live_state")
    thumbnails = serializers.DictField(help_text="As YouTube gives them: by size, with url, width and height.")
    tags = serializers.ListField(child=serializers.CharField())
    viewCount = serializers.IntegerField(source="view_count", allow_null=True, help_text="null: YouTube doesn't tell.")
    likeCount = serializers.IntegerField(source="like_count", allow_null=True)
    commentCount = serializers.IntegerField(source="comment_count", allow_null=True)
    availabilitySince = serializers.DateTimeField(source="availability_since")

    class Meta:
        model = Video
        fields = (
            "id", "youtubeId", "bandId", "title", "description", "channelTitle", "publishedAt", "durationSeconds", "liveState",
            "thumbnails", "tags", "viewCount", "likeCount", "commentCount", "availability", "availabilitySince",
        )  # fmt: skip
