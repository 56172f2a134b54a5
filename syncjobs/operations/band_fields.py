"""The fields of a band that people can set, with the parser of each. Shared by the API, the admin and imports."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from bands.channels import set_channel
from bands.models import Band
from bands.text import ONE_LINE

from ..youtube.references import ChannelReference, MalformedReference, parse_channel, parse_playlist, unwrap
from .texts import translated


class _InvalidValue(Exception):
    """The value of a field is not valid."""


def apply(band: Band, row: dict[Any, Any]) -> list[tuple[str, str]]:
    """Set the band's fields from a row without saving; return (field, message) of each problem, "" for the whole row."""
    problems: list[tuple[str, str]] = []
    for key, value in row.items():
        set_field = COLUMNS.get(key)
        if set_field is None:
            unknown = _("is not a column. The columns are %(columns)s.") % {"columns": ", ".join(COLUMNS)}
            problems.append((str(key), unknown) if key else ("", _("The row has more cells than columns.")))
            continue
        try:
            set_field(band, value)
        except MalformedReference as error:
            problems.append((key, translated(error)))
        except _InvalidValue as error:
            problems.append((key, str(error)))
    try:
        band.full_clean(validate_unique=False)
    except ValidationError as error:
        reported = {key for key, _message in problems}
        invalid = [(name, " ".join(messages)) for name, messages in error.message_dict.items()]
        problems += [(key, message) for key, message in invalid if key not in reported]
    return problems


def _text(name: str) -> Callable[[Band, Any], None]:
    def set_field(band: Band, value: Any) -> None:
        if value is not None and not isinstance(value, str):
            raise _InvalidValue(_("must be text."))
        setattr(band, name, _one_line((value or "").strip()))

    return set_field


def _one_line(text: str) -> str:
    """Return the text. Raises _InvalidValue."""
    if not re.fullmatch(ONE_LINE, text):
        raise _InvalidValue(_("must not contain line breaks, control characters or direction marks."))
    return text


def _flag(name: str) -> Callable[[Band, Any], None]:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

    def set_field(band: Band, value: Any) -> None:
        flag = words.get(value.strip().lower()) if isinstance(value, str) else value
        if not isinstance(flag, bool):
            raise _InvalidValue(_("must be true or false."))
        setattr(band, name, flag)

    return set_field


def _set_founded(band: Band, value: Any) -> None:
    text = str(value).strip()
    if value is not None and (isinstance(value, bool) or not re.fullmatch("[0-9]{4}", text)):
        raise _InvalidValue(_("must be a year with four digits."))
    band.founded = None if value is None else int(text)


def _parse_list(value: Any) -> list[str]:
    """Parse a list of strings, or a string with ; between the entries."""
    entries = value.split(";") if isinstance(value, str) else value if value is not None else []
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise _InvalidValue(_("must be a list of strings (in CSV, separated by semicolons)."))
    return [_one_line(entry.strip()) for entry in entries if entry.strip()]


def _set_keywords(band: Band, value: Any) -> None:
    band.search_keywords = _parse_list(value)


def _set_playlists(band: Band, value: Any) -> None:
    band.extra_playlists = list(dict.fromkeys(map(parse_playlist, _parse_list(value))))


def _set_channel(band: Band, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        raise _InvalidValue(_("must be text."))
    reference = _one_line(unwrap(value or ""))
    if reference == band.channel_reference:
        return
    parsed = parse_channel(reference) if reference else None
    # The same in another form. But a handle whose channel can't be found may have moved on to another one.
    if parsed and not band.channel_problem and _name(parsed) == _name(_parsed(band.channel_reference)):
        band.channel_reference = reference
        return
    set_channel(band, reference, channel_id=parsed.value if parsed and parsed.kind == "id" else "")


def _name(reference: ChannelReference | None) -> tuple[str, str] | None:
    """Return what identifies the channel. Handles and user names are case-insensitive."""
    if reference is None:
        return None
    return reference.kind, reference.value if reference.kind == "id" else reference.value.casefold()


def _parsed(reference: str) -> ChannelReference | None:
    """Parse a reference that is stored, which an older release may have taken for a valid one."""
    try:
        return parse_channel(reference)
    except MalformedReference:
        return None


TEXT_FIELDS = (
    "name", "slug", "school_name", "nickname", "city", "state", "conference", "band_type", "primary_color",
    "secondary_color",
)  # fmt: skip
COLUMNS: dict[Any, Callable[[Band, Any], None]] = {
    **{name: _text(name) for name in TEXT_FIELDS},
    "founded": _set_founded,
    "search_keywords": _set_keywords,
    "is_active": _flag("is_active"),
    "is_featured": _flag("is_featured"),
    "youtube_channel": _set_channel,
    "playlists": _set_playlists,
}


def shown(band: Band, column: str) -> str:
    """Return the value of a column as a person reads it."""
    if column == "youtube_channel":
        return band.channel_reference or band.channel_id
    value = getattr(band, "extra_playlists" if column == "playlists" else column)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return "; ".join(value)
    return "" if value is None else str(value)
