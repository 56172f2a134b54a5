"""Acting on many jobs at once."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ...choices import Priority
from ...listing.filters import JobFilters
from ...models import BulkAction
from ...operations import bulk
from ..core.fields import Choice, Id, Many, Strict, Whole
from ..core.schema import filter_schema
from .jobs import MAX_MINUTES, PRIORITIES


@extend_schema_field(filter_schema(JobFilters))
class Filter(serializers.DictField):
    """Filters of the list of jobs in a body; `listing.filters.filters_of` checks what they hold."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "not_a_dict": 'Must be an object such as {{"status": "FAILED"}}.',
    }


_VALUES = {"delay": "minutes", "priority": "priority"}
"""The actions that need a value, and what it is called."""
_PLAIN = [action for action in bulk.PERMISSIONS if action not in _VALUES]
_SORTING = ["sortBy", "sortOrder"]


@extend_schema_field(filter_schema(JobFilters) | {"minProperties": 1, "not": {"propertyNames": {"enum": _SORTING}}})
class _Selection(Filter):
    """The filters of an action, which the body must have: sorting alone would select every job."""


class BulkBody(Strict):
    """What to do, and to which jobs: either ids or a filter. `delay` needs `minutes`, and `priority` a `priority`."""

    keywords = {
        "oneOf": [{"required": ["ids"]}, {"required": ["filter"]}],
        "anyOf": [
            {"properties": {"action": {"enum": _PLAIN}, "minutes": False, "priority": False}},
            {"properties": {"action": {"enum": ["delay"]}, "priority": False}, "required": ["minutes"]},
            {"properties": {"action": {"enum": ["priority"]}, "minutes": False}, "required": ["priority"]},
        ],
    }
    action = Choice(choices=list(bulk.PERMISSIONS))
    minutes = Whole(
        required=False, min_value=1, max_value=MAX_MINUTES, help_text="How long to delay the jobs, from now."
    )
    priority = Choice(choices=Priority.choices, required=False, help_text=PRIORITIES)
    ids = Many(child=Id(), required=False, allow_empty=False, max_length=10_000)
    filter = _Selection(required=False)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if ("ids" in data) == ("filter" in data):
            raise serializers.ValidationError({"ids": ["Give either ids or a filter."]})
        for action, name in _VALUES.items():
            if (data["action"] == action) != (name in data):
                message = f"Must be given for the action “{action}”, and for no other."
                raise serializers.ValidationError({name: [message]})
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
    changed = serializers.ListField(
        child=serializers.CharField(), help_text="Queued jobs that are due at another time now, or in another order."
    )
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
