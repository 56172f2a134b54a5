"""Figures of all jobs."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from ...choices import JobType


class MetricsSerializer(serializers.Serializer[Any]):
    """Rates and times (ms) of the jobs created in the last 24 hours; null when none has ended.

    Failed jobs that were cleared no longer count.
    """

    counts = serializers.DictField(child=serializers.IntegerField(), help_text="All jobs by status.")
    successRate = serializers.FloatField(source="success_rate", allow_null=True, min_value=0, max_value=1)
    perMinute = serializers.FloatField(source="per_minute", help_text="Over the last hour.")
    durationP50 = serializers.IntegerField(source="duration_p50", allow_null=True)
    durationP95 = serializers.IntegerField(source="duration_p95", allow_null=True)
    waitP50 = serializers.IntegerField(source="wait_p50", allow_null=True)
    waitP95 = serializers.IntegerField(source="wait_p95", allow_null=True)
    asOf = serializers.DateTimeField(source="as_of")


class TrendPoint(serializers.Serializer[Any]):
    """Jobs created in an hour or a day, and their number in each status now."""

    since = serializers.DateTimeField()
    created = serializers.IntegerField(min_value=0)
    queued = serializers.IntegerField(min_value=0)
    completed = serializers.IntegerField(min_value=0)
    failed = serializers.IntegerField(min_value=0)
    cancelled = serializers.IntegerField(min_value=0)
    inProgress = serializers.IntegerField(source="in_progress", min_value=0)


class TrendsSerializer(serializers.Serializer[Any]):
    period = serializers.CharField()
    series = TrendPoint(many=True, help_text="By hour (24h) or day (UTC) of creation.")
    asOf = serializers.DateTimeField()


class StuckJobSerializer(serializers.Serializer[Any]):
    jobId = serializers.CharField(source="job_id")
    attempt = serializers.IntegerField()
    worker = serializers.CharField()
    startedAt = serializers.DateTimeField(source="started_at")
    jobType = serializers.ChoiceField(source="job_type", choices=JobType.choices)
    bandName = serializers.CharField(source="band_name", allow_null=True)
    usualSeconds = serializers.FloatField(source="usual_seconds", allow_null=True)
    runningSeconds = serializers.FloatField(source="running_seconds")
    factor = serializers.FloatField(allow_null=True, help_text="Running time / usual duration; null if unknown.")
