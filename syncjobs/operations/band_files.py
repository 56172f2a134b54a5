"""Read files of bands: JSON or CSV, of a limited size."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest
from pathlib import Path, PurePath
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from bands.text import camel_case

from ..exceptions import InvalidInput
from . import band_fields

MAX_MEGABYTES = 20
MAX_BYTES = MAX_MEGABYTES * 1_000_000
MAX_ROWS = 20_000
_MAX_CELLS = 100 * MAX_ROWS
_MAX_LINE = 1_000_000
OLD_COLUMNS = {camel_case(column): column for column in band_fields.COLUMNS}
"""The names that files had before; files with them can still be imported."""


BLANK_ROW: dict[str | None, Any] = {}
"""A row of a CSV file whose cells are all empty. It is skipped."""
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
# Excel writes this line, and reads it, to say what is between the columns.
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>[^\r\n"])"?[\r\n]+', re.IGNORECASE)


class Row(dict[str, Any]):
    """A JSON object that remembers which of its keys were given more than once."""

    __slots__ = ("repeated",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated = _repeated(name for name, _value in pairs)


class _Objects:
    """Makes the rows of a JSON file. Raises InvalidInput as soon as there are too many."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, pairs: list[tuple[str, Any]]) -> Row:
        self.count += 1
        if self.count > MAX_ROWS:
            raise _too_many_rows()
        return Row(pairs)


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


def _too_many_rows() -> InvalidInput:
    message = _("The file has more than %(rows)s rows. Split it and import the parts one by one.")
    return InvalidInput(message % {"rows": number_format(MAX_ROWS, force_grouping=True)}, field="file")


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
    if max(text.count(separator) for separator in ",;\t") > _MAX_CELLS:
        raise _too_many_rows()
    return _csv_rows(text) if is_csv else _json_rows(text)


def _json_rows(text: str) -> list[Any]:
    try:
        rows = json.loads(text, object_pairs_hook=_Objects())
    except RecursionError:
        raise InvalidInput(_("The file is nested too deeply."), field="file") from None
    except json.JSONDecodeError as error:
        message = _("The file is not valid JSON: line %(line)s, column %(column)s.")
        raise InvalidInput(message % {"line": error.lineno, "column": error.colno}, field="file") from None
    except ValueError:
        raise InvalidInput(_("The file is not valid JSON."), field="file") from None
    if not isinstance(rows, list):
        raise InvalidInput(_("The file must contain a JSON list of bands."), field="file")
    if len(rows) > MAX_ROWS:
        raise _too_many_rows()
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
    lines = csv.reader(_lines(text), strict=True, delimiter=separator)
    try:
        header = [_column(name) for name in next(lines, [])]
    except csv.Error:
        # Another character is between the names: quotes are wrong with this one.
        return []
    if "slug" not in header:
        return []
    rows = list(islice(lines, MAX_ROWS + 1))
    if len(rows) > MAX_ROWS:
        raise _too_many_rows()
    return [header, *rows]


def _column(name: str) -> str:
    """Return the column that a heading names: spreadsheets have “School name” for school_name."""
    name = name.strip()
    column = "_".join(name.lower().split())
    return column if column in band_fields.COLUMNS else name


def _lines(text: str) -> Iterator[str]:
    """Yield the lines with their ends. `io.StringIO` would need four times the memory of the text."""
    for found in _LINE.finditer(text):
        if found.end() - found.start() > _MAX_LINE:  # Without a copy of it.
            raise csv.Error(f"a line is longer than {_MAX_LINE:,} characters")
        yield found[0]


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
    names = [OLD_COLUMNS.get(name, name) for name in names]
    if len(set(names)) == len(names):
        return []
    return [str(name) for name, count in Counter(names).items() if count > 1]
