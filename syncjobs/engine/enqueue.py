"""Queue jobs: the row, its first timeline event and the wake-up, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from bands.models import DETAILS_DUE, Band, Video

from ..audit.actors import SYSTEM, Actor
from ..choices import QUEUE_OF_TYPE, EventKind, JobStatus, JobType, Origin, Priority
from ..models import JobEvent, SyncJob
from . import broker, timeline, tracing


@dataclass(frozen=True, slots=True)
class Created:
    """A job, and whether it is new; False means that an equal one was active already.

    Of what was asked of an equal one, `changed` and `kept` name what it took over and what stays as it was, among
    "priority" and "force"; `has_ended_delay` means that it, or a child of it, was delayed and is due now.
    """

    job: SyncJob
    is_new: bool
    changed: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    has_ended_delay: bool = False


def band_key(job_type: str, band_id: int) -> str:
    """Return the dedupe key that allows one active job of this type for the band."""
    return f"{job_type}:band:{band_id}"


def create_job(actor: Actor, job_type: JobType, **fields: Any) -> Created:
    """Queue a job with the fields of `new_job` and notify its queue, or return the equal active one.

    Jobs with the same `dedupe_key` are equal.
    """
    return create_jobs([new_job(actor, job_type, **fields)])[0]


def new_job(
    actor: Actor,
    job_type: JobType,
    *,
    band: Band | None = None,
    parent: SyncJob | None = None,
    dedupe_key: str | None = None,
    priority: int | None = None,
    fans_out: bool = False,
    params: dict[str, Any] | None = None,
    retry_of: SyncJob | None = None,
    quota_estimated: int | None = None,
) -> SyncJob:
    """Build an unsaved job for `create_jobs`. The priority defaults to the actor's."""
    return SyncJob(
        job_type=job_type,
        queue_id=QUEUE_OF_TYPE[job_type],
        priority=default_priority(actor) if priority is None else priority,
        band=band,
        band_name=band.name if band else "",
        parent=parent,
        fans_out=fans_out,
        dedupe_key=dedupe_key,
        params=params or {},
        retry_of=retry_of,
        quota_estimated=quota_estimated,
        requested_by_id=actor.user_id,
        requested_by_label=actor.label,
        origin=actor.origin,
    )


def create_jobs(jobs: Sequence[SyncJob], *, notify: bool = True) -> list[Created]:
    """Queue new jobs and notify their queues; for each, return the job itself or the equal active one.

    With `notify=False` the caller notifies. To avoid deadlocks, sort several jobs by band and `dedupe_key`.
    """
    keys = [job.dedupe_key for job in jobs if job.dedupe_key]
    equal = {job.dedupe_key: job for job in SyncJob.objects.active().filter(dedupe_key__in=keys)}
    results = [equal.setdefault(job.dedupe_key, job) if job.dedupe_key else job for job in jobs]
    created = [Created(result, is_new=result is job) for job, result in zip(jobs, results, strict=True)]
    try:
        with transaction.atomic():
            _insert([each.job for each in created if each.is_new], notify=notify)
    except IntegrityError:
        # Somebody else has just committed an equal job.
        if len(jobs) > 1:
            return [each for job in jobs for each in create_jobs([job], notify=notify)]
        winner = SyncJob.objects.active().filter(dedupe_key__in=keys).first()
        if winner is None:
            raise
        return [Created(winner, is_new=False)]
    return created


def _insert(jobs: Sequence[SyncJob], *, notify: bool) -> None:
    SyncJob.objects.bulk_create(jobs, batch_size=timeline.BATCH)
    events = (JobEvent(job=job, kind=EventKind.QUEUED, message=job.requested_by_label) for job in jobs)
    JobEvent.objects.bulk_create(events, batch_size=timeline.BATCH)
    tracing.queued_on_commit(jobs)
    if notify:
        for queue, wake_ups in Counter(job.queue_id for job in jobs).items():
            broker.notify_on_commit(queue, wake_ups)


def end_delay(jobs: Sequence[SyncJob], message: str) -> int:
    """Make delayed jobs due now, with a note on their timelines; return their number. The caller has locked their rows."""
    SyncJob.objects.filter(pk__in=[job.pk for job in jobs]).update(run_at=Now(), delay_reason="")
    timeline.note_each(jobs, EventKind.NOTE, message)
    for queue, wake_ups in Counter(job.queue_id for job in jobs).items():
        broker.notify_on_commit(queue, wake_ups)
    return len(jobs)


def lock_bands(band_ids: Iterable[int | None]) -> set[int]:
    """Keep the bands from being deleted until the jobs that refer to them are saved. Return the ids that still exist."""
    ids = [band_id for band_id in band_ids if band_id is not None]
    with connection.cursor() as cursor:
        # FOR KEY SHARE is the lock that a foreign key takes: workers can go on updating the rows.
        cursor.execute("SELECT id FROM bands_band WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE", [ids])
        return {band_id for (band_id,) in cursor.fetchall()}


def default_priority(actor: Actor) -> Priority:
    """Return the priority for an actor: people wait for their jobs, schedules don't."""
    return Priority.NORMAL if actor.is_personal else Priority.LOW


def actor_of(job: SyncJob) -> Actor:
    """Return the actor that asked for the job, for jobs that follow from it."""
    return Actor(label=job.requested_by_label, origin=Origin(job.origin), user_id=job.requested_by_id)


def create_enrich(actor: Actor = SYSTEM) -> Created:
    """Queue an ENRICH job, which fetches pending video details, unless one is active."""
    return create_job(actor, JobType.ENRICH, dedupe_key="ENRICH")


def create_enrich_child(parent: SyncJob) -> bool:
    """Queue one ENRICH job under an incremental all-bands job if videos lack details; return True if it was queued.

    A parent gets at most one. The reconciler queues another job for details that are pending after it.
    """
    if not Video.objects.filter(DETAILS_DUE).exists():
        return False
    with transaction.atomic():
        # The parent's row is the lock: of two children that end together, only one may queue the job.
        locked = SyncJob.objects.select_for_update().filter(pk=parent.pk, status=JobStatus.IN_PROGRESS).first()
        if locked is None or not locked.checkpoint.get("enrich"):
            return False
        child = create_job(actor_of(parent), JobType.ENRICH, parent=parent, priority=parent.priority)
        checkpoint = locked.checkpoint | {"enrich": False}
        SyncJob.objects.filter(pk=parent.pk).update(checkpoint=checkpoint, progress_total=F("progress_total") + 1)
    return child.is_new
