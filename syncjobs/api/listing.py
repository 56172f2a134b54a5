"""Lists: strict query parameters, one page shape, exact totals."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db.models import Case, OuterRef, QuerySet, TextField, Value, When
from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from .. import job_list, job_search
from ..choices import QUEUE_OF_TYPE, JobStatus, JobType, QueueName
from ..counters import Selection
from ..job_list import Order
from ..job_search import Found
from ..models import JobError, SyncJob
from ..querysets import SyncJobQuerySet

MAX_LIMIT = 100
MAX_SEARCH = 200
MAX_ID = 2**63 - 1
SORTS = {"createdAt": "created_at", "startedAt": "started_at", "completedAt": "completed_at"}


def invalid(field: str, message: str) -> ValidationError:
    """A 400 that names the parameter and says what would be right."""
    return ValidationError({field: [message]})


def whole_number(request: Request, name: str, default: int, high: int) -> int:
    """A query parameter from 1 to `high`."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 12 and 1 <= int(text) <= high):
        raise invalid(name, f"Must be a whole number from 1 to {high}.")
    return int(text)


def check_known(request: Request, known: set[str]) -> None:
    """Refuse parameters that would be ignored: whoever sent one expects it to do something."""
    refuse_unknown(request.query_params, known)


def refuse_unknown(parameters: QueryDict, known: set[str]) -> None:
    """The same of parameters that came otherwise."""
    for name in parameters:
        if name not in known:
            raise invalid(name, f"There is no such parameter. There are: {', '.join(sorted(known))}.")


def page_of(request: Request, rows: QuerySet[Any], *, default_limit: int = 20) -> tuple[list[Any], dict[str, Any]]:
    """The rows of the page asked for, and what frames them. Past the last page there are no rows, and right totals."""
    page = whole_number(request, "page", 1, 10_000_000)
    limit = whole_number(request, "limit", default_limit, MAX_LIMIT)
    total = rows.order_by().count()
    start = (page - 1) * limit
    found = list(rows[start : start + limit]) if start < total else []
    return found, {"total": total, "page": page, "limit": limit, "totalPages": -(-total // limit)}


class JobFilters(filters.FilterSet):
    """What a list of jobs can be narrowed by."""

    bandId = filters.NumberFilter(field_name="band_id", min_value=1, max_value=MAX_ID)
    parentId = filters.NumberFilter(field_name="parent_id", min_value=1, max_value=MAX_ID)
    queue = filters.ChoiceFilter(field_name="queue_id", choices=QueueName.choices)
    requestedBy = filters.CharFilter(field_name="requested_by_label", max_length=MAX_SEARCH)
    error = filters.CharFilter(method="with_error", max_length=16)
    search = filters.CharFilter(method="matching", max_length=MAX_SEARCH)

    class Meta:
        model = SyncJob
        fields: ClassVar[list[str]] = []

    def with_error(self, jobs: QuerySet[SyncJob], name: str, value: str) -> QuerySet[SyncJob]:
        return job_search.with_error(value).narrow(jobs)

    def matching(self, jobs: QuerySet[SyncJob], name: str, value: str) -> QuerySet[SyncJob]:
        """Job number, part of the band's name, or part of an error's text."""
        return job_search.search(value).narrow(jobs)


KNOWN = {*JobFilters.base_filters, "status", "jobType", "startDate", "endDate", "sortBy", "sortOrder", "page", "limit"}
_COUNTED = {"status", "jobType", "bandId", "queue", "startDate", "endDate"}
"""The filters that the counts tell apart; with these alone, any page of any number of jobs is quick."""
_TEXT = ("status", "jobType", "bandId", "queue", "startDate", "endDate", "search", "error", "requestedBy", "parentId")
PARAMETERS = [
    *(OpenApiParameter(name, str) for name in _TEXT),
    OpenApiParameter("sortBy", str, enum=list(SORTS)),
    OpenApiParameter("sortOrder", str, enum=["asc", "desc"]),
]
PAGING = [OpenApiParameter("page", int), OpenApiParameter("limit", int)]


@dataclass(frozen=True, slots=True)
class JobQuery:
    """What a request asks of the list of jobs."""

    selection: Selection
    order: Order
    jobs: QuerySet[SyncJob]
    """All that match, sorted."""
    is_counted: bool
    found: Found | None = None
    """What a search or an error group finds, if nothing else narrows the list."""

    def page(self, page: int, limit: int) -> tuple[list[SyncJob], int]:
        """The jobs of a page, each with its `queue_position` and `error_texts`, and how many there are in all."""
        offset = (page - 1) * limit
        if self.is_counted:
            total, jobs = job_list.page(self.selection, self.order, offset, limit)
        else:
            total = self.jobs.order_by().count() if self.found is None else self.found.count()
            if self.found is not None and self.order.column == "created_at":
                jobs = self.found.page(self.order, offset, limit)
            else:
                jobs = SyncJob.objects.filter(pk__in=self.jobs.values("pk")[offset : offset + limit])
        if offset >= total:
            return [], total
        return job_list.in_order(for_display(jobs), self.order), total


def for_display(jobs: SyncJobQuerySet) -> QuerySet[SyncJob]:
    """With `queue_position`, and as `error_texts` what went wrong; failures that were tried again are not counted."""
    said = JobError.objects.filter(job=OuterRef("pk"), will_retry=False).order_by("pk").values("message")
    texts = Case(When(error_count__gt=0, then=ArraySubquery(said)), default=Value([], ArrayField(TextField())))
    return jobs.with_queue_position().annotate(error_texts=texts)


def job_query(parameters: QueryDict) -> JobQuery:
    """What the parameters ask for. Raises ValidationError naming the parameter."""
    refuse_unknown(parameters, KNOWN)
    for name, value in parameters.items():
        if "\x00" in value:
            raise invalid(name, "Must not hold a NUL character.")
    narrowed = JobFilters(parameters, queryset=SyncJob.objects.all())
    if not narrowed.is_valid():
        raise ValidationError(narrowed.errors)
    types = _values(parameters, "jobType", JobType.values)
    queue = narrowed.form.cleaned_data["queue"]
    if queue:
        of_queue = [kind for kind in JobType.values if QUEUE_OF_TYPE[kind] == queue]
        types = [kind for kind in types or of_queue if kind in of_queue] or ["none"]
    band = narrowed.form.cleaned_data["bandId"]
    start, end = dates(parameters)
    selection = Selection(
        tuple(_values(parameters, "status", JobStatus.values)),
        tuple(types),
        None if band is None else int(band),
        start,
        end,
    )
    order = _order(parameters)
    rest = {name for name, value in parameters.items() if value} & (set(JobFilters.base_filters) - _COUNTED)
    jobs: QuerySet[SyncJob] = job_list.selected(selection)
    found = None
    if rest:
        if selection == Selection() and len(rest) == 1:
            found = _found(**{name: narrowed.form.cleaned_data[name] for name in rest})
        jobs = narrowed.filter_queryset(jobs) if found is None else found.narrow(jobs)
    return JobQuery(selection, order, jobs.order_by(*order.columns()), is_counted=not rest, found=found)


def _found(search: str = "", error: str = "", **_other: object) -> Found | None:
    if search:
        return job_search.search(search)
    return job_search.with_error(error) if error else None


def filtered_jobs(request: Request) -> QuerySet[SyncJob]:
    """The jobs that the request's parameters ask for, sorted. Raises ValidationError naming the parameter."""
    return job_query(request.query_params).jobs


def jobs_page(request: Request, *, default_limit: int = 20) -> tuple[list[SyncJob], dict[str, Any]]:
    """The jobs of the page asked for, and what frames them."""
    query = job_query(request.query_params)
    page = whole_number(request, "page", 1, 10_000_000)
    limit = whole_number(request, "limit", default_limit, MAX_LIMIT)
    rows, total = query.page(page, limit)
    return rows, {"total": total, "page": page, "limit": limit, "totalPages": -(-total // limit)}


def _values(parameters: QueryDict, name: str, choices: list[str]) -> list[str]:
    values = [part for value in parameters.getlist(name) for part in value.split(",")]
    for value in values:
        if value not in choices:
            raise invalid(name, f"“{value[:40]}” is none of {', '.join(choices)}.")
    return values


def dates(parameters: QueryDict) -> tuple[dt.datetime | None, dt.datetime | None]:
    """`startDate` and `endDate`, the end excluded. Raises ValidationError."""
    start, end = _instant(parameters, "startDate"), _instant(parameters, "endDate", is_end=True)
    if start and end and end <= start:
        raise invalid("endDate", "Must be after startDate.")
    return start, end


def _instant(parameters: QueryDict, name: str, *, is_end: bool = False) -> dt.datetime | None:
    """A date or a time with zone; a bare end date includes its day."""
    text = parameters.get(name)
    if text is None:
        return None
    try:
        day = parse_date(text)
        if day is not None:
            if is_end:
                day += dt.timedelta(days=1)
            return timezone.make_aware(dt.datetime.combine(day, dt.time()), dt.UTC)
        instant = parse_datetime(text)
        if instant is not None and instant.tzinfo is not None:
            return instant.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        pass
    raise invalid(name, "Must be a date (2026-11-24) or a time with its zone (2026-11-24T09:30:00Z).")


def _order(parameters: QueryDict) -> Order:
    by, order = parameters.get("sortBy", "createdAt"), parameters.get("sortOrder", "desc")
    if by not in SORTS:
        raise invalid("sortBy", f"Must be one of {', '.join(SORTS)}.")
    if order not in ("asc", "desc"):
        raise invalid("sortOrder", "Must be asc or desc.")
    return Order(SORTS[by], descending=order == "desc")


def matching(rows: QuerySet[Any], request: Request, field: str) -> QuerySet[Any]:
    """Rows whose `field` contains what `search` says."""
    text = request.query_params.get("search", "")
    if len(text) > MAX_SEARCH or "\x00" in text:
        raise invalid("search", f"Must be at most {MAX_SEARCH} characters.")
    return rows.filter(**{f"{field}__icontains": text}) if text else rows


_WINDOW = re.compile(r"([1-9]\d{0,3})([hd])\Z")
WINDOW_PARAMETER = OpenApiParameter("window", str, description="24h (default), 7d, … or all.")


def since(request: Request) -> dt.datetime | None:
    """When the `window` parameter begins; None for all time."""
    text = request.query_params.get("window", "24h")
    if text == "all":
        return None
    match = _WINDOW.match(text)
    if not match:
        raise invalid("window", "Must be hours or days such as 24h or 7d, or all.")
    return timezone.now() - dt.timedelta(**{"hours" if match[2] == "h" else "days": int(match[1])})
