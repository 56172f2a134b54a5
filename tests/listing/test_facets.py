"""The numbers on the filters of the list are those of the lists that they lead to."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pytest
from django.http import QueryDict
from django.utils import timezone

from bands.models import Band
from syncjobs import counters
from syncjobs.choices import QUEUE_OF_TYPE, JobStatus, JobType, QueuedPart
from syncjobs.engine.fingerprints import fingerprint, normalize
from syncjobs.listing import facets, filters, rows, search
from syncjobs.models import ErrorGroup, JobError, SyncJob
from tests.factories import make_band

pytestmark = pytest.mark.django_db
NOW = timezone.now()
_RANGES = (
    (NOW - dt.timedelta(hours=150), None),
    (NOW - dt.timedelta(hours=200), NOW - dt.timedelta(hours=100)),
    (NOW.replace(hour=0, minute=0, second=0, microsecond=0), None),
    ((NOW - dt.timedelta(days=9)).replace(hour=0, minute=0, second=0, microsecond=0), NOW),
)


def _fill(chance: random.Random, count: int) -> None:
    bands = [make_band(slug) for slug in ("herons", "owls")]
    for _ in range(count):
        job_type, band = chance.choice(JobType.values), chance.choice([None, *bands])
        status = chance.choice(JobStatus.values)
        job = SyncJob.objects.create(
            job_type=job_type,
            queue_id=QUEUE_OF_TYPE[job_type],
            status=status,
            band=band,
            band_name=band.name if band else "",
            created_at=NOW - dt.timedelta(hours=chance.randrange(400)),
            run_at=NOW + dt.timedelta(days=chance.choice([-1, 1])),
            delay_reason=chance.choice(["", "QUOTA_MAIN"]),
            requested_by_label=chance.choice(["kim", "robin"]),
            error_count=chance.choice([0, 0, 1]),
        )
        if job.error_count:
            message = chance.choice(
                ["The playlist of Owls is gone.", "It  broke.", f"Reading item {chance.randrange(60, 90)} failed."]
            )
            fields: Any = {"attempt_number": 1, "reason": "broken", "message": message, "band": band}
            JobError.objects.create(job=job, group_id=_group(message), job_created_at=job.created_at, **fields)


def _group(message: str) -> str:
    key = fingerprint("broken", message)
    ErrorGroup.objects.get_or_create(
        fingerprint=key,
        defaults={"reason": "broken", "message": normalize(message), "sample": message, "is_permanent": True},
    )
    return key


def _values(chance: random.Random) -> dict[str, Any]:
    query = QueryDict(mutable=True)
    parts = {
        "status": [
            JobStatus.FAILED,
            "QUEUED,COMPLETED",
            "WAITING",
            "DELAYED,FAILED",
            "COMPLETED,WAITING",
            "WAITING,DELAYED",
        ],
        "job_type": [JobType.FULL_SYNC, "PRUNE,ENRICH"],
        "queue": ["video-sync"],
        "band_id": [str(Band.objects.get(slug="herons").pk)],
        "start_date": [(NOW - dt.timedelta(hours=150)).isoformat()],
        "has_errors": ["true"],
        "requested_by": ["kim", "nobody"],
        "due": ["now", "later"],
        "delay_reason": ["QUOTA_MAIN"],
        "search": ["owls", "broke", "nothing", "item 7"],
    }
    for name in chance.sample(list(parts), chance.choice([0, 1, 1, 2, 3])):
        query[name] = chance.choice(parts[name])
    return filters.JobFilters.clean(query)


def _star(values: dict[str, Any], **changes: Any) -> int:
    query = filters.query_of({**values, **changes})
    texts = query.narrowing.get("search")
    if not texts:
        return query.jobs.count()
    # A search is repeated in Python.
    jobs = filters.query_of({**values, **changes, "search": None}).jobs.prefetch_related("job_errors")
    return sum(
        any(
            texts in " ".join(text.lower().split())
            for text in (job.band_name, *(e.message for e in job.job_errors.all()))
        )
        for job in jobs
    )


@pytest.mark.parametrize("folded", [True, False])
def test_facets_equal_count_star(folded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(3)
    _fill(chance, 120)
    if folded:
        counters.fold()
    for number in range(60):
        monkeypatch.setattr(search, "_MANY_JOBS", 20_000 * (number % 2))
        values = _values(chance)
        found = facets.read(filters.with_matches(values), "kim", _RANGES)
        query = filters.query_of(values)
        page = rows.read_page(query, 1, 20)
        assert page == rows.read_page(query, 1, 20, found.kinds), values
        assert page[1] == query.count() == _star(values), values
        timeless = {**values, "due": None, "delay_reason": None}
        names = [*JobStatus.values, *QueuedPart.values]
        assert found.statuses == {each: _star(timeless, status=[each]) for each in names}, values
        assert found.statuses["WAITING"] == _star(timeless, status=["QUEUED"], due="now"), values
        assert found.statuses["DELAYED"] == _star(timeless, status=["QUEUED"], due="later"), values
        assert found.types == {each: _star(values, job_type=[each]) for each in JobType.values}, values
        assert found.with_errors == _star(values, has_errors="true"), values
        assert found.mine == _star(values, requested_by="kim"), values
        assert found.ranges == [_star(values, start_date=start, end_date=end) for start, end in _RANGES], values


def test_all_that_the_counts_know_is_one_statement(django_assert_num_queries: Any) -> None:
    _fill(random.Random(3), 20)
    values = filters.JobFilters.clean(QueryDict("status=FAILED"))
    with django_assert_num_queries(1):
        facets.read(values, "kim", _RANGES)
    # Without the counts, the ranges are read together, and a text is sought once.
    values = filters.JobFilters.clean(QueryDict("status=FAILED&search=owls"))
    with django_assert_num_queries(9) as queries:
        facets.read(filters.with_matches(values), "kim", _RANGES)
    assert sum("regexp_replace(band_name" in query["sql"] for query in queries) == 1
