"""Query parameters. A strict FilterSet defines those of a list; the API, its OpenAPI document and the admin read it.

django-filter declares the parameters and turns their values into conditions. Its forms don't serve: they ignore unknown
and repeated parameters, the API shows no forms, and each request would build one, which takes longer than `clean()`.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import django_filters
from django.core.validators import EMPTY_VALUES
from django.db.models import Model, QuerySet
from django.http import QueryDict
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bands.text import ID_PATTERN, is_storable, parse_number

from ..exceptions import InvalidInput

MAX_TEXT = 200
MAX_LIMIT = 100
MAX_PAGE = 10_000_000
Rows = TypeVar("Rows", bound=QuerySet[Any])
Spelling = Callable[[str], str]
"""How requests write the names of parameters and of fields to sort by, which are in snake_case here."""
_EARLIEST, _LATEST = dt.datetime(1, 1, 2, tzinfo=dt.UTC), dt.datetime(9999, 12, 30, tzinfo=dt.UTC)


class Parameter(django_filters.Filter):
    """A query parameter. Only one with a `field_name` or a `method` filters; others, such as `page`, carry a value."""

    is_repeatable = False

    def __init__(
        self,
        field_name: str | None = None,
        lookup_expr: str = "exact",
        *,
        method: str | None = None,
        initial: Any = None,
        help_text: str = "",
    ) -> None:
        super().__init__(field_name, lookup_expr, method=method)
        self.narrows = bool(field_name or method)
        self.initial, self.help_text = initial, help_text

    def parse(self, value: str) -> Any:
        """Return the value that the text stands for. Raises InvalidInput."""
        raise NotImplementedError

    def spelled(self, spell: Spelling) -> Parameter:
        """Return the parameter for requests that write names in this spelling."""
        return self


class Choice(Parameter):
    """One of `choices`."""

    def __init__(self, *args: Any, choices: Iterable[str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.choices = list(choices)

    def parse(self, value: str) -> str:
        if value not in self.choices:
            message = _("Must be one of %(choices)s, not “%(value)s”.")
            shown = value[:40].replace("\x00", "")
            raise InvalidInput(message % {"value": shown, "choices": ", ".join(self.choices)})
        return value


class Choices(Choice):
    """Any of `choices`: a list. The parameter may be repeated, or have commas between values."""

    is_repeatable = True

    def __init__(self, field_name: str | None = None, **options: Any) -> None:
        super().__init__(field_name, "in", **{"help_text": "Repeatable, or separated by commas."} | options)


class Spelled(Choice):
    """One of `names`, which requests write in the spelling of their parameters."""

    def __init__(self, names: Iterable[str], *, initial: str, help_text: str, spell: Spelling = str) -> None:
        self.names = {spell(name): name for name in names}
        super().__init__(choices=self.names, initial=spell(initial), help_text=help_text)

    def parse(self, value: str) -> str:
        return self.names[super().parse(value)]

    def spelled(self, spell: Spelling) -> Spelled:
        initial = self.names[self.initial]
        return type(self)(self.names.values(), initial=initial, help_text=self.help_text, spell=spell)


class SortBy(Spelled):
    """The field that a list is sorted by."""


class Text(Parameter):
    """Text of at most MAX_TEXT characters; `strip` removes spaces around it."""

    def __init__(self, *args: Any, strip: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.strip = strip

    def parse(self, value: str) -> str:
        if len(value) > MAX_TEXT:
            raise InvalidInput(_("Must be at most %(max)s characters.") % {"max": MAX_TEXT})
        if not is_storable(value):
            raise InvalidInput(_("Must not contain a NUL character."))
        return value.strip() if self.strip else value


class Pattern(Parameter):
    """Text that matches all of `pattern`; `message` says what is valid."""

    def __init__(self, *args: Any, pattern: str, example: str, message: str | Promise, **options: Any) -> None:
        super().__init__(*args, **options)
        self.pattern, self.example, self.message = pattern, example, message

    def parse(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            raise InvalidInput(str(self.message))
        return value


class Id(Pattern):
    """The id of an object."""

    def __init__(self, field_name: str | None = None, **options: Any) -> None:
        message = gettext_lazy("Must be a whole number of at most 18 digits, such as 48213.")
        super().__init__(field_name, pattern=ID_PATTERN, example="48213", message=message, **options)


class Whole(Parameter):
    """A whole number from 1 to `max_value`."""

    def __init__(self, *, max_value: int, **options: Any) -> None:
        super().__init__(**options)
        self.max_value = max_value

    def parse(self, value: str) -> int:
        number = parse_number(value, self.max_value)
        if not number:
            raise InvalidInput(_("Must be a whole number from 1 to %(max)s.") % {"max": self.max_value})
        return number


class Instant(Parameter):
    """A date or a time, in UTC unless it names its zone; with `is_end`, the first moment after it."""

    def __init__(self, *args: Any, is_end: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.is_end = is_end

    def parse(self, value: str) -> dt.datetime:
        return parse_instant(value, is_end=self.is_end)


class Parameters(django_filters.FilterSet):
    """A strict set of query parameters: `clean()` refuses unknown, repeated and malformed ones.

    An empty parameter counts as missing, because forms send all their fields.
    """

    @classmethod
    def spelled(cls, spell: Spelling) -> dict[str, Parameter]:
        """Return the parameters by what requests call them, in this spelling."""
        return {spell(name): parameter.spelled(spell) for name, parameter in cls.base_filters.items()}

    @classmethod
    def clean(cls, data: QueryDict, spell: Spelling = str) -> dict[str, Any]:
        """Return the value of each parameter; a missing one has its default (`initial`) or None.

        Raises InvalidInput naming the first wrong parameter, as requests in this spelling do.
        """
        values = {name: parameter.initial for name, parameter in cls.base_filters.items()}
        names, parameters = {spell(name): name for name in values}, cls.spelled(spell)
        for written in data:
            if written not in names:
                known = ", ".join(sorted(names)) or _("none")
                message = _("Unknown parameter. Valid parameters: %(names)s.") % {"names": known}
                raise InvalidInput(message, field=written[:60].replace("\x00", "%00"))
            parameter, given = parameters[written], [value for value in data.getlist(written) if value]
            if len(given) > 1 and not parameter.is_repeatable:
                raise InvalidInput(_("Must be given only once."), field=written)
            try:
                if parameter.is_repeatable:
                    values[names[written]] = [parameter.parse(part) for value in given for part in split(value)]
                elif given:
                    values[names[written]] = parameter.parse(given[0])
            except InvalidInput as error:
                raise InvalidInput(error.message, field=written) from None
        start, end = values.get("start_date"), values.get("end_date")
        if start and end and end <= start:
            message = _("Must not be before %(name)s.")
            raise InvalidInput(message % {"name": spell("start_date")}, field=spell("end_date"))
        return values

    @classmethod
    def narrow(cls, rows: Rows, values: Mapping[str, Any]) -> Rows:
        """Filter the rows by cleaned values; those that are missing don't filter."""
        bound = _bound(cls, rows.model)  # type: ignore[arg-type]  # mypy looks at the hash of instances.
        for name, parameter in bound.items():
            if parameter.narrows and values.get(name) not in EMPTY_VALUES:
                rows = parameter.filter(rows, values[name])
        return rows


@functools.cache
def _bound(parameters: type[Parameters], model: type[Model]) -> dict[str, Parameter]:
    """Return the parameters as filters of the model. django-filter copies them all, which takes as long as two statements."""
    bound: dict[str, Parameter] = parameters(queryset=model._default_manager.none()).filters
    return bound


class Paged(Parameters):
    """The parameters of a paged list."""

    page = Whole(max_value=MAX_PAGE, initial=1)
    limit = Whole(max_value=MAX_LIMIT, initial=20)


class SortOrder(Choice):
    """The direction of a list, descending unless asked otherwise."""

    def __init__(self) -> None:
        super().__init__(choices=["desc", "asc"], initial="desc")


def split(value: str) -> list[str]:
    """Return the parts of a value between commas, without spaces around them or empty ones."""
    return [part.strip(" ") for part in value.split(",") if part.strip(" ")]


def parse_instant(value: str, *, is_end: bool = False) -> dt.datetime:
    """Parse a date or a time, which is in UTC unless it names its zone.

    With `is_end`, return the first moment after it, because an end is included: the next midnight after a date, and one
    microsecond, which is PostgreSQL's resolution, after a time. Raises InvalidInput.
    """
    # A "+" that was not percent-encoded arrives as a space.
    value = re.sub(r"(?<=\d) (?=\d\d:?\d\d$)", "+", value) if "T" in value.upper() else value
    try:
        day = parse_date(value) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value) else None
        moment = None if day or not value.isascii() else parse_datetime(value.upper())
    except ValueError:
        day = moment = None
    if day is not None:
        moment = dt.datetime.combine(day, dt.time(), dt.UTC)
        return min(moment, _LATEST) + dt.timedelta(days=1 if is_end else 0)
    if moment is None:
        raise InvalidInput(_("Must be a date (2026-11-24) or a time (2026-11-24T09:30:00Z)."))
    # Times at the very ends of the calendar can't be converted to UTC.
    as_written = moment.replace(tzinfo=dt.UTC)
    is_extreme = moment.tzinfo is None or not _EARLIEST < as_written < _LATEST
    moment = min(max(as_written, _EARLIEST), _LATEST) if is_extreme else moment.astimezone(dt.UTC)
    return moment + dt.timedelta(microseconds=1 if is_end else 0)
