"""Import bands from JSON or CSV. Each row succeeds or fails by itself; importing a file again changes nothing."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path, PurePath
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from bands import channels
from bands.models import Band
from bands.text import camel_case, is_storable

from ..audit.actors import Actor
from ..audit.record import audited
from ..exceptions import Conflict, InvalidInput
from . import band_fields
from .channels import channel_index

MAX_MEGABYTES = 20
MAX_BYTES = MAX_MEGABYTES * 1_000_000
OUTCOMES = ("created", "updated", "unchanged", "refused")
_OLD_COLUMNS = {camel_case(column): column for column in band_fields.COLUMNS}
"""The names that files had before; files with them can still be imported."""


BLANK_ROW: dict[str | None, Any] = {}
"""A row of a CSV file whose cells are all empty. It is skipped."""
# Excel writes this line, and reads it, to say what is between the columns.
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>[^\r\n"])"?[\r\n]+', re.IGNORECASE)


class _Row(dict[str, Any]):
    """A JSON object that remembers which of its keys were given more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated = _repeated(name for name, _value in pairs)


@dataclass(slots=True)
class RowResult:
    """The result of a row. `outcome` is one of OUTCOMES; `problems` says why the row was refused."""

    row: int
    slug: str
    outcome: str
    problems: list[str] = field(default_factory=list)


def read_file(path: Path) -> list[Any]:
    """Return the rows of a .json or .csv file. Raises InvalidInput."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} can't be read: {error.strerror}.", field="file") from None
    return read_rows(raw, is_csv=is_csv(path.name))


def is_csv(name: str) -> bool:
    """Return whether a file of this name has CSV; otherwise it has JSON. Raises InvalidInput for another extension."""
    extension = PurePath(name).suffix.lower()
    if extension not in {".json", ".csv"}:
        raise InvalidInput(_("The file name must end in .json or .csv."), field="file")
    return extension == ".csv"


def too_large() -> InvalidInput:
    """Return the error for a file of more than MAX_BYTES."""
    message = _("The file is larger than %(megabytes)s MB. Split it and import the parts one by one.")
    return InvalidInput(message % {"megabytes": MAX_MEGABYTES}, field="file")


def read_rows(raw: bytes, *, is_csv: bool) -> list[Any]:
    """Return the rows in a file's content. Raises InvalidInput."""
    if len(raw) > MAX_BYTES:
        raise too_large()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            _("The file is not UTF-8: line %(line)s has the byte %(byte)s. Save it as UTF-8.")
            % {"line": line, "byte": f"0x{raw[error.start]:02X}"},
            field="file",
        ) from None
    return _csv_rows(text) if is_csv else _json_rows(text)


def _json_rows(text: str) -> list[Any]:
    try:
        rows = json.loads(text, object_pairs_hook=_Row)
    except RecursionError:
        raise InvalidInput(_("The file is nested too deeply."), field="file") from None
    except json.JSONDecodeError as error:
        message = _("The file is not valid JSON: line %(line)s, column %(column)s.")
        raise InvalidInput(message % {"line": error.lineno, "column": error.colno}, field="file") from None
    except ValueError:
        raise InvalidInput(_("The file is not valid JSON."), field="file") from None
    if not isinstance(rows, list):
        raise InvalidInput(_("The file must contain a JSON list of bands."), field="file")
    return rows


def _csv_rows(text: str) -> list[Any]:
    text = text.lstrip("\r\n")
    if named := _SEPARATOR_LINE.match(text):
        text, separators = text[named.end() :], named["separator"]
    else:
        separators = ",;\t"
    try:
        header, *lines = next(filter(None, (_table(text, separator) for separator in separators)), ([],))
    except csv.Error as error:
        raise InvalidInput(_("The file is not valid CSV: %(error)s.") % {"error": error}, field="file") from None
    if not header:
        message = _(
            "The first line must have the column names, including “slug”, with commas, semicolons or tabs between them."
        )
        raise InvalidInput(message, field="file")
    if repeated := _repeated(name for name in header if name):
        message = _("The column %(name)s is given twice.")
        raise InvalidInput(message % {"name": repeated[0]}, field="file")
    return [_csv_row(header, cells) for cells in lines]


def _table(text: str, separator: str) -> list[list[str]]:
    """Return the lines of a CSV file, or [] if its first line with this separator has no column “slug”. Raises csv.Error."""
    lines = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    try:
        header = [_column(name) for name in next(lines, [])]
    except csv.Error:
        # Another character is between the names: quotes are wrong with this one.
        return []
    return [header, *lines] if "slug" in header else []


def _column(name: str) -> str:
    """Return the column that a heading names: spreadsheets have “School name” for school_name."""
    name = name.strip()
    column = "_".join(name.lower().split())
    return column if column in band_fields.COLUMNS else name


def _csv_row(header: list[str], cells: list[str]) -> dict[str | None, Any]:
    """Return the cells that aren't empty by column; those without a column have the key None."""
    if not any(cell.strip() for cell in cells):
        return BLANK_ROW
    row: dict[str | None, Any] = {name: cell for name, cell in zip(header, cells, strict=False) if name and cell}
    named = zip_longest(header, cells[: len(header)], fillvalue="")
    extra = [cell for name, cell in named if not name] + cells[len(header) :]
    return row | ({None: extra} if any(cell.strip() for cell in extra) else {})


def _repeated(names: Iterable[Any]) -> list[str]:
    """Return the columns that are named more than once, also by an old name."""
    counts = Counter(_OLD_COLUMNS.get(name, name) for name in names)
    return [str(name) for name, count in counts.items() if count > 1]


def import_bands(
    actor: Actor, rows: Iterable[Any], *, dry_run: bool = False, progress: Callable[[], object] = lambda: None
) -> list[RowResult]:
    """Create or update bands by slug. A row with problems is refused, a blank one skipped. Call `progress` after each."""
    results: list[RowResult] = []
    seen: set[str] = set()
    with audited(actor, "import_bands", "band") as span:
        with transaction.atomic():
            channels.lock_channels()
            index = channel_index()
            for number, row in enumerate(rows, start=1):
                if row is not BLANK_ROW:
                    results.append(_import_row(number, row, seen, index))
                progress()
            # A row may depend on earlier rows, so a dry run must import them all.
            transaction.set_rollback(dry_run)
        span.data = {**count_outcomes(results), "dry_run": dry_run}
    return results


def count_outcomes(results: Sequence[RowResult]) -> dict[str, int]:
    """Return the number of rows by outcome."""
    return {outcome: sum(result.outcome == outcome for result in results) for outcome in OUTCOMES}


def _import_row(number: int, row: Any, seen: set[str], index: channels.ChannelIndex) -> RowResult:
    if not isinstance(row, dict):
        return RowResult(number, "", "refused", [_("The row is not an object with keys and values.")])
    if not is_storable(row):
        return RowResult(number, "", "refused", [_("The row contains a character that can't be stored.")])
    slug = row.get("slug")
    slug = slug.strip() if isinstance(slug, str) else ""
    if not slug:
        return RowResult(number, "", "refused", [_("slug: is required; it identifies the band.")])
    if isinstance(row, _Row) and row.repeated:
        return RowResult(number, slug, "refused", [_("%(name)s: is given twice.") % {"name": n} for n in row.repeated])
    if slug in seen:
        return RowResult(number, slug, "refused", [_("slug: is already used by an earlier row.")])
    seen.add(slug)
    band = Band.objects.filter(slug=slug).first()
    is_new = band is None
    band = band or Band(slug=slug)
    before = {f.attname: getattr(band, f.attname) for f in Band._meta.concrete_fields}
    written = {_OLD_COLUMNS.get(key, key): key for key in row}
    values = {column: row[key] for column, key in written.items()}
    problems = [
        f"{written.get(column, column)}: {message}" if column else message
        for column, message in band_fields.apply(band, values)
    ]
    changed = [name for name, value in before.items() if getattr(band, name) != value]
    if {"channel_reference", "channel_id"} & set(changed) and (conflict := channels.channel_conflict(band, index)):
        problems.append(f"{written['youtube_channel']}: {conflict}")
    if problems:
        return RowResult(number, slug, "refused", problems)
    try:
        _save(band, changed, index, is_new=is_new)
    except Conflict as error:
        return RowResult(number, slug, "refused", [f"{error.field}: {error.message}"])
    return RowResult(number, slug, "created" if is_new else "updated" if changed else "unchanged")


def _save(band: Band, changed: list[str], index: channels.ChannelIndex, *, is_new: bool) -> None:
    """Save the band and add it to the index. Raises Conflict if another person has just used its slug."""
    if not changed and not is_new:
        return
    try:
        with transaction.atomic():
            # Of an existing band only the changed columns: a worker may be writing other columns of the row.
            band.save(update_fields=None if is_new else [*changed, "updated_at"])
    except IntegrityError:
        raise Conflict(_("another band has just been added with it."), field="slug") from None
    index.note(band)
