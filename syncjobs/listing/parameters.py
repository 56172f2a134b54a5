"""Query parameters: described once, and refused by that very description."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from typing import Any

from django.http import QueryDict
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError

MAX_TEXT = 200
_INSTANT = gettext_lazy("Must be a date (2026-11-24) or a time with its zone (2026-11-24T09:30:00Z).")
_NUMBER = gettext_lazy("Must be a whole number of at most 18 digits, such as 48213.")
_EARLIEST, _LATEST = dt.datetime(1, 1, 2, tzinfo=dt.UTC), dt.datetime(9999, 12, 30, tzinfo=dt.UTC)


def invalid(field: str, message: str) -> ValidationError:
    """A 400 that names the parameter and says what would be right."""
    return ValidationError({field: [message]})


def whole(name: str, high: int, default: int, description: str = "") -> OpenApiParameter:
    """A whole number from 1 to `high`."""
    schema = {"type": "integer", "minimum": 1, "maximum": high, "default": default}
    return OpenApiParameter(name, schema, description=description)


def choice(name: str, values: Iterable[str], default: str | None = None, description: str = "") -> OpenApiParameter:
    """One of the values."""
    schema: dict[str, Any] = {"type": "string", "enum": list(values)}
    if default is not None:
        schema["default"] = default
    return OpenApiParameter(name, schema, description=description)


def choices(name: str, values: Iterable[str], description: str = "Repeatable, or with commas.") -> OpenApiParameter:
    """Any of the values, the parameter repeated or with commas in it."""
    items = {"type": "string", "enum": list(values)}
    return OpenApiParameter(name, {"type": "array", "items": items, "minItems": 1}, description=description)


def text(name: str, description: str = "", longest: int = MAX_TEXT) -> OpenApiParameter:
    """Any text of at most so many characters."""
    schema = {"type": "string", "maxLength": longest, "pattern": r"^[^\x00]*$"}
    return OpenApiParameter(name, schema, description=description)


class Like(OpenApiParameter):
    """Text of which all matches the pattern; `says` tells people what would, for patterns don't."""

    def __init__(
        self, name: str, pattern: str, example: str, says: Promise, description: str = "", default: str | None = None
    ) -> None:
        schema: dict[str, Any] = {"type": "string", "pattern": f"^(?:{pattern})$", "examples": [example]}
        if default is not None:
            schema["default"] = default
        super().__init__(name, schema, description=description)
        self.says = says


def number_of(name: str, description: str = "") -> OpenApiParameter:
    """The id of something."""
    return Like(name, "[1-9][0-9]{0,17}", "48213", _NUMBER, description)


def instant(name: str, description: str) -> OpenApiParameter:
    """A date, or a time with its zone."""
    schema = {
        "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}],
        "examples": ["2026-11-30", "2026-11-30T18:00:00Z"]
        if name == "endDate"
        else ["2026-11-24", "2026-11-24T09:30:00Z"],
    }
    return OpenApiParameter(name, schema, description=description)


def check(given: QueryDict, known: Sequence[OpenApiParameter]) -> None:
    """Refuse what is not described, and what is not as described. Raises ValidationError naming the parameter.

    What is empty counts as not given: forms send all the fields they have.
    """
    by_name = {parameter.name: parameter for parameter in known}
    for name in given:
        if name not in by_name:
            said = (
                _("There is no such parameter. There are: %(names)s.") % {"names": ", ".join(sorted(by_name))}
                if by_name
                else _("There is no such parameter. There are none here.")
            )
            raise invalid(name[:60].replace("\x00", "%00"), said)
        parameter = by_name[name]
        values = [value for value in given.getlist(name) if value]
        if not isinstance(parameter.type, dict):
            continue
        if parameter.type.get("type") == "array":
            for value in values:
                for part in split(value):
                    _check_value(parameter, part, parameter.type["items"])
        elif len(values) > 1:
            raise invalid(name, _("Is given more than once."))
        elif values:
            _check_value(parameter, values[0], parameter.type)


def without_empty(given: QueryDict, known: Sequence[OpenApiParameter]) -> QueryDict:
    """The parameters that say something, be it by their being there."""
    by_being_there = {each.name for each in known if isinstance(each.type, dict) and "" in each.type.get("enum", ())}
    found = QueryDict(mutable=True)
    for name, values in given.lists():
        if said := [value for value in values if value or name in by_being_there]:
            found.setlist(name, said)
    return found


def split(value: str) -> list[str]:
    """What stands between the commas of a repeatable parameter, but blanks."""
    return [part.strip(" ") for part in value.split(",") if part.strip(" ")]


def _check_value(parameter: OpenApiParameter, value: str, schema: dict[str, Any]) -> None:
    name = parameter.name
    if "anyOf" in schema:
        parse_instant(name, value)
    elif "enum" in schema and value not in schema["enum"]:
        said = _("“%(value)s” is none of %(choices)s.") % {"value": value[:40], "choices": ", ".join(schema["enum"])}
        raise invalid(name, said.replace("\x00", ""))
    elif schema["type"] == "integer":
        if not (re.fullmatch("[0-9]{1,11}", value) and 1 <= int(value) <= schema["maximum"]):
            raise invalid(name, _("Must be a whole number from 1 to %(most)s.") % {"most": schema["maximum"]})
    elif len(value) > schema.get("maxLength", len(value)):
        raise invalid(name, _("Must be at most %(most)s characters.") % {"most": schema["maxLength"]})
    elif "pattern" in schema and not re.fullmatch(schema["pattern"].removesuffix("$"), value):
        raise invalid(name, str(parameter.says) if isinstance(parameter, Like) else _("Holds a NUL character."))


def parse_instant(name: str, value: str, *, is_end: bool = False) -> dt.datetime:
    """A date or a time with zone, in UTC; a bare end date includes its day. Raises ValidationError."""
    # A + that was not encoded reads as a blank.
    value = re.sub(r"(?<=\d) (?=\d\d:?\d\d$)", "+", value) if "T" in value.upper() else value
    try:
        day = parse_date(value) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value) else None
        moment = None if day else parse_datetime(value.upper())
    except ValueError:
        raise invalid(name, str(_INSTANT)) from None
    if day is not None:
        moment = dt.datetime.combine(day, dt.time(), dt.UTC)
        return min(moment, _LATEST) + dt.timedelta(days=1 if is_end else 0)
    if moment is None or moment.tzinfo is None:
        raise invalid(name, str(_INSTANT))
    # What lies at the very ends of the calendar has no UTC.
    if moment.replace(tzinfo=dt.UTC) <= _EARLIEST:
        return _EARLIEST
    return _LATEST if moment.replace(tzinfo=dt.UTC) >= _LATEST else moment.astimezone(dt.UTC)
