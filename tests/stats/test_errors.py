"""Figures of error groups, compared with counting their errors."""

from __future__ import annotations

import datetime as dt
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bands.models import Band
from syncjobs import counters
from syncjobs.models import ErrorGroup, JobError, SyncJob
from syncjobs.stats import errors as stats_errors
from syncjobs.stats.errors import GroupFilter

pytestmark = pytest.mark.django_db(transaction=True)
GROUPS = ("a", "b", "c")
EDGE = 30 * 60


@pytest.fixture
def job() -> SyncJob:
    for name in GROUPS:
        ErrorGroup.objects.create(pk=name, reason=name, message=name, sample=name, is_permanent=True)
    for number in (1, 2, 3):
        Band.objects.create(pk=number, name=f"Band {number}", slug=f"b{number}")
    return SyncJob.objects.create(job_type="PRUNE", queue_id="maintenance")


def _moment(chance: random.Random) -> dt.datetime:
    """Return a random moment, half of the time near a day ago, where errors leave the window."""
    near = dt.timedelta(hours=24, seconds=chance.randrange(-EDGE, EDGE))
    return timezone.now() - chance.choice([near, near, dt.timedelta(minutes=chance.randrange(30 * 60))])


def _errors(chance: random.Random, job: SyncJob) -> list[JobError]:
    moment = _moment(chance)
    return [
        JobError(
            job=job,
            attempt_number=1,
            group_id=chance.choice(GROUPS),
            band_id=chance.choice([None, 1, 2, 3]),
            reason="odd",
            message="Odd.",
            created_at=chance.choice([moment, _moment(chance)]),
        )
        for _ in range(chance.randrange(1, 4))
    ]


def _operate(seed: int, job: SyncJob, operations: int) -> None:
    chance = random.Random(seed)
    for _ in range(operations):
        # Each thread uses its own job, because only one attempt writes the errors of a job.
        own = JobError.objects.filter(job=job).order_by("?").values_list("pk", flat=True)
        some = list(own[: chance.randrange(1, 4)])
        what = chance.random()
        if what < 0.5:
            JobError.objects.bulk_create(_errors(chance, job))
        elif what < 0.7:
            JobError.objects.filter(pk__in=some).delete()
        elif what < 0.85:
            JobError.objects.filter(pk__in=some).update(band=chance.choice([None, 1, 2]))
        else:
            JobError.objects.filter(pk__in=some).update(created_at=_moment(chance))


@contextmanager
def _one_snapshot() -> Iterator[None]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def _assert_exact(since: dt.datetime) -> None:
    """Assert that the figures equal the counts of the errors."""
    with _one_snapshot():
        page = stats_errors.groups(GroupFilter(since=since))
        errors = list(JobError.objects.filter(created_at__gte=since))
    assert page.total == len(errors)
    assert {g.fingerprint: g.count for g in page.groups} == Counter(e.group_id for e in errors)
    for group in page.groups:
        own = [e for e in errors if e.group_id == group.fingerprint]
        assert group.bands == len({e.band_id for e in own} - {None})
        assert group.last_at == max(e.created_at for e in own)
        assert group.per_hour == Counter(e.created_at.strftime("%Y-%m-%dT%H:00:00Z") for e in own)


def test_figures_are_exact_at_any_time_and_state_of_the_counts(job: SyncJob) -> None:
    chance = random.Random(24)
    for number in range(60):
        _operate(number, job, 3)
        if chance.random() < 0.5:
            counters.fold()
        _assert_exact(timezone.now() - dt.timedelta(hours=24, seconds=chance.randrange(-EDGE, EDGE)))
        assert counters.wrong_cells() == 0


def test_figures_are_exact_during_writes_and_folds(job: SyncJob) -> None:
    failures: list[BaseException] = []
    done = threading.Event()

    def in_thread(act: object, *given: object) -> threading.Thread:
        def run() -> None:
            try:
                act(*given)  # type: ignore[operator]
            except BaseException as error:
                failures.append(error)
            finally:
                connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def fold() -> None:
        while not done.is_set():
            counters.fold()
            assert counters.wrong_cells() == 0

    def read() -> None:
        chance = random.Random(2)
        while not done.is_set():
            _assert_exact(timezone.now() - dt.timedelta(hours=24, seconds=chance.randrange(-EDGE, EDGE)))

    others = [in_thread(fold), in_thread(read)]
    jobs = [job, *(SyncJob.objects.create(job_type="PRUNE", queue_id="maintenance") for _ in range(2))]
    for thread in [in_thread(_operate, seed, own, 80) for seed, own in enumerate(jobs)]:
        thread.join()
    done.set()
    for thread in others:
        thread.join()
    assert failures == []
    assert counters.wrong_cells() == 0


def test_a_page_past_the_end_has_the_total(job: SyncJob) -> None:
    JobError.objects.bulk_create(_errors(random.Random(1), job))
    JobError.objects.update(created_at=timezone.now())
    for since in (None, timezone.now() - dt.timedelta(hours=24), timezone.now() - dt.timedelta(days=7)):
        page = stats_errors.groups(GroupFilter(since=since), offset=40)
        assert (page.groups, page.total) == ([], JobError.objects.count())
        assert sum(page.by_state.values()) == ErrorGroup.objects.filter(errors__isnull=False).distinct().count()


def test_the_bands_of_a_group_are_exact_at_any_state_of_the_counts(job: SyncJob) -> None:
    chance = random.Random(7)
    for number in range(60):
        _operate(number, job, 3)
        if chance.random() < 0.3:
            counters.fold()
        if number == 40:
            # Its errors stay, without a band.
            Band.objects.get(pk=3).delete()
            Band.objects.create(pk=3, name="Band 3", slug="b3")
        for name in GROUPS:
            with _one_snapshot(), CaptureQueriesContext(connection) as queries:
                result = stats_errors.bands(name, 3)
            assert len(queries) == 1
            assert "syncjobs_joberror" not in queries[0]["sql"]
            counted = Counter(JobError.objects.filter(group_id=name).values_list("band_id", flat=True))
            most = sorted(counted.items(), key=lambda item: (-item[1], item[0] or 9))[:3]
            assert result == [(band, band and f"Band {band}", count) for band, count in most]
    assert stats_errors.bands("none", 3) == []
