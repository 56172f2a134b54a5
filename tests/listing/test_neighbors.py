"""The jobs before and after a job in a list."""

from __future__ import annotations

import itertools

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from syncjobs.listing.filters import job_query
from syncjobs.listing.neighbors import Neighbors, neighbors
from syncjobs.models import SyncJob
from tests.factories import failed_jobs, various_jobs

pytestmark = pytest.mark.django_db


def _expected(ids: list[int], place: int) -> Neighbors:
    return Neighbors(ids[place - 1] if place else None, ids[place + 1] if place + 1 < len(ids) else None)


def test_neighbors_are_those_of_the_whole_list() -> None:
    various_jobs()
    failed_jobs(3)
    band = SyncJob.objects.exclude(band=None).values_list("band_id", flat=True)[0]
    SyncJob.objects.filter(band_id=band).update(band_name="Herons")
    group = failed_jobs(2, "Something else")[0].job_errors.get().group_id
    dates = "start_date=2026-11-01T06:00:00Z&end_date=2026-11-02T06:00:00Z"
    filters = (
        "", "status=FAILED,COMPLETED", "job_type=ENRICH", f"band_id={band}&status=QUEUED", dates, f"{dates}&band_id={band}",
        "has_errors=true", "queue=video-processing", "search=broke", f"error={group}", f"error={group}&status=FAILED",
        "requested_by=pat", "search=heron", "status=QUEUED&due=now", "status=WAITING,FAILED", "status=WAITING&search=heron",
    )  # fmt: skip
    orders = itertools.product(("created_at", "started_at", "completed_at"), ("asc", "desc"))
    for text, (by, order) in itertools.product(filters, orders):
        query = job_query(QueryDict(f"{text}&sort_by={by}&sort_order={order}"))
        found = list(query.jobs)
        ids = [job.pk for job in found]
        assert ids, text
        for place in {*range(0, len(ids), 7), 0, 1, len(ids) - 1}:
            if place < len(ids):
                assert neighbors(query, found[place]) == _expected(ids, place), (text, by, order, place)


def test_a_job_that_left_the_list_has_the_neighbors_of_its_place() -> None:
    first, gone, last = failed_jobs(3)
    SyncJob.objects.filter(pk=gone.pk).update(status="COMPLETED")
    assert neighbors(job_query(QueryDict("status=FAILED")), gone) == Neighbors(last.pk, first.pk)
    assert neighbors(job_query(QueryDict("status=CANCELLED")), gone) == Neighbors(None, None)


def test_they_are_read_from_one_end_of_an_index() -> None:
    """Expect no sort of what the index sorts, and no scan of the table, whatever is filtered."""
    (job,) = failed_jobs(1)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off")
        # As though the table had never been analyzed: it may have been, with other rows.
        cursor.execute("DELETE FROM pg_statistic WHERE starelid = 'syncjobs_syncjob'::regclass")
        cursor.execute(
            "UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE oid = 'syncjobs_syncjob'::regclass OR oid IN"
            " (SELECT indexrelid FROM pg_index WHERE indrelid = 'syncjobs_syncjob'::regclass)"
        )
    for text in ("", "status=FAILED", "band_id=1", "has_errors=true", "status=FAILED&sort_by=completed_at"):
        with CaptureQueriesContext(connection) as queries:
            neighbors(job_query(QueryDict(text)), job)
        statements = [each["sql"] for each in queries if "LATERAL" in each["sql"]]
        assert statements
        for statement in statements:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {statement}")
                plan = "\n".join(line for (line,) in cursor.fetchall())
            inner = plan.split("Limit", 2)[-1]
            assert "Index" in inner, plan
            assert "Sort" not in inner, plan
            assert "Filter" not in inner, plan
