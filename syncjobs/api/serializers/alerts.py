"""Alerts and the rules that open them."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bands.text import LINES

from ...alerts import words
from ...choices import AlertRuleName, AlertSubject, Severity
from ...models import Alert
from ...operations import alerts
from ..core.fields import Choice, Flag, Id, Many, Number, Strict, Text, Whole


class AlertSerializer(serializers.ModelSerializer[Alert]):
    """An alert, with its sentences in the language of the request."""

    id = serializers.CharField()
    rule = serializers.ChoiceField(choices=AlertRuleName.values)
    severity = serializers.ChoiceField(choices=Severity.values)
    subjectType = serializers.ChoiceField(choices=AlertSubject.values, source="subject_type")
    subjectId = serializers.CharField(source="subject_id", help_text="Empty if it is about the whole site.")
    subjectName = serializers.SerializerMethodField()
    problem = serializers.SerializerMethodField(help_text="What is wrong.")
    advice = serializers.SerializerMethodField(help_text="What to do.")
    link = serializers.CharField(help_text="A path of the admin.")
    openedAt = serializers.DateTimeField(source="opened_at")
    lastSeenAt = serializers.DateTimeField(source="last_seen_at")
    escalatedAt = serializers.DateTimeField(
        source="escalated_at", allow_null=True, help_text="When a warning became critical."
    )
    resolvedAt = serializers.DateTimeField(source="resolved_at", allow_null=True)
    acknowledgedAt = serializers.DateTimeField(source="acknowledged_at", allow_null=True)
    acknowledgedBy = serializers.CharField(source="acknowledged_by")
    note = serializers.CharField()
    snoozedUntil = serializers.DateTimeField(source="snoozed_until", allow_null=True)

    class Meta:
        model = Alert
        fields = (
            "id", "rule", "severity", "subjectType", "subjectId", "subjectName", "problem", "advice", "link", "openedAt",
            "lastSeenAt", "escalatedAt", "resolvedAt", "acknowledgedAt", "acknowledgedBy", "note", "snoozedUntil",
        )  # fmt: skip

    def get_subjectName(self, alert: Alert) -> str:
        return words.subject_of(alert)

    @extend_schema_field(serializers.CharField())
    def get_problem(self, alert: Alert) -> str:
        return words.of(alert).sentence

    @extend_schema_field(serializers.CharField())
    def get_advice(self, alert: Alert) -> str:
        return words.of(alert).advice


class AcknowledgeBody(Strict):
    """A note for others."""

    note = Text(
        pattern=LINES, required=False, allow_blank=True, max_length=2000, help_text="Left out: the note stays as it is."
    )


class SnoozeBody(Strict):
    """How long nobody needs to see the alert."""

    minutes = Whole(min_value=1, max_value=43_200, help_text="From now; 43200 are 30 days.")


_BULK_KEYS: dict[str, set[str]] = {"acknowledge": {"note"}, "snooze": {"minutes"}, "reopen": set(), "unsnooze": set()}
"""The keys that an action on many alerts takes, besides ids."""


def _alternative(title: str, *actions: str, **more: Any) -> dict[str, Any]:
    unused = {"note", "minutes"} - _BULK_KEYS[actions[0]]
    action = {"type": "string", "enum": list(actions)}
    return {"title": title, "properties": {"action": action} | dict.fromkeys(sorted(unused), False), **more}


class BulkAlertsBody(Strict):
    """What to do, and to which alerts."""

    keywords: ClassVar[dict[str, Any]] = {
        "oneOf": [
            _alternative("Acknowledge", "acknowledge"),
            _alternative("Snooze", "snooze", required=["minutes"]),
            _alternative("Undo", "reopen", "unsnooze"),
        ]
    }
    action = Choice(choices=list(_BULK_KEYS))
    ids = Many(child=Id(), allow_empty=False, max_length=alerts.MAX_ALERTS)
    note = Text(
        pattern=LINES, required=False, allow_blank=True, max_length=alerts.MAX_NOTE, help_text="A note for others."
    )
    minutes = Whole(required=False, min_value=1, max_value=43_200, help_text="From now; 43200 are 30 days.")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        kind = data["action"]
        if kind == "snooze" and "minutes" not in data:
            raise serializers.ValidationError({"minutes": ["This field is required to snooze alerts."]}, "required")
        if wrong := {"note", "minutes"}.intersection(data) - _BULK_KEYS[kind]:
            raise serializers.ValidationError({name: [f"Leave it out to {kind} alerts."] for name in sorted(wrong)})
        return data


class BulkAlertsOutcome(serializers.Serializer[alerts.Changed]):
    """The result of an action on many alerts. One that was already as it should be is in neither list."""

    message = serializers.SerializerMethodField()
    changed = serializers.ListField(source="ids", child=serializers.CharField())
    refused = serializers.DictField(child=serializers.CharField(), help_text="Reason for each refusal, by alert id.")

    def get_message(self, changed: alerts.Changed) -> str:
        return alerts.summary(self.context["action"], changed)


class RuleBody(Strict):
    """What to change about a rule. null restores the default."""

    enabled = Flag(source="is_enabled", required=False)
    threshold = Number(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=1_000_000,
        help_text="In the limits of the rule; only for rules that have one.",
    )
    resolveAfter = Whole(
        source="resolve_after", required=False, allow_null=True, min_value=0, max_value=86_400, help_text="Seconds."
    )


class RuleSerializer(serializers.Serializer[Any]):
    """A rule as it is in effect."""

    rule = serializers.ChoiceField(choices=AlertRuleName.values)
    enabled = serializers.BooleanField(source="is_enabled")
    threshold = serializers.FloatField(allow_null=True, help_text="null if the rule has none.")
    defaultThreshold = serializers.FloatField(source="default.threshold", allow_null=True)
    meaning = serializers.CharField(source="default.meaning", help_text="What the threshold counts.")
    resolveAfter = serializers.IntegerField(
        source="resolve_after", help_text="Seconds for which the condition must have been gone."
    )
