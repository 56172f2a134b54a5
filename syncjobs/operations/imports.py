"""Import bands from JSON or CSV. Each row succeeds or fails by itself; importing a file again changes nothing.

A preview writes nothing and locks nothing. An import locks the channels for a chunk of rows at a time.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext, suppress
from copy import copy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from bands import channels
from bands.models import Band
from bands.text import escape_controls, is_storable

from ..audit.actors import Actor
from ..audit.record import audited
from ..choices import Origin
from ..engine import broker, database
from ..exceptions import Conflict, InvalidInput, NotFound
from ..freshness.former import forget_former
from ..models import BandImport
from . import band_fields
from .band_files import BLANK_ROW, OLD_COLUMNS, Row, read_rows
from .channels import channel_index

logger = logging.getLogger(__name__)
OUTCOMES = ("created", "updated", "unchanged", "refused")
MAX_FOREGROUND = 500
"""More rows than this are imported in the background."""
_CHUNK = 50
"""So many rows are imported in one transaction, which holds the lock on the channels."""
_MOST_PROBLEMS = 1000
_MOST_SLUG, _MOST_PROBLEM, _MOST_SHOWN = 100, 500, 300


class Change(NamedTuple):
    """What a row changes about a band: a column of `band_fields`, and its value before and after."""

    column: str
    before: str
    after: str


@dataclass(slots=True)
class RowResult:
    """The result of a row. `outcome` is one of OUTCOMES; `problems` says why the row was refused.

    A preview also has the `name` of the band and the `changes`; of a new band, the values that it gets.
    """

    row: int
    slug: str
    outcome: str
    problems: list[str] = field(default_factory=list)
    name: str = ""
    changes: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Shorten what the row itself says, and keep it from changing the page or terminal that shows it."""
        self.slug = escape_controls(self.slug)[:_MOST_SLUG]
        self.name = escape_controls(self.name)[:_MOST_SLUG]
        self.problems = [escape_controls(problem)[:_MOST_PROBLEM] for problem in self.problems]


class _Import:
    """The state between the rows of a file: the slugs of the rows before, and the bands and channels as they are now."""

    def __init__(self, seen: set[str] | None = None) -> None:
        self._seen = set() if seen is None else seen
        self._bands: dict[str, Band] = {}
        self._index: channels.ChannelIndex | None = None
        self._unsaved = 0
        self._moved: list[int] = []

    def load(self, rows: Sequence[Any], *, lock: bool) -> None:
        """Read the bands of the rows, and forget what is known about channels. Call it under the lock that the rows need.

        `lock` keeps the bands from being deleted meanwhile, and notices of videos from being stored: the row may change the
        channel. All are locked in one order, so that nobody who locks several deadlocks.
        """
        bands = Band.objects.filter(slug__in=[_slug_of(row) for row in rows]).order_by("pk")
        self._bands = {band.slug: band for band in (bands.select_for_update() if lock else bands)}
        self._index = None

    def row(self, number: int, row: Any, *, dry_run: bool) -> RowResult | None:
        """Import a row; return None for a blank one. A dry run remembers the result without saving it."""
        if row is BLANK_ROW:
            return None
        slug = _slug_of(row)
        problem = self._problem(row, slug)
        if slug:
            self._seen.add(slug)
        if problem:
            return RowResult(number, slug, "refused", problem)
        found = self._bands.get(slug)
        band = copy(found) if found else Band(slug=slug)
        written = {OLD_COLUMNS.get(key, key): key for key in row}
        problems = [
            f"{written.get(column, column)}: {message}" if column else message
            for column, message in band_fields.apply(band, {column: row[key] for column, key in written.items()})
        ]
        before = found or _BLANK
        changed = [name for name in _FIELDS if getattr(band, name) != getattr(before, name)]
        if {"channel_reference", "channel_id"} & set(changed):
            self._index = self._index or channel_index()
            if conflict := channels.channel_conflict(band, self._index):
                problems.append(f"{written['youtube_channel']}: {conflict}")
        if problems:
            return RowResult(number, slug, "refused", problems, (found or band).name)
        changes = _changes(before, band, written) if dry_run else []
        if changed or not found:
            try:
                self._save(band, changed, is_new=not found, dry_run=dry_run)
            except Conflict as error:
                return RowResult(number, slug, "refused", [f"{error.field}: {error.message}"])
        outcome = "created" if not found else "updated" if changed else "unchanged"
        return RowResult(number, slug, outcome, name=band.name if dry_run else "", changes=changes)

    def _problem(self, row: Any, slug: str) -> list[str]:
        """Return why the row can't be looked at, or []."""
        if not isinstance(row, dict):
            return [_("The row is not an object with keys and values.")]
        if not is_storable(row):
            return [_("The row contains a character that can't be stored.")]
        if not slug:
            return [_("slug: is required; it identifies the band.")]
        if isinstance(row, Row) and row.repeated:
            return [_("%(name)s: is given twice.") % {"name": name} for name in row.repeated]
        return [_("slug: is already used by an earlier row.")] if slug in self._seen else []

    def _save(self, band: Band, changed: list[str], *, is_new: bool, dry_run: bool) -> None:
        """Save the band and add it to the index. Raises Conflict if another person has just used its slug."""
        if dry_run:
            if is_new:  # The index knows bands by their key.
                self._unsaved -= 1
                band.pk = self._unsaved
        else:
            try:
                with transaction.atomic():
                    # Of an existing band only the changed columns: a worker may be writing other columns of the row.
                    band.save(update_fields=None if is_new else [*changed, "updated_at"])
            except IntegrityError:
                raise Conflict(_("another band has just been added with it."), field="slug") from None
            if not is_new and "channel_id" in changed:
                self._moved.append(band.pk)
        if self._index:
            self._index.note(band)

    def forget_former(self) -> None:
        """Forget the push and feeds of the channels that bands had before, once all rows of the transaction are written."""
        if self._moved:
            forget_former(self._moved)
        self._moved = []


def _changes(before: Band, after: Band, columns: Iterable[str]) -> list[Change]:
    """Return what differs between a band as it is and as the row has it, in the order of the row's columns."""
    found = []
    for column in columns:
        values = [escape_controls(band_fields.shown(band, column))[:_MOST_SHOWN] for band in (before, after)]
        if values[0] != values[1] and column != "slug":
            found.append(Change(column, *values))
    return found


_BLANK = Band()
_FIELDS = [field.attname for field in Band._meta.concrete_fields if not field.has_db_default()]


def _slug_of(row: Any) -> str:
    slug = row.get("slug") if isinstance(row, dict) else None
    return slug.strip() if isinstance(slug, str) and is_storable(slug) else ""


def import_bands(
    actor: Actor, rows: Iterable[Any], *, dry_run: bool = False, progress: Callable[[], object] = lambda: None
) -> list[RowResult]:
    """Create or update bands by slug. A row with problems is refused, a blank one skipped. Call `progress` after each.

    A failure keeps the chunks of rows before it: importing the file again goes on from there.
    """
    rows = list(rows)
    results: list[RowResult] = []
    step, state = (len(rows) or 1) if dry_run else _CHUNK, _Import()
    try:
        for first in range(0, len(rows), step):
            results += _import_chunk(state, rows, first, first + step, dry_run=dry_run, progress=progress)
    except BaseException:
        if results:
            with suppress(*database.ERRORS):
                _record(actor, count_outcomes(results), dry_run=dry_run, rows=len(rows))
        raise
    _record(actor, count_outcomes(results), dry_run=dry_run)
    return results


def _record(actor: Actor, counts: dict[str, int], **data: Any) -> None:
    with audited(actor, "import_bands", "band") as span:
        span.data = {**counts, **data}


def _import_chunk(
    state: _Import, rows: Sequence[Any], first: int, end: int, *, dry_run: bool, progress: Callable[[], object]
) -> list[RowResult]:
    """Import the rows from `first` to `end`, which a transaction makes permanent together."""
    results = []
    with nullcontext() if dry_run else transaction.atomic():
        if not dry_run:
            channels.lock_channels()
        state.load(rows[first:end], lock=not dry_run)
        for number, row in enumerate(rows[first:end], start=first + 1):
            if result := _import_row(state, number, row, dry_run=dry_run):
                results.append(result)
            progress()
        state.forget_former()
    return results


def _import_row(state: _Import, number: int, row: Any, *, dry_run: bool) -> RowResult | None:
    """Import a row. One that breaks must not block the others, nor all imports after it."""
    try:
        return state.row(number, row, dry_run=dry_run)
    except (OperationalError, InterfaceError):
        raise  # The database is away or too busy.
    except Exception:
        logger.exception("Row %s of an import failed", number)
    return RowResult(number, _slug_of(row), "refused", [_("Something went wrong on the server. It has been logged.")])


def enqueue(actor: Actor, name: str, packed: bytes, rows: Sequence[Any], *, is_csv: bool) -> BandImport:
    """Save a file whose `rows` a worker imports. `packed` is its content, compressed by zlib."""
    with audited(actor, "import_bands", "band") as span:
        band_import = BandImport.objects.create(
            name=name,
            packed=packed,
            is_csv=is_csv,
            total=len(rows),
            actor_id=actor.user_id,
            actor_label=actor.label,
            origin=actor.origin,
            address=actor.address,
        )
        span.data = {"rows": len(rows), "import": band_import.pk}
        broker.notify_bulk_on_commit()
    return band_import


def get_import(import_id: int) -> BandImport:
    """Return an import in the background, without its file. Raises NotFound."""
    band_import = BandImport.objects.filter(pk=import_id).defer("packed").first()
    if band_import is None:
        raise NotFound(_("There is no import %(id)s.") % {"id": import_id}, field="id")
    return band_import


def run_pending() -> int:
    """Run the imports that no other worker is running; return the number of rows."""
    total = 0
    unfinished = BandImport.objects.filter(ended_at=None).order_by("pk")
    for import_id in list(unfinished.values_list("pk", flat=True)):
        # One file at a time: each may have 20 MB.
        pending = unfinished.filter(pk=import_id).first()
        if pending is None:
            continue
        try:
            rows = read_rows(zlib.decompress(pending.packed or b""), is_csv=pending.is_csv)
        except InvalidInput as error:  # A newer version of the project reads files differently.
            rows = []
            unfinished.filter(pk=import_id).update(problems=[[0, "", error.message]])
        while (done := _run_chunk(import_id, rows)) is not None:
            total += done
    return total


@transaction.atomic
def _run_chunk(import_id: int, rows: Sequence[Any]) -> int | None:
    """Import the next rows; None if there are none, or another worker is at it. Its row is locked before the channels."""
    unfinished = BandImport.objects.select_for_update(skip_locked=True).filter(pk=import_id, ended_at=None)
    band_import = unfinished.defer("packed").first()
    if band_import is None:
        return None
    first = band_import.done
    state = _Import({_slug_of(row) for row in rows[:first]} - {""})
    results = _import_chunk(state, rows, first, first + _CHUNK, dry_run=False, progress=lambda: None)
    for outcome, number in count_outcomes(results).items():
        setattr(band_import, outcome, getattr(band_import, outcome) + number)
    refused = [[result.row, result.slug, " ".join(result.problems)] for result in results if result.problems]
    band_import.problems += refused[: _MOST_PROBLEMS - len(band_import.problems)]
    band_import.done = min(first + _CHUNK, len(rows))
    fields = [*OUTCOMES, "problems", "done"]
    if band_import.done >= len(rows):
        band_import.ended_at, band_import.packed = Now(), None
        fields += ["ended_at", "packed"]
        actor = Actor(band_import.actor_label, Origin(band_import.origin), band_import.actor_id, band_import.address)
        counts = {outcome: getattr(band_import, outcome) for outcome in OUTCOMES}
        _record(actor, counts, dry_run=False, **{"import": import_id})
    band_import.save(update_fields=fields)
    return len(results)


def count_outcomes(results: Sequence[RowResult]) -> dict[str, int]:
    """Return the number of rows by outcome."""
    return {outcome: sum(result.outcome == outcome for result in results) for outcome in OUTCOMES}
