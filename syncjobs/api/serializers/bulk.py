"""Acting on many jobs at once."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ...listing.filters import JobFilters
from ...models import BulkAction
from ...operations import bulk
from ..core.fields import Choice, Id, Many, Strict
from ..core.schema import filter_schema


@extend_schema_field(filter_schema(JobFilters))
class Filter(serializers.DictField):
    """Filters of the list of jobs in a body; `listing.filters.filters_of` checks what they hold."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "not_a_dict": 'Must be an object such as {{"status": "FAILED"}}.',
    }


_SORTING = ["sortBy", "sortOrder"]


@extend_schema_field(filter_schema(JobFilters) | {"minProperties": 1, "not": {"propertyNames": {"enum": _SORTING}}})
class _Selection(Filter):
    """The filters of an action, which the body must have: sorting alone would select every job."""


class BulkBody(Strict):
    """What to do, and to which jobs: either ids or a filter."""

    keywords = {"oneOf": [{"required": ["ids"]}, {"required": ["filter"]}]}
    action = Choice(choices=list(bulk.ELIGIBLE_STATUSES))
    ids = Many(child=Id(), required=False, allow_empty=False, max_length=10_000)
    filter = _Selection(required=False)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if ("ids" in data) == ("filter" in data):
            raise serializers.ValidationError({"ids": ["Give either ids or a filter."]})
        if "filter" in data and data["filter"].keys() <= set(_SORTING):
            message = "Must have at least one filter: without any, every job would be selected."
            raise serializers.ValidationError({"filter": [message]})
        return data


class BulkOutcome(serializers.Serializer[bulk.BulkResult]):
    """The result of each job."""

    message = serializers.SerializerMethodField()
    retried = serializers.DictField(
        child=serializers.CharField(), help_text="Id of the job that runs in its place, by the retried job's id."
    )
    queued = serializers.IntegerField(help_text="Number of new jobs.")
    coveredBy = serializers.DictField(
        source="covered_by",
        child=serializers.CharField(),
        help_text="Of the retried jobs that got no job of their own: the job that does the same for them.",
    )
    cancelled = serializers.ListField(child=serializers.CharField(), help_text="Running ones stop soon.")
    refused = serializers.DictField(child=serializers.CharField(), help_text="Reason for each refusal, by job id.")

    def get_message(self, result: bulk.BulkResult) -> str:
        return bulk.summary(self.context["action"], result)


class BulkProgress(serializers.ModelSerializer[BulkAction]):
    id = serializers.CharField()
    total = serializers.IntegerField()
    done = serializers.IntegerField()
    succeeded = serializers.IntegerField()
    covered = serializers.IntegerField(help_text="Of the succeeded retries: those that another job covers.")
    refused = serializers.DictField(child=serializers.CharField(), help_text="Reasons of the first 1,000, by job id.")
    endedAt = serializers.DateTimeField(source="ended_at", allow_null=True)

    class Meta:
        model = BulkAction
        fields = ("id", "action", "total", "done", "succeeded", "covered", "refused", "endedAt")
