"""What can be said of a band, by whoever writes one: how each field is read, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from bands.channels import set_channel
from bands.models import Band

from ..youtube.references import MalformedReference, parse_channel, parse_playlist


class _Refused(Exception):
    """The value can't be taken."""


def apply(band: Band, row: dict[Any, Any]) -> list[tuple[str, str]]:
    """Set, not save, what the row gives of the band; returns what is wrong with it, by field ("" for the whole row)."""
    problems: list[tuple[str, str]] = []
    for key, value in row.items():
        take = _COLUMNS.get(key)
        if take is None:
            unknown = _("is no column. The columns are %(columns)s.") % {"columns": ", ".join(_COLUMNS)}
            problems.append((str(key), unknown) if key else ("", _("The row has more cells than columns.")))
            continue
        try:
            take(band, value)
        except (_Refused, MalformedReference) as error:
            problems.append((key, str(error)))
    try:
        band.full_clean(validate_unique=False)
    except ValidationError as error:
        names, wrong = {name: key for key, name in _NAMES.items()}, {key for key, _said in problems}
        found = [(names.get(name, name), " ".join(said)) for name, said in error.message_dict.items()]
        problems += [(key, said) for key, said in found if key not in wrong]
    return problems


def _text(name: str) -> Callable[[Band, Any], None]:
    def take(band: Band, value: Any) -> None:
        if value is not None and not isinstance(value, str):
            raise _Refused(_("must be text."))
        if value and "\x00" in value:
            raise _Refused(_("holds a NUL character."))
        setattr(band, name, (value or "").strip())

    return take


def _flag(name: str) -> Callable[[Band, Any], None]:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

    def take(band: Band, value: Any) -> None:
        flag = words.get(value.strip().lower()) if isinstance(value, str) else value
        if not isinstance(flag, bool):
            raise _Refused(_("must be true or false."))
        setattr(band, name, flag)

    return take


def _founded(band: Band, value: Any) -> None:
    text = str(value).strip()
    if value is not None and (isinstance(value, bool) or not re.fullmatch(r"\d{4}", text)):
        raise _Refused(_("must be a year of four digits."))
    band.founded = None if value is None else int(text)


def _list(value: Any) -> list[str]:
    """A JSON list, or text with ; between the entries."""
    entries = value.split(";") if isinstance(value, str) else value if value is not None else []
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise _Refused(_("must be a list of texts (in CSV: with ; between them)."))
    return [entry.strip() for entry in entries if entry.strip()]


def _keywords(band: Band, value: Any) -> None:
    band.search_keywords = _list(value)


def _playlists(band: Band, value: Any) -> None:
    band.extra_playlists = list(dict.fromkeys(parse_playlist(entry) for entry in _list(value)))


def _channel(band: Band, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        raise _Refused(_("must be text."))
    reference = (value or "").strip()
    if reference == band.channel_reference:
        return
    parsed = parse_channel(reference) if reference else None
    set_channel(band, reference, channel_id=parsed.value if parsed and parsed.kind == "id" else "")


_NAMES = {
    "name": "name",
    "slug": "slug",
    "schoolName": "school_name",
    "nickname": "nickname",
    "city": "city",
    "state": "state",
    "conference": "conference",
    "bandType": "band_type",
    "primaryColor": "primary_color",
    "secondaryColor": "secondary_color",
}
_COLUMNS: dict[Any, Callable[[Band, Any], None]] = {
    **{key: _text(name) for key, name in _NAMES.items()},
    "founded": _founded,
    "searchKeywords": _keywords,
    "isActive": _flag("is_active"),
    "isFeatured": _flag("is_featured"),
    "youtubeChannel": _channel,
    "playlists": _playlists,
}
