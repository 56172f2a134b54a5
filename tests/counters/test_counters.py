"""Counts that must equal COUNT(*) after any change to the jobs."""

from __future__ import annotations

import datetime as dt
import random
import threading

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.db.models import Count
from django.utils import timezone

from bands.models import Band
from syncjobs import counters
from syncjobs.choices import QUEUE_OF_TYPE, JobStatus, JobType
from syncjobs.counters import Labeled, Selection
from syncjobs.engine import reconcile
from syncjobs.listing import pages
from syncjobs.listing.pages import Order
from syncjobs.models import BandNameCount, JobDelta, JobMarkDelta, SyncJob
from tests.factories import make_band, queue_job

pytestmark = pytest.mark.django_db(transaction=True)
DAY = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def _job(chance: random.Random, bands: list[Band]) -> SyncJob:
    job_type = chance.choice(JobType.values)
    created = DAY + dt.timedelta(seconds=chance.randrange(10 * 86_400))
    if chance.random() < 0.3:
        created = created.replace(minute=0, second=0)
    started = created + dt.timedelta(seconds=chance.choice([0, 60, 3600, 40_000, 200_000, -7000]))
    return SyncJob(
        job_type=job_type,
        queue_id=QUEUE_OF_TYPE[job_type],
        status=chance.choice(JobStatus.values),
        band=chance.choice([None, *bands]),
        requested_by_label=chance.choice(["", "kim", "robin"]),
        error_count=chance.choice([0, 0, 2]),
        created_at=created,
        started_at=chance.choice([None, started, started]),
        completed_at=chance.choice([None, started + dt.timedelta(hours=chance.randrange(3))]),
    )


def _random_jobs(chance: random.Random) -> list[int]:
    """Return the ids of up to two jobs."""
    ids = list(SyncJob.objects.values_list("pk", flat=True))
    return chance.sample(ids, min(len(ids), 2))


def _change_jobs(seed: int, changes: int, failures: list[BaseException]) -> None:
    """Change jobs and bands at random. With few of them, threads often change the same ones."""
    chance = random.Random(seed)
    for number in range(changes):
        what = chance.random()
        try:
            if what < 0.3:
                SyncJob.objects.bulk_create([_job(chance, []) for _ in range(chance.randrange(1, 4))])
            elif what < 0.6:
                SyncJob.objects.filter(pk__in=_random_jobs(chance)).update(
                    status=chance.choice(JobStatus.values),
                    started_at=_job(chance, []).started_at,
                    error_count=chance.choice([0, 1]),
                )
            elif what < 0.8:
                SyncJob.objects.filter(pk__in=_random_jobs(chance)).delete()
            elif what < 0.92:
                band = chance.choice([*Band.objects.values_list("pk", flat=True), None])
                SyncJob.objects.filter(pk__in=_random_jobs(chance)).update(band_id=band)
            elif what < 0.96:
                Band.objects.filter(slug=f"b{seed}-{chance.randrange(number + 1)}").delete()
            else:
                Band.objects.create(name=f"B{seed}-{number}", slug=f"b{seed}-{number}")
        except (IntegrityError, OperationalError) as error:
            # Another thread has deleted the band, or locked the same two jobs in the other order.
            if "foreign key" not in str(error) and "deadlock" not in str(error):
                failures.append(error)
        except BaseException as error:
            failures.append(error)
    connection.close()


def test_counts_equal_count_star_after_random_concurrent_operations() -> None:
    """Four threads change jobs and delete bands while a fifth one folds the counts and compares them."""
    failures: list[BaseException] = []
    done = threading.Event()

    def fold() -> None:
        try:
            while not done.is_set():
                counters.fold()
                assert counters.wrong_cells() == 0
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    folder = threading.Thread(target=fold)
    folder.start()
    threads = [threading.Thread(target=_change_jobs, args=(seed, 150, failures)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    folder.join()
    assert failures == []
    assert counters.wrong_cells() == 0
    counters.fold()
    assert counters.wrong_cells() == 0
    truth = {
        (row["status"], row["job_type"]): row["n"]
        for row in SyncJob.objects.order_by().values("status", "job_type").annotate(n=Count("pk"))
    }
    assert truth
    assert {(cell.status, cell.job_type): cell.n for cell in counters.cells(Selection())} == truth


def test_a_wrong_count_is_found_and_corrected() -> None:
    SyncJob.objects.bulk_create([_job(random.Random(n), []) for n in range(20)])
    counters.fold()
    for wrong in (
        "jobcount SET n = n + 1 WHERE grain = 0",
        "jobcount SET n = n + 1 WHERE grain = 100",
        "joblabelcount SET n = 7",
    ):
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE syncjobs_{wrong}")
        assert counters.wrong_cells() > 0
        counters.rebuild()
        assert counters.wrong_cells() == 0
    assert counters.count(Selection()) == 20


@pytest.mark.parametrize("folded", [True, False, None])
def test_random_filters_count_and_page_as_the_database_does(
    folded: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SHALLOW", 3)
    chance = random.Random(str(folded))
    bands = [Band.objects.create(name=f"B{n}", slug=f"b{n}") for n in range(3)]
    SyncJob.objects.bulk_create([_job(chance, bands) for _ in range(300)])
    if folded is not False:
        counters.fold()
    if folded is None:
        SyncJob.objects.bulk_create([_job(chance, bands) for _ in range(300)])
    for _ in range(50):
        low = DAY + dt.timedelta(minutes=chance.randrange(-60, 10 * 1440), hours=0)
        high = low + dt.timedelta(seconds=chance.choice([60, 3600, 7201, 86_400, 200_000, 900_000]))
        if chance.random() < 0.4:
            low, high = (edge.replace(hour=0, minute=0, second=0) for edge in (low, high))
        selection = Selection(
            tuple(chance.sample(JobStatus.values, chance.choice([0, 1, 2]))),
            tuple(chance.sample(JobType.values, chance.choice([0, 1, 3]))),
            chance.choice([None, bands[0].pk, bands[1].pk]),
            chance.choice([None, low]),
            chance.choice([None, high]) if high > low else None,
            chance.random() < 0.3,
        )
        jobs = pages.selected(selection)
        assert counters.count(selection) == jobs.count()
        assert counters.total(counters.cells(selection, by_time=True)) == jobs.count()
        order = Order(chance.choice(["created_at", "started_at", "completed_at"]), descending=chance.random() < 0.5)
        everything = list(jobs.order_by(*order.columns()).values_list("pk", flat=True))
        for offset in {0, len(everything) // 2, max(0, len(everything) - 3), len(everything) + 5}:
            total, found_jobs = pages.page(selection, order, offset, 5)
            found = pages.in_order(found_jobs, order)
            assert (total, [job.pk for job in found]) == (len(everything), everything[offset : offset + 5])


def test_deltas_of_marks_alone_are_seen_and_folded() -> None:
    job = queue_job()
    counters.fold()
    SyncJob.objects.filter(pk=job.pk).update(error_count=1)
    assert not JobDelta.objects.exists()
    assert counters.metrics.unfolded() == JobMarkDelta.objects.count() == 2
    assert reconcile._look()[0]["has_deltas"]
    counters.fold()
    assert counters.metrics.unfolded() == counters.wrong_cells() == 0


def test_an_empty_table_has_no_counts_left() -> None:
    SyncJob.objects.bulk_create([_job(random.Random(n), []) for n in range(9)])
    counters.fold()
    SyncJob.objects.bulk_create([_job(random.Random(n), []) for n in range(9)])
    assert counters.kinds([Labeled("by", ("kim",))])[0]
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE syncjobs_syncjob CASCADE")
    assert counters.count(Selection()) == counters.count(Selection(with_errors=True)) == 0
    assert not counters.kinds([Labeled("by", ("kim",))])[0]
    assert timezone.now()


def test_the_name_of_a_band_without_jobs_is_forgotten() -> None:
    job = queue_job(band=make_band("herons"))
    counters.fold()
    assert BandNameCount.objects.get().n == 1
    SyncJob.objects.filter(pk=job.pk).delete()
    counters.fold()
    assert not BandNameCount.objects.exists()
