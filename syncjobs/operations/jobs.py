"""Everything a person or a schedule can do, each thing once: admin, API and commands are thin skins over this file.

Each operation takes an actor, leaves an audit row, and guards the states in which it makes sense. Errors are those of
`exceptions`; after one, nothing has changed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from bands.models import Band

from ..audit.actors import Actor
from ..audit.record import audited, record_each
from ..choices import (
    ACTIVE_STATUSES,
    BAND_SYNC_TYPES,
    RETRYABLE_STATUSES,
    EventKind,
    JobStatus,
    JobType,
    Priority,
)
from ..engine import outcomes as engine_outcomes
from ..engine import timeline
from ..engine.enqueue import Created, band_key, create_job, create_jobs, default_priority, lock_bands, new_job
from ..engine.quota import estimate_units
from ..exceptions import (
    BandInactive,
    Conflict,
    DomainError,
    InvalidInput,
    NoChannel,
    NotFound,
    RecentlySynced,
    WrongState,
)
from ..models import SyncJob
from ..youtube.references import MalformedReference, parse_video

MAX_BANDS = 200


# ---- Triggering


def trigger_sync(
    actor: Actor, band: Band | None, *, full: bool, force: bool = False, priority: int | None = None
) -> Created:
    """Sync one band, or all active bands when `band` is None.

    Answers with the equal job if one is queued or running; one that is queued takes on a higher priority and the force.
    Unless forced, a band synced less than SYNC_MIN_INTERVAL_SECONDS ago raises RecentlySynced; in an all-bands job such
    bands are left out.
    Raises NoChannel, BandInactive, NotFound for a band that was deleted just now, InvalidInput for a priority there isn't.
    """
    job_type = JobType.FULL_SYNC if full else JobType.INCREMENTAL_SYNC
    _check_priority(priority)
    with audited(actor, "trigger_sync", "band", band.pk if band else "all") as span:
        if band is not None:
            _check_there(band)
        key = band_key(job_type, band.pk) if band else f"{job_type}:all"
        # Waits for whoever is just ending it, and then there is none.
        twin = SyncJob.objects.active().filter(dedupe_key=key).select_for_update(no_key=True).first()
        if twin is not None:
            if error := _being_cancelled(twin):
                raise error
            created = _raise_queued(actor, twin, force=force, priority=priority)
        else:
            if band is not None:
                if error := _not_syncable(band):
                    raise error
                if not force:
                    _check_interval(band, full=full)
            created = create_job(
                actor,
                job_type,
                band=band,
                dedupe_key=key,
                priority=priority,
                fans_out=band is None,
                params={"force": force},
                quota_estimated=estimate_units(band, full=full),
            )
        span.data = {"job": created.job.pk, "new": created.is_new, "type": job_type, "force": force}
    return created


def _raise_queued(actor: Actor, job: SyncJob, *, force: bool, priority: int | None) -> Created:
    """Of what was asked, what the equal job lacks, should it still wait: one that runs has begun as it was.

    The caller has locked its row.
    """
    if job.status != JobStatus.QUEUED:
        return Created(job, is_new=False)
    changes: dict[str, Any] = {}
    wanted = default_priority(actor) if priority is None else priority
    if wanted > job.priority:
        changes["priority"] = wanted
    if force and not job.params.get("force"):
        changes["params"] = job.params | {"force": True}
    if changes:
        SyncJob.objects.filter(pk=job.pk).update(**changes)
        what = {"priority": f"priority {Priority(wanted).label}", "params": "force"}
        timeline.note(job.pk, EventKind.NOTE, f"{actor.label}: {', '.join(what[name] for name in changes)}")
        job.refresh_from_db()
    return Created(job, is_new=False, is_raised=bool(changes))


def trigger_bands(
    actor: Actor, bands: Sequence[Band], *, full: bool, force: bool = False, priority: int | None = None
) -> dict[int, Created | Conflict | NotFound]:
    """Sync each of several bands; for each band's id, its job or why there is none. Raises InvalidInput."""
    if len(bands) > MAX_BANDS:
        raise InvalidInput(
            _("At most %(most)s bands at once. Sync all of them instead.") % {"most": MAX_BANDS}, field="bands"
        )
    outcomes: dict[int, Created | Conflict | NotFound] = {}
    for band in bands:
        try:
            outcomes[band.pk] = trigger_sync(actor, band, full=full, force=force, priority=priority)
        except (Conflict, NotFound) as error:
            outcomes[band.pk] = error
    return outcomes


def trigger_video(actor: Actor, reference: str, band: Band | None = None) -> Created:
    """Sync one video, given by its id or any YouTube URL of it. Raises InvalidInput."""
    with audited(actor, "trigger_video", "video", reference[:100]) as span:
        try:
            video_id = parse_video(reference)
        except MalformedReference as error:
            raise InvalidInput(str(error), field="video") from None
        if band is not None:
            _check_there(band)
        key = f"{JobType.SINGLE_VIDEO}:{video_id}"
        params = {"video_id": video_id}
        created = create_job(actor, JobType.SINGLE_VIDEO, band=band, dedupe_key=key, params=params, quota_estimated=1)
        span.data = {"job": created.job.pk, "new": created.is_new}
    return created


def trigger_maintenance(actor: Actor, job_type: JobType, band: Band | None = None) -> Created:
    """Queue a job that is not a band's sync: ENRICH, STATS_REFRESH, AVAILABILITY_CHECK or PRUNE."""
    if job_type in BAND_SYNC_TYPES or job_type == JobType.SINGLE_VIDEO:
        raise InvalidInput(_("%(type)s is triggered for a band or a video.") % {"type": job_type}, field="jobType")
    with audited(actor, "trigger_upkeep", "jobType", job_type) as span:
        if band is not None:
            _check_there(band)
        key = band_key(job_type, band.pk) if band else str(job_type)
        created = create_job(actor, job_type, band=band, dedupe_key=key)
        span.data = {"job": created.job.pk, "new": created.is_new}
    return created


def _check_priority(priority: int | None) -> None:
    if priority is not None and priority not in Priority.values:
        raise InvalidInput(
            _("Priority is one of %(priorities)s.") % {"priorities": ", ".join(map(str, Priority.values))},
            field="priority",
        )


def _check_there(band: Band) -> None:
    if not lock_bands([band.pk]):
        raise NotFound(_("The band %(band)s was deleted.") % {"band": band.name}, field="band")


def _not_syncable(band: Band) -> Conflict | None:
    if not band.has_channel:
        return NoChannel(
            _("%(band)s has no YouTube channel. Give it one, then sync.") % {"band": band.name}, field="band"
        )
    if not band.is_active:
        return BandInactive(_("%(band)s is not active. Make it active, then sync.") % {"band": band.name}, field="band")
    return None


def _check_interval(band: Band, *, full: bool) -> None:
    last, allowed_at = band.synced_at(full=full), band.next_sync_at(full=full)
    if last and allowed_at:
        message = _("%(band)s was synced at %(time)s UTC. Sync again after %(allowed)s UTC, or force it.")
        values = {"band": band.name, "time": f"{last:%Y-%m-%d %H:%M:%S}", "allowed": f"{allowed_at:%H:%M:%S}"}
        raise RecentlySynced(message % values, synced_at=last, allowed_at=allowed_at)


# ---- Jobs


def get_job(job_id: int) -> SyncJob:
    """The job with this id. Raises NotFound."""
    job = SyncJob.objects.select_related("band", "parent").filter(pk=job_id).first()
    if job is None:
        raise _no_job(job_id)
    return job


def _no_job(job_id: int) -> NotFound:
    return NotFound(_("There is no job #%(id)s.") % {"id": job_id}, field="job")


def retry_job(actor: Actor, job_id: int) -> Created:
    """Run a failed or cancelled job again: a new job, linked to the old one, or its retry that has not ended yet.

    Raises NotFound, WrongState, NoChannel, BandInactive, Conflict when its band was deleted.
    """
    with audited(actor, "retry_job", "job", job_id) as span:
        outcome = _retry(actor, [job_id])[job_id]
        if isinstance(outcome, DomainError):
            raise outcome
        span.data = _told(outcome)
    return outcome


def retry_jobs(actor: Actor, job_ids: Sequence[int]) -> dict[int, Created | DomainError]:
    """Retry each of the jobs as `retry_job` does, in one transaction; for each, its new job or why there is none."""
    with transaction.atomic():
        outcomes = _retry(actor, job_ids)
        record_each(actor, "retry_job", "job", outcomes, _told)
    return outcomes


def _told(created: Created) -> dict[str, Any]:
    return {"job": created.job.pk, "new": created.is_new}


def _retry(actor: Actor, job_ids: Sequence[int]) -> dict[int, Created | DomainError]:
    asked = SyncJob.objects.filter(pk__in=job_ids).select_related("band").order_by("pk")
    # Bands first and then jobs, as whoever deletes a band does.
    held = lock_bands(asked.values_list("band_id", flat=True))
    # The second of two who retry a job at once waits here, and finds the first's.
    locked = {job.pk: job for job in asked.filter(status__in=RETRYABLE_STATUSES).select_for_update(of=("self",))}
    found = {job.pk: job for job in asked.exclude(pk__in=locked)} | locked
    outcomes: dict[int, Created | DomainError] = {
        job_id: error for job_id in job_ids if (error := _not_retryable(job_id, found.get(job_id), held))
    }
    under_way = SyncJob.objects.active().filter(retry_of__in=[job_id for job_id in locked if job_id not in outcomes])
    became = {job.retry_of_id: Created(job, is_new=False) for job in under_way if job.retry_of_id}
    left = [job for job in locked.values() if job.pk not in outcomes and job.pk not in became]
    left.sort(key=lambda job: (job.band_id or 0, job.dedupe_key or "", job.pk))
    created = create_jobs([_retry_of(actor, job) for job in left])
    became |= {job.pk: each for job, each in zip(left, created, strict=True)}
    return outcomes | {job_id: _being_cancelled(each.job) or each for job_id, each in became.items()}


def _being_cancelled(twin: SyncJob) -> Conflict | None:
    """What is cancelled does not do what is asked for now, and there can't be two."""
    if twin.cancel_requested_at is None:
        return None
    said = _("Job #%(id)s does the same and is just being cancelled. Try again when it has ended.")
    return Conflict(said % {"id": twin.pk})


def _not_retryable(job_id: int, job: SyncJob | None, held: Collection[int]) -> DomainError | None:
    if job is None:
        return _no_job(job_id)
    if job.status not in RETRYABLE_STATUSES:
        said = {"id": job_id, "status": job.get_status_display().lower()}
        message = _("Job #%(id)s is %(status)s; only a failed or cancelled job can be retried.") % said
        return WrongState(message, status=job.status)
    if job.job_type not in BAND_SYNC_TYPES or job.fans_out:
        return None
    if job.band is None or job.band.pk not in held:
        return Conflict(_("The band of job #%(id)s was deleted.") % {"id": job_id}, field="band")
    return _not_syncable(job.band)


def _retry_of(actor: Actor, job: SyncJob) -> SyncJob:
    return new_job(
        actor,
        JobType(job.job_type),
        band=job.band,
        dedupe_key=job.dedupe_key,
        priority=max(job.priority, Priority.NORMAL),
        fans_out=job.fans_out,
        params=job.params,
        retry_of=job,
        quota_estimated=job.quota_estimated,
    )


def cancel_job(actor: Actor, job_id: int) -> SyncJob:
    """Cancel a job: at once if it is queued; a running one stops within one HTTP call, or is killed after the grace period.

    An all-bands job is cancelled with its children. Raises NotFound, WrongState if it has ended.
    """
    with audited(actor, "cancel_job", "job", job_id):
        error = _cancel(actor, [job_id])[job_id]
        if error:
            raise error
    return get_job(job_id)


def cancel_jobs(actor: Actor, job_ids: Sequence[int]) -> dict[int, DomainError | None]:
    """Cancel each of the jobs as `cancel_job` does, in one transaction; for each, why not, should it be refused."""
    with transaction.atomic():
        outcomes = _cancel(actor, job_ids)
        record_each(actor, "cancel_job", "job", outcomes, lambda _cancelled: {})
    return outcomes


def _cancel(actor: Actor, job_ids: Sequence[int]) -> dict[int, DomainError | None]:
    active = Q(status__in=ACTIVE_STATUSES)
    active_children = Q(parent_id__in=job_ids) & active
    locked = {job.pk: job for job in _locked(Q(pk__in=job_ids) & active | active_children)}
    found = {job.pk: job for job in SyncJob.objects.filter(pk__in=job_ids).exclude(pk__in=locked)} | locked
    outcomes = {job_id: _not_cancellable(job_id, found.get(job_id)) for job_id in job_ids}
    chosen = {job_id for job_id, error in outcomes.items() if error is None}
    if any(locked[job_id].fans_out for job_id in chosen):
        # Children that came while their parent wasn't locked yet; from now on there come no more.
        locked |= {job.pk: job for job in _locked(active_children & ~Q(pk__in=locked))}
    jobs = [job for job in locked.values() if not job.is_terminal and {job.pk, job.parent_id} & chosen]
    asked = [job for job in jobs if job.cancel_requested_at is None]
    SyncJob.objects.filter(pk__in=[job.pk for job in asked]).update(
        cancel_requested_at=Now(), cancel_requested_by=actor.label
    )
    timeline.note_each(asked, EventKind.CANCEL_REQUESTED, actor.label)
    engine_outcomes.cancel_unclaimed(jobs)
    return outcomes


def _locked(which: Q) -> list[SyncJob]:
    """These jobs, locked in the order in which workers do: the child that ends, and then its parent."""
    return list(SyncJob.objects.filter(which).order_by(F("parent").asc(nulls_last=True), "pk").select_for_update())


def _not_cancellable(job_id: int, job: SyncJob | None) -> DomainError | None:
    if job is None:
        return _no_job(job_id)
    if not job.is_terminal:
        return None
    said = {"id": job_id, "status": job.get_status_display().lower()}
    return WrongState(_("Job #%(id)s has ended already: %(status)s.") % said, status=job.status)
