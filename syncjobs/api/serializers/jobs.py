"""Jobs, and what triggers them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ...choices import JobStatus, JobType, Priority, QueueName
from ...engine.enqueue import Created
from ...models import Attempt, JobEvent, SyncJob
from ...operations import triggers
from ...operations.waiting import pauses
from ..core.fields import Choice, Flag, Id, NullableText, Strict, Whole

PRIORITIES = "The higher goes first: 10 low, 20 normal, 30 high, 40 urgent."


MAX_MINUTES = 43_200
"""A job may be delayed for so long: 30 days."""


class _Priority(serializers.ChoiceField):
    """A job that was moved to the front counts as urgent."""

    def to_representation(self, value: int) -> int:  # type: ignore[override]
        return min(value, Priority.URGENT.value)


class ProgressSerializer(serializers.Serializer[Any]):
    done = serializers.IntegerField(source="progress_done")
    total = serializers.IntegerField(source="progress_total", allow_null=True, help_text="null: not known yet.")


class JobSerializer(serializers.Serializer[Any]):
    """A requested sync: what it syncs, its progress and how it ended. Times that have not come yet are null."""

    id = serializers.CharField(source="pk")
    bandId = serializers.CharField(source="band_id", allow_null=True)
    bandName = NullableText(source="band_name")
    jobType = serializers.ChoiceField(source="job_type", choices=JobType.choices)
    status = serializers.ChoiceField(choices=JobStatus.choices)
    queue = serializers.ChoiceField(source="queue_id", choices=QueueName.choices)
    priority = _Priority(choices=Priority.choices, help_text=PRIORITIES)
    videosFound = serializers.IntegerField(source="videos_found")
    videosAdded = serializers.IntegerField(source="videos_added")
    videosUpdated = serializers.IntegerField(source="videos_updated")
    videosUnavailable = serializers.IntegerField(source="videos_unavailable")
    errors = serializers.ListField(source="error_texts", child=serializers.CharField())  # type: ignore[assignment]
    startedAt = serializers.DateTimeField(source="started_at", allow_null=True)
    completedAt = serializers.DateTimeField(source="completed_at", allow_null=True)
    createdAt = serializers.DateTimeField(source="created_at")
    duration = serializers.SerializerMethodField()
    queuePosition = serializers.IntegerField(
        source="queue_position", allow_null=True, help_text="1 is claimed next; null: not waiting."
    )
    progress = ProgressSerializer(source="*")
    quotaUsed = serializers.IntegerField(source="quota_used")
    runAt = serializers.DateTimeField(source="run_at")
    delayReason = serializers.CharField(source="delay_reason", allow_blank=True)
    attempts = serializers.IntegerField(source="attempts_made")
    retryOf = serializers.CharField(source="retry_of_id", allow_null=True)
    requestedBy = serializers.CharField(source="requested_by_label", allow_blank=True)
    cancelRequestedAt = serializers.DateTimeField(source="cancel_requested_at", allow_null=True)
    parentId = serializers.CharField(source="parent_id", allow_null=True)

    @extend_schema_field(serializers.IntegerField(allow_null=True, help_text="Milliseconds from the start to the end."))
    def get_duration(self, job: Any) -> int | None:
        started, completed = job.started_at, job.completed_at
        return round((completed - started).total_seconds() * 1000) if started and completed else None


def job_as_json(job: Any) -> dict[str, Any]:
    """Return what JobSerializer would, in a fraction of the time; lists of jobs are read most of all."""
    started, completed = job.started_at, job.completed_at
    return {
        "id": str(job.pk),
        "bandId": _text_id(job.band_id),
        "bandName": job.band_name or None,
        "jobType": job.job_type,
        "status": job.status,
        "queue": job.queue_id,
        "priority": min(job.priority, Priority.URGENT.value),
        "videosFound": job.videos_found,
        "videosAdded": job.videos_added,
        "videosUpdated": job.videos_updated,
        "videosUnavailable": job.videos_unavailable,
        "errors": job.error_texts,
        "startedAt": started,
        "completedAt": completed,
        "createdAt": job.created_at,
        "duration": round((completed - started).total_seconds() * 1000) if started and completed else None,
        "queuePosition": job.queue_position,
        "progress": {"done": job.progress_done, "total": job.progress_total},
        "quotaUsed": job.quota_used,
        "runAt": job.run_at,
        "delayReason": job.delay_reason,
        "attempts": job.attempts_made,
        "retryOf": _text_id(job.retry_of_id),
        "requestedBy": job.requested_by_label,
        "cancelRequestedAt": job.cancel_requested_at,
        "parentId": _text_id(job.parent_id),
    }


def _text_id(number: int | None) -> str | None:
    return None if number is None else str(number)


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    startedAt = serializers.DateTimeField(source="started_at")
    endedAt = serializers.DateTimeField(source="ended_at", allow_null=True, help_text="null: it is running.")
    errorReason = serializers.CharField(source="error_reason")

    class Meta:
        model = Attempt
        fields = ("number", "outcome", "worker", "startedAt", "endedAt", "error", "errorReason")


class EventSerializer(serializers.ModelSerializer[JobEvent]):
    attempt = serializers.IntegerField(source="attempt_number", allow_null=True)

    class Meta:
        model = JobEvent
        fields = ("at", "kind", "message", "attempt", "data")


class ChildrenTotals(serializers.Serializer[Any]):
    videosFound = serializers.IntegerField(source="videos_found")
    videosAdded = serializers.IntegerField(source="videos_added")
    videosUpdated = serializers.IntegerField(source="videos_updated")
    quotaUsed = serializers.IntegerField(source="quota_used", help_text="Units.")
    errors = serializers.IntegerField(source="error_count")  # type: ignore[assignment]


class JobDetailSerializer(JobSerializer):
    """A job with its attempts, its timeline and a summary of its children."""

    coveredBy = serializers.CharField(
        source="covered_by_id",
        allow_null=True,
        help_text="The equal job that was active when this one was retried; it may have been deleted since.",
    )
    isInFront = serializers.BooleanField(
        source="is_in_front", help_text="Whether somebody moved it to the front of its queue."
    )
    bandPausedBy = NullableText(
        source="band_paused_by", help_text="Who paused its band, so that the queued job waits; null: nobody did."
    )
    attemptHistory = AttemptSerializer(source="attempts", many=True)
    timeline = EventSerializer(many=True)
    children = serializers.DictField(
        source="children_by_status", child=serializers.IntegerField(), help_text="Their number by status."
    )
    childrenTotals = ChildrenTotals(source="children_totals", help_text="Sums over the children so far.")


class TriggerBody(Strict):
    """What to sync, and how."""

    bandId = Id(required=False, allow_null=True, help_text="Left out: all active bands.")
    syncType = Choice(choices=["FULL", "INCREMENTAL"], required=False, default="INCREMENTAL")
    forceSync = Flag(required=False, default=False, help_text="Include recently synced bands.")
    priority = Choice(
        choices=Priority.choices,
        required=False,
        allow_null=True,
        help_text=f"{PRIORITIES} Left out: {Priority.NORMAL}. An equal job that is queued already is raised to it.",
    )


class Accepted(serializers.Serializer[Created]):
    """A job was queued, or an equal one was queued or running already (`isNew` false)."""

    message = serializers.SerializerMethodField()
    jobId = serializers.CharField(source="job.pk")
    isNew = serializers.BooleanField(source="is_new")

    def get_message(self, created: Created) -> str:
        return triggers.describe(created)


class Running(serializers.Serializer[SyncJob]):
    message = serializers.SerializerMethodField()
    jobId = serializers.CharField(source="pk")

    def get_message(self, job: SyncJob) -> str:
        waits = pauses([job.pk]) or "It starts when a worker is free, unless its queue is paused."
        return f"Job {job} is no longer delayed. {waits}"


class DelayBody(Strict):
    """How long the job waits, whatever it waits for now."""

    minutes = Whole(min_value=1, max_value=MAX_MINUTES, help_text="From now; 43200 are 30 days.")


class PriorityBody(Strict):
    """The new priority."""

    priority = Choice(choices=Priority.choices, help_text=PRIORITIES)


class Changing(serializers.Serializer[SyncJob]):
    """The job after a change of when it runs. Its `queuePosition` shows the effect."""

    message = serializers.SerializerMethodField()
    jobId = serializers.CharField(source="pk")

    def get_message(self, job: SyncJob) -> str:
        return str(self.context["message"])


class Cancelling(serializers.Serializer[SyncJob]):
    message = serializers.SerializerMethodField()
    jobId = serializers.CharField(source="pk")

    def get_message(self, job: SyncJob) -> str:
        return f"Job {job} is cancelled." if job.is_terminal else f"Job {job} was asked to stop."


class EstimateResult(serializers.Serializer[Any]):
    units = serializers.DictField(child=serializers.IntegerField(), help_text="Per bucket.")
    secondsP50 = serializers.FloatField(source="seconds_p50", allow_null=True)
    secondsP95 = serializers.FloatField(source="seconds_p95", allow_null=True)
    bands = serializers.IntegerField(
        help_text="They would be synced; by an incremental sync of all bands, those of them that have changed."
    )
    skippedAsJustSynced = serializers.IntegerField(source="skipped_as_just_synced")
    skippedAsUnsyncable = serializers.IntegerField(
        source="skipped_as_unsyncable", help_text="Without a channel, or not active."
    )
    alreadyActive = serializers.IntegerField(
        source="already_active", help_text="With an equal job, queued or running: no other is queued for them."
    )
    pausedBands = serializers.IntegerField(
        source="paused_bands", help_text="Their own jobs wait until they are resumed; an all-bands job leaves them out."
    )
    unitsLeft = serializers.IntegerField(source="units_left")
    fromReserve = serializers.IntegerField(
        source="from_reserve", help_text="Of the units: those taken from the reserve for manual syncs."
    )
    fitsQuota = serializers.BooleanField(source="fits_quota")
    queuePausedBy = serializers.CharField(
        source="queue.paused_by", allow_blank=True, help_text="Who paused the queue; the jobs wait. Empty: nobody did."
    )
    hasWorker = serializers.BooleanField(source="queue.has_worker", help_text="Whether a worker serves the queue.")
