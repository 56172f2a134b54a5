"""Queues: their figures, pausing, and clearing failed jobs."""

from __future__ import annotations

from typing import Any

from django.utils.translation import ngettext
from rest_framework import serializers

from ...choices import QueueName
from ...models import BulkAction
from ...operations.queues import ALL_QUEUES
from ..core.fields import Choice, NullableText, Strict, Text


class QueueSerializer(serializers.Serializer[Any]):
    name = serializers.ChoiceField(choices=QueueName.choices)
    waiting = serializers.IntegerField(help_text="QUEUED and due: the list of jobs with `status=WAITING`.")
    active = serializers.IntegerField()
    delayed = serializers.IntegerField(help_text="QUEUED, and due later: the list of jobs with `status=DELAYED`.")
    completed = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    ofPausedBands = serializers.IntegerField(
        source="of_paused_bands",
        help_text="Of the waiting and delayed jobs: those that can't start, as their band is paused.",
    )
    paused = serializers.BooleanField(source="is_paused")
    pausedAt = serializers.DateTimeField(source="paused_at", allow_null=True)
    pausedBy = NullableText(source="paused_by")
    pauseReason = NullableText(source="pause_reason")
    oldestRunnableAge = serializers.FloatField(source="oldest_waiting_age", allow_null=True, help_text="Seconds.")
    workers = serializers.IntegerField()
    asOf = serializers.DateTimeField(source="as_of")


class QueueBody(Strict):
    """The queue to act on."""

    queue = Choice(choices=[*QueueName.values, ALL_QUEUES], required=False, help_text="Default: video-sync.")


class PauseBody(QueueBody):
    """The queue to pause, and the reason."""

    reason = Text(required=False, allow_blank=True, max_length=500, default="")


class ClearBody(Strict):
    """The queue whose failed jobs are deleted."""

    queue = Choice(choices=[*QueueName.values, ALL_QUEUES], required=False, help_text="Default: all.")


class Cleared(serializers.Serializer[int]):
    message = serializers.SerializerMethodField()
    count = serializers.IntegerField(source="*")

    def get_message(self, count: int) -> str:
        return ngettext("%(count)s failed job deleted.", "%(count)s failed jobs deleted.", count) % {"count": count}


class Clearing(serializers.Serializer[BulkAction]):
    message = serializers.SerializerMethodField()
    count = serializers.IntegerField(source="total", help_text="How many jobs it deletes.")
    bulkId = serializers.CharField(source="pk", help_text="Of the bulk action that deletes them.")

    def get_message(self, action: BulkAction) -> str:
        return f"{action.total} failed jobs are being deleted in the background."
