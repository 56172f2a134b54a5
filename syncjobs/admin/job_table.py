"""The rows of the table of jobs as HTML, built in Python: a template takes half a millisecond per row."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrPromise

from ..models import Preferences
from ..templatetags.monitor import icon
from .job_rows import Rights, Row


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a person may leave out; `look` is the class of its head."""

    name: str
    label: StrPromise
    look: str
    is_sortable: bool = False
    is_usual: bool = True
    """Whether it is there until a person chooses."""


COLUMNS = (
    Column("band", gettext_lazy("Band"), "of-band"),
    Column("found", gettext_lazy("Found"), "number"),
    Column("added", gettext_lazy("Added"), "number"),
    Column("updated", gettext_lazy("Updated"), "number"),
    Column("errors", gettext_lazy("Errors"), "of-errors"),
    Column("created_at", gettext_lazy("Created"), "time", is_sortable=True),
    Column("started_at", gettext_lazy("Started"), "time", is_sortable=True, is_usual=False),
    Column("completed_at", gettext_lazy("Ended"), "time", is_sortable=True, is_usual=False),
    Column("took", gettext_lazy("Duration"), "took"),
)


def chosen(liked: Preferences) -> list[str]:
    """Return the names of the columns that the person wants."""
    if liked.job_columns is None:
        return [column.name for column in COLUMNS if column.is_usual]
    return [column.name for column in COLUMNS if column.name in liked.job_columns]


def visible(rows: Sequence[Row], wanted: Collection[str], sorted_by: str, kept: Collection[str]) -> list[Column]:
    """Return the columns to show: those wanted that have a value in any row or are `kept`, and the one that sorts the rows."""
    return [
        column
        for column in COLUMNS
        if column.name == sorted_by
        or (column.name in wanted and (column.name in kept or any(_has_value(row, column.name) for row in rows)))
    ]


def _has_value(row: Row, name: str) -> bool:
    match name:
        case "found" | "added" | "updated":
            return bool(getattr(row, name) != "0")
        case "errors":
            return bool(row.error)
        case "took":
            return bool(row.took or row.elapsed)
        case "started_at" | "completed_at":
            return bool(row.started if name == "started_at" else row.ended)
    return name == "created_at" or bool(row.band)


def _labels() -> dict[str, str]:
    """Return the labels of the table's cells, escaped, in the language of the request."""
    words = {
        "band": _("Band"), "found": _("Found"), "added": _("Added"), "updated": _("Updated"),
        "errors": _("Errors"), "created": _("Created"), "started": _("Started"), "ended": _("Ended"),
        "retry": _("Retry"), "cancel": _("Cancel"), "stop": _("Stop this sync"), "select": _("Select"), "more": _("more"),
        "elapsed": _("Elapsed"), "took": _("Duration"), "in": _("in"),
    }  # fmt: skip
    return {name: escape(word) for name, word in words.items()}


def body(rows: Iterable[Row], rights: Rights, columns: Sequence[Column]) -> SafeString:
    """Return all rows with these columns. Text from people or YouTube (bands, errors, names, notes) is escaped here."""
    labels = _labels()
    names = [column.name for column in columns]
    return mark_safe("".join(_row(row, rights, labels, names) for row in rows))  # noqa: S308 - _row escapes


def _row(row: Row, rights: Rights, labels: dict[str, str], names: list[str]) -> str:
    number = row.id
    tick = (
        f'<td class="tick"><input type="checkbox" name="job" value="{number}" data-select="{row.actions}"'
        f' aria-label="{labels["select"]} #{number}"></td>'
        if rights.any
        else ""
    )
    until = f' · <span class="in-word">{labels["in"]}</span> {row.note_until}' if row.note_until else ""
    note = f'<div class="sub">{escape(row.note)} {row.note_job}{until}</div>' if row.note else ""
    progress = f'<div class="progress-cell">{row.meter}{escape(row.progress)}</div>' if row.progress else ""
    cells = _cells(row, labels)
    return (
        f'<tr id="row-{number}">{tick}<td class="state">{row.badge}{note}{progress}</td>'
        f'<th scope="row"><a href="{row.url}" data-dialog data-dialog-hash="job-{number}" data-key="open">#{number}</a>'
        f'<div class="sub">{escape(row.type)}</div></th>{"".join([cells[name] for name in names])}'
        f'<td class="actions">{_actions(row, labels)}</td></tr>\n'
    )


def _cells(row: Row, labels: dict[str, str]) -> dict[str, str]:
    """Return the cells that a person may leave out, by the name of their column."""
    band, by = escape(row.band), escape(row.by)
    if row.band_url:
        band = f'<a href="{row.band_url}">{band}</a>'
    who = f'<div class="sub by clamp" title="{by}">{by}</div>' if by else ""
    took = labels["elapsed"] if row.elapsed else labels["took"]
    return {
        "band": f'<td class="band" data-label="{labels["band"]}">{band}</td>',
        "found": f'<td class="number" data-label="{labels["found"]}">{row.found}</td>',
        "added": f'<td class="number" data-label="{labels["added"]}">{row.added}</td>',
        "updated": f'<td class="number" data-label="{labels["updated"]}">{row.updated}</td>',
        "errors": f'<td class="full job-error" data-label="{labels["errors"]}">{_error(row, labels)}</td>',
        "created_at": f'<td data-label="{labels["created"]}">{row.created}{who}</td>',
        "started_at": f'<td data-label="{labels["started"]}">{row.started}</td>',
        "completed_at": f'<td data-label="{labels["ended"]}">{row.ended}</td>',
        "took": f'<td class="took" data-label="{took}">{_took(row, labels)}</td>',
    }


def _took(row: Row, labels: dict[str, str]) -> str:
    return f'{row.elapsed}<div class="sub">{labels["elapsed"]}</div>' if row.elapsed else row.took


def _error(row: Row, labels: dict[str, str]) -> str:
    if not row.error:
        return ""
    text = escape(row.error)
    more = f'<span class="sub">+{row.more_errors} {labels["more"]}</span>' if row.more_errors else ""
    return f'<span class="clamp" title="{text}">{text}</span>{more}'


def _actions(row: Row, labels: dict[str, str]) -> str:
    actions = ""
    if row.sooner:
        url, picture, label = row.sooner
        actions += _button(row.id, url, picture, escape(label))
    if row.retry_url:
        actions += _button(row.id, row.retry_url, "retry", labels["retry"], ' data-key="r"')
    if row.cancel_url:
        actions += _button(row.id, row.cancel_url, "stop", labels["stop" if row.is_sync_of_all else "cancel"])
    return actions


def _button(number: int, url: str, picture: str, label: str, more: str = "") -> str:
    return (
        f'<a class="btn btn-icon" href="{url}" data-dialog{more} title="{label}" aria-label="{label} #{number}">'
        f"{icon(picture)}</a>"
    )
