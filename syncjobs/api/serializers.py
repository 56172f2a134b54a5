"""What jobs, bands, videos and the rest look like to a client, and what a client may send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from zoneinfo import available_timezones

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bands.text import VISIBLE

from ..choices import JobStatus, JobType, Priority, QueueName
from ..listing.query import JobFilters
from ..models import Attempt, AuditEntry, BulkAction, JobEvent
from ..operations import bulk, schedules
from ..operations.queues import ALL_QUEUES
from .core.fields import ANYTHING, Choice, Flag, Id, Many, Strict, Text, Whole
from .core.schema import filter_schema


class ProgressSerializer(serializers.Serializer[Any]):
    done = serializers.IntegerField()
    total = serializers.IntegerField(allow_null=True, help_text="null: not known yet.")


PRIORITIES = "The higher goes first: 10 low, 20 normal, 30 high, 40 urgent."


class JobSerializer(serializers.Serializer[Any]):
    """One requested sync: what is to be synced, how far it is, and how it ended. Times that are not yet are null."""

    id = serializers.CharField()
    bandId = serializers.CharField(allow_null=True)
    bandName = serializers.CharField(allow_null=True)
    jobType = serializers.ChoiceField(choices=JobType.choices)
    status = serializers.ChoiceField(choices=JobStatus.choices)
    queue = serializers.ChoiceField(choices=QueueName.choices)
    priority = serializers.ChoiceField(choices=Priority.choices, help_text=PRIORITIES)
    videosFound = serializers.IntegerField()
    videosAdded = serializers.IntegerField()
    videosUpdated = serializers.IntegerField()
    videosUnavailable = serializers.IntegerField()
    errors = serializers.ListField(child=serializers.CharField())  # type: ignore[assignment]
    startedAt = serializers.DateTimeField(allow_null=True)
    completedAt = serializers.DateTimeField(allow_null=True)
    createdAt = serializers.DateTimeField()
    duration = serializers.IntegerField(allow_null=True, help_text="Milliseconds from the start to the end.")
    queuePosition = serializers.IntegerField(allow_null=True, help_text="1 is claimed next; null: not waiting.")
    progress = ProgressSerializer()
    quotaUsed = serializers.IntegerField()
    runAt = serializers.DateTimeField()
    delayReason = serializers.CharField(allow_blank=True)
    attempts = serializers.IntegerField()
    retryOf = serializers.CharField(allow_null=True)
    requestedBy = serializers.CharField(allow_blank=True)
    cancelRequestedAt = serializers.DateTimeField(allow_null=True)
    parentId = serializers.CharField(allow_null=True)


def job_as_json(job: Any) -> dict[str, Any]:
    """A job (rows.JobRow, or the model with what `listing.for_display` annotates) in the words of the API."""
    started, completed = job.started_at, job.completed_at
    return {
        "id": str(job.pk),
        "bandId": _text_id(job.band_id),
        "bandName": job.band_name or None,
        "jobType": job.job_type,
        "status": job.status,
        "queue": job.queue_id,
        "priority": job.priority,
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
    endedAt = serializers.DateTimeField(source="ended_at", allow_null=True, help_text="null: it runs.")
    errorReason = serializers.CharField(source="error_reason")

    class Meta:
        model = Attempt
        fields = ("number", "outcome", "worker", "startedAt", "endedAt", "error", "errorReason")


class EventSerializer(serializers.ModelSerializer[JobEvent]):
    attempt = serializers.IntegerField(source="attempt_number", allow_null=True)

    class Meta:
        model = JobEvent
        fields = ("at", "kind", "message", "attempt", "data")


class TriggerBody(Strict):
    """What to sync, and how."""

    bandId = Id(required=False, allow_null=True, help_text="Left out: all active bands.")
    syncType = Choice(choices=["FULL", "INCREMENTAL"])
    forceSync = Flag(required=False, default=False, help_text="Sync though it was synced a moment ago.")
    priority = Choice(
        choices=Priority.choices,
        required=False,
        allow_null=True,
        help_text=f"{PRIORITIES} Left out: {Priority.NORMAL}. An equal job that is queued already is raised to it.",
    )


class QueueBody(Strict):
    """Which queue."""

    queue = Choice(choices=[*QueueName.values, ALL_QUEUES], required=False, help_text="Default: video-sync.")


class PauseBody(QueueBody):
    """Which queue, and why."""

    reason = Text(required=False, allow_blank=True, max_length=500, default="")


class ClearBody(Strict):
    """Whose failed jobs."""

    queue = Choice(choices=[*QueueName.values, ALL_QUEUES], required=False, help_text="Default: all.")


class NoteBody(Strict):
    """What was found."""

    note = Text(required=False, allow_blank=True, max_length=2000, help_text="Left out: the note stays as it is.")


class Accepted(serializers.Serializer[Any]):
    """A job was queued, or an equal one was queued or running already (`isNew` false)."""

    message = serializers.CharField()
    jobId = serializers.CharField()
    isNew = serializers.BooleanField()


class Message(serializers.Serializer[Any]):
    message = serializers.CharField()


class Cancelling(Message):
    jobId = serializers.CharField()


class Cleared(Message):
    count = serializers.IntegerField()


class ErrorGroupSerializer(serializers.Serializer[Any]):
    """An error group with its figures in the window asked for."""

    fingerprint = serializers.CharField()
    reason = serializers.CharField()
    errorMessage = serializers.CharField(source="message", help_text="With the variable parts replaced.")
    sample = serializers.CharField(help_text="The newest message in full.")
    isPermanent = serializers.BooleanField(source="is_permanent")
    count = serializers.IntegerField()
    affectedBands = serializers.IntegerField(source="bands")
    firstOccurred = serializers.DateTimeField(source="first_seen_at")
    lastOccurred = serializers.DateTimeField(source="last_at")
    acknowledgedAt = serializers.DateTimeField(source="acknowledged_at", allow_null=True)
    acknowledgedBy = serializers.CharField(source="acknowledged_by", allow_blank=True)
    hasComeBack = serializers.BooleanField(
        source="has_come_back", help_text="Whether there was another since it was acknowledged."
    )
    note = serializers.CharField(allow_blank=True)
    recentJobIds = serializers.ListField(child=serializers.CharField(), source="recent_jobs")
    perHour = serializers.DictField(
        child=serializers.IntegerField(),
        source="per_hour",
        help_text="Of the last 24 hours; hours without are left out.",
    )


@extend_schema_field(filter_schema(JobFilters))
class Filter(serializers.DictField):
    """Filters of the list of jobs in a body; `listing.filters_of` checks what they hold."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "not_a_dict": 'Must be an object such as {{"status": "FAILED"}}.'
    }


class BulkBody(Strict):
    """What to do, and to which jobs: give either ids or a filter."""

    rules = {"oneOf": [{"required": ["ids"]}, {"required": ["filter"]}]}
    action = Choice(choices=list(bulk.ELIGIBLE_STATUSES))
    ids = Many(child=Id(), required=False, allow_empty=False, max_length=10_000)
    filter = Filter(required=False)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if ("ids" in data) == ("filter" in data):
            raise serializers.ValidationError({"ids": ["Give either ids or a filter."]})
        return data


class BulkProgress(serializers.Serializer[Any]):
    id = serializers.CharField()
    action = serializers.ChoiceField(choices=BulkAction.Action.choices)
    total = serializers.IntegerField()
    done = serializers.IntegerField()
    succeeded = serializers.IntegerField()
    refused = serializers.DictField(
        child=serializers.CharField(), help_text="Why not, by job; of the first 1,000 that were refused."
    )
    endedAt = serializers.DateTimeField(allow_null=True)


class EstimateAnswer(serializers.Serializer[Any]):
    units = serializers.DictField(child=serializers.IntegerField(), help_text="Per bucket.")
    secondsP50 = serializers.FloatField(allow_null=True)
    secondsP95 = serializers.FloatField(allow_null=True)
    bands = serializers.IntegerField()
    skippedAsJustSynced = serializers.IntegerField()
    skippedAsUnsyncable = serializers.IntegerField(help_text="Without a channel, or not active.")
    unitsLeft = serializers.IntegerField()
    fitsQuota = serializers.BooleanField()


def _numbers(first: int, last: int) -> str:
    """A pattern of the numbers from `first` to `last`, below 100, with or without a leading zero."""
    tens = range(first // 10, last // 10 + 1)
    digits = ((ten, max(first, ten * 10) % 10, min(last, ten * 10 + 9) % 10) for ten in tens)
    return "|".join(f"{ten or '0?'}[{low}-{high}]" for ten, low, high in digits)


def _cron(low: int, high: int, names: Sequence[str] = ()) -> str:
    """What a cron field takes: stars, numbers or names, rising ranges, steps, and commas between them."""
    words = ["".join(f"[{letter}{letter.upper()}]" for letter in name) for name in names]

    def entries(first: int, last: int) -> str:
        return "|".join([_numbers(first, last), *words[first : last + 1]])

    step = f"(/({_numbers(1, high)}))?"
    # What begins with a name ends with one: "tue-5" is more than the library that reads it can take.
    rising = [f"({_numbers(first, first)})-({entries(first, high)})" for first in range(low, high + 1)]
    ranges = "|".join(rising + [f"{word}-({'|'.join(words[first:])})" for first, word in enumerate(words)])
    entry = rf"(\*{step}|({ranges}){step}|{entries(low, high)})"
    return f"{entry}(,{entry})*"


_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class _Cron(Text):
    """One field of a cron line."""

    def __init__(self, low: int, high: int, names: Sequence[str] = (), **options: Any) -> None:
        span = f"{low} to {high}" + (f" or {names[0]} to {names[-1]}" if names else "")
        said = (
            f"Takes *, {span}, ranges such as {high - 4}-{high}, steps such as */2, and commas without blanks between."
        )
        super().__init__(required=False, pattern=_cron(low, high, names), said=said, **options)


class CronBody(Strict):
    """What is left out stays as it is; in a new one the minute is 0 then, and of the rest it is every one there is."""

    rules = {"minProperties": 1}

    minute = _Cron(0, 59, max_length=240, like="*/15")
    hour = _Cron(0, 23, max_length=96, like="3")
    dayOfWeek = _Cron(0, 6, _DAYS, max_length=64, like="mon-fri")
    dayOfMonth = _Cron(1, 31, max_length=124, like="*")
    monthOfYear = _Cron(1, 12, max_length=64, like="*")
    timezone = Choice(
        required=False,
        choices=sorted(available_timezones() - {"Factory"}),
        help_text="Default: UTC.",
        said="Must be a time zone such as America/New_York.",
    )

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if not data:
            raise serializers.ValidationError("Give at least one of its fields.")
        return data


class IntervalBody(Strict):
    """Every so many of the period."""

    every = Whole(min_value=1, max_value=100_000)
    period = Choice(choices=schedules.PERIODS)


_GIVEN = {"type": "object"}
_NAME: dict[str, Any] = {"max_length": 180, "pattern": VISIBLE + ANYTHING, "like": "Nightly"}


class ScheduleBody(Strict):
    """What is left out stays as it is; give either cron or interval, or null for the other."""

    rules: ClassVar[dict[str, Any]] = {
        "not": {"required": ["cron", "interval"], "properties": dict.fromkeys(("cron", "interval"), _GIVEN)}
    }

    name = Text(required=False, **_NAME)
    jobType = Choice(choices=schedules.TRIGGERABLE, required=False)
    cron = CronBody(required=False, allow_null=True)
    interval = IntervalBody(required=False, allow_null=True)
    enabled = Flag(required=False)


class NewScheduleBody(ScheduleBody):
    """Give either cron or interval, or null for the other."""

    rules: ClassVar[dict[str, Any]] = {
        "oneOf": [{"required": [name], "properties": {name: _GIVEN}} for name in ("cron", "interval")]
    }

    name = Text(**_NAME)
    jobType = Choice(choices=schedules.TRIGGERABLE)


class AuditSerializer(serializers.ModelSerializer[AuditEntry]):
    id = serializers.CharField()
    actor = serializers.CharField(source="actor_label")
    targetType = serializers.CharField(source="target_type")
    targetId = serializers.CharField(source="target_id", help_text="Empty where it was several: data has their count.")

    class Meta:
        model = AuditEntry
        fields = (
            "id",
            "at",
            "action",
            "actor",
            "origin",
            "address",
            "targetType",
            "targetId",
            "result",
            "message",
            "data",
        )
