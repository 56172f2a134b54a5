"""Fields that accept exactly what the schema says: no "yes" for true, no 7 for "7", nothing PostgreSQL can't store."""

from __future__ import annotations

import math
import re
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.settings import api_settings

from bands.text import ID_PATTERN, LINES, ONE_LINE, is_storable

_MOST_UNKNOWN = 20
"""So many unknown keys are reported."""
ANYTHING = r"[^\x00]*"


class Strict(serializers.Serializer[Any]):
    """A body in which an unknown key is an error, because its sender expects it to have an effect."""

    keywords: ClassVar[dict[str, Any]] = {}
    """JSON Schema keywords about several keys together."""

    def run_validation(self, data: Any = empty) -> Any:
        if not (data is empty or isinstance(data, dict) or (data is None and self.allow_null)):
            keys = ", ".join(self.fields)
            message = f"Must be an object. Valid keys: {keys}." if keys else "Must be an empty object, or nothing."
            raise serializers.ValidationError({api_settings.NON_FIELD_ERRORS_KEY: [message]}, "invalid")
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(map(str, set(data) - set(self.fields))) if isinstance(data, dict) else []
        message = f"Unknown key. Valid keys: {', '.join(self.fields) or 'none'}."
        problems: dict[str, Any] = {name[:60]: [message] for name in unknown[:_MOST_UNKNOWN]}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if isinstance(error.detail, dict):
                raise serializers.ValidationError({**problems, **error.detail}) from None
            raise
        if problems:
            raise serializers.ValidationError(problems)
        return values


def key_of(body: Any, field: str) -> str:
    """Return what a body calls the field of a domain error: the key whose `source` it is, such as cron.dayOfWeek."""
    name, dot, rest = field.partition(".")
    found = next((each for each in body.fields.values() if each.source == name), None)
    if found is None:
        return field
    return f"{found.field_name}{dot}{key_of(found, rest) if isinstance(found, Strict) else rest}"


class Text(serializers.CharField):
    """Text, including spaces around it, that matches all of `pattern`.

    Without a pattern it is one line; `ANYTHING` allows all that can be stored. `like` is an example; `message` is for text
    that doesn't match.
    """

    def __init__(self, *, pattern: str = ONE_LINE, like: str = "", message: str = "", **options: Any) -> None:
        self.pattern, self.like, self.message = pattern, like, message
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError(
                f"Must be text{f' such as “{self.like}”' if self.like else ''}.", "invalid"
            )
        if not is_storable(data):
            raise serializers.ValidationError("Contains a character that can't be stored.", "invalid")
        if not re.fullmatch(self.pattern, data):
            raise serializers.ValidationError(self._problem(data), "invalid")
        return super().to_internal_value(data)

    def _problem(self, data: str) -> str:
        if self.pattern == LINES:
            return "Must not contain control characters or direction marks."
        if ONE_LINE in self.pattern and not re.fullmatch(ONE_LINE, data):
            return "Must not contain line breaks, control characters or direction marks."
        return self.message or f"Must be like “{self.like}”."


class Id(Text):
    """The id of an object, as text."""

    def __init__(self, **options: Any) -> None:
        super().__init__(pattern=ID_PATTERN, like="48213", **options)


class Many(serializers.ListField):
    """A list."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "not_a_list": "Must be a list.",
        "empty": "Must have at least one entry.",
        "max_length": "Must have at most {max_length} entries.",
    }


class Flag(serializers.BooleanField):
    """true or false."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise serializers.ValidationError("Must be true or false.", "invalid")
        return data


class Whole(serializers.IntegerField):
    """A whole number, not text that looks like one."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not (isinstance(data, int) or (isinstance(data, float) and data.is_integer())):
            raise serializers.ValidationError("Must be a whole number.", "invalid")
        return super().to_internal_value(int(data))


class Number(serializers.FloatField):
    """A number, not text that looks like one."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float) or not math.isfinite(data):
            raise serializers.ValidationError("Must be a number.", "invalid")
        return super().to_internal_value(data)


class Choice(serializers.ChoiceField):
    """One of the choices, in their own type; `message` is for anything else."""

    def __init__(self, *, message: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.message = message or f"Must be one of {', '.join(str(choice) for choice in self.choices)}."

    def to_internal_value(self, data: Any) -> Any:
        for choice in self.choices:
            if choice == data and not isinstance(data, bool):
                return choice
        raise serializers.ValidationError(self.message, "invalid_choice")


class NullableText(serializers.CharField):
    """Text in a response that is null if it is empty."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_null=True, **options)

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(value) if value else None
