"""The state of queues and workers. Each figure counts exactly the rows of the list it links to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import Case, Count, Exists, Min, OuterRef, Q, When
from django.db.models.functions import Now
from django_celery_beat.models import PeriodicTask
from psycopg.sql import SQL

from bands.models import Band

from .. import counters
from ..choices import QUEUE_OF_TYPE, TERMINAL_STATUSES, JobStatus, JobType, QueueName
from ..counters import Selection
from ..engine import broker
from ..models import Attempt, SyncJob, Worker
from ..models.querysets import AttemptQuerySet
from ..models.workers import WORKER_SILENCE_SECONDS
from ..operations import schedules


@dataclass(frozen=True, slots=True)
class QueueState:
    """A queue and its jobs by state. The six counts from `waiting` to `cancelled` sum to the number of its jobs.

    Jobs are waiting or delayed by their own time, whether or not the queue or their band is paused. `of_paused_bands`
    are those of both that can't start until their band is resumed; `oldest_waiting_since` leaves them out. `ended` has the
    ended ones of a period by state, if one was asked for.
    """

    name: str
    waiting: int
    active: int
    delayed: int
    completed: int
    failed: int
    cancelled: int
    of_paused_bands: int
    oldest_waiting_since: dt.datetime | None
    workers: int
    paused_at: dt.datetime | None
    paused_by: str
    pause_reason: str
    as_of: dt.datetime
    ended: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_paused(self) -> bool:
        """Whether workers claim none of its jobs."""
        return self.paused_at is not None

    @property
    def oldest_waiting_age(self) -> float | None:
        """Seconds that the oldest due job has waited; None if no job waits."""
        return None if self.oldest_waiting_since is None else (self.as_of - self.oldest_waiting_since).total_seconds()


_COUNTS = {
    JobStatus.IN_PROGRESS: "active",
    JobStatus.COMPLETED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "cancelled",
}


# One statement, so that the states sum to the number of jobs. Each figure of queued jobs reads a range of an index.
_QUEUES = """
    WITH counted AS ({})
    SELECT (SELECT json_agg(counted) FROM counted), q.name, q.paused_at, q.paused_by, q.pause_reason,
           (SELECT count(*) FROM syncjobs_syncjob
             WHERE queue = q.name AND status = 'QUEUED' AND run_at <= statement_timestamp()),
           (SELECT count(*) FROM syncjobs_syncjob
             WHERE queue = q.name AND status = 'QUEUED' AND run_at > statement_timestamp()),
           (SELECT count(*) FROM syncjobs_syncjob
             WHERE queue = q.name AND status = 'QUEUED'
               AND band_id IN (SELECT id FROM bands_band WHERE paused_at IS NOT NULL)),
           (SELECT min(run_at) FROM syncjobs_syncjob
             WHERE queue = q.name AND status = 'QUEUED' AND run_at <= statement_timestamp()
               AND (band_id IS NULL OR band_id NOT IN (SELECT id FROM bands_band WHERE paused_at IS NOT NULL))),
           (SELECT count(*) FROM syncjobs_worker
             WHERE heartbeat_at > statement_timestamp() - make_interval(secs => %s)
               AND failing_since IS NULL AND q.name = ANY(queues)),
           statement_timestamp()
      FROM syncjobs_queue q ORDER BY q.name"""


_READINESS = """
    SELECT q.name, q.paused_at, q.paused_by, q.pause_reason,
           EXISTS (SELECT FROM syncjobs_worker
                    WHERE heartbeat_at > statement_timestamp() - make_interval(secs => %(silence)s)
                      AND failing_since IS NULL AND q.name = ANY(queues))
      FROM syncjobs_queue q"""


def queues(since: dt.datetime | None = None) -> list[QueueState]:
    """Return all queues, with the `ended` jobs of those created since then. Ended jobs are not read, only their counts."""
    sets = [Selection()] + [Selection(statuses=tuple(TERMINAL_STATUSES), start=since)] * (since is not None)
    counted, values = counters.kinds_statement(sets)
    with connection.cursor() as cursor:
        cursor.execute(SQL(_QUEUES).format(counted).as_string(), [*values, WORKER_SILENCE_SECONDS])
        rows = cursor.fetchall()
    numbers = [{queue: dict.fromkeys(_COUNTS.values(), 0) for queue in QueueName.values} for _ in sets]
    for cell in rows[0][0] or () if rows else ():
        if cell["status"] in _COUNTS:
            states = numbers[cell["place"]][QUEUE_OF_TYPE[JobType(cell["job_type"])]]
            states[_COUNTS[JobStatus(cell["status"])]] += cell["n"]
    return [
        QueueState(
            name=name,
            waiting=waiting,
            delayed=delayed,
            of_paused_bands=of_paused_bands,
            **numbers[0][name],
            oldest_waiting_since=oldest,
            workers=workers,
            paused_at=paused_at,
            paused_by=paused_by,
            pause_reason=pause_reason,
            as_of=now,
            ended=numbers[1][name] if since else {},
        )
        for _, name, paused_at, paused_by, pause_reason, waiting, delayed, of_paused_bands, oldest, workers, now in rows
    ]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the waiting jobs of a queue start: it is not paused, and a worker serves it."""

    paused_at: dt.datetime | None
    paused_by: str
    pause_reason: str
    has_worker: bool


def readiness() -> dict[str, Readiness]:
    """Return the readiness of each queue by its name."""
    with connection.cursor() as cursor:
        cursor.execute(_READINESS, {"silence": WORKER_SILENCE_SECONDS})
        return {name: Readiness(*values) for name, *values in cursor.fetchall()}


def paused_bands(jobs: Iterable[Any]) -> dict[int, Band]:
    """Return the paused bands of those of the jobs that are queued, by id. The jobs have their `queue_position`."""
    queued = [job for job in jobs if job.status == JobStatus.QUEUED and job.band_id is not None]
    # A job with a position has no paused band.
    ids = {job.band_id for job in queued if job.queue_position is None}
    if not ids:
        return {}
    return {
        band.pk: band
        for band in Band.objects.paused().filter(pk__in=ids).only("paused_at", "paused_by", "pause_reason")
    }


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that keeps queued child jobs of an all-bands job waiting, and how many: a time, their queue, or their bands.

    A job that waits for its queue or for a time may be of a paused band too, as in the lists of jobs.
    """

    parent_id: int
    queue: str
    delay_reason: str | None
    """None if they are due, or wait for their bands."""
    until: dt.datetime
    """When the first of them is due."""
    jobs: int
    is_of_bands: bool = False

    @property
    def is_for_time(self) -> bool:
        """Whether they are delayed."""
        return self.delay_reason is not None


def waits_of_children(parent_ids: Collection[int]) -> list[Wait]:
    """Return what the queued child jobs of these all-bands jobs wait for."""
    if not parent_ids:
        return []
    queued = SyncJob.objects.filter(parent__in=parent_ids, status=JobStatus.QUEUED).order_by()
    causes = queued.annotate(reason=Case(When(run_at__gt=Now(), then="delay_reason"), default=None))
    of_bands = Count("pk", filter=Q(band__in=Band.objects.paused().values("pk")))
    rows = causes.values_list("parent", "queue", "reason").annotate(first=Min("run_at"), n=Count("pk"), paused=of_bands)
    waits = []
    for parent, queue, reason, first, jobs, paused in rows.order_by("parent", "queue", "first"):
        waits.append(Wait(parent, queue, reason, first, jobs))
        if paused:
            waits.append(Wait(parent, queue, None, first, paused, is_of_bands=True))
    return waits


def lacks_bulk_worker() -> bool:
    """Return whether no worker would run an action or import in the background. A pause of the queue doesn't stop those."""
    return not readiness()[broker.BULK_QUEUE].has_worker


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker process and the attempts it is executing."""

    worker: Worker
    state: str
    """"alive", "stopping", "failing" or "silent"."""
    running: list[Attempt]


def workers() -> tuple[list[WorkerState], list[Attempt]]:
    """Return all workers by name, and the running attempts whose worker is unknown because it vanished."""
    running: dict[str, list[Attempt]] = {}
    for attempt in Attempt.objects.running().select_related("job").order_by("started_at", "pk"):
        running.setdefault(attempt.worker, []).append(attempt)
    states = []
    for worker in Worker.objects.workers().with_silence().order_by("name"):
        states.append(WorkerState(worker, _state(worker), running.pop(worker.name, [])))
    return states, [attempt for attempts in running.values() for attempt in attempts]


def unresponsive_attempts() -> AttemptQuerySet:
    """Return the running attempts whose worker has stopped reporting, or has not renewed their lease."""
    silent = Worker.objects.silent().filter(pk=OuterRef("worker"))
    return Attempt.objects.running().filter(Exists(silent) | Q(lease_expires_at__lte=Now()))


def unresponsive(job_ids: Collection[int]) -> set[int]:
    """Return those of the jobs that have an unresponsive attempt."""
    if not job_ids:
        return set()
    return set(unresponsive_attempts().filter(job_id__in=job_ids).values_list("job_id", flat=True))


def schedulers() -> list[WorkerState]:
    """Return the schedulers (beat) by name. Schedules trigger nothing unless one of them is alive."""
    rows = Worker.objects.schedulers().with_silence().order_by("name")
    return [WorkerState(row, _state(row), []) for row in rows]


def scheduler_is_alive() -> bool:
    """Whether a scheduler (beat) reports, so that schedules run."""
    return any(each.state == "alive" for each in schedulers())


def lacks_scheduler(tasks: Iterable[PeriodicTask]) -> bool:
    """Whether one of the schedules is enabled although no scheduler is alive."""
    return any(schedules.next_run(task) for task in tasks) and not scheduler_is_alive()


def _state(worker: Any) -> str:
    if not worker.is_alive:
        return "silent" if worker.is_silent else "failing"
    return "stopping" if worker.stopping_at else "alive"
