"""Error groups."""

from __future__ import annotations

import datetime as dt
from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from bands.text import LINES

from ...choices import ErrorState
from ...models import ErrorNote
from ...operations.errors import MAX_NOTE
from ...stats.errors import GroupFigures, GroupPage
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
        source="has_come_back",
        help_text="Whether it has occurred, and not only been retried, since it was acknowledged or resolved.",
    )
    note = serializers.CharField(allow_blank=True, help_text="The newest note.")
    recentJobIds = serializers.ListField(child=serializers.CharField(), source="recent_jobs")
    perHour = serializers.DictField(
        child=serializers.IntegerField(),
        source="per_hour",
        help_text="Of the last 24 hours; hours without any are left out.",
    )
    state = serializers.ChoiceField(
        choices=ErrorState.choices,
        help_text="acknowledged lasts until the next occurrence that is not retried, resolved becomes regressed with it, and"
        " ignored lasts until `ignoredUntil` whatever occurs.",
    )
    isNew = serializers.BooleanField(
        source="is_new", help_text="Whether it is open and its first occurrence is less than 24 hours ago."
    )
    resolvedAt = serializers.DateTimeField(source="resolved_at", allow_null=True)
    resolvedBy = serializers.CharField(source="resolved_by", allow_blank=True)
    ignoredUntil = serializers.DateTimeField(source="ignored_until", allow_null=True)
    ignoredBy = serializers.CharField(source="ignored_by", allow_blank=True)
    assignee = serializers.CharField(allow_null=True, help_text="A username.")


class NoteSerializer(serializers.ModelSerializer[ErrorNote]):
    """An entry in the thread of a group: a note, what its author did, or both."""

    id = serializers.CharField()
    action = serializers.ChoiceField(choices=ErrorNote.Action.choices, help_text="Empty for a note alone.")
    subject = serializers.CharField(
        help_text="Who it was assigned to, or until when it is ignored: a username, or a time."
    )
    createdAt = serializers.DateTimeField(source="created_at")

    class Meta:
        model = ErrorNote
        fields = ("id", "author", "action", "subject", "text", "createdAt")


class ErrorGroupWithNotes(ErrorGroupSerializer):
    """An error group with its figures of all time and its thread."""

    notes = serializers.SerializerMethodField(help_text="The newest first, at most 100.")

    @extend_schema_field(NoteSerializer(many=True))
    def get_notes(self, group: GroupFigures) -> list[Any]:
        return list(NoteSerializer(self.context["notes"], many=True).data)


class StateCounts(serializers.Serializer[Any]):
    """Groups by state."""

    open = serializers.IntegerField()
    regressed = serializers.IntegerField()
    acknowledged = serializers.IntegerField()
    ignored = serializers.IntegerField()
    resolved = serializers.IntegerField()


@extend_schema_serializer(many=False)
class ErrorGroups(serializers.Serializer[Any]):
    errors = ErrorGroupSerializer(source="groups", many=True)  # type: ignore[assignment]
    totalErrors = serializers.IntegerField(
        source="total", help_text="Occurrences in the groups that match the filters."
    )
    asOf = serializers.SerializerMethodField()
    states = StateCounts(source="by_state", help_text="Groups that match all filters but those by state, by state.")
    newGroups = serializers.IntegerField(source="new", help_text="How many of them are new.")

    def get_asOf(self, page: GroupPage) -> dt.datetime:
        as_of: dt.datetime = self.context["as_of"]
        return as_of


class NewNoteBody(Strict):
    """A note for others."""

    note = Text(pattern=LINES, max_length=MAX_NOTE)


class IgnoreBody(Strict):
    """Until when."""

    until = serializers.DateTimeField(help_text="In the future, and at most one year from now.")
    note = Text(pattern=LINES, required=False, allow_blank=True, max_length=MAX_NOTE)


class AssignBody(Strict):
    """To whom."""

    assignee = Text(
        max_length=150, allow_null=True, help_text="The username of somebody who may handle errors, or null."
    )


class NoteBody(Strict):
    """A note for others."""

    note = Text(
        pattern=LINES, required=False, allow_blank=True, max_length=MAX_NOTE, help_text="Added to the group's thread."
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
