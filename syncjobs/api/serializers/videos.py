"""Videos."""

from __future__ import annotations

from rest_framework import serializers

from bands.models import LiveState, Video


class VideoSerializer(serializers.ModelSerializer[Video]):
    id = serializers.CharField()
    youtubeId = serializers.CharField(source="youtube_id")
    bandId = serializers.CharField(source="band_id")
    channelTitle = serializers.CharField(source="channel_title")
    publishedAt = serializers.DateTimeField(source="published_at", allow_null=True)
    durationSeconds = serializers.IntegerField(source="duration_seconds", allow_null=True)
    liveState = serializers.ChoiceField(choices=LiveState.choices, source="live_state")
    thumbnails = serializers.DictField(help_text="As YouTube returns them: by size, with url, width and height.")
    tags = serializers.ListField(child=serializers.CharField())
    viewCount = serializers.IntegerField(
        source="view_count", allow_null=True, help_text="null: YouTube does not publish it."
    )
    likeCount = serializers.IntegerField(source="like_count", allow_null=True)
    commentCount = serializers.IntegerField(source="comment_count", allow_null=True)
    availabilitySince = serializers.DateTimeField(source="availability_since")

    class Meta:
        model = Video
        fields = (
            "id", "youtubeId", "bandId", "title", "description", "channelTitle", "publishedAt", "durationSeconds", "liveState",
            "thumbnails", "tags", "viewCount", "likeCount", "commentCount", "availability", "availabilitySince",
        )  # fmt: skip
