"""The filters of the list of jobs, read from the query string, and links that change them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Q, Subquery
from django.db.models.functions import Upper
from django.http import HttpRequest, QueryDict
from django.utils.dateparse import parse_date
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from bands.models import Band, BandState
from bands.text import parse_number

from ...choices import DelayReason, JobStatus, JobType, QueuedPart, QueueName
from ...engine import clock
from ...exceptions import InvalidInput
from ...listing.base_filters import parse_instant, split
from ...listing.facets import Facets, Range
from ...models import ErrorGroup
from ...templatetags.monitor import day as day_of
from ...templatetags.monitor import when
from . import links
from .local_time import start_of, zone_of

_MANY = ("status", "job_type")
_PLACE = ("page", "limit", "sort_by", "sort_order")
_SUGGESTED = 10


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that one click sets or removes."""

    label: str
    url: str
    is_on: bool = False
    time: SafeString | str = ""
    name: str = ""
    """The id of the link, so that it keeps the focus when the list is swapped."""
    count: int | None = None
    """How many jobs the list would have; None if the filters are invalid."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The list's query parameters; none is empty. Dates without a time are days in `zone`."""

    values: Mapping[str, str]
    zone: dt.tzinfo = dt.UTC

    @classmethod
    def read(cls, request: HttpRequest, parameters: QueryDict | None = None) -> Filters:
        """Read the request's parameters: repeated ones are joined by commas, blank ones left out."""
        parameters = request.GET if parameters is None else parameters
        values = {}
        for name in parameters:
            texts = [value.strip() for value in parameters.getlist(name) if value.strip()]
            if name in _MANY:
                texts = [",".join(part for value in texts for part in split(value))]
            if texts and texts[-1]:
                values[name] = texts[-1]
        return cls(with_parts(values), zone_of(request))

    def replaced(self, values: Mapping[str, str]) -> Filters:
        """Return other parameters of the same person."""
        return Filters(values, self.zone)

    def query(self) -> QueryDict:
        """Return the filters as `listing.filters` takes them, whose days are in UTC."""
        query = QueryDict(mutable=True)
        query.update(dict(self.values))
        for name, days, rest in (("start_date", 0, dt.timedelta()), ("end_date", 1, dt.timedelta(microseconds=1))):
            day = None if self.zone is dt.UTC else parse_date(self.date(name))
            # Days at the ends of the calendar can't be converted to UTC.
            if day and dt.MINYEAR < day.year < dt.MAXYEAR:
                # An end is included, so it is the last moment of its day.
                query[name] = (start_of(day + dt.timedelta(days), self.zone) - rest).astimezone(dt.UTC).isoformat()
        return query

    def narrowing(self) -> dict[str, str]:
        """Return the filters without order and page."""
        return {name: value for name, value in self.values.items() if name not in _PLACE}

    def url(self, page: str = "syncjobs_syncjob_changelist", /, **changes: object) -> str:
        """Return a URL with these filters, some of them changed (None removes one), and the first page."""
        values = {name: value for name, value in self.values.items() if name != "page"} | changes
        query = urlencode([(name, value) for name, value in values.items() if value not in (None, "")], safe=",:")
        return links.page(page) + (f"?{query}" if query else "")

    def text(self) -> str:
        """Return these filters and the order as a query string, without the page."""
        return self.url().partition("?")[2]

    def several(self, name: str) -> list[str]:
        """Return the values of a parameter that may have several."""
        return self.values[name].split(",") if name in self.values else []

    def toggles(
        self,
        name: str,
        choices: list[tuple[str, str]],
        selected: list[str],
        counts: Mapping[str, int],
        **changes: object,
    ) -> list[Chip]:
        """Return a chip for each choice, which adds it to those selected or removes it; `changes` are made besides."""
        chips = []
        for value, label in choices:
            others = [each for each in selected if each != value]
            target = _joined(others if value in selected else [*selected, value])
            url = self.url(**{name: ",".join(target)} | changes)
            chips.append(Chip(label, url, value in selected, name=f"{name}-{value}", count=counts.get(value)))
        return chips

    def hidden(self) -> list[tuple[str, str]]:
        """Return the parameters without a field in the form, so that submitting it keeps them."""
        shown = {"search", "band_id", "queue", "requested_by", "page"}
        shown |= {name for name in ("start_date", "end_date") if self.date(name)}
        return [(name, value) for name, value in self.values.items() if name not in shown]

    def date(self, name: str) -> str:
        """Return the parameter as a date field shows it; empty if it has a time of day, or is no date."""
        text = self.values.get(name, "")
        try:
            day = parse_date(text)
        except ValueError:
            return ""
        return text if day and text == day.isoformat() else ""


def _joined(values: list[str]) -> list[str]:
    """Return the values, with QUEUED in place of both of its parts."""
    parts = QueuedPart.values
    return [JobStatus.QUEUED.value, *(v for v in values if v not in parts)] if {*parts} <= {*values} else values


def with_parts(values: Mapping[str, str]) -> dict[str, str]:
    """Return the filters, with a part of the queued jobs in place of QUEUED and when they are due, as saved links may have."""
    parts = {"now": QueuedPart.WAITING.value, "later": QueuedPart.DELAYED.value}
    changed = dict(values)
    if changed.get("status") == JobStatus.QUEUED and changed.get("due") in parts:
        changed["status"] = parts[changed.pop("due")]
    return changed


def quick_ranges(filters: Filters) -> list[tuple[str, dt.date, dt.date | None]]:
    """Return the label, first and last day of ranges of the person's days; without a last day they don't end."""
    today = clock.approximate().astimezone(filters.zone).date()
    monday = today - dt.timedelta(days=today.weekday())
    return [
        (_("Today"), today, None),
        (_("Yesterday"), today - dt.timedelta(days=1), today - dt.timedelta(days=1)),
        (_("7 days"), today - dt.timedelta(days=6), None),
        (_("Last week"), monday - dt.timedelta(days=7), monday - dt.timedelta(days=1)),
        (_("30 days"), today - dt.timedelta(days=29), None),
    ]


def range_of(filters: Filters, start: dt.date, end: dt.date | None) -> Range:
    """Return when the person's days from `start` to `end` begin and end."""
    after = start_of(end + dt.timedelta(days=1), filters.zone) if end else None
    return start_of(start, filters.zone), after


def range_chips(filters: Filters, facets: Facets | None) -> list[Chip]:
    """Return chips for the quick ranges, with their counts if the facets have them."""
    chips = []
    for number, (label, start, end) in enumerate(quick_ranges(filters)):
        days = {"start_date": start.isoformat(), "end_date": end.isoformat() if end else None}
        is_on = all(filters.values.get(name) == value for name, value in days.items())
        url = filters.url(**(dict.fromkeys(days) if is_on else days))
        count = facets.ranges[number] if facets and facets.ranges else None
        chips.append(Chip(label, url, is_on, name=f"from-{start}", count=count))
    return chips


def without_chip(filters: Filters, person: str) -> dict[str, str]:
    """Return the filters that are set and have no chip of their own."""
    values = filters.narrowing()
    with_chip = {*_MANY, "has_errors"}
    with_chip |= {"requested_by"} if values.get("requested_by") == person else set()
    return {name: value for name, value in values.items() if name not in with_chip}


def set_filters(filters: Filters, band: Band | None, person: str) -> list[Chip]:
    """Return a chip that removes each filter that is set and has no chip of its own."""
    chips = []
    for name, value in without_chip(filters, person).items():
        label, time = _label(name, value, band)
        chips.append(Chip(label, filters.url(**{name: None}), True, time=time))
    return chips


def _label(name: str, value: str, band: Band | None) -> tuple[str, SafeString | str]:
    if name == "band_id":
        return _("Band: %s") % (band.name if band else f"#{value}"), ""
    if name == "error":
        group = None if "\x00" in value else ErrorGroup.objects.filter(pk=value).only("message", "sample").first()
        return _("Error: %s") % ((group.sample or group.message)[:80] if group else value), ""
    if name in ("start_date", "end_date"):
        return _from_or_to(name, value)
    if name == "due":
        labels = {"now": _("Due now"), "later": _("Not due yet"), "paused": _("Band paused")}
        return labels.get(value, f"{name}: {value}"), ""
    if name == "delay_reason" and value in DelayReason.values:
        return str(DelayReason(value).label), ""
    if name == "queue" and value in QueueName.values:
        return _("Queue: %s") % QueueName(value).label, ""
    labels = {"parent_id": _("Parent job #%s"), "requested_by": _("Requested by %s"), "search": _("Search: %s")}
    return labels[name] % value if name in labels else f"{name}: {value}", ""


def _from_or_to(name: str, value: str) -> tuple[str, SafeString | str]:
    label = _("From") if name == "start_date" else _("To")
    try:
        day = parse_date(value)
        instant = None if day else parse_instant(value)
    except (ValueError, InvalidInput):
        day = instant = None
    if instant is not None:
        return label, when(instant)
    return (label, day_of(day)) if day else (f"{label} {value}", "")


def status_chips(filters: Filters, facets: Facets | None) -> list[Chip]:
    """Return a chip for each status; the queued jobs have two, so that each job is counted once."""
    queued, parts = JobStatus.QUEUED.value, list(QueuedPart.values)
    selected = [part for each in filters.several("status") for part in (parts if each == queued else [each])]
    statuses = [status for status in JobStatus if status != queued]
    choices = [(each.value, str(each.label)) for each in (*QueuedPart, *statuses)]
    counts = facets.statuses if facets else {}
    return filters.toggles("status", choices, list(dict.fromkeys(selected)), counts, due=None, delay_reason=None)


def type_chips(filters: Filters, facets: Facets | None) -> list[Chip]:
    """Return a chip for each job type."""
    choices = [(kind.value, str(kind.label)) for kind in JobType]
    return filters.toggles("job_type", choices, filters.several("job_type"), facets.types if facets else {})


def other_chips(filters: Filters, facets: Facets | None, person: str) -> list[Chip]:
    """Return chips for the jobs with errors and for those that the person requested."""
    chips = []
    for name, value, label, count in (
        ("has_errors", "true", _("With errors"), facets.with_errors if facets else None),
        ("requested_by", person, _("Mine"), facets.mine if facets else None),
    ):
        is_on = filters.values.get(name) == value
        chips.append(Chip(label, filters.url(**{name: None if is_on else value}), is_on, name=name, count=count))
    return chips


def band_named(text: str) -> tuple[Band | None, str]:
    """Return the band with this name, part of a name or number; the second value says why there is none."""
    text = text.replace("\x00", "").strip()[:200]
    exact = Q(name__iexact=text)
    if (number := parse_number(text.removeprefix("#"))) is not None:
        exact |= Q(pk=number)
    for condition in (exact, Q(name__icontains=text)):
        bands = list(Band.objects.filter(condition).only("name").order_by("name", "pk")[: _SUGGESTED + 1])
        if len(bands) == 1:
            return bands[0], ""
        if bands:
            names = ", ".join(band.name for band in bands[:_SUGGESTED])
            return None, _("Several bands have “%(text)s” in their name: %(names)s.") % {"text": text, "names": names}
    return None, _("No band is named “%s”.") % text


def selected_band(filters: Filters) -> tuple[Band | None, str]:
    """Return the band that `band_id` selects, and what the band field shows for it: a text for which `band_named` returns it."""
    number = parse_number(filters.values.get("band_id", ""))
    if number is None:
        return None, ""
    name = Subquery(Band.objects.filter(pk=number).values("name"))
    # As `band_named` compares them; `iexact` takes no subquery.
    bands = Band.objects.alias(upper=Upper("name")).filter(upper=Upper(name)).only("name")
    alike = {band.pk: band for band in bands}
    band = alike.get(number)
    if band is None:
        return None, ""
    is_plain = len(alike) == 1 and parse_number(band.name.removeprefix("#")) in (None, number)
    return band, band.name if is_plain else f"#{number}"


def suggestions(text: str) -> list[dict[str, str]]:
    """Return options for bands whose name contains the text; those that start with it come first.

    Each has the band's `id`, a `value` that `band_named` accepts, and a `label`.
    """
    text = text.replace("\x00", "").strip()[:200]
    bands = list(Band.objects.filter(name__istartswith=text).order_by("name", "pk")[:_SUGGESTED])
    if text and len(bands) < _SUGGESTED:
        rest = Band.objects.filter(name__icontains=text).exclude(pk__in=[band.pk for band in bands])
        bands += rest.order_by("name", "pk")[: _SUGGESTED - len(bands)]
    names = [band.name.casefold() for band in bands]
    return [
        {
            "id": str(band.pk),
            "value": band.name if names.count(band.name.casefold()) == 1 else f"#{band.pk}",
            "label": " · ".join(filter(None, (band.name, band.school_name, sync_obstacle(band)))),
        }
        for band in bands
    ]


def sync_obstacle(band: Band) -> str:
    """Return why the band can't be synced, or that its jobs wait; otherwise an empty text."""
    if band.sync_obstacle is None and band.paused_at:
        return _("paused")
    obstacles = {None: "", BandState.NO_CHANNEL: _("no channel"), BandState.INACTIVE: _("inactive")}
    return obstacles[band.sync_obstacle]


def sentence_of(error: InvalidInput) -> str:
    """Return the message of a refused parameter, with the label of its field; others have their names."""
    labels = {
        "search": _("Search"),
        "status": _("Status"),
        "job_type": _("Type"),
        "band_id": _("Band"),
        "queue": _("Queue"),
        "requested_by": _("Requested by"),
        "start_date": _("Created from"),
        "end_date": _("Created to"),
        "page": _("Page"),
        "limit": _("Per page"),
    }
    # The message about the end names the start.
    message = error.message.replace("start_date", f"“{labels['start_date']}”")
    name = error.field or ""
    return f"{labels.get(name, name)}: {message}"
