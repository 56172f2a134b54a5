"""How fresh videos are."""

from __future__ import annotations

import datetime as dt
from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from bands.models import NoticedBy

from ...choices import FeedState, PushState
from ...stats.freshness import BandFreshness, Freshness
from ..core.fields import Id, Many, NullableText, Strict


class BandsBody(Strict):
    """Which bands."""

    bandIds = Many(
        source="band_ids",
        child=Id(),
        required=False,
        allow_empty=False,
        max_length=1000,
        help_text="Without it: all bands.",
    )


class TimesSerializer(serializers.Serializer[Any]):
    """From the publication of videos until they were stored with their title. Unknown is null."""

    videos = serializers.IntegerField()
    p50Seconds = serializers.FloatField(source="p50", allow_null=True)
    p95Seconds = serializers.FloatField(source="p95", allow_null=True)


class SourceTimes(TimesSerializer):
    source = serializers.ChoiceField(  # type: ignore[assignment]
        choices=NoticedBy.choices, help_text="How the videos were first noticed."
    )

    def to_representation(self, instance: Any) -> Any:
        source, times = instance
        return {"source": source.value, **TimesSerializer(times).data}


class DayTimes(TimesSerializer):
    since = serializers.DateTimeField(help_text="Midnight in UTC.")

    def to_representation(self, instance: Any) -> Any:
        day, times = instance
        since = dt.datetime.combine(day, dt.time(), dt.UTC)
        return {"since": self.fields["since"].to_representation(since), **TimesSerializer(times).data}


class HubSerializer(serializers.Serializer[Any]):
    answeredAt = serializers.DateTimeField(
        source="answered_at", allow_null=True, help_text="When it last accepted a request."
    )
    failingSince = serializers.DateTimeField(source="failing_since", allow_null=True)
    problem = NullableText()
    nextRequestAt = serializers.DateTimeField(source="next_request_at", help_text="Not before this time.")


class SavedSerializer(serializers.Serializer[Any]):
    """An estimate of what push and feeds have saved since the quota's day began: `hourly` - `used`, never below 0."""

    units = serializers.IntegerField()
    hourly = serializers.IntegerField(help_text="What a probe in each hour would have cost: hours × ⌈bands / 50⌉.")
    used = serializers.IntegerField(help_text="What the probes of incremental syncs have cost.")
    since = serializers.DateTimeField()


@extend_schema_serializer(many=False)  # It is the answer of a `list`, but no list.
class FreshnessSerializer(serializers.Serializer[Freshness]):
    """How fresh the videos of active bands are. `push` and `feeds` have the number of bands in each state."""

    days = serializers.IntegerField(help_text="In UTC; the last one is today.")
    since = serializers.DateTimeField()
    total = TimesSerializer()
    bySource = serializers.SerializerMethodField()
    byDay = serializers.SerializerMethodField()
    pushOn = serializers.BooleanField(source="is_push_on", help_text="Whether PUBLIC_URL is set.")
    hub = HubSerializer(allow_null=True, help_text="YouTube's hub; null without push.")
    bands = serializers.IntegerField(help_text="Active bands whose channel is known.")
    push = serializers.DictField(
        child=serializers.IntegerField(), help_text=f"By state: {', '.join(PushState.values)}."
    )
    feeds = serializers.DictField(
        child=serializers.IntegerField(), help_text=f"By state: {', '.join(FeedState.values)}."
    )
    dailyProbes = serializers.IntegerField(
        source="daily_probes", help_text="Bands whose channel is probed once a day only."
    )
    saved = SavedSerializer()
    asOf = serializers.DateTimeField(source="as_of")

    @extend_schema_field(SourceTimes(many=True))
    def get_bySource(self, figures: Freshness) -> Any:
        return SourceTimes(figures.by_source.items(), many=True).data

    @extend_schema_field(DayTimes(many=True))
    def get_byDay(self, figures: Freshness) -> Any:
        return DayTimes(figures.by_day.items(), many=True).data


class BandPush(serializers.Serializer[BandFreshness]):
    """What YouTube's hub delivers of a band; null where there is no subscription."""

    state = serializers.ChoiceField(source="push", choices=PushState.choices)
    problem = serializers.CharField(
        source="subscription.problem", allow_null=True, default=None, help_text="Why the last request was in vain."
    )
    nextRequestAt = serializers.DateTimeField(source="subscription.next_request_at", allow_null=True, default=None)
    leaseEndsAt = serializers.DateTimeField(source="subscription.lease_ends_at", allow_null=True, default=None)
    lastDeliveryAt = serializers.DateTimeField(source="subscription.delivered_at", allow_null=True, default=None)
    trustedAt = serializers.DateTimeField(source="subscription.trusted_at", allow_null=True, default=None)
    trustLostAt = serializers.DateTimeField(source="subscription.trust_lost_at", allow_null=True, default=None)


class BandFeed(serializers.Serializer[BandFreshness]):
    """A band's feed; null where none is read."""

    state = serializers.ChoiceField(source="feed", choices=FeedState.choices)
    problem = serializers.CharField(source="channel_feed.problem", allow_null=True, default=None)
    lastReadAt = serializers.DateTimeField(source="channel_feed.read_at", allow_null=True, default=None)
    nextReadAt = serializers.DateTimeField(source="channel_feed.next_read_at", allow_null=True, default=None)
    trustedAt = serializers.DateTimeField(source="channel_feed.trusted_at", allow_null=True, default=None)
    trustLostAt = serializers.DateTimeField(source="channel_feed.trust_lost_at", allow_null=True, default=None)
