"""Bands from a JSON or CSV file: each row is taken or refused by itself, and importing a file twice changes nothing."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from bands.models import Band

from .actors import Actor
from .audit import audited
from .exceptions import InvalidInput
from .operations import give_channel
from .youtube.references import MalformedReference, parse_channel, parse_playlist

MAX_BYTES = 20_000_000


class _Refused(Exception):
    """The row can't be taken."""


@dataclass(slots=True)
class RowResult:
    """What became of a row: "created", "updated", "unchanged" or "refused", and then why."""

    row: int
    slug: str
    outcome: str
    problems: list[str] = field(default_factory=list)


def read_file(path: Path) -> list[Any]:
    """The rows of a .json or .csv file. Raises InvalidInput, saying what and where, if it can't be read whole."""
    if path.suffix.lower() not in {".json", ".csv"}:
        raise InvalidInput(f"{path.name} is neither .json nor .csv.", field="file")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} can't be read: {error.strerror}.", field="file") from None
    return read_rows(raw, is_csv=path.suffix.lower() == ".csv")


def read_rows(raw: bytes, *, is_csv: bool) -> list[Any]:
    """The rows of a file's content. Raises InvalidInput."""
    if len(raw) > MAX_BYTES:
        raise InvalidInput(f"The file is larger than {MAX_BYTES // 1_000_000} MB.", field="file")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            f"The file is not UTF-8: line {line} has the byte 0x{raw[error.start]:02X}. Save it as UTF-8.", field="file"
        ) from None
    return _csv_rows(text) if is_csv else _json_rows(text)


def _json_rows(text: str) -> list[Any]:
    try:
        rows = json.loads(text)
    except ValueError as error:
        where = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "the file"
        raise InvalidInput(f"The file is no whole JSON document: it breaks at {where}.", field="file") from None
    if not isinstance(rows, list):
        raise InvalidInput("The file must hold a JSON list of bands.", field="file")
    return rows


def _csv_rows(text: str) -> list[Any]:
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        rows = list(reader)
    except csv.Error as error:
        raise InvalidInput(f"The file is no CSV: {error}.", field="file") from None
    if not reader.fieldnames or "slug" not in reader.fieldnames:
        raise InvalidInput("The first line must name the columns, “slug” among them.", field="file")
    return [{key: value for key, value in row.items() if value not in ("", None) or key is None} for row in rows]


def import_bands(
    actor: Actor, rows: Iterable[Any], *, dry_run: bool = False, progress: Callable[[], object] = lambda: None
) -> list[RowResult]:
    """Create or update bands by slug. A row that can't be taken is refused with all that is wrong with it."""
    results: list[RowResult] = []
    seen: set[str] = set()
    with audited(actor, "import_bands", "band") as span:
        for number, row in enumerate(rows, start=1):
            results.append(_import_row(number, row, seen, dry_run=dry_run))
            progress()
        span.data = {
            outcome: sum(r.outcome == outcome for r in results)
            for outcome in ("created", "updated", "unchanged", "refused")
        }
        span.data["dry_run"] = dry_run
    return results


def _import_row(number: int, row: Any, seen: set[str], *, dry_run: bool) -> RowResult:
    if not isinstance(row, dict):
        return RowResult(number, "", "refused", ["The row is no object with keys and values."])
    slug = row.get("slug")
    if not isinstance(slug, str) or not slug.strip():
        return RowResult(number, "", "refused", ["slug: is missing; it identifies the band."])
    if slug in seen:
        return RowResult(number, slug, "refused", ["slug: stands in an earlier row too."])
    seen.add(slug)
    band = Band.objects.filter(slug=slug).first()
    is_new = band is None
    band = band or Band(slug=slug)
    before = {f.attname: getattr(band, f.attname) for f in Band._meta.concrete_fields}
    problems = _apply(band, row)
    if problems:
        return RowResult(number, slug, "refused", problems)
    changed = is_new or any(getattr(band, name) != value for name, value in before.items())
    if changed and not dry_run:
        with transaction.atomic():
            band.save()
    return RowResult(number, slug, "created" if is_new else "updated" if changed else "unchanged")


def _apply(band: Band, row: dict[Any, Any]) -> list[str]:
    problems = []
    for key, value in row.items():
        take = _COLUMNS.get(key)
        if take is None:
            known = ", ".join(_COLUMNS)
            problems.append(
                f"{key or 'the row'}: is no column. The columns are {known}."
                if key
                else "The row has more cells than columns."
            )
            continue
        try:
            take(band, value)
        except (_Refused, MalformedReference) as error:
            problems.append(f"{key}: {error}")
    if problems:
        return problems
    try:
        band.full_clean(validate_unique=False)
    except ValidationError as error:
        names = {name: key for key, name in _NAMES.items()}
        return [f"{names.get(name, name)}: {' '.join(said)}" for name, said in error.message_dict.items()]
    return []


def _text(name: str) -> Callable[[Band, Any], None]:
    def take(band: Band, value: Any) -> None:
        if value is not None and not isinstance(value, str):
            raise _Refused("must be text.")
        if value and "\x00" in value:
            raise _Refused("holds a NUL character.")
        setattr(band, name, (value or "").strip())

    return take


def _flag(name: str) -> Callable[[Band, Any], None]:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

    def take(band: Band, value: Any) -> None:
        flag = words.get(value.strip().lower()) if isinstance(value, str) else value
        if not isinstance(flag, bool):
            raise _Refused("must be true or false.")
        setattr(band, name, flag)

    return take


def _founded(band: Band, value: Any) -> None:
    text = str(value).strip()
    if value is not None and (isinstance(value, bool) or not re.fullmatch(r"\d{4}", text)):
        raise _Refused("must be a year of four digits.")
    band.founded = None if value is None else int(text)


def _list(value: Any) -> list[str]:
    """A JSON list, or text with ; between the entries."""
    entries = value.split(";") if isinstance(value, str) else value if value is not None else []
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise _Refused("must be a list of texts (in CSV: with ; between them).")
    return [entry.strip() for entry in entries if entry.strip()]


def _keywords(band: Band, value: Any) -> None:
    band.search_keywords = _list(value)


def _playlists(band: Band, value: Any) -> None:
    band.extra_playlists = list(dict.fromkeys(parse_playlist(entry) for entry in _list(value)))


def _channel(band: Band, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        raise _Refused("must be text.")
    reference = (value or "").strip()
    if reference == band.channel_reference:
        return
    parsed = parse_channel(reference) if reference else None
    give_channel(band, reference, channel_id=parsed.value if parsed and parsed.kind == "id" else "")


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
