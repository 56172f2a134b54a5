"""YouTube's quota: today's buckets and the days before."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bands.text import camel_case

from ...stats.quota import BucketFigures
from ...stats.quota_usage import Grouping, Kind, Usage
from ...youtube.costs import Bucket
from ..core.fields import Choice, NullableText, Strict

_BUCKETS = [bucket.value for bucket in Bucket]


class BucketBody(Strict):
    """Which bucket."""

    bucket = Choice(choices=_BUCKETS)


class _Spent(serializers.Serializer[Any]):
    units = serializers.IntegerField(source="spent.units")
    calls = serializers.IntegerField(source="spent.calls")
    failed = serializers.IntegerField(source="spent.failed", help_text="Failed calls; they are charged too.")

    def get_fields(self) -> dict[str, Any]:
        """Put what a subclass adds first."""
        return dict(sorted(super().get_fields().items(), key=lambda field: field[0] in _Spent._declared_fields))


class OperationUnits(_Spent):
    operation = serializers.CharField()


class JobTypeUnits(_Spent):
    jobType = NullableText(source="job_type", help_text="null: not part of a job.")


class BandUnits(_Spent):
    bandId = serializers.CharField(source="band_id")
    bandName = serializers.CharField(source="band_name", allow_null=True, help_text="null: the band was deleted.")


class ForecastSerializer(serializers.Serializer[BucketFigures]):
    """Expected usage at the reset: `used` plus `people`, `queued` and `scheduled`. `units` is null if any is unknown."""

    units = serializers.IntegerField(source="forecast.units", allow_null=True)
    atLeast = serializers.IntegerField(source="forecast.at_least", help_text="The same without what is unknown.")
    exceedsLimit = serializers.BooleanField(
        source="exceeds_limit", allow_null=True, help_text="null: unknown. True as soon as `atLeast` exceeds it."
    )
    used = serializers.IntegerField(source="forecast.used")
    people = serializers.IntegerField(
        source="forecast.people", help_text="At the median rate of the last 5 hours, without all-bands jobs."
    )
    queued = serializers.IntegerField(source="forecast.queued", help_text="What active jobs still need.")
    scheduled = serializers.IntegerField(
        source="forecast.scheduled", help_text="What schedules will use, based on their runs of the last 7 days."
    )
    unknown = serializers.ListField(
        source="forecast.unknown", child=serializers.CharField(), help_text="What can't be forecast yet."
    )


class BucketSerializer(serializers.Serializer[Any]):
    bucket = serializers.ChoiceField(source="state.bucket", choices=_BUCKETS)
    day = serializers.DateField(source="state.day", help_text="Begins at midnight America/Los_Angeles.")
    used = serializers.IntegerField(source="state.used")
    limit = serializers.IntegerField(source="state.limit")
    reserved = serializers.IntegerField(source="state.reserved", help_text="Units reserved for manual syncs.")
    left = serializers.IntegerField(source="state.left_for_manual_syncs", help_text="For manual syncs.", read_only=True)
    leftForAutomatic = serializers.IntegerField(source="state.left_for_automatic_syncs", read_only=True)
    closedAt = serializers.DateTimeField(
        source="state.closed_at", allow_null=True, help_text="When YouTube said it was used up."
    )
    closedReason = NullableText(source="state.closed_reason")
    probeAt = serializers.DateTimeField(
        source="state.probe_at",
        allow_null=True,
        help_text="When the next call may test whether YouTube accepts calls again; null: the bucket is not being tested.",
    )
    resetsAt = serializers.DateTimeField(source="state.resets_at")
    waitingJobs = serializers.IntegerField(source="waiting_jobs", help_text="Delayed until the reset.")
    waitingUntil = serializers.DateTimeField(
        source="waiting_until", allow_null=True, help_text="When the first of them starts."
    )
    operations = serializers.SerializerMethodField()
    jobTypes = serializers.SerializerMethodField()
    bands = serializers.SerializerMethodField()
    forecast = ForecastSerializer(source="*")
    asOf = serializers.DateTimeField(source="as_of")

    @extend_schema_field(OperationUnits(many=True))
    def get_operations(self, figures: BucketFigures) -> Any:
        rows = [{"operation": name, "spent": spent} for name, spent in sorted(figures.operations.items())]
        return OperationUnits(rows, many=True).data

    @extend_schema_field(JobTypeUnits(many=True))
    def get_jobTypes(self, figures: BucketFigures) -> Any:
        rows = [{"job_type": name, "spent": spent} for name, spent in sorted(figures.job_types.items())]
        return JobTypeUnits(rows, many=True).data

    @extend_schema_field(BandUnits(many=True, help_text="The ten that used most."))
    def get_bands(self, figures: BucketFigures) -> Any:
        rows = [{"band_id": pk, "band_name": name, "spent": spent} for pk, name, spent in figures.top_bands()]
        return BandUnits(rows, many=True).data


class UnitsOfGroup(_Spent):
    kind = serializers.ChoiceField(
        choices=[camel_case(kind) for kind in Kind],
        help_text="What the group stands for. `none`: calls without a band, or outside of jobs. `unrecorded`: units whose "
        "calls have been deleted since, with old jobs.",
    )
    key = NullableText(help_text="The operation, job type, band id, username or name of the schedule; null: none.")
    name = serializers.CharField()


class UsageOfBucket(serializers.Serializer[Any]):
    bucket = serializers.ChoiceField(choices=_BUCKETS)
    used = serializers.IntegerField(help_text="The sum of the groups' units.")
    groups = UnitsOfGroup(many=True)


class UsageSerializer(serializers.Serializer[Any]):
    day = serializers.DateField(help_text="Begins at midnight America/Los_Angeles.")
    groupBy = serializers.ChoiceField(choices=[camel_case(grouping) for grouping in Grouping])
    buckets = UsageOfBucket(many=True)
    asOf = serializers.DateTimeField()

    def to_representation(self, instance: Any) -> dict[str, Any]:
        buckets = [
            {"bucket": bucket, "used": used, "groups": _groups_of(instance, bucket)}
            for bucket, used in instance.used.items()
        ]
        values = {"day": instance.day, "groupBy": camel_case(instance.grouping), "buckets": buckets}
        return dict(super().to_representation(values | {"asOf": instance.as_of}))


def _groups_of(usage: Usage, bucket: Bucket) -> list[dict[str, Any]]:
    """Return the groups of a bucket, those with most units first."""
    groups = [group for group in usage.groups if bucket in group.spent]
    groups.sort(key=lambda group: (group.member.kind is Kind.UNRECORDED, -group.spent[bucket].units))
    return [
        {"kind": camel_case(kind), "key": key, "name": name, "spent": group.spent[bucket]}
        for group in groups
        for kind, key, name, _exists in [group.member]
    ]


class QuotaDaySerializer(serializers.Serializer[Any]):
    day = serializers.DateField()
    bucket = serializers.ChoiceField(choices=_BUCKETS)
    used = serializers.IntegerField()
    limit = serializers.IntegerField(allow_null=True, help_text="null: nothing was used, so no limit was recorded.")
    reserved = serializers.IntegerField(allow_null=True)
    closedAt = serializers.DateTimeField(source="closed_at", allow_null=True)
