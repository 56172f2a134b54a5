"""What the answers that no serializer writes look like; for the schema only."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field, inline_serializer
from rest_framework import serializers

from ...choices import JobStatus, JobType, QueueName
from ...operations import schedules
from ...youtube.costs import Bucket
from ..serializers import AttemptSerializer, AuditSerializer, ErrorGroupSerializer, EventSerializer, JobSerializer
from .band_serializers import BandSerializer, VideoSerializer

_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}


def _page(serializer: type[serializers.BaseSerializer[Any]]) -> serializers.Serializer[Any]:
    """The frame of every paged list."""
    name = serializer.__name__.removesuffix("Serializer") + "Page"
    fields = {
        "data": serializer(many=True),
        "total": serializers.IntegerField(min_value=0, help_text="Of all pages, exact."),
        "page": serializers.IntegerField(min_value=1),
        "limit": serializers.IntegerField(min_value=1, max_value=100),
        "totalPages": serializers.IntegerField(min_value=0),
    }
    return inline_serializer(name, fields)


def _list(name: str, serializer: type[serializers.BaseSerializer[Any]]) -> serializers.Serializer[Any]:
    """The frame of a list that is never long."""
    return inline_serializer(name, {"data": serializer(many=True), "asOf": serializers.DateTimeField()})


class ChildrenTotals(serializers.Serializer[Any]):
    videosFound = serializers.IntegerField()
    videosAdded = serializers.IntegerField()
    videosUpdated = serializers.IntegerField()
    quotaUsed = serializers.IntegerField(help_text="Units.")
    errors = serializers.IntegerField()  # type: ignore[assignment]


class JobDetailSerializer(JobSerializer):
    """A job, with its attempts, what happened to it, and how its children stand."""

    attemptHistory = AttemptSerializer(many=True)
    timeline = EventSerializer(many=True)
    children = serializers.DictField(child=serializers.IntegerField(), help_text="Their number by status.")
    childrenTotals = ChildrenTotals(help_text="What all of them have done so far.")


class QueueSerializer(serializers.Serializer[Any]):
    name = serializers.ChoiceField(choices=QueueName.choices)
    waiting = serializers.IntegerField(help_text="Queued and due.")
    active = serializers.IntegerField()
    delayed = serializers.IntegerField(help_text="Queued, and due later.")
    completed = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    paused = serializers.BooleanField()
    pausedAt = serializers.DateTimeField(allow_null=True)
    pausedBy = serializers.CharField(allow_null=True)
    pauseReason = serializers.CharField(allow_null=True)
    oldestRunnableAge = serializers.FloatField(allow_null=True, help_text="Seconds.")
    workers = serializers.IntegerField()
    asOf = serializers.DateTimeField()


class BulkOutcome(serializers.Serializer[Any]):
    """What became of each job."""

    message = serializers.CharField()
    retried = serializers.DictField(child=serializers.CharField(), help_text="The new job of each retried one.")
    cancelled = serializers.ListField(child=serializers.CharField())
    refused = serializers.DictField(child=serializers.CharField(), help_text="Why not, by job.")


class RetriedGroup(serializers.Serializer[Any]):
    message = serializers.CharField()
    bulkId = serializers.CharField(required=False, help_text="Of what goes on in the background, when there are many.")
    retried = serializers.DictField(child=serializers.CharField(), help_text="The new job of each retried one.")
    refused = serializers.DictField(child=serializers.CharField(), help_text="Why not, by job.")


class Clearing(serializers.Serializer[Any]):
    message = serializers.CharField()
    count = serializers.IntegerField(help_text="How many there are to delete.")
    bulkId = serializers.CharField(help_text="Of the bulk action that deletes them.")


class ErrorGroups(serializers.Serializer[Any]):
    errors = ErrorGroupSerializer(many=True)  # type: ignore[assignment]
    totalErrors = serializers.IntegerField()
    asOf = serializers.DateTimeField()


class MetricsSerializer(serializers.Serializer[Any]):
    """Rates and times (ms) of the jobs created in the last 24 hours that are there; null when none has ended.

    Failed jobs that were cleared count no more.
    """

    counts = serializers.DictField(child=serializers.IntegerField(), help_text="All jobs by status.")
    successRate = serializers.FloatField(allow_null=True, min_value=0, max_value=1)
    perMinute = serializers.FloatField(help_text="Of the last hour.")
    durationP50 = serializers.IntegerField(allow_null=True)
    durationP95 = serializers.IntegerField(allow_null=True)
    waitP50 = serializers.IntegerField(allow_null=True)
    waitP95 = serializers.IntegerField(allow_null=True)
    asOf = serializers.DateTimeField()


_BY_STATUS = ("queued", "inProgress", "completed", "failed", "cancelled")
_TREND = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "since": {"type": "string", "format": "date-time"},
            "created": _COUNT,
            **dict.fromkeys(_BY_STATUS, _COUNT),
        },
        "required": ["since", "created", *_BY_STATUS],
        "additionalProperties": False,
    },
}


@extend_schema_field(_TREND)
class _Series(serializers.ListField):
    pass


class TrendsSerializer(serializers.Serializer[Any]):
    period = serializers.CharField()
    series = _Series(help_text="By hour (24h) or day (UTC) of creation.")
    asOf = serializers.DateTimeField()


class StuckSerializer(serializers.Serializer[Any]):
    jobId = serializers.CharField()
    attempt = serializers.IntegerField()
    worker = serializers.CharField()
    startedAt = serializers.DateTimeField()
    jobType = serializers.ChoiceField(choices=JobType.choices)
    bandName = serializers.CharField(allow_null=True)
    usualSeconds = serializers.FloatField(allow_null=True)
    runningSeconds = serializers.FloatField()
    factor = serializers.FloatField(allow_null=True, help_text="How many times the usual; null: nothing is usual yet.")


class WorkerSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    queues = serializers.ListField(child=serializers.CharField())
    concurrency = serializers.IntegerField()
    startedAt = serializers.DateTimeField()
    heartbeatAt = serializers.DateTimeField()
    stoppingAt = serializers.DateTimeField(allow_null=True)
    alive = serializers.BooleanField()


class _Spent(serializers.Serializer[Any]):
    units = serializers.IntegerField()
    calls = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="Calls that went wrong; they are charged too.")


class OperationUnits(_Spent):
    operation = serializers.CharField()


class JobTypeUnits(_Spent):
    jobType = serializers.CharField(allow_null=True, help_text="null: outside any job.")


class BandUnits(_Spent):
    bandId = serializers.CharField()
    bandName = serializers.CharField(allow_null=True, help_text="null: deleted since.")


class ForecastSerializer(serializers.Serializer[Any]):
    """Units used when the bucket resets: `used`, and those of the other three. null where something is unknown."""

    units = serializers.IntegerField(allow_null=True)
    exceedsLimit = serializers.BooleanField(allow_null=True)
    used = serializers.IntegerField()
    people = serializers.IntegerField(help_text="At the rate of the last 3 hours.")
    queued = serializers.IntegerField(help_text="What active jobs still need.")
    scheduled = serializers.IntegerField(help_text="What schedules will take, by their runs of the last 7 days.")
    unknown = serializers.ListField(child=serializers.CharField(), help_text="What nothing is known of.")


class BucketSerializer(serializers.Serializer[Any]):
    bucket = serializers.ChoiceField(choices=[bucket.value for bucket in Bucket])
    day = serializers.DateField(help_text="Begins at midnight America/Los_Angeles.")
    used = serializers.IntegerField()
    limit = serializers.IntegerField()
    reserved = serializers.IntegerField(help_text="Units only people's own triggers may use.")
    left = serializers.IntegerField(help_text="For people's own triggers.")
    leftForAutomatic = serializers.IntegerField()
    closedAt = serializers.DateTimeField(allow_null=True, help_text="When YouTube said it was used up.")
    closedReason = serializers.CharField(allow_null=True)
    resetsAt = serializers.DateTimeField()
    waitingJobs = serializers.IntegerField(help_text="Delayed until the reset.")
    operations = OperationUnits(many=True)
    jobTypes = JobTypeUnits(many=True)
    bands = BandUnits(many=True, help_text="The ten that took most.")
    forecast = ForecastSerializer()
    asOf = serializers.DateTimeField()


class QuotaDaySerializer(serializers.Serializer[Any]):
    day = serializers.DateField()
    bucket = serializers.ChoiceField(choices=[bucket.value for bucket in Bucket])
    used = serializers.IntegerField()
    limit = serializers.IntegerField(allow_null=True, help_text="null: nothing was spent, so none was written down.")
    reserved = serializers.IntegerField(allow_null=True)
    closedAt = serializers.DateTimeField(allow_null=True)


class LastRun(serializers.Serializer[Any]):
    jobId = serializers.CharField()
    status = serializers.ChoiceField(choices=JobStatus.choices)
    createdAt = serializers.DateTimeField()
    completedAt = serializers.DateTimeField(allow_null=True)


class Cron(serializers.Serializer[Any]):
    minute = serializers.CharField()
    hour = serializers.CharField()
    dayOfWeek = serializers.CharField()
    dayOfMonth = serializers.CharField()
    monthOfYear = serializers.CharField()
    timezone = serializers.CharField()


class Interval(serializers.Serializer[Any]):
    every = serializers.IntegerField()
    period = serializers.CharField()


class ScheduleSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    jobType = serializers.ChoiceField(choices=schedules.TRIGGERABLE)
    cron = Cron(allow_null=True)
    interval = Interval(allow_null=True)
    enabled = serializers.BooleanField()
    nextRunAt = serializers.DateTimeField(allow_null=True)
    lastRunAt = serializers.DateTimeField(allow_null=True)
    lastRuns = LastRun(many=True)


JOBS = _page(JobSerializer)
BANDS = _page(BandSerializer)
VIDEOS = _page(VideoSerializer)
AUDIT = _page(AuditSerializer)
STUCK = _list("StuckJobs", StuckSerializer)
WORKERS = _list("WorkerList", WorkerSerializer)
SCHEDULES = _list("ScheduleList", ScheduleSerializer)
QUOTA_DAYS = _list("QuotaHistory", QuotaDaySerializer)
TRENDS = TrendsSerializer
