"""The list of jobs, compared with a plain reimplementation in Python for random filters, sorts, pages and jobs."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bands.models import Band
from syncjobs import counters
from syncjobs.choices import QUEUE_OF_TYPE, JobStatus, JobType, QueuedPart, QueueName
from syncjobs.engine import errors as engine_errors
from syncjobs.listing import filters as listing_filters
from syncjobs.listing import pages
from syncjobs.listing.rows import read_page
from syncjobs.models import Attempt, ErrorGroup, JobError, SyncJob
from tests.factories import worker

pytestmark = pytest.mark.django_db(transaction=True)
BEGIN = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)
BANDS = (1, 2, 3)
REQUESTERS = ("ann", "schedule: All bands")
SPAN = 4 * 86_400
LATER = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
QUICK: dict[str, Any] = {
    "deadline": None,
    "phases": (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),  # The explain phase is slow.
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
}

seconds = st.one_of(
    st.integers(0, SPAN),
    st.integers(0, SPAN // 3600).map(lambda n: n * 3600),
    st.integers(0, 4).map(lambda n: n * 86_400),
)
instants = seconds.map(lambda n: BEGIN + dt.timedelta(seconds=n))
jobs = st.builds(
    dict,
    status=st.sampled_from(JobStatus.values),
    job_type=st.sampled_from(JobType.values),
    band_id=st.sampled_from([None, *BANDS]),
    created_at=instants,
    started_at=st.none() | instants,
    completed_at=st.none() | instants,
    requested_by_label=st.sampled_from(REQUESTERS),
    run_at=st.sampled_from([BEGIN, LATER]),
)
a_day = st.integers(0, 4).map(lambda n: (BEGIN + dt.timedelta(days=n)).date().isoformat())
a_time = instants.map(lambda at: at.isoformat())

SORTS = listing_filters.JobFilters.base_filters["sort_by"].choices


@dataclass(frozen=True)
class Asked:
    statuses: list[str]
    types: list[str]
    band_id: int | None
    queue: str | None
    requester: str | None
    start: str | None
    end: str | None
    sort: str
    order: str
    page: int
    limit: int

    def parameters(self) -> QueryDict:
        query = QueryDict(mutable=True)
        query.setlist("status", self.statuses)
        if self.types:
            query["job_type"] = ",".join(self.types)
        given = {
            "band_id": self.band_id,
            "queue": self.queue,
            "requested_by": self.requester,
            "start_date": self.start,
            "end_date": self.end,
        }
        query.update({name: str(value) for name, value in given.items() if value})
        query.update({"sort_by": self.sort, "sort_order": self.order})
        return query


asked = st.builds(
    Asked,
    statuses=st.lists(st.sampled_from([*JobStatus.values, *QueuedPart.values]), max_size=3, unique=True),
    types=st.lists(st.sampled_from(JobType.values), max_size=3, unique=True),
    band_id=st.sampled_from([None, None, *BANDS]),
    queue=st.sampled_from([None, None, *QueueName.values]),
    requester=st.sampled_from([None, None, None, *REQUESTERS]),
    start=st.none() | a_day | a_time,
    end=st.none() | a_day | a_time,
    sort=st.sampled_from(SORTS),
    order=st.sampled_from(["asc", "desc"]),
    page=st.integers(1, 12),
    limit=st.sampled_from([1, 3, 7, 20, 100]),
)


def _moment(text: str, *, is_end: bool) -> dt.datetime:
    if "T" in text:
        return dt.datetime.fromisoformat(text) + dt.timedelta(microseconds=is_end)
    return dt.datetime.fromisoformat(text + "T00:00:00+00:00") + dt.timedelta(days=is_end)


def _part(job: SyncJob) -> str:
    if job.status != JobStatus.QUEUED:
        return ""
    return QueuedPart.DELAYED if job.run_at == LATER else QueuedPart.WAITING


def _plain(rows: list[SyncJob], wanted: Asked) -> list[int]:
    """Return the ids that the list must show on all pages."""
    start = wanted.start and _moment(wanted.start, is_end=False)
    end = wanted.end and _moment(wanted.end, is_end=True)
    chosen = [
        row
        for row in rows
        if (not wanted.statuses or row.status in wanted.statuses or _part(row) in wanted.statuses)
        and (not wanted.types or row.job_type in wanted.types)
        and (not wanted.band_id or row.band_id == wanted.band_id)
        and (not wanted.queue or QUEUE_OF_TYPE[JobType(row.job_type)] == wanted.queue)
        and (not wanted.requester or row.requested_by_label == wanted.requester)
        and (not start or row.created_at >= start)
        and (not end or row.created_at < end)
    ]
    column, down = wanted.sort, wanted.order == "desc"
    timed = sorted(
        (row for row in chosen if getattr(row, column)), key=lambda row: (getattr(row, column), row.pk), reverse=down
    )
    untimed = sorted((row for row in chosen if not getattr(row, column)), key=lambda row: row.pk, reverse=down)
    return [row.pk for row in timed + untimed]


@pytest.fixture
def seeks_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seek from the first job on, which normally needs many jobs."""
    monkeypatch.setattr(pages, "SHALLOW", 2)
    for number in BANDS:
        Band.objects.create(pk=number, name=f"Band {number}", slug=f"b{number}")


@pytest.mark.fuzz
@given(
    rows=st.lists(jobs, max_size=40),
    later=st.lists(jobs, max_size=10),
    questions=st.lists(asked, min_size=1, max_size=12),
)
@settings(max_examples=60, **QUICK)
def test_every_list_equals_a_plain_reimplementation(
    seeks_early: None, rows: list[dict[str, Any]], later: list[dict[str, Any]], questions: list[Asked]
) -> None:
    """Compare rows, order and totals, with ties, missing times and partly folded counts."""
    SyncJob.objects.all().delete()
    for some in (rows, later):
        SyncJob.objects.bulk_create(SyncJob(queue_id=QUEUE_OF_TYPE[row["job_type"]], **row) for row in some)
        if some is rows:
            counters.fold()
    everything = list(SyncJob.objects.all())
    for wanted in questions:
        if wanted.start and wanted.end and _moment(wanted.start, is_end=False) >= _moment(wanted.end, is_end=True):
            continue
        expected = _plain(everything, wanted)
        found, total = read_page(listing_filters.job_query(wanted.parameters()), wanted.page, wanted.limit)
        first = (wanted.page - 1) * wanted.limit
        assert ([job.pk for job in found], total) == (expected[first : first + wanted.limit], len(expected))
    assert counters.wrong_cells() == 0


# ---- Search

WORDS = ("The playlist was not found", "item 12", "item 4123", "https://example.org/watch?v=12", "a", "A  Quota", "<n>")
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(", ".join)
sought = st.one_of(
    st.sampled_from(["12", "#3", "band 1", "BAND", "not found, item", "example.org", "watch?v=1", "item", "a quota", "<n>", "item <n>", "zzz", "41", "found, https"]),
    st.builds(lambda text, low, high: text[low : low + high], texts, st.integers(0, 30), st.integers(1, 25)),
).filter(lambda text: bool(text.strip()))  # fmt: skip


def _collapsed(text: str) -> str:
    return " ".join(text.lower().split())


def _finds(job: SyncJob, errors: list[JobError], text: str) -> bool:
    wanted = _collapsed(text)
    number = text.strip().removeprefix("#")
    return (
        (number.isdigit() and job.pk == int(number))
        or wanted in _collapsed(job.band_name)
        or any(error.job_id == job.pk and wanted in _collapsed(error.message) for error in errors)
    )


def _assert_pages_show(jobs: list[SyncJob], asked: dict[str, str], status: str, sort: str) -> None:
    """Assert that pages of three show these jobs with that status (any if empty), newest first."""
    query = QueryDict(mutable=True)
    query.update(asked | {"sort_by": sort} | ({"status": status} if status else {}))
    matching = [job for job in jobs if not status or job.status == status]
    matching.sort(key=lambda job: (getattr(job, sort) or NEVER, job.pk), reverse=True)
    expected = [job.pk for job in matching]
    found = []
    for page in range(1, len(expected) // 3 + 2):
        of_page, total = read_page(listing_filters.job_query(query), page, 3)
        found += [job.pk for job in of_page]
        assert (asked, total) == (asked, len(expected))
    assert (asked, found) == (asked, expected)


@pytest.mark.fuzz
@given(
    reports=st.lists(st.tuples(st.sampled_from([None, *BANDS]), st.lists(texts, max_size=3)), max_size=12),
    deleted=st.sets(st.integers(0, 11), max_size=3),
    questions=st.lists(st.tuples(sought, st.sampled_from(["", "FAILED"]), st.sampled_from(SORTS)), min_size=1, max_size=8),
    folds=st.booleans(),
)  # fmt: skip
@settings(max_examples=40, **QUICK)
def test_search_equals_a_scan_of_all_errors(
    seeks_early: None,
    reports: list[tuple[int | None, list[str]]],
    deleted: set[int],
    questions: list[tuple[str, str, str]],
    folds: bool,
) -> None:
    """The text may be in the shared or the varying part of the messages; groups count the jobs that they list."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE syncjobs_syncjob RESTART IDENTITY CASCADE")
    ErrorGroup.objects.all().delete()
    names = dict(Band.objects.values_list("pk", "name"))
    for number, (band_id, messages) in enumerate(reports):
        job = SyncJob.objects.create(
            job_type="PRUNE",
            queue_id="maintenance",
            status=("FAILED", "COMPLETED")[number % 2],
            band_id=band_id,
            band_name=names.get(band_id, ""),  # type: ignore[arg-type]
            created_at=BEGIN + dt.timedelta(hours=number % 5),
            started_at=BEGIN + dt.timedelta(hours=number * 5 % 7) if number % 3 else None,
        )
        attempt = Attempt.objects.create(job=job, number=1, worker=worker().name, lease_expires_at=BEGIN)
        engine_errors.record(attempt, [engine_errors.ErrorReport("odd", message, False) for message in messages])
    if folds:
        counters.fold()
    for number, job in enumerate(SyncJob.objects.order_by("pk")):
        if number in deleted:
            job.delete()
    errors, everything = list(JobError.objects.all()), list(SyncJob.objects.all())
    for text, status, sort in questions:
        _assert_pages_show([job for job in everything if _finds(job, errors, text)], {"search": text}, status, sort)
        for group in ErrorGroup.objects.all():
            of_group = {error.job_id for error in errors if error.group_id == group.pk}
            _assert_pages_show([job for job in everything if job.pk in of_group], {"error": group.pk}, status, sort)
    assert counters.wrong_cells() == 0


@pytest.mark.fuzz
def test_random_pages_of_a_long_list_are_exact(seeks_early: None) -> None:
    """Create enough jobs that pages lie within and across hours and days."""
    chance = random.Random(3)
    for _ in range(2):
        SyncJob.objects.bulk_create(
            SyncJob(
                job_type=kind,
                queue_id=QUEUE_OF_TYPE[kind],
                status=chance.choice(JobStatus.values),
                band_id=chance.choice([None, *BANDS]),
                created_at=(created := BEGIN + dt.timedelta(seconds=chance.randrange(SPAN))),
                started_at=chance.choice([None, created + dt.timedelta(seconds=chance.choice([0, 60, 90_000]))]),
                completed_at=None,
            )
            for kind in chance.choices(JobType.values, k=600)
        )
        counters.fold()
    everything = list(SyncJob.objects.all())
    for _ in range(300):
        start = BEGIN + dt.timedelta(seconds=chance.randrange(SPAN))
        wanted = Asked(
            chance.sample(JobStatus.values, chance.choice([0, 0, 1, 2])),
            chance.sample(JobType.values, chance.choice([0, 0, 2])),
            chance.choice([None, None, *BANDS]),
            None,
            None,
            chance.choice([None, start.isoformat()]),
            chance.choice([None, (start + dt.timedelta(seconds=chance.randrange(1, SPAN))).isoformat()]),
            chance.choice(SORTS),
            chance.choice(["asc", "desc"]),
            chance.randrange(1, 30),
            20,
        )
        expected = _plain(everything, wanted)
        found, total = read_page(listing_filters.job_query(wanted.parameters()), wanted.page, 20)
        first = (wanted.page - 1) * 20
        assert ([job.pk for job in found], total) == (expected[first : first + 20], len(expected))


def test_errors_follow_a_changed_creation_time_of_their_job() -> None:
    job = SyncJob.objects.create(job_type="PRUNE", queue_id="maintenance")
    attempt = Attempt.objects.create(job=job, number=1, worker="w", lease_expires_at=BEGIN)
    engine_errors.record(attempt, [engine_errors.ErrorReport("odd", "Odd.", False)])
    SyncJob.objects.update(created_at=BEGIN)
    assert JobError.objects.get().job_created_at == BEGIN
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE syncjobs_joberror")
    assert counters.wrong_cells() == 0
