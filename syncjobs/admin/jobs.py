"""The list of sync jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bands.models import Band
from bands.text import parse_number, parse_numbers

from ..choices import ACTIVE_STATUSES, QueueName
from ..exceptions import InvalidInput
from ..listing import query as listing_query
from ..listing import rows as api_rows
from ..listing.pages import Order
from ..listing.parameters import MAX_LIMIT
from ..listing.rows import JobRow
from ..models import SyncJob
from ..operations import presets
from .core import job_table, links
from .core.job_filters import (
    Filters,
    band_named,
    quick_ranges,
    sentence_of,
    set_filters,
    status_chips,
    suggestions,
    type_chips,
)
from .core.job_rows import Rights, rows_of
from .core.pages import page, show

_SIZES = (20, 50, 100)
_COLUMNS = (
    ("createdAt", gettext_lazy("Created")),
    ("startedAt", gettext_lazy("Started")),
    ("completedAt", gettext_lazy("Ended")),
)


@dataclass(frozen=True, slots=True)
class Found:
    """A page of the list as it is now; `problem` says what is wrong with what was asked for."""

    jobs: Sequence[JobRow] = ()
    total: int = 0
    page: int = 1
    limit: int = 20
    problem: str = ""

    @property
    def pages(self) -> int:
        """How many pages there are; at least one."""
        return max(1, -(-self.total // self.limit))


@page("syncjobs.view_syncjob")
def jobs(request: HttpRequest) -> HttpResponse:
    """The list, filtered, sorted and paged as the address says."""
    filters = Filters.read(request.GET)
    problem = ""
    if "band" in filters.values:
        filters, problem = _with_band(filters)
    if not problem and dict(request.GET.lists()) != {name: [value] for name, value in filters.values.items()}:
        return HttpResponseRedirect(filters.url(page=filters.values.get("page")))
    found = Found(problem=problem) if problem else find(request, filters)
    band = _band_of(filters)
    context = {
        **_region(request, filters, found, found.jobs, ""),
        "filters": filters,
        "values": filters.values,
        "statuses": status_chips(filters),
        "types": type_chips(filters),
        "ranges": quick_ranges(filters),
        "chips": set_filters(filters, band),
        "queues": QueueName.choices,
        "band_text": band.name if band else request.GET.get("band", ""),
        "start_date": filters.date("startDate"),
        "end_date": filters.date("endDate"),
        "is_narrowed": bool(filters.narrowing()),
        "more_open": bool(filters.narrowing().keys() - {"status", "search"}),
        "presets": _presets(request, filters),
        "pagination": _pagination(filters, found),
        "sizes": [(size, filters.url(limit=size), size == found.limit) for size in _SIZES],
        "export_urls": {kind: filters.url("syncjobs_syncjob_export", format=kind) for kind in ("csv", "json")},
        "save_url": filters.url("syncjobs_filterpreset_add"),
    }
    return show(request, "syncjobs/jobs/list.html", context, title=_("Sync jobs"), is_live=True)


@page("syncjobs.view_syncjob")
def rows(request: HttpRequest) -> HttpResponse:
    """The rows a person has before her, as these jobs are now, each in its place; and whether the list has changed."""
    parameters = request.GET.copy()
    given = "".join(parameters.pop("shown", [])).split(",")
    shown = parse_numbers(given)
    filters = Filters.read(parameters)
    found = find(request, filters)
    if not shown:
        return render(request, "syncjobs/jobs/rows.html", _region(request, filters, found, found.jobs, ""))
    known = {job.pk: job for job in found.jobs}
    missing = [job_id for job_id in shown[:MAX_LIMIT] if job_id not in known]
    if missing:
        known |= {job.pk: job for job in api_rows.read(SyncJob.objects.filter(pk__in=missing), Order())}
    here = [known[job_id] for job_id in shown if job_id in known]
    news = _news([job.pk for job in found.jobs], shown, filters)
    return render(request, "syncjobs/jobs/rows.html", _region(request, filters, found, here, news))


@page("bands.view_band")
def band_suggestions(request: HttpRequest) -> HttpResponse:
    """Bands for what is being typed."""
    return JsonResponse({"bands": suggestions(request.GET.get("q", ""))})


def find(request: HttpRequest, filters: Filters) -> Found:
    """The page asked for, by the API's rules; what breaks them is said, not raised."""
    try:
        values = listing_query.JobList.clean(filters.query())
    except InvalidInput as error:
        return Found(problem=sentence_of(error))
    query, number, limit = listing_query.query_of(values), values["page"], values["limit"]
    page, total = query.rows(number, limit)
    jobs = api_rows.read(page, query.order)
    return Found(jobs, total, number, limit)


def _with_band(filters: Filters) -> tuple[Filters, str]:
    """The band by its id instead of by what was typed."""
    values = dict(filters.values)
    text = values.pop("band")
    band, problem = band_named(text)
    if band is not None:
        values["bandId"] = str(band.pk)
    return Filters(values), problem


def _band_of(filters: Filters) -> Band | None:
    number = parse_number(filters.values.get("bandId", ""))
    return None if number is None else Band.objects.filter(pk=number).first()


def _region(request: HttpRequest, filters: Filters, found: Found, shown: Sequence[JobRow], news: str) -> dict[str, Any]:
    """What the live region shows."""
    rights = Rights.of(request.user)
    ids = ",".join(str(job.pk) for job in shown)
    at = filters.values.get("page")
    return {
        "found": found,
        "body": job_table.body(rows_of(shown, rights), rights),
        "rights": rights,
        "news": news,
        "news_url": filters.url(page=at),
        "is_narrowed": bool(filters.narrowing()),
        "clear_url": links.jobs(),
        "last_url": filters.url(page=found.pages),
        "columns": _columns(filters),
        "region_url": filters.url("syncjobs_syncjob_rows", page=at, shown=ids),
        "is_active": any(job.status in ACTIVE_STATUSES for job in shown),
    }


def _columns(filters: Filters) -> list[dict[str, str]]:
    by = filters.values.get("sortBy", "createdAt")
    order = filters.values.get("sortOrder", "desc")
    columns = []
    for name, label in _COLUMNS:
        is_descending = name == by and order == "desc"
        columns.append(
            {
                "label": str(label),
                "url": filters.url(sortBy=name, sortOrder="asc" if is_descending else "desc"),
                "sort": "" if name != by else "descending" if order == "desc" else "ascending",
            }
        )
    return columns


def _news(now: list[int], shown: list[int], filters: Filters) -> str:
    """What a person would see if she asked for the list anew; empty when it is the one before her."""
    if now == shown:
        return ""
    new = [job_id for job_id in now if job_id not in shown]
    at_the_top = now == [*new, *shown][: len(now)]
    if new and at_the_top and filters.values.get("page", "1") == "1":
        if len(new) == len(now):
            return _("%s or more new jobs") % len(new)
        return ngettext("%s new job", "%s new jobs", len(new)) % len(new)
    return _("The list has changed")


def _pagination(filters: Filters, found: Found) -> dict[str, Any]:
    """First, previous, the pages around this one, next, last."""
    last, here = found.pages, found.page
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
    """Saved filters: her own and the shared ones. One that is what the list shows now is the current one."""
    current = {name: value for name, value in filters.values.items() if name not in ("page", "limit")}
    may_share = request.user.has_perm("syncjobs.share_filterpreset")
    return [
        {
            "name": preset.name,
            "url": Filters(preset.filters).url(),
            "is_on": preset.filters == current,
            "is_shared": preset.is_shared,
            "delete_url": reverse("admin:syncjobs_filterpreset_delete", args=[preset.pk])
            if may_share or not preset.is_shared
            else "",
        }
        for preset in presets.list_presets(request.user)
    ]


PAGES = (
    ("jobs/", jobs, "syncjobs_syncjob_changelist"),
    ("jobs/rows/", rows, "syncjobs_syncjob_rows"),
    ("jobs/bands/", band_suggestions, "syncjobs_syncjob_bands"),
)
