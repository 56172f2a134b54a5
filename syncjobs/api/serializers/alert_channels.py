"""Channels of alerts, and the messages to them."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bands.text import LINES, ONE_LINE, VISIBLE

from ...choices import AlertRuleName, AttemptResult, ChannelKind, DeliveryKind, DeliveryState, Severity
from ...models import AlertChannel, AlertDelivery, AlertDeliveryAttempt
from ...operations import alert_channels
from ..core.fields import Choice, Flag, Id, Many, NullableText, Strict, Text, Whole

_ADDRESS = (
    "It depends on the kind. EMAIL: 1 to 20 e-mail addresses, separated by commas. WEBHOOK, PING: an HTTP URL. "
    "APPRISE: a URL of Apprise. It is shown only in part."
)
_HTTP, _APPRISE = r"^\s*[Hh][Tt][Tt][Pp][Ss]?://\S+\s*$", r"^\s*[A-Za-z][A-Za-z0-9+.-]*://\S+\s*$"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"


class _LocalTime(Text):
    """A time of the day in the channel's zone, such as 22:00."""

    def __init__(self, **options: Any) -> None:
        super().__init__(pattern=_TIME, like="22:00", allow_null=True, **options)

    def to_internal_value(self, data: Any) -> Any:
        return dt.time.fromisoformat(super().to_internal_value(data))

    def to_representation(self, value: Any) -> str:
        return f"{value:%H:%M}"


class _BandId(Id):
    def to_internal_value(self, data: Any) -> Any:
        return int(super().to_internal_value(data))


class ChannelBody(Strict):
    """The fields of a channel to change; the others stay as they are."""

    name = Text(required=False, max_length=alert_channels.MAX_NAME, pattern=VISIBLE + ONE_LINE, like="Operators")
    kind = Choice(required=False, choices=ChannelKind.values)
    address = Text(
        required=False,
        max_length=alert_channels.MAX_ADDRESS,
        pattern=LINES,
        help_text=_ADDRESS,
    )
    secret = Text(
        required=False,
        min_length=alert_channels.MIN_SECRET,
        max_length=alert_channels.MAX_SECRET,
        help_text="Signs webhooks. Left out: the old one stays; a new webhook gets one.",
    )
    enabled = Flag(source="is_enabled", required=False)
    language = Choice(required=False, choices=[code for code, _name in settings.LANGUAGES])
    severities = Many(required=False, child=Choice(choices=Severity.values), allow_empty=False)
    rules = Many(required=False, child=Choice(choices=AlertRuleName.values), help_text="Empty: all rules.")
    bandIds = Many(
        source="band_ids",
        required=False,
        child=_BandId(),
        max_length=alert_channels.MAX_BANDS,
        help_text="Empty: all bands.",
    )
    timeZone = Text(source="time_zone", required=False, max_length=64, like="America/New_York")
    quietFrom = _LocalTime(source="quiet_from", required=False)
    quietUntil = _LocalTime(source="quiet_until", required=False)
    quietForCritical = Flag(source="quiet_for_critical", required=False)
    repeatHours = Whole(
        source="repeat_hours",
        required=False,
        min_value=0,
        max_value=alert_channels.MAX_REPEAT_HOURS,
        help_text="At most one message about the same rule and subject in so many hours.",
    )


def _of_kind(kind: ChannelKind, pattern: str, example: str, about: str) -> dict[str, Any]:
    """Return the alternative of a new channel's body for a kind: what its address must look like at least."""
    address = {"type": "string", "maxLength": alert_channels.MAX_ADDRESS, "pattern": pattern, "examples": [example]}
    kind_only = {"type": "string", "enum": [kind.value]}
    return {"title": kind.capitalize(), "properties": {"kind": kind_only, "address": address | {"description": about}}}


class NewChannelBody(ChannelBody):
    """A new channel."""

    keywords: ClassVar[dict[str, Any]] = {
        "oneOf": [
            _of_kind(ChannelKind.EMAIL, r"^[^@]+@", "mo@example.org", "1 to 20 addresses, separated by commas."),
            _of_kind(ChannelKind.WEBHOOK, _HTTP, "https://hooks.example.org/T0/secret", "The URL to post to."),
            _of_kind(ChannelKind.APPRISE, _APPRISE, "ntfy://ntfy.example.org/topic", "A URL of Apprise."),
            _of_kind(ChannelKind.PING, _HTTP, "https://hc-ping.com/uuid", "The URL to request each minute."),
        ]
    }
    name = Text(max_length=alert_channels.MAX_NAME, pattern=VISIBLE + ONE_LINE, like="Operators")
    kind = Choice(choices=ChannelKind.values)
    address = Text(
        max_length=alert_channels.MAX_ADDRESS,
        pattern=LINES,
        help_text=_ADDRESS,
    )


class ChannelSerializer(serializers.ModelSerializer[AlertChannel]):
    """A channel. `secret` is there once, in the answer to the request that made it."""

    id = serializers.CharField()
    kind = serializers.ChoiceField(choices=ChannelKind.values)
    address = serializers.CharField(help_text="Masked.")
    secret = serializers.SerializerMethodField()
    enabled = serializers.BooleanField(source="is_enabled")
    severities = serializers.ListField(child=serializers.ChoiceField(choices=Severity.values))
    rules = serializers.ListField(child=serializers.ChoiceField(choices=AlertRuleName.values))
    bandIds = serializers.SerializerMethodField()
    timeZone = serializers.CharField(source="time_zone")
    quietFrom = _LocalTime(source="quiet_from", read_only=True)
    quietUntil = _LocalTime(source="quiet_until", read_only=True)
    quietForCritical = serializers.BooleanField(source="quiet_for_critical")
    repeatHours = serializers.IntegerField(source="repeat_hours")
    createdAt = serializers.DateTimeField(source="created_at")
    lastPingAt = serializers.DateTimeField(source="pinged_at", allow_null=True)
    pingProblem = NullableText(source="ping_problem", help_text="Why the last ping failed or was left out.")

    class Meta:
        model = AlertChannel
        fields = (
            "id", "name", "kind", "address", "secret", "enabled", "language", "severities", "rules", "bandIds", "timeZone",
            "quietFrom", "quietUntil", "quietForCritical", "repeatHours", "createdAt", "lastPingAt", "pingProblem",
        )  # fmt: skip

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_secret(self, channel: AlertChannel) -> str | None:
        return self.context.get("new_secret") or None

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_bandIds(self, channel: AlertChannel) -> list[str]:
        return sorted((str(band.pk) for band in channel.bands.all()), key=int)


class DeliverySerializer(serializers.ModelSerializer[AlertDelivery]):
    """A message to a channel."""

    id = serializers.CharField()
    channelId = serializers.CharField(source="channel_id")
    channelName = serializers.CharField(source="channel.name")
    kind = serializers.ChoiceField(choices=DeliveryKind.values)
    state = serializers.ChoiceField(choices=DeliveryState.values)
    key = serializers.CharField(help_text="The idempotency key, the same in each attempt.")
    alertCount = serializers.IntegerField(source="alert_count")
    attempts = serializers.IntegerField(source="attempts_made")
    problem = NullableText(help_text="Why the last attempt failed.")
    createdAt = serializers.DateTimeField(source="created_at")
    nextAttemptAt = serializers.SerializerMethodField()
    deadlineAt = serializers.DateTimeField(source="deadline_at")
    endedAt = serializers.DateTimeField(source="ended_at", allow_null=True)

    class Meta:
        model = AlertDelivery
        fields: tuple[str, ...] = (
            "id", "channelId", "channelName", "kind", "state", "key", "title", "alertCount", "attempts", "problem",
            "createdAt", "nextAttemptAt", "deadlineAt", "endedAt",
        )  # fmt: skip

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_nextAttemptAt(self, delivery: AlertDelivery) -> Any:
        return delivery.next_attempt_at if delivery.state == DeliveryState.PENDING else None


class DeliveryAttemptSerializer(serializers.ModelSerializer[AlertDeliveryAttempt]):
    """An attempt to deliver a message."""

    result = serializers.ChoiceField(choices=AttemptResult.values)
    status = serializers.IntegerField(allow_null=True, help_text="Of HTTP or SMTP.")
    problem = NullableText()
    startedAt = serializers.DateTimeField(source="started_at")
    endedAt = serializers.DateTimeField(source="ended_at", allow_null=True)

    class Meta:
        model = AlertDeliveryAttempt
        fields = ("number", "process", "result", "status", "problem", "startedAt", "endedAt")


class DeliveryDetailSerializer(DeliverySerializer):
    """A message with its text and attempts."""

    tried = DeliveryAttemptSerializer(source="attempts", many=True)

    class Meta(DeliverySerializer.Meta):
        fields = (*DeliverySerializer.Meta.fields, "text", "tried")
