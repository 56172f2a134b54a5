"""How a job comes to be: its row, its first line in the timeline and its bell, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import F

from bands.models import Band, Video

from ..audit.actors import SYSTEM, Actor
from ..choices import QUEUE_OF_TYPE, EventKind, JobStatus, JobType, Origin, Priority
from ..models import JobEvent, SyncJob
from . import broker


@dataclass(frozen=True, slots=True)
class Created:
    """A job, and whether it is new: False when an equal one was queued or running already.

    `is_raised` says that the equal one waited, and has taken on what was asked beyond it.
    """

    job: SyncJob
    is_new: bool
    is_raised: bool = False


def band_key(job_type: str, band_id: int) -> str:
    """What two active jobs of one type for one band share, so that there can be only one."""
    return f"{job_type}:band:{band_id}"


def create_job(actor: Actor, job_type: JobType, *, notify: bool = True, **given: Any) -> Created:
    """Queue a job, as `new_job` makes it, and ring for it; or answer with the equal active one (same `dedupe_key`).

    Whoever queues many passes `notify=False` and rings once for all.
    """
    return create_jobs([new_job(actor, job_type, **given)], notify=notify)[0]


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
    """A job for `create_jobs`, not yet saved."""
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
    """Queue new jobs and ring for them; for each, the job it has become: itself, or the equal active one.

    Of many, those with a `dedupe_key` must come in the order of their bands and keys, or two who create equal ones
    deadlock.
    """
    active = SyncJob.objects.active().filter(dedupe_key__in=[job.dedupe_key for job in jobs if job.dedupe_key])
    equal = {job.dedupe_key: job for job in active}
    became = [equal.setdefault(job.dedupe_key, job) if job.dedupe_key else job for job in jobs]
    created = [Created(chosen, is_new=chosen is job) for job, chosen in zip(jobs, became, strict=True)]
    try:
        with transaction.atomic():
            _insert([each.job for each in created if each.is_new], notify=notify)
    except IntegrityError:
        # Somebody was quicker with an equal one, and has just committed it.
        if len(jobs) > 1:
            return [each for job in jobs for each in create_jobs([job], notify=notify)]
        twin = SyncJob.objects.active().filter(dedupe_key=jobs[0].dedupe_key).first() if jobs[0].dedupe_key else None
        if twin is None:
            raise
        return [Created(twin, is_new=False)]
    return created


def _insert(jobs: Sequence[SyncJob], *, notify: bool) -> None:
    SyncJob.objects.bulk_create(jobs)
    JobEvent.objects.bulk_create(
        JobEvent(job=job, kind=EventKind.QUEUED, message=job.requested_by_label) for job in jobs
    )
    if notify:
        for queue, wake_ups in Counter(job.queue_id for job in jobs).items():
            broker.notify_on_commit(queue, wake_ups)


def lock_bands(band_ids: Iterable[int | None]) -> set[int]:
    """Nobody deletes these bands before the jobs that are to refer to them are there; returns those that still exist."""
    # As weak a lock as a foreign key takes: workers go on writing to the rows.
    wanted = [band_id for band_id in band_ids if band_id is not None]
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM bands_band WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE", [wanted])
        return {band_id for (band_id,) in cursor.fetchall()}


def default_priority(actor: Actor) -> Priority:
    """People wait for what they trigger; schedules don't."""
    return Priority.NORMAL if actor.is_personal else Priority.LOW


def actor_of(job: SyncJob) -> Actor:
    """Whoever asked for the job, for jobs that follow from it."""
    return Actor(label=job.requested_by_label, origin=Origin(job.origin), user_id=job.requested_by_id)


def create_enrich(actor: Actor = SYSTEM) -> Created:
    """Queue the job that fetches pending video details, unless one waits already."""
    return create_job(actor, JobType.ENRICH, dedupe_key="ENRICH")


def create_enrich_child(parent: SyncJob) -> bool:
    """Queue one ENRICH job under an incremental all-bands job if its bands' videos lack details.

    Returns whether a new child was queued. There is at most one per parent: what it leaves, the reconciler takes up.
    """
    if not Video.objects.filter(details_pending=True).exists():
        return False
    with transaction.atomic():
        # The parent's row is the lock: two children that end together must not both queue one.
        locked = SyncJob.objects.select_for_update().filter(pk=parent.pk, status=JobStatus.IN_PROGRESS).first()
        if locked is None or not locked.checkpoint.get("enrich"):
            return False
        child = create_job(actor_of(parent), JobType.ENRICH, parent=parent, priority=parent.priority)
        checkpoint = locked.checkpoint | {"enrich": False}
        SyncJob.objects.filter(pk=parent.pk).update(checkpoint=checkpoint, progress_total=F("progress_total") + 1)
    return child.is_new
