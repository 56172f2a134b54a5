"""Error groups."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from bands.text import LINES

from ..core.fields import Strict, Text


class ErrorGroupSerializer(serializers.Serializer[Any]):
    """An error group with its figures in the window asked for."""

    fingerprint = serializers.CharField()
    reason = serializers.CharField()
    errorMessage = serializers.CharField(source="sample", help_text="The newest occurrence's message.")
    errorPattern = serializers.CharField(
        source="message", help_text="What the messages have in common: their variable parts are <placeholders>."
    )
    sample = serializers.CharField(help_text="The same as errorMessage, under its former name.")
    isPermanent = serializers.BooleanField(source="is_permanent")
    count = serializers.IntegerField()
    affectedBands = serializers.ListField(
        child=serializers.CharField(),
        source="band_names",
        help_text="Names of the bands with an occurrence in the window: the newest occurrence first, at most 100.",
    )
    affectedBandCount = serializers.IntegerField(source="bands", help_text="How many bands they are.")
    firstOccurred = serializers.DateTimeField(source="first_seen_at")
    lastOccurred = serializers.DateTimeField(source="last_at")
    acknowledgedAt = serializers.DateTimeField(source="acknowledged_at", allow_null=True)
    acknowledgedBy = serializers.CharField(source="acknowledged_by", allow_blank=True)
    hasComeBack = serializers.BooleanField(
        source="has_come_back", help_text="Whether it has occurred since it was acknowledged."
    )
    note = serializers.CharField(allow_blank=True)
    recentJobIds = serializers.ListField(child=serializers.CharField(), source="recent_jobs")
    perHour = serializers.DictField(
        child=serializers.IntegerField(),
        source="per_hour",
        help_text="Of the last 24 hours; hours without any are left out.",
    )


@extend_schema_serializer(many=False)
class ErrorGroups(serializers.Serializer[Any]):
    errors = ErrorGroupSerializer(many=True)  # type: ignore[assignment]
    totalErrors = serializers.IntegerField()
    asOf = serializers.DateTimeField()


class NoteBody(Strict):
    """A note for others."""

    note = Text(
        pattern=LINES, required=False, allow_blank=True, max_length=2000, help_text="Left out: the note stays as it is."
    )


class RetriedGroup(serializers.Serializer[Any]):
    message = serializers.CharField()
    bulkId = serializers.CharField(required=False, help_text="Of the bulk action that retries them, if there are many.")
    retried = serializers.DictField(
        child=serializers.CharField(), help_text="Id of the job that runs in its place, by the retried job's id."
    )
    queued = serializers.IntegerField(help_text="Number of new jobs; 0 if they are retried in the background.")
    coveredBy = serializers.DictField(
        source="covered_by",
        child=serializers.CharField(),
        help_text="Of the retried jobs that got no job of their own: the job that does the same for them.",
    )
    refused = serializers.DictField(child=serializers.CharField(), help_text="Reason for each refusal, by job id.")
