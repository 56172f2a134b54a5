"""Lists: strict query parameters, one page shape, exact totals."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db.models import Case, OuterRef, QuerySet, TextField, Value, When
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_filters import rest_framework as filters
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from bands.text import is_storable

from ..api.core.fields import VISIBLE
from ..choices import QUEUE_OF_TYPE, DelayReason, JobStatus, JobType, QueueName
from ..counters import Selection
from ..models import JobError, SyncJob
from ..models.querysets import SyncJobQuerySet
from . import pages
from . import parameters as listing_parameters
from . import search as listing_search
from .pages import Order
from .parameters import invalid, parse_instant
from .search import Found

MAX_LIMIT = 100
MAX_PAGE = 10_000_000
MAX_SEARCH = listing_parameters.MAX_TEXT
MAX_ID = 2**63 - 1
DUE = (("now", gettext_lazy("Waiting")), ("later", gettext_lazy("Delayed")))
"""What tells queued jobs apart: whether a worker may take them yet."""
SORTS = {"createdAt": "created_at", "startedAt": "started_at", "completedAt": "completed_at"}


def whole_number(request: Request, name: str, default: int, high: int) -> int:
    """A query parameter from 1 to `high`."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 12 and 1 <= int(text) <= high):
        raise invalid(name, _("Must be a whole number from 1 to %(most)s.") % {"most": high})
    return int(text)


def refuse_unknown(parameters: QueryDict, known: set[str]) -> None:
    """Refuse parameters that would be ignored: whoever sent one expects it to do something."""
    for name in parameters:
        if name not in known:
            said = _("There is no such parameter. There are: %(names)s.") % {"names": ", ".join(sorted(known))}
            raise invalid(name, said)


class JobFilters(filters.FilterSet):
    """What a list of jobs can be narrowed by."""

    bandId = filters.NumberFilter(field_name="band_id", min_value=1, max_value=MAX_ID)
    parentId = filters.NumberFilter(field_name="parent_id", min_value=1, max_value=MAX_ID)
    queue = filters.ChoiceFilter(field_name="queue_id", choices=QueueName.choices)
    requestedBy = filters.CharFilter(field_name="requested_by_label", max_length=MAX_SEARCH)
    error = filters.CharFilter(method="with_error", max_length=16)
    due = filters.ChoiceFilter(method="queued_and_due", choices=DUE)
    delayReason = filters.ChoiceFilter(method="delayed_for", choices=DelayReason.choices[1:])
    search = filters.CharFilter(method="matching", max_length=MAX_SEARCH)

    class Meta:
        model = SyncJob
        fields: ClassVar[list[str]] = []

    def with_error(self, jobs: QuerySet[SyncJob], name: str, value: str) -> QuerySet[SyncJob]:
        return listing_search.with_error(value).narrow(jobs)

    def queued_and_due(self, jobs: SyncJobQuerySet, name: str, value: str) -> SyncJobQuerySet:
        return jobs.waiting() if value == "now" else jobs.delayed()

    def delayed_for(self, jobs: SyncJobQuerySet, name: str, value: str) -> QuerySet[SyncJob]:
        # Only queued jobs have a reason, and those are found without reading the rest.
        return jobs.filter(status=JobStatus.QUEUED, delay_reason=value)

    def matching(self, jobs: QuerySet[SyncJob], name: str, value: str) -> QuerySet[SyncJob]:
        """Job number, part of the band's name, or part of an error's text."""
        return listing_search.search(value).narrow(jobs)


REPEATABLE = ("status", "jobType")
KNOWN = {*JobFilters.base_filters, "status", "jobType", "startDate", "endDate", "sortBy", "sortOrder", "page", "limit"}
_COUNTED = {"status", "jobType", "bandId", "queue", "startDate", "endDate"}
"""The filters that the counts tell apart; with these alone, any page of any number of jobs is quick."""
START = listing_parameters.instant("startDate", "Created from then on.")
END = listing_parameters.instant(
    "endDate", "Created before then; a bare date includes its day. Must be after startDate."
)
SORT_ORDER = listing_parameters.choice("sortOrder", ["desc", "asc"], "desc")
PARAMETERS = (
    listing_parameters.choices("status", JobStatus.values),
    listing_parameters.choices("jobType", JobType.values),
    listing_parameters.number_of("bandId"),
    listing_parameters.choice("queue", QueueName.values),
    START,
    END,
    listing_parameters.text("search", "Job id, part of a band's name, or part of an error's text."),
    listing_parameters.Like(
        "error",
        "[0-9a-f]{1,16}",
        "a3f09c1e5b7d2468",
        gettext_lazy("Must be the fingerprint of an error group, such as a3f09c1e5b7d2468."),
        "Fingerprint of an error group.",
    ),
    listing_parameters.text("requestedBy", "Who asked for the job: a user's name, or “schedule: ” and its name."),
    listing_parameters.number_of("parentId", "Children of an all-bands job."),
    listing_parameters.choice(
        "due", [value for value, _label in DUE], description="Of queued jobs those that may be taken now, or later."
    ),
    listing_parameters.choice(
        "delayReason", [value for value in DelayReason.values if value], description="Why it is not due yet."
    ),
    listing_parameters.choice("sortBy", SORTS, "createdAt", "Ties by id; jobs without the time come last."),
    SORT_ORDER,
)
PAGE = listing_parameters.whole("page", MAX_PAGE, 1)
LIMIT = listing_parameters.whole("limit", MAX_LIMIT, 20)
PAGING = (PAGE, LIMIT)


@dataclass(frozen=True, slots=True)
class JobQuery:
    """What a request asks of the list of jobs."""

    selection: Selection
    order: Order
    narrowed: JobFilters | None = None
    """What the counts don't tell apart, if anything of that kind was asked for."""
    found: Found | None = None
    """What a search or an error group finds, if nothing else narrows the list."""

    @property
    def jobs(self) -> QuerySet[SyncJob]:
        """All that match, sorted."""
        jobs: QuerySet[SyncJob] = pages.selected(self.selection)
        if self.found is not None:
            jobs = self.found.narrow(jobs)
        elif self.narrowed is not None:
            jobs = self.narrowed.filter_queryset(jobs)
        return jobs.order_by(*self.order.columns())

    @property
    def is_counted(self) -> bool:
        """Whether the counts tell the total, and where each page begins."""
        return self.narrowed is None

    def page(self, page: int, limit: int) -> tuple[list[SyncJob], int]:
        """The jobs of a page, each with its `queue_position` and `error_texts`, and how many there are in all."""
        found, total = self.rows(page, limit)
        return pages.in_order(for_display(found), self.order), total

    def rows(self, page: int, limit: int) -> tuple[SyncJobQuerySet, int]:
        """The same jobs as they are and unsorted."""
        offset = (page - 1) * limit
        if self.is_counted:
            total, jobs = pages.page(self.selection, self.order, offset, limit)
        else:
            total = self.jobs.order_by().count() if self.found is None else self.found.count()
            if self.found is not None and self.order.column == "created_at":
                jobs = self.found.page(self.order, offset, limit)
            else:
                jobs = SyncJob.objects.filter(pk__in=self.jobs.values("pk")[offset : offset + limit])
        if offset >= total:
            return SyncJob.objects.none(), total
        return jobs, total


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
            raise invalid(name, _("Must not hold a NUL character."))
    narrowed, given = _narrowed(parameters)
    types = choices_of(parameters, "jobType", JobType.values)
    queue = given.get("queue")
    if queue:
        of_queue = [kind for kind in JobType.values if QUEUE_OF_TYPE[kind] == queue]
        types = [kind for kind in types or of_queue if kind in of_queue] or ["none"]
    band = given.get("bandId")
    start, end = dates(parameters)
    selection = Selection(
        tuple(choices_of(parameters, "status", JobStatus.values)),
        tuple(types),
        None if band is None else int(band),
        start,
        end,
    )
    rest = {name for name, value in parameters.items() if value} & (set(JobFilters.base_filters) - _COUNTED)
    found = None
    if selection == Selection() and len(rest) == 1:
        found = _found(**{name: given[name] for name in rest})
    return JobQuery(selection, _order(parameters), narrowed if rest else None, found)


def _narrowed(parameters: QueryDict) -> tuple[JobFilters | None, dict[str, Any]]:
    """The filters that were given, and their values. Most lists are asked for without any, and need no form."""
    if not parameters.keys() & JobFilters.base_filters.keys():
        return None, {}
    narrowed = JobFilters(parameters, queryset=SyncJob.objects.all())
    if not narrowed.is_valid():
        raise ValidationError(narrowed.errors)
    return narrowed, narrowed.form.cleaned_data


def _found(search: str = "", error: str = "", **_other: object) -> Found | None:
    if search:
        return listing_search.search(search)
    return listing_search.with_error(error) if error else None


def choices_of(parameters: QueryDict, name: str, choices: list[str]) -> list[str]:
    """A parameter that may be repeated, or have commas in it. Raises ValidationError."""
    values = [part for value in parameters.getlist(name) for part in listing_parameters.split(value)]
    for value in values:
        if value not in choices:
            said = _("“%(value)s” is none of %(choices)s.") % {"value": value[:40], "choices": ", ".join(choices)}
            raise invalid(name, said)
    return values


def dates(given: QueryDict) -> tuple[dt.datetime | None, dt.datetime | None]:
    """`startDate` and `endDate`, the end excluded. Raises ValidationError."""
    start, end = (
        parse_instant(name, str(given[name]), is_end=name == "endDate") if name in given else None
        for name in ("startDate", "endDate")
    )
    if start and end and end <= start:
        raise invalid("endDate", _("Must be after startDate."))
    return start, end


def _order(parameters: QueryDict) -> Order:
    by, order = parameters.get("sortBy", "createdAt"), parameters.get("sortOrder", "desc")
    if by not in SORTS:
        raise invalid("sortBy", _("Must be one of %(choices)s.") % {"choices": ", ".join(SORTS)})
    if order not in ("asc", "desc"):
        raise invalid("sortOrder", _("Must be asc or desc."))
    return Order(SORTS[by], descending=order == "desc")


def filters_of(given: Mapping[str, Any], field: str) -> dict[str, str]:
    """Filters that a body holds under `field`, written like the list's query parameters, checked by the same rules.

    Lists become text with commas. Raises ValidationError naming the filter, as `field.name`.
    """
    texts: dict[str, str] = {}
    for name, value in given.items():
        if problem := _unfit(name, value):
            raise invalid(f"{field}.{name}"[:80], problem)
        texts[name] = ",".join(value) if isinstance(value, list) else value
    query = QueryDict(mutable=True)
    query.update(texts)
    try:
        listing_parameters.check(query, PARAMETERS)
        job_query(query)
    except ValidationError as error:
        said = cast("dict[str, Any]", error.detail)
        raise ValidationError({f"{field}.{name}": why for name, why in said.items()}) from None
    return texts


def _unfit(name: str, value: object) -> str:
    """What is wrong with a filter in a body whatever its name allows; empty if nothing is."""
    if name not in (names := [parameter.name for parameter in PARAMETERS]):
        return _("There is no such filter. There are: %(names)s.") % {"names": ", ".join(names)}
    values = value if name in REPEATABLE and isinstance(value, list) else [value]
    texts = [each for each in values if isinstance(each, str)]
    if len(texts) < len(values):
        return _("Must be text, or for status and jobType a list of texts.")
    if not all(map(is_storable, texts)):
        return _("Holds a character that can't be stored.")
    parts = [part for text in texts for part in (text.split(",") if name in REPEATABLE else [text])]
    # An address may say nothing of what it doesn't filter by. In a body that acts, nothing said could mean all jobs.
    if not parts or not all(re.search(VISIBLE, part) for part in parts):
        return _("Must not be empty. Leave the key out if nothing is to be filtered by it.")
    return ""
