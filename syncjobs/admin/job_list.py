"""The list of jobs: the page a query string asks for, and what its template shows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bands.models import Band

from ..choices import ACTIVE_STATUSES, QueueName
from ..exceptions import InvalidInput
from ..listing import facets as listing_facets
from ..listing import filters as listing_filters
from ..listing import neighbors as listing_neighbors
from ..listing import rows as listing_rows
from ..listing.base_filters import MAX_LIMIT
from ..listing.facets import Facets
from ..listing.pages import Order
from ..listing.rows import JobRow
from ..models import Preferences, SyncJob
from ..operations import preferences, presets
from . import job_look, job_table
from .core import job_filters, links
from .core.job_filters import Filters
from .job_rows import Rights, rows_of
from .job_table import Column

_MAX_LIST = 2000
"""A longer query string than this leads to no list."""


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page of the list; `problem` says which parameter was refused and why."""

    jobs: Sequence[JobRow] = ()
    total: int = 0
    liked: Preferences = field(default_factory=Preferences)
    facets: Facets | None = None
    number: int = 1
    limit: int = 20
    problem: str = ""

    @property
    def pages(self) -> int:
        """Return the number of pages, at least 1."""
        return max(1, -(-self.total // self.limit))


def list_context(request: HttpRequest, filters: Filters, listing: ListPage, *, is_open: bool) -> dict[str, Any]:
    """Return the context of the whole page; `is_open` says whether all filters are visible."""
    (band, band_text), person = job_filters.selected_band(filters), request.user.get_username()
    return {
        **region_context(request, filters, listing, listing.jobs, "", is_open=is_open),
        "filters": filters,
        "values": filters.values,
        "chips": job_filters.set_filters(filters, band, person),
        "queues": QueueName.choices,
        "band_text": band_text or request.GET.get("band", ""),
        "start_date": filters.date("start_date"),
        "end_date": filters.date("end_date"),
        "zone": str(filters.zone),
        "is_narrowed": bool(filters.narrowing()),
        "presets": _presets(request, filters),
        "pagination": _pagination(filters, listing),
        "sizes": [(size, size == listing.limit) for size in job_look.SIZES],
        "export_urls": {kind: filters.url("syncjobs_syncjob_export", format=kind) for kind in ("csv", "json")},
        "save_url": filters.url("syncjobs_filterpreset_add"),
    }


def refreshed_context(
    request: HttpRequest, filters: Filters, visible: Sequence[int], columns: Sequence[str], *, is_open: bool
) -> dict[str, Any]:
    """Return the live region's context: the visible rows in their current order, refreshed, and whether there are others.

    The visible columns stay, so that nothing moves; others appear when they have a value.
    """
    listing = find(request, filters, is_open=is_open)
    shown, news = listing.jobs, ""
    if visible:
        known = {job.pk: job for job in listing.jobs}
        missing = [job_id for job_id in visible[:MAX_LIMIT] if job_id not in known]
        if missing:
            known |= {job.pk: job for job in listing_rows.read(SyncJob.objects.filter(pk__in=missing), Order())}
        shown = [known[job_id] for job_id in visible if job_id in known]
        news = _news([job.pk for job in listing.jobs], visible, filters)
    return region_context(request, filters, listing, shown, news, columns, is_open=is_open) | {"is_refresh": True}


def shows_all_filters(request: HttpRequest, filters: Filters) -> bool:
    """Return whether the filters below "More filters" are visible: the person opened them, or one of them is set."""
    without_chip = job_filters.without_chip(filters, request.user.get_username())
    return "X-Open" in request.headers or "job_type" in filters.values or bool(without_chip.keys() - {"search"})


def find(request: HttpRequest, filters: Filters, *, is_open: bool) -> ListPage:
    """Return the page that the query string asks for, by the API's rules; a violation becomes the result's `problem`.

    The ranges of dates are counted only if all filters are visible.
    """
    try:
        values = listing_filters.JobList.clean(filters.query())
    except InvalidInput as error:
        return ListPage(problem=job_filters.sentence_of(error), liked=preferences.get(request.user))
    values = listing_filters.with_matches(values)
    query, number, limit = listing_filters.query_of(values), values["page"], values["limit"]
    liked = preferences.get(request.user)
    if "limit" not in filters.values:
        limit = liked.jobs_per_page
    days = job_filters.quick_ranges(filters) if is_open else ()
    ranges = [job_filters.range_of(filters, start, end) for _label, start, end in days]
    facets = listing_facets.read(values, request.user.get_username(), ranges)
    jobs, total = listing_rows.read_page(query, number, limit, facets.kinds)
    return ListPage(jobs, total, liked, facets, number, limit)


def with_band_id(filters: Filters) -> tuple[Filters, str]:
    """Replace the typed `band` by `band_id`; the second value says why that failed."""
    values = dict(filters.values)
    text = values.pop("band")
    band, problem = job_filters.band_named(text)
    if band is not None:
        values["band_id"] = str(band.pk)
    return filters.replaced(values), problem


def region_context(
    request: HttpRequest,
    filters: Filters,
    listing: ListPage,
    shown: Sequence[JobRow],
    news: str,
    kept: Collection[str] = (),
    *,
    is_open: bool,
) -> dict[str, Any]:
    """Return the context of the live region.

    `kept` columns are shown even if they are empty; `is_open` says whether all filters are visible.
    """
    rights = Rights.of(request.user)
    ids = ",".join(str(job.pk) for job in shown)
    at = filters.values.get("page")
    liked = listing.liked
    rows = rows_of(shown, rights, links.query(list=filters.text()))
    columns = job_table.visible(rows, job_table.chosen(liked), filters.values.get("sort_by", "created_at"), kept)
    names = ",".join(column.name for column in columns)
    return {
        **_chips(request, filters, listing),
        "listing": listing,
        "is_open": is_open,
        "body": job_table.body(rows, rights, columns),
        "is_compact": liked.job_density == Preferences.Density.COMPACT,
        "look_url": filters.url("syncjobs_syncjob_look"),
        "rights": rights,
        "news": news,
        "news_url": filters.url(page=at),
        "is_narrowed": bool(filters.narrowing()),
        "clear_url": links.jobs(),
        "last_url": filters.url(page=listing.pages),
        "columns": _heads(filters, columns),
        "region_url": filters.url("syncjobs_syncjob_rows", page=at, shown=ids, columns=names, open=is_open or None),
        "is_active": any(job.status in ACTIVE_STATUSES for job in shown),
        "has_bands": bool(shown) or Band.objects.exists(),
    }


def _chips(request: HttpRequest, filters: Filters, listing: ListPage) -> dict[str, Any]:
    return {
        "statuses": job_filters.status_chips(filters, listing.facets),
        "others": job_filters.other_chips(filters, listing.facets, request.user.get_username()),
        "types": job_filters.type_chips(filters, listing.facets),
        "ranges": job_filters.range_chips(filters, listing.facets),
    }


def neighbors_of(request: HttpRequest, job: SyncJob) -> dict[str, Any]:
    """Return the addresses of the list that the person came from and of the job's neighbors in it; {} without a list."""
    text = request.GET.get("list")
    if text is None or len(text) > _MAX_LIST:
        return {}
    filters = Filters.read(request, QueryDict(text))
    try:
        found = listing_neighbors.neighbors(listing_filters.job_query(filters.query()), job)
    except InvalidInput:
        return {}
    query = links.query(list=filters.text())
    places = (("previous", found.previous), ("next", found.next))
    urls = {f"{name}_url": links.job(job_id) + query for name, job_id in places if job_id is not None}
    ids = {f"{name}_id": job_id for name, job_id in places}
    return {"list_url": filters.url(), "url": links.job(job.pk) + query, **ids, **urls}


def _heads(filters: Filters, columns: Sequence[Column]) -> list[dict[str, str]]:
    by = filters.values.get("sort_by", "created_at")
    order = filters.values.get("sort_order", "desc")
    heads = []
    for column in columns:
        is_sorted = column.name == by
        direction = "asc" if is_sorted and order == "desc" else "desc"
        heads.append(
            {
                "name": column.name,
                "label": str(column.label),
                "look": column.look,
                "url": filters.url(sort_by=column.name, sort_order=direction) if column.is_sortable else "",
                "sort": "" if not is_sorted else "descending" if order == "desc" else "ascending",
            }
        )
    return heads


def _news(now: list[int], shown: Sequence[int], filters: Filters) -> str:
    """Say what a reload would show; empty if the visible list is current."""
    if now == shown:
        return ""
    new = [job_id for job_id in now if job_id not in shown]
    at_the_top = now == [*new, *shown][: len(now)]
    if new and at_the_top and filters.values.get("page", "1") == "1":
        if len(new) == len(now):
            return _("%s or more new jobs") % len(new)
        return ngettext("%s new job", "%s new jobs", len(new)) % len(new)
    return _("The list has changed")


def _pagination(filters: Filters, listing: ListPage) -> dict[str, Any]:
    """Return the URLs of the first, previous, neighboring, next and last pages."""
    last, here = listing.pages, listing.number
    near = [number for number in range(here - 2, here + 3) if 1 <= number <= last]

    def url(number: int) -> str:
        return filters.url(page=number if number > 1 else None)

    return {
        "first": url(1) if here > 1 else "",
        "previous": url(min(here - 1, last)) if here > 1 else "",
        "numbers": [(number, url(number), number == here) for number in near],
        "next": url(here + 1) if here < last else "",
        "last": url(last) if here < last else "",
        "hidden": [(name, value) for name, value in filters.values.items() if name != "page"],
    }


def _presets(request: HttpRequest, filters: Filters) -> list[dict[str, Any]]:
    """Return the user's own and the shared presets; the one that equals the current filters is on."""
    current = {name: value for name, value in filters.values.items() if name not in ("page", "limit")}
    may_share = request.user.has_perm("syncjobs.share_filterpreset")
    return [
        {
            "name": preset.name,
            "url": filters.replaced(preset.filters).url(),
            "is_on": job_filters.with_parts(preset.filters) == current,
            "is_shared": preset.is_shared,
            "delete_url": links.object_page("syncjobs_filterpreset_delete", preset.pk)
            if may_share or not preset.is_shared
            else "",
        }
        for preset in presets.list_presets(request.user)
    ]
