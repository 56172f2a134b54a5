"""What jobs, bands, videos and the rest look like to a client, and what a client may send."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from bands.models import Band, Video

from ..choices import Priority
from ..models import Attempt, ErrorGroup, JobError, JobEvent, SyncJob


class JobSerializer(serializers.ModelSerializer[SyncJob]):
    """A job in a list; `errors` are read for a whole page at once, by `errors_of`."""

    id = serializers.CharField(read_only=True)
    bandId = serializers.CharField(source="band_id", allow_null=True, read_only=True)
    bandName = serializers.SerializerMethodField()
    jobType = serializers.CharField(source="job_type", read_only=True)
    queue = serializers.CharField(source="queue_id", read_only=True)
    videosFound = serializers.IntegerField(source="videos_found", read_only=True)
    videosAdded = serializers.IntegerField(source="videos_added", read_only=True)
    videosUpdated = serializers.IntegerField(source="videos_updated", read_only=True)
    videosUnavailable = serializers.IntegerField(source="videos_unavailable", read_only=True)
    errors = serializers.SerializerMethodField()  # type: ignore[assignment]
    startedAt = serializers.DateTimeField(source="started_at", read_only=True)
    completedAt = serializers.DateTimeField(source="completed_at", read_only=True)
    createdAt = serializers.DateTimeField(source="created_at", read_only=True)
    duration = serializers.SerializerMethodField(help_text="Milliseconds from the start to the end.")
    queuePosition = serializers.IntegerField(
        source="queue_position", allow_null=True, read_only=True, help_text="1 is claimed next."
    )
    progress = serializers.SerializerMethodField()
    quotaUsed = serializers.IntegerField(source="quota_used", read_only=True)
    runAt = serializers.DateTimeField(source="run_at", read_only=True)
    delayReason = serializers.CharField(source="delay_reason", read_only=True)
    attempts = serializers.IntegerField(source="attempts_made", read_only=True)
    retryOf = serializers.CharField(source="retry_of_id", allow_null=True, read_only=True)
    requestedBy = serializers.CharField(source="requested_by_label", read_only=True)
    cancelRequestedAt = serializers.DateTimeField(source="cancel_requested_at", read_only=True)
    parentId = serializers.CharField(source="parent_id", allow_null=True, read_only=True)

    class Meta:
        model = SyncJob
        fields = (
            "id", "bandId", "bandName", "jobType", "status", "queue", "priority", "videosFound", "videosAdded",
            "videosUpdated", "videosUnavailable", "errors", "startedAt", "completedAt", "createdAt", "duration",
            "queuePosition", "progress", "quotaUsed", "runAt", "delayReason", "attempts", "retryOf", "requestedBy",
            "cancelRequestedAt", "parentId",
        )  # fmt: skip

    def get_bandName(self, job: SyncJob) -> str | None:
        return job.band_name or None

    def get_errors(self, job: SyncJob) -> list[str]:
        errors: dict[int, list[str]] = self.context.get("errors", {})
        return errors.get(job.pk, [])

    def get_duration(self, job: SyncJob) -> int | None:
        if job.started_at is None or job.completed_at is None:
            return None
        return round((job.completed_at - job.started_at).total_seconds() * 1000)

    def get_progress(self, job: SyncJob) -> dict[str, int | None]:
        return {"done": job.progress_done, "total": job.progress_total}


def errors_of(jobs: list[SyncJob]) -> dict[int, list[str]]:
    """What went wrong with each of these jobs; failures that were tried again are not counted."""
    found: dict[int, list[str]] = {}
    rows = JobError.objects.filter(job_id__in=[job.pk for job in jobs], will_retry=False).order_by("pk")
    for job_id, message in rows.values_list("job_id", "message"):
        found.setdefault(job_id, []).append(message)
    return found


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    startedAt = serializers.DateTimeField(source="started_at")
    endedAt = serializers.DateTimeField(source="ended_at")
    errorReason = serializers.CharField(source="error_reason")

    class Meta:
        model = Attempt
        fields = ("number", "outcome", "worker", "startedAt", "endedAt", "error", "errorReason")


class EventSerializer(serializers.ModelSerializer[JobEvent]):
    attempt = serializers.IntegerField(source="attempt_number", allow_null=True)

    class Meta:
        model = JobEvent
        fields = ("at", "kind", "message", "attempt", "data")


class Strict(serializers.Serializer[Any]):
    """A body in which an unknown key is an error: whoever sent it expects it to do something."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := set(data) - set(self.fields)):
            known = ", ".join(self.fields)
            raise serializers.ValidationError(
                {name: [f"There is no such key. There are: {known}."] for name in sorted(map(str, unknown))}
            )
        return super().to_internal_value(data)


class TriggerBody(Strict):
    bandId = serializers.RegexField(
        r"^[0-9]{1,18}\Z", required=False, allow_null=True, help_text="Left out: all active bands."
    )
    syncType = serializers.ChoiceField(choices=["FULL", "INCREMENTAL"])
    forceSync = serializers.BooleanField(required=False, default=False)
    priority = serializers.ChoiceField(choices=Priority.choices, required=False, allow_null=True)


class QueueBody(Strict):
    queue = serializers.CharField(required=False, max_length=60)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=500, default="")


class NoteBody(Strict):
    note = serializers.CharField(required=False, allow_blank=True, max_length=2000, default="")


class Accepted(serializers.Serializer[Any]):
    """A job was queued, or an equal one was queued or running already (`isNew` false)."""

    message = serializers.CharField()
    jobId = serializers.CharField()
    isNew = serializers.BooleanField()


class Message(serializers.Serializer[Any]):
    message = serializers.CharField()


class Cleared(Message):
    count = serializers.IntegerField()


class ErrorGroupSerializer(serializers.ModelSerializer[ErrorGroup]):
    errorMessage = serializers.CharField(source="message")
    isPermanent = serializers.BooleanField(source="is_permanent")
    count = serializers.IntegerField(source="in_window")
    affectedBands = serializers.IntegerField(source="bands_in_window")
    firstOccurred = serializers.DateTimeField(source="first_seen_at")
    lastOccurred = serializers.DateTimeField(source="last_in_window")
    acknowledgedAt = serializers.DateTimeField(source="acknowledged_at")
    acknowledgedBy = serializers.CharField(source="acknowledged_by")

    class Meta:
        model = ErrorGroup
        fields = (
            "fingerprint", "reason", "errorMessage", "sample", "isPermanent", "count", "affectedBands",
            "firstOccurred", "lastOccurred", "acknowledgedAt", "acknowledgedBy", "note",
        )  # fmt: skip


class BandSerializer(serializers.ModelSerializer[Band]):
    id = serializers.CharField(read_only=True)
    schoolName = serializers.CharField(source="school_name")
    bandType = serializers.CharField(source="band_type")
    isActive = serializers.BooleanField(source="is_active")
    isFeatured = serializers.BooleanField(source="is_featured")
    primaryColor = serializers.CharField(source="primary_color")
    secondaryColor = serializers.CharField(source="secondary_color")
    youtubeChannel = serializers.CharField(source="channel_reference")
    channelId = serializers.CharField(source="channel_id")
    channelTitle = serializers.CharField(source="channel_title")
    channelProblem = serializers.CharField(source="channel_problem")
    lastFullSyncAt = serializers.DateTimeField(source="last_full_sync_at")
    lastIncrementalSyncAt = serializers.DateTimeField(source="last_incremental_sync_at")
    consecutiveFailures = serializers.IntegerField(source="consecutive_failures")

    class Meta:
        model = Band
        fields = (
            "id", "slug", "name", "schoolName", "nickname", "city", "state", "conference", "founded", "bandType", "isActive",
            "isFeatured", "primaryColor", "secondaryColor", "youtubeChannel", "channelId", "channelTitle", "channelProblem",
            "lastFullSyncAt", "lastIncrementalSyncAt", "consecutiveFailures",
        )  # fmt: skip


class VideoSerializer(serializers.ModelSerializer[Video]):
    id = serializers.CharField(read_only=True)
    youtubeId = serializers.CharField(source="youtube_id")
    bandId = serializers.CharField(source="band_id")
    channelTitle = serializers.CharField(source="channel_title")
    publishedAt = serializers.DateTimeField(source="published_at")
    durationSeconds = serializers.IntegerField(source="duration_seconds")
    liveState = serializers.CharField(source="live_state")
    viewCount = serializers.IntegerField(source="view_count", help_text="null: YouTube doesn't tell.")
    likeCount = serializers.IntegerField(source="like_count")
    commentCount = serializers.IntegerField(source="comment_count")
    availabilitySince = serializers.DateTimeField(source="availability_since")

    class Meta:
        model = Video
        fields = (
            "id", "youtubeId", "bandId", "title", "description", "channelTitle", "publishedAt", "durationSeconds", "liveState",
            "thumbnails", "tags", "viewCount", "likeCount", "commentCount", "availability", "availabilitySince",
        )  # fmt: skip
