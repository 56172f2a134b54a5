"""The list of jobs: its query parameters, and the jobs that they select."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db.models import Case, Count, OuterRef, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Concat
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bands.text import VISIBLE, is_storable

from .. import counters
from ..choices import QUEUE_OF_TYPE, DelayReason, JobStatus, JobType, QueuedPart, QueueName
from ..counters import Countable, Kinds, Labeled, Selection, Uncounted
from ..exceptions import InvalidInput
from ..models import JobError, SyncJob
from ..models.querysets import SyncJobQuerySet
from . import pages
from . import search as listing_search
from .base_filters import Choice, Choices, Id, Instant, Paged, Parameters, Pattern, SortBy, SortOrder, Spelling, Text
from .pages import Order
from .search import Matches

_NARROWING = ("search", "error", "requested_by", "parent_id", "due", "delay_reason")
"""Filters that the counts don't cover; with the others alone, any page of any number of jobs is quick."""
MAX_CHILD_ERRORS = 100
"""An all-bands job shows this many of its children's errors, the oldest first."""


class JobFilters(Parameters):
    """The filters and the sorting of a list of jobs."""

    status = Choices(
        choices=[*JobStatus.values, *QueuedPart.values],
        help_text="Repeatable, or separated by commas. WAITING and DELAYED are the two parts of QUEUED: due now, or only later.",
    )
    job_type = Choices(choices=JobType.values)
    band_id = Id()
    queue = Choice(choices=QueueName.values)
    start_date = Instant(help_text="Created at this time or later.")
    end_date = Instant(is_end=True, help_text="Created at this time or earlier; a date includes its whole day.")
    search = Text(method="matching", strip=True, help_text="Job id, part of a band's name, or part of an error's text.")
    error = Pattern(
        method="with_error",
        pattern="[0-9a-f]{1,16}",
        example="a3f09c1e5b7d2468",
        message=gettext_lazy("Must be the fingerprint of an error group, such as a3f09c1e5b7d2468."),
        help_text="Fingerprint of an error group.",
    )
    requested_by = Text(
        "requested_by_label",
        strip=True,
        help_text="Who asked for the job: a user's name, or “schedule: ” and the schedule's name.",
    )
    has_errors = Choice(
        method="with_errors",
        choices=("true",),
        help_text="Jobs that have recorded errors of their own, whatever their status.",
    )
    parent_id = Id("parent_id", help_text="Children of an all-bands job.")
    due = Choice(
        method="queued_and_due",
        choices=("now", "later", "paused"),
        help_text="Queued jobs that are due now, or only later; or those of paused bands, due or not.",
    )
    delay_reason = Choice(
        method="delayed_for", choices=list(filter(None, DelayReason.values)), help_text="Why the job is not due yet."
    )
    sort_by = SortBy(
        ("created_at", "started_at", "completed_at"),
        initial="created_at",
        help_text="Then by id. Jobs without this time come last.",
    )
    sort_order = SortOrder()

    def with_error(self, jobs: QuerySet[SyncJob], name: str, value: str | Matches) -> QuerySet[SyncJob]:
        return _matches(error=value).narrow(jobs)

    def with_errors(self, jobs: QuerySet[SyncJob], name: str, value: str) -> QuerySet[SyncJob]:
        return jobs.filter(error_count__gt=0)

    def queued_and_due(self, jobs: SyncJobQuerySet, name: str, value: str) -> SyncJobQuerySet:
        if value == "paused":
            return jobs.of_paused_bands()
        return jobs.waiting() if value == "now" else jobs.delayed()

    def delayed_for(self, jobs: SyncJobQuerySet, name: str, value: str) -> QuerySet[SyncJob]:
        # Only queued jobs have a reason, and an index finds those.
        return jobs.filter(status=JobStatus.QUEUED, delay_reason=value)

    def matching(self, jobs: QuerySet[SyncJob], name: str, value: str | Matches) -> QuerySet[SyncJob]:
        return _matches(search=value).narrow(jobs)


class JobList(JobFilters, Paged):
    """The query parameters of the list of jobs."""


@dataclass(frozen=True, slots=True)
class JobQuery:
    """The jobs that a request selects, and their order."""

    selection: Selection
    order: Order
    narrowing: Mapping[str, Any] = field(default_factory=dict)
    """Values of the filters that the counts don't cover."""
    matches: Matches | None = None
    """What a search or an error group finds, if nothing else filters the list."""

    @property
    def jobs(self) -> QuerySet[SyncJob]:
        """All selected jobs, sorted."""
        jobs: QuerySet[SyncJob] = pages.selected(self.selection)
        if self.matches is not None:
            jobs = self.matches.narrow(jobs)
        elif self.narrowing:
            jobs = JobFilters.narrow(jobs, self.narrowing)
        return jobs.order_by(*self.order.columns())

    @property
    def is_counted(self) -> bool:
        """Whether the counts know the total, and where each page begins."""
        return not self.narrowing

    def count(self) -> int:
        """Return how many jobs are selected."""
        if self.is_counted:
            return counters.count(self.selection)
        if self.matches is not None:
            return self.matches.count()
        return self.jobs.order_by().count() if self.counted_set is None else selected(self.kinds(), self.selection)

    def kinds(self) -> Kinds:
        """Count the jobs by status and type, including the statuses and types that are not selected."""
        return kinds_of([self])[0]

    @property
    def counted_set(self) -> Countable | None:
        """The jobs that `kinds` counts, if that takes no statement of its own."""
        every = replace(self.selection, statuses=(), types=())
        if self.is_counted:
            return every
        requester, due = self.narrowing.get("requested_by", ""), self.narrowing.get("due")
        if self.narrowing.keys() - {"requested_by", "due"} or due not in (None, "later"):
            return None
        if requester and self._has_no_other_filter:
            return Labeled("by", (requester,), every.with_errors, every.part)
        return Uncounted(every, due is not None, requester)

    @property
    def _has_no_other_filter(self) -> bool:
        """Whether one filter that the counts don't cover is all that matters for `kinds`, but for the errors."""
        every = replace(self.selection, statuses=(), types=(), with_errors=False, part="")
        return every == Selection() and len(self.narrowing) == 1

    def read_kinds(self) -> Kinds:
        """Count as `kinds` does by reading the jobs."""
        if self.selection.part:
            whole = replace(self, selection=replace(self.selection, part="")).read_kinds()
            queued = self._grouped(replace(self.selection, statuses=(JobStatus.QUEUED.value,), types=()))
            return Counter({kind: n for kind, n in whole.items() if kind[0] != JobStatus.QUEUED}) + queued
        if self._has_no_other_filter and self.narrowing.keys() & {"search", "error"}:
            return _matches(**self.narrowing).kinds(with_errors=self.selection.with_errors)
        return self._grouped(replace(self.selection, statuses=(), types=()))

    def _grouped(self, selection: Selection) -> Kinds:
        jobs = JobFilters.narrow(pages.selected(selection), self.narrowing)
        grouped = jobs.order_by().values_list("status", "job_type").annotate(n=Count("pk"))
        return Counter({(status, job_type): n for status, job_type, n in grouped})

    def rows(self, page: int, limit: int, kinds: Kinds | None = None) -> tuple[SyncJobQuerySet, int]:
        """Return the jobs of a page, unsorted and without annotations, and the total.

        `kinds` is what `kinds()` has returned, if the caller knows it.
        """
        offset = (page - 1) * limit
        known = None if kinds is None else narrowed(kinds, self.selection)
        if self.is_counted:
            total, jobs = pages.page(self.selection, self.order, offset, limit, known)
        else:
            total = self.count() if known is None else known.total()
            if self.matches is not None and self.order.column == "created_at":
                jobs = self.matches.page(self.order, offset, limit)
            else:
                jobs = SyncJob.objects.filter(pk__in=self.jobs.values("pk")[offset : offset + limit])
        if offset >= total:
            return SyncJob.objects.none(), total
        return jobs, total


def for_display(jobs: SyncJobQuerySet) -> QuerySet[SyncJob]:
    """Annotate `queue_position`, `child_sums` and `error_texts`.

    Errors of attempts that were retried automatically are left out. An all-bands job has its children's errors too, at
    most MAX_CHILD_ERRORS, each with the name of its band.
    """
    errors = JobError.objects.filter(will_retry=False).order_by("pk")
    own = errors.filter(job=OuterRef("pk")).values("message")
    of_family = errors.filter(Q(job=OuterRef("pk")) | Q(job__parent=OuterRef("pk")))
    with_band = Concat("job__band_name", Value(": "), "message", output_field=TextField())
    named = of_family.values(text=Case(When(job__band_name="", then="message"), default=with_band))
    texts = Case(
        When(fans_out=True, then=ArraySubquery(named[:MAX_CHILD_ERRORS])),
        When(error_count__gt=0, then=ArraySubquery(own)),
        default=Value([], ArrayField(TextField())),
    )
    return jobs.with_queue_position().with_child_sums().annotate(error_texts=texts)


def job_query(data: QueryDict) -> JobQuery:
    """Return the jobs that query parameters select. Raises InvalidInput naming the parameter."""
    return query_of(JobList.clean(data))


def kinds_of(queries: Sequence[JobQuery]) -> list[Kinds]:
    """Return the `kinds()` of each query, those that the counts know from one statement."""
    sets = [query.counted_set for query in queries]
    counted = iter(counters.kinds([each for each in sets if each is not None]))
    return [query.read_kinds() if each is None else next(counted) for query, each in zip(queries, sets, strict=True)]


def with_matches(values: Mapping[str, Any]) -> dict[str, Any]:
    """Search once for all queries of these cleaned values: replace the text and the error group by what they find."""
    found = {name: _matches(**{name: values[name]}) for name in ("search", "error") if values[name]}
    return {**values, **found}


def query_of(values: Mapping[str, Any]) -> JobQuery:
    """Return the jobs that cleaned values of JobFilters, or what `with_matches` makes of them, select."""
    types = values["job_type"] or []
    if queue := values["queue"]:
        of_queue = [kind for kind in JobType.values if QUEUE_OF_TYPE[kind] == queue]
        types = [kind for kind in types or of_queue if kind in of_queue] or ["none"]
    band = values["band_id"]
    statuses, part = _statuses(values["status"] or ())
    selection = Selection(
        statuses,
        tuple(types),
        int(band) if band else None,
        values["start_date"],
        values["end_date"],
        values["has_errors"] == "true",
        part,
    )
    narrowing = {name: values[name] for name in _NARROWING if values[name]}
    order = Order(values["sort_by"], descending=values["sort_order"] == "desc")
    is_alone = selection == Selection() and len(narrowing) == 1 and narrowing.keys() & {"search", "error"}
    return JobQuery(selection, order, narrowing, _matches(**narrowing) if is_alone else None)


def _statuses(values: Collection[str]) -> tuple[tuple[str, ...], str]:
    """Return the statuses that the filter selects, and the part of the queued jobs if it is one of the two."""
    parts, queued = [value for value in values if value in QueuedPart.values], JobStatus.QUEUED.value
    if not parts:
        return tuple(values), ""
    is_whole = queued in values or len(set(parts)) == len(QueuedPart)
    others = [value for value in values if value not in (queued, *QueuedPart.values)]
    return (queued, *others), "" if is_whole else parts[0]


def narrowed(kinds: Kinds, selection: Selection) -> Kinds:
    """Return those of the counted jobs that have the selection's statuses and types."""
    return Counter(
        {
            (status, job_type): n
            for (status, job_type), n in kinds.items()
            if status in (selection.statuses or (status,)) and job_type in (selection.types or (job_type,))
        }
    )


def selected(kinds: Kinds, selection: Selection) -> int:
    """Return how many of the counted jobs have the selection's statuses and types."""
    return narrowed(kinds, selection).total()


def _matches(search: str | Matches = "", error: str | Matches = "") -> Matches:
    """Return what one of them finds; a search that has been made is not repeated."""
    value = search or error
    if isinstance(value, Matches):
        return value
    return listing_search.search(value) if search else listing_search.with_error(value)


def filters_of(body: Mapping[str, Any], field: str, spell: Spelling = str) -> dict[str, str]:
    """Check filters that a body holds under `field` as the list's query parameters are checked; return them as text.

    Lists become text with commas, and names have our own spelling, whatever that of the body is. Raises InvalidInput
    naming the filter as `field.name`.
    """
    texts: dict[str, str] = {}
    for written, value in body.items():
        if problem := _problem_of(written, value, spell):
            raise InvalidInput(problem, field=f"{field}.{written}"[:80])
        texts[written] = ",".join(value) if isinstance(value, list) else value
    data = QueryDict(mutable=True)
    data.update(texts)
    try:
        values = JobFilters.clean(data, spell)
    except InvalidInput as error:
        raise InvalidInput(error.message, field=f"{field}.{error.field}") from None
    names = {spell(name): name for name in values}
    filters = {names[written]: text for written, text in texts.items()}
    return filters | {"sort_by": values["sort_by"]} if "sort_by" in filters else filters


def _problem_of(written: str, value: Any, spell: Spelling) -> str:
    """Return why a filter in a body is invalid, or an empty text."""
    parameters = JobFilters.spelled(spell)
    parameter = parameters.get(written)
    if parameter is None:
        return _("Unknown filter. Valid filters: %(names)s.") % {"names": ", ".join(parameters)}
    values = value if parameter.is_repeatable and isinstance(value, list) else [value]
    if not all(isinstance(each, str) for each in values):
        return _("Must be text, or a list of strings for status and %(name)s.") % {"name": spell("job_type")}
    if not is_storable(values):
        return _("Contains a character that can't be stored.")
    # In an address an empty filter counts as missing. In the body of an action that would mean all jobs.
    parts = [part for each in values for part in (each.split(",") if parameter.is_repeatable else [each])]
    if not parts or not all(re.search(VISIBLE, part) for part in parts):
        return _("Must not be empty. Leave the key out to not filter by it.")
    return ""
