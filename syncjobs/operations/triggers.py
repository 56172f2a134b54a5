"""Trigger jobs: syncs of bands, of single videos, and maintenance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from bands.models import Band, BandState

from ..audit.actors import Actor
from ..audit.labels import JOB_TYPE
from ..audit.record import audited
from ..choices import BAND_SYNC_TYPES, PERSONAL_ORIGINS, EventKind, JobStatus, JobType, Origin, Priority
from ..engine import clock, timeline
from ..engine.enqueue import (
    Created,
    band_key,
    create_job,
    create_jobs,
    default_priority,
    end_delay,
    lock_bands,
    new_job,
)
from ..exceptions import BandInactive, Conflict, InvalidInput, NoChannel, NotFound, RecentlySynced
from ..models import SyncJob
from ..youtube.references import MalformedReference, parse_video
from . import estimates
from .rates import limited
from .texts import translated
from .waiting import pauses

MAX_BANDS = 200


@limited
def trigger_sync(
    actor: Actor, band: Band | None, *, full: bool, force: bool = False, priority: int | None = None
) -> Created:
    """Sync one band, or all active bands if `band` is None.

    If an equal job is active, return that job instead of a new one. If it is still queued, it takes over a higher
    priority and `force`; with `force`, a delay of it or its children ends. Without `force`, raise RecentlySynced for a
    band that was synced less than SYNC_MIN_INTERVAL_SECONDS ago; a full sync of all bands leaves such bands out.

    Raises NoChannel, BandInactive, NotFound if the band has been deleted, InvalidInput for an unknown priority, and
    Conflict while an equal job is being cancelled.
    """
    job_type = JobType.FULL_SYNC if full else JobType.INCREMENTAL_SYNC
    check_priority(priority)
    with audited(actor, "trigger_sync", "band", band.pk if band else "all") as span:
        _check_exists(band)
        key = band_key(job_type, band.pk) if band else _key_of_all(job_type)
        # If another transaction is just ending the equal job, this waits, and then finds no active one.
        active = SyncJob.objects.active().filter(dedupe_key=key).select_for_update(no_key=True).first()
        if active is not None:
            if error := cancelling_error(active):
                raise error
            created = _raise_queued(actor, active, force=force, priority=priority)
            if force:
                created = run_now(actor, created)
        else:
            if band is not None:
                _check_due(band, full=full, force=force)
            params = {"force": force}
            job = new_job(
                actor, job_type, band=band, dedupe_key=key, priority=priority, fans_out=band is None, params=params
            )
            job.quota_estimated = estimates.units_of(job)
            created = create_jobs([job])[0]
        span.data = {"job": created.job.pk, "new": created.is_new, "type": job_type, "force": force}
    return created


def active_for_all(*, full: bool) -> SyncJob | None:
    """Return the queued or running all-bands job that a trigger would return instead of a new one."""
    job_type = JobType.FULL_SYNC if full else JobType.INCREMENTAL_SYNC
    return SyncJob.objects.active().filter(dedupe_key=_key_of_all(job_type)).first()


def _key_of_all(job_type: JobType) -> str:
    return f"{job_type}:all"


def _raise_queued(actor: Actor, job: SyncJob, *, force: bool, priority: int | None) -> Created:
    """Give a job that is still queued the higher priority and `force`. The caller has locked its row.

    It never loses what somebody asked for before, so it keeps a higher priority and `force`.
    """
    requested = default_priority(actor) if priority is None else priority
    is_queued, is_forced = job.status == JobStatus.QUEUED, bool(job.params.get("force"))
    changes: dict[str, Any] = {}
    if is_queued and requested > job.priority:
        changes["priority"] = requested
    if is_queued and force and not is_forced:
        changes["params"] = job.params | {"force": True}
    kept = set()
    if priority is not None and "priority" not in changes and priority != min(job.priority, Priority.URGENT):
        kept.add("priority")
    if job.fans_out and "params" not in changes and force != is_forced:
        kept.add("force")
    if changes:
        job.params = changes.get("params", job.params)
        # What one band needs does not depend on `force`.
        estimated = {"quota_estimated": estimates.units_of(job)} if "params" in changes and job.fans_out else {}
        SyncJob.objects.filter(pk=job.pk).update(**changes, **estimated)
        descriptions = {"priority": priority_note(requested), "params": "force"}
        message = f"{actor.label}: {', '.join(descriptions[name] for name in changes)}"
        timeline.note(job.pk, EventKind.NOTE, message)
        job.refresh_from_db()
    changed = {"force" if name == "params" else name for name in changes}
    return Created(job, is_new=False, changed=frozenset(changed), kept=frozenset(kept))


def describe(created: Created) -> str:
    """Say what has happened: a job is queued, or an equal one was there, and what it took over of what was asked."""
    job = created.job
    values: dict[str, Any] = {"id": job.pk}
    if created.is_new:
        sentences = [_("Job #%(id)s is queued.")]
    elif created.has_ended_delay and job.fans_out and job.status == JobStatus.IN_PROGRESS:
        sentences = [_("Job #%(id)s is running already. Its child jobs are no longer delayed.")]
    elif created.has_ended_delay:
        sentences = [_("Job #%(id)s already does this. It is no longer delayed.")]
    elif job.status == JobStatus.QUEUED:
        sentences = [_("Job #%(id)s was queued already.")]
    else:
        sentences = [_("Job #%(id)s is running already, as it was asked for before.")]
    values["priority"] = Priority(min(job.priority, Priority.URGENT)).label
    if "priority" in created.changed:
        sentences.append(_("Its priority is now %(priority)s."))
    if "priority" in created.kept:
        sentences.append(
            _(
                "Its priority stays %(priority)s, because a trigger never lowers it. You can change it on the job's page."
            )
            if job.status == JobStatus.QUEUED
            else _("Its priority stays %(priority)s, because it has started.")
        )
    said = " ".join([*sentences, *_about_force(created)]) % values
    waits = pauses([job.pk]) if job.status == JobStatus.QUEUED else ""
    return f"{said} {waits}".rstrip()


def _about_force(created: Created) -> Iterator[str]:
    """Say which bands an all-bands job includes or leaves out, if `force` would make a difference.

    A full sync leaves out recently synced bands. An incremental one of a schedule leaves out those that push and feeds watch,
    and one of a person none.
    """
    job, is_full = created.job, created.job.job_type == JobType.FULL_SYNC
    if not job.fans_out or (not is_full and Origin(job.origin) in PERSONAL_ORIGINS):
        return
    if "force" in created.changed:
        yield (
            _("It now includes recently synced bands.")
            if is_full
            else _("It now includes the bands that push and feeds watch.")
        )
    elif "force" not in created.kept:
        return
    elif job.params.get("force"):
        yield (
            _("It includes recently synced bands, because somebody asked for that before.")
            if is_full
            else _("It includes the bands that push and feeds watch, because somebody asked for that before.")
        )
    else:
        yield (
            _("It leaves out recently synced bands, because it has started.")
            if is_full
            else _("It leaves out the bands that push and feeds watch, because it has started.")
        )


def run_now(actor: Actor, created: Created) -> Created:
    """Make an equal job due now that was delayed, whatever it waits for, and those of its children that are delayed.

    Jobs whose rows somebody else is changing right now are left out.
    """
    if created.is_new:
        return created
    delayed = SyncJob.objects.delayed().filter(Q(pk=created.job.pk) | Q(parent=created.job.pk)).order_by("pk")
    with transaction.atomic():
        jobs = list(delayed.select_for_update(no_key=True, skip_locked=True, of=("self",)))
        if not end_delay(jobs, f"{actor.label}: run now"):
            return created
    created.job.refresh_from_db()
    return replace(created, has_ended_delay=True)


@limited
def trigger_bands(
    actor: Actor, bands: Sequence[Band], *, full: bool, force: bool = False, priority: int | None = None
) -> dict[int, Created | Conflict | NotFound]:
    """Sync each of several bands; return, by band id, its job or the error. Raises InvalidInput for too many bands."""
    if len(bands) > MAX_BANDS:
        message = _("At most %(most)s bands can be synced at once. Sync all bands instead.")
        raise InvalidInput(message % {"most": MAX_BANDS}, field="bands")
    results: dict[int, Created | Conflict | NotFound] = {}
    for band in bands:
        try:
            results[band.pk] = trigger_sync(actor, band, full=full, force=force, priority=priority)
        except (Conflict, NotFound) as error:
            results[band.pk] = error
    return results


@limited
def trigger_video(actor: Actor, reference: str, band: Band | None = None) -> Created:
    """Sync one video. `reference` is its id or any YouTube URL of it. A person ends the delay of an equal job.

    Raises InvalidInput, and NotFound if the band has been deleted.
    """
    with audited(actor, "trigger_video", "video", reference[:100]) as span:
        try:
            video_id = parse_video(reference)
        except MalformedReference as error:
            raise InvalidInput(translated(error), field="video") from None
        _check_exists(band)
        key = f"{JobType.SINGLE_VIDEO}:{video_id}"
        params = {"video_id": video_id}
        created = create_job(actor, JobType.SINGLE_VIDEO, band=band, dedupe_key=key, params=params, quota_estimated=1)
        if actor.is_personal:
            created = run_now(actor, created)
        span.data = {"job": created.job.pk, "new": created.is_new}
    return created


@limited
def trigger_maintenance(actor: Actor, job_type: JobType, band: Band | None = None) -> Created:
    """Queue an ENRICH, STATS_REFRESH, AVAILABILITY_CHECK or PRUNE job, for one band or for all.

    A person ends the delay of an equal job.

    Raises InvalidInput for any other type, and NotFound if the band has been deleted.
    """
    if job_type in BAND_SYNC_TYPES or job_type == JobType.SINGLE_VIDEO:
        raise InvalidInput(_("%(type)s is triggered for a band or a video.") % {"type": job_type}, field="job_type")
    with audited(actor, "trigger_upkeep", JOB_TYPE, job_type) as span:
        _check_exists(band)
        key = band_key(job_type, band.pk) if band else str(job_type)
        created = create_job(actor, job_type, band=band, dedupe_key=key)
        if actor.is_personal:
            created = run_now(actor, created)
        span.data = {"job": created.job.pk, "new": created.is_new}
    return created


def syncable_error(band: Band) -> Conflict | None:
    """Return the error that keeps a band from being synced, if there is one."""
    names = {"band": band.name}
    if band.sync_obstacle == BandState.NO_CHANNEL:
        return NoChannel(_("%(band)s has no YouTube channel. Add one, then sync.") % names, field="band")
    if band.sync_obstacle == BandState.INACTIVE:
        return BandInactive(_("%(band)s is inactive. Activate it, then sync.") % names, field="band")
    return None


def cancelling_error(job: SyncJob) -> Conflict | None:
    """Return an error if this job is being cancelled: it blocks an equal one, and must not pass for it."""
    if job.cancel_requested_at is None or job.is_terminal:
        return None
    return Conflict(_("The same job, #%(id)s, is being cancelled. Try again when it has ended.") % {"id": job.pk})


def check_priority(priority: int | None) -> None:
    """Raise InvalidInput for an unknown priority."""
    if priority is not None and priority not in Priority.values:
        allowed = ", ".join(map(str, Priority.values))
        raise InvalidInput(_("Priority must be one of %(priorities)s.") % {"priorities": allowed}, field="priority")


def priority_note(priority: int) -> str:
    """Return what a timeline says about a new priority: in English, whatever the language of the person who gave it."""
    return f"priority {Priority(priority).name.capitalize()}"


def _check_exists(band: Band | None) -> None:
    if band is not None and not lock_bands([band.pk]):
        raise NotFound(_("The band %(band)s has been deleted.") % {"band": band.name}, field="band")


def _check_due(band: Band, *, full: bool, force: bool) -> None:
    """Raise an error if the band can't be synced, or was synced recently and the trigger is not forced."""
    if error := syncable_error(band):
        raise error
    last, allowed_at = band.synced_at(full=full), band.next_sync_at(clock.now(), full=full)
    if last and allowed_at and not force:
        message = _("%(band)s was synced at %(time)s UTC. Sync again after %(allowed)s UTC, or force it.")
        day_and_time = "%Y-%m-%d %H:%M:%S"
        values = {"band": band.name, "time": f"{last:{day_and_time}}", "allowed": f"{allowed_at:{day_and_time}}"}
        raise RecentlySynced(message % values, synced_at=last, allowed_at=allowed_at)
