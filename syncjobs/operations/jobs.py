"""Look up, retry and cancel jobs. `triggers` creates them, and `queued_jobs` changes those that wait."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from bands.models import Band

from ..audit.actors import Actor
from ..audit.record import audited, record_each
from ..choices import ACTIVE_STATUSES, BAND_SYNC_TYPES, RETRYABLE_STATUSES, EventKind, JobType, Priority
from ..engine import outcomes as engine_outcomes
from ..engine import timeline
from ..engine.enqueue import Created, create_jobs, lock_bands, new_job
from ..exceptions import Conflict, DomainError, NotFound, WrongState
from ..models import SyncJob
from . import estimates
from .rates import limited
from .triggers import cancelling_error, syncable_error


def get_job(job_id: int) -> SyncJob:
    """Return the job with its band and parent. Raises NotFound."""
    job = SyncJob.objects.select_related("band", "parent").filter(pk=job_id).first()
    if job is None:
        raise not_found(job_id)
    return job


def not_found(job_id: int) -> NotFound:
    """Return the error for a job that doesn't exist."""
    return NotFound(_("There is no job #%(id)s.") % {"id": job_id}, field="job")


@limited
def retry_job(actor: Actor, job_id: int) -> Created:
    """Run a failed or cancelled job again, as a new job that refers to the old one.

    If a retry of it is still active, return that one. Raises NotFound, WrongState, NoChannel, BandInactive, and
    Conflict if its band has been deleted or an equal job is being cancelled.
    """
    with audited(actor, "retry_job", "job", job_id) as span:
        result = _retry(actor, [job_id])[job_id]
        if isinstance(result, DomainError):
            raise result
        span.data = _retry_data(result)
    return result


def retry_jobs(actor: Actor, job_ids: Sequence[int], *, once: bool = False) -> dict[int, Created | DomainError]:
    """Retry several jobs as `retry_job` does, in one transaction; return each one's new job or its error, by id.

    With `once`, a job that somebody has retried is not retried again, also if that retry has ended.
    """
    with transaction.atomic():
        results = _retry(actor, job_ids, once=once)
        record_each(actor, "retry_job", "job", results, _retry_data)
    return results


def _retry_data(created: Created) -> dict[str, Any]:
    return {"job": created.job.pk, "new": created.is_new}


def _retry(actor: Actor, job_ids: Sequence[int], *, once: bool = False) -> dict[int, Created | DomainError]:
    requested = SyncJob.objects.filter(pk__in=job_ids).select_related("band").order_by("pk")
    # Bands before jobs: deleting a band locks in the same order.
    existing_bands = lock_bands(requested.values_list("band_id", flat=True))
    # If two people retry the same job at once, the second waits here and then sees the first one's retry.
    locked = {job.pk: job for job in requested.filter(status__in=RETRYABLE_STATUSES).select_for_update(of=("self",))}
    jobs = {job.pk: job for job in requested.exclude(pk__in=locked)} | locked
    results: dict[int, Created | DomainError] = {
        job_id: error for job_id in job_ids if (error := _retry_error(job_id, jobs.get(job_id), existing_bands))
    }
    retries = _earlier_retries([job for job in locked.values() if job.pk not in results], once=once)
    remaining = [job for job in locked.values() if job.pk not in results and job.pk not in retries]
    # The order that create_jobs needs so that concurrent callers don't deadlock.
    remaining.sort(key=lambda job: (job.band_id or 0, job.dedupe_key or "", job.pk))
    created = create_jobs([_new_retry(actor, job) for job in remaining])
    retries |= {job.pk: each for job, each in zip(remaining, created, strict=True)}
    accepted = {job_id: cancelling_error(each.job) or each for job_id, each in retries.items()}
    _link_covered(accepted)
    return results | accepted


def _earlier_retries(jobs: Sequence[SyncJob], *, once: bool) -> dict[int, Created]:
    """Return the retries that the jobs have already, by the id of the job: the active ones, or with `once` any."""
    covering = SyncJob.objects.in_bulk([job.covered_by_id for job in jobs if job.covered_by_id] if once else [])
    found = {job.pk: covering[job.covered_by_id] for job in jobs if job.covered_by_id in covering}
    retries = SyncJob.objects.all() if once else SyncJob.objects.active()
    for retry in retries.filter(retry_of__in=jobs).order_by("pk"):
        if retry.retry_of_id is not None:
            found[retry.retry_of_id] = retry
    return {job_id: Created(retry, is_new=False) for job_id, retry in found.items()}


def _link_covered(retries: Mapping[int, Created | DomainError]) -> None:
    """Link each retried job to the job that covers it, unless that one is its own retry."""
    covered = [
        SyncJob(pk=job_id, covered_by_id=each.job.pk)
        for job_id, each in retries.items()
        if isinstance(each, Created) and each.job.retry_of_id != job_id
    ]
    if covered:
        SyncJob.objects.bulk_update(covered, ["covered_by"])


def _retry_error(job_id: int, job: SyncJob | None, existing_bands: Collection[int]) -> DomainError | None:
    if job is None:
        return not_found(job_id)
    if job.status not in RETRYABLE_STATUSES:
        message = _("Job #%(id)s is %(status)s; only a failed or cancelled job can be retried.")
        return WrongState(message % status_of(job), status=job.status)
    if job.job_type not in BAND_SYNC_TYPES or job.fans_out:
        return None
    if job.band is None or job.band.pk not in existing_bands:
        return Conflict(_("The band of job #%(id)s has been deleted.") % {"id": job_id}, field="band")
    return syncable_error(job.band)


def status_of(job: SyncJob) -> dict[str, Any]:
    """Return the job's `id` and `status` for a sentence."""
    return {"id": job.pk, "status": job.get_status_display().lower()}


def _new_retry(actor: Actor, job: SyncJob) -> SyncJob:
    retry = new_job(
        actor,
        JobType(job.job_type),
        band=job.band,
        dedupe_key=job.dedupe_key,
        priority=min(max(job.priority, Priority.NORMAL), Priority.URGENT),
        fans_out=job.fans_out,
        params=job.params,
        retry_of=job,
        quota_estimated=job.quota_estimated,
    )
    retry.quota_estimated = estimates.units_of(retry)
    return retry


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A cancelled job. One that `is_stopping` still runs. `children` are the child jobs that it takes along."""

    is_stopping: bool
    children: frozenset[int]


def cancel_job(actor: Actor, job_id: int) -> SyncJob:
    """Cancel a job and, if it is an all-bands job, its children.

    A queued job is cancelled at once. A running one stops before its next HTTP call; after a grace period its process
    is killed. Raises NotFound, and WrongState if the job has ended.
    """
    with audited(actor, "cancel_job", "job", job_id):
        result = _cancel(actor, [job_id])[job_id]
        if isinstance(result, DomainError):
            raise result
    return get_job(job_id)


def cancel_jobs(actor: Actor, job_ids: Sequence[int]) -> dict[int, Cancelled | DomainError]:
    """Cancel several jobs as `cancel_job` does, in one transaction; return each one's result or error, by id."""
    with transaction.atomic():
        results = _cancel(actor, job_ids)
        record_each(actor, "cancel_job", "job", results, lambda _cancelled: {})
    return results


def _cancel(actor: Actor, job_ids: Sequence[int]) -> dict[int, Cancelled | DomainError]:
    active = Q(status__in=ACTIVE_STATUSES)
    active_children = Q(parent_id__in=job_ids) & active
    locked = {job.pk: job for job in lock(Q(pk__in=job_ids) & active | active_children)}
    jobs = {job.pk: job for job in SyncJob.objects.filter(pk__in=job_ids).exclude(pk__in=locked)} | locked
    refused = {job_id: error for job_id in job_ids if (error := _cancel_error(job_id, jobs.get(job_id)))}
    accepted = set(job_ids) - refused.keys()
    if any(locked[job_id].fans_out for job_id in accepted):
        # Children queued before their parent was locked. From now on no more can be added.
        locked |= {job.pk: job for job in lock(active_children & ~Q(pk__in=locked))}
    affected = [job for job in locked.values() if not job.is_terminal and {job.pk, job.parent_id} & accepted]
    newly_requested = [job for job in affected if job.cancel_requested_at is None]
    SyncJob.objects.filter(pk__in=[job.pk for job in newly_requested]).update(
        cancel_requested_at=Now(), cancel_requested_by=actor.label
    )
    timeline.note_each(newly_requested, EventKind.CANCEL_REQUESTED, actor.label)
    engine_outcomes.cancel_unclaimed(affected)
    running = set(SyncJob.objects.active().filter(pk__in=accepted).values_list("pk", flat=True))
    children: dict[int, set[int]] = {}
    for job in newly_requested:
        if job.parent_id in accepted:
            children.setdefault(job.parent_id, set()).add(job.pk)
    return {
        job_id: refused.get(job_id) or Cancelled(job_id in running, frozenset(children.get(job_id, ())))
        for job_id in job_ids
    }


def lock(condition: Q) -> list[SyncJob]:
    """Lock jobs in the order in which workers do: children before their parents."""
    return list(SyncJob.objects.filter(condition).order_by(F("parent").asc(nulls_last=True), "pk").select_for_update())


def retry_problem(job: SyncJob) -> DomainError | None:
    """Return why the job can't be retried now, if so."""
    return _retry_error(job.pk, job, [job.band_id] if job.band_id else [])


def running_instead(job: SyncJob) -> SyncJob | None:
    """Return the queued or running job that a retry of the job would return instead of a new one."""
    if retry := _earlier_retries([job], once=False).get(job.pk):
        return retry.job
    return SyncJob.objects.active().filter(dedupe_key=job.dedupe_key).first() if job.dedupe_key else None


def new_retries(jobs: QuerySet[SyncJob]) -> tuple[int, int]:
    """Return how many new jobs are queued if these are retried, and how many active ones do the same as some of them.

    Nobody has retried the jobs yet. Equal jobs share a new one, and jobs of bands that can't be synced get none.
    """
    is_possible = ~Q(job_type__in=BAND_SYNC_TYPES) | Q(fans_out=True) | Q(band__in=Band.objects.syncable())
    possible = jobs.filter(is_possible).order_by()
    found = possible.aggregate(
        keys=Count("dedupe_key", distinct=True), without_key=Count("pk", filter=Q(dedupe_key=None))
    )
    active = SyncJob.objects.active().filter(dedupe_key__in=possible.values("dedupe_key")).count()
    return found["keys"] + found["without_key"] - active, active


def cancel_problem(job: SyncJob) -> DomainError | None:
    """Return why nothing is left to cancel of the job, if so: it has ended, or somebody has cancelled it already."""
    if job.is_terminal or job.cancel_requested_at is None:
        return _cancel_error(job.pk, job)
    message = _("Job #%(id)s is being cancelled already, since %(time)s UTC by %(who)s.")
    values = {"id": job.pk, "time": f"{job.cancel_requested_at:%Y-%m-%d %H:%M:%S}", "who": job.cancel_requested_by}
    return WrongState(message % values, status=job.status)


def _cancel_error(job_id: int, job: SyncJob | None) -> DomainError | None:
    if job is None:
        return not_found(job_id)
    if not job.is_terminal:
        return None
    return WrongState(_("Job #%(id)s has already ended: %(status)s.") % status_of(job), status=job.status)
