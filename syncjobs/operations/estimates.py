"""Which bands a sync covers, and the units it will use. The estimate of a sync, its job and its run share these rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bands.models import Band

from ..choices import BAND_SYNC_TYPES, PERSONAL_ORIGINS, JobType, Origin
from ..engine import clock
from ..engine.enqueue import band_key
from ..freshness import trust
from ..models import SyncJob
from ..youtube.client import PAGE_SIZE


@dataclass(frozen=True, slots=True)
class Scope:
    """What a sync of some bands, or of all, covers at this moment, and the `units` of the main bucket it will use.

    `due` get a job; of an incremental sync of all bands, those of them that have changed. The others were synced recently, are
    inactive or without a channel, or have an equal job that is active.
    """

    due: list[Band]
    recently_synced: int
    unsyncable: int
    already_active: int
    units: int


def scope(selected: Sequence[Band] | None, *, full: bool, force: bool = False, is_personal: bool = True) -> Scope:
    """Return what a sync of the selected bands, or of all if they are None, would cover and use now.

    An incremental sync of all bands also asks for the channels of recently synced bands and of those with an equal job. Its
    units are those of this probe: which bands have changed isn't known before.
    """
    is_probe = selected is None and not full
    bands = all_bands() if selected is None else selected
    if is_probe:
        bands = to_probe(bands, force=force, is_personal=is_personal)
    able = [band for band in bands if band.sync_obstacle is None]
    wanted = able if is_probe else not_recently_synced(able, full=full, force=force)
    active = _with_active_job(wanted, JobType.FULL_SYNC if full else JobType.INCREMENTAL_SYNC)
    due = [band for band in wanted if band.pk not in active]
    return Scope(
        due=due,
        recently_synced=len(able) - len(wanted),
        unsyncable=len(bands) - len(able),
        already_active=len(active),
        units=_probe_units(bands) if is_probe else sum(band_units(band, full=full) for band in due),
    )


def all_bands() -> list[Band]:
    """Return the bands that a sync of all bands covers: those that can be synced and are not paused."""
    return list(Band.objects.syncable().unpaused())


def not_recently_synced(bands: Sequence[Band], *, full: bool, force: bool) -> list[Band]:
    """Leave out the bands whose last such sync is too recent, unless the sync is forced."""
    now = clock.now()
    return [band for band in bands if force or not band.is_recently_synced(now, full=full)]


def to_probe(bands: Sequence[Band], *, force: bool, is_personal: bool) -> list[Band]:
    """Leave out the bands whose push or feed has proven itself, but for a daily probe. A person's pass asks for all.

    A unit pays for 50 channels, so the last one also asks for those whose daily probe comes next.
    """
    if force or is_personal:
        return list(bands)
    resting = {band_id: place for place, band_id in enumerate(trust.not_due_for_probe())}
    rested = [b for b in bands if b.pk in resting and b.last_page_read_at is not None and not b.channel_problem]
    rested.sort(key=lambda band: resting[band.pk])
    room = -(len(bands) - len(rested)) % PAGE_SIZE
    left_out = {band.pk for band in rested[room:]}
    return [band for band in bands if band.pk not in left_out]


def band_units(band: Band, *, full: bool) -> int:
    """Estimate the units of the main bucket that a sync of the band will use.

    A full sync needs one playlist page and one call for details per 50 known videos, an incremental one about one of each.
    Either needs one more if the channel's id has to be found first.
    """
    pages = max(1, math.ceil((band.channel_video_count or 0) / PAGE_SIZE)) if full else 1
    return 2 * pages + (0 if band.channel_id else 1)


def units_of(job: SyncJob) -> int | None:
    """Estimate what the job would use if it began now; None if that is not known for its type.

    The estimate of an all-bands job that has queued its children is theirs, and stays.
    """
    if job.job_type not in BAND_SYNC_TYPES or (job.fans_out and job.checkpoint.get("fanned_out")):
        return job.quota_estimated
    is_full = job.job_type == JobType.FULL_SYNC
    if job.fans_out:
        is_personal = Origin(job.origin) in PERSONAL_ORIGINS
        return scope(None, full=is_full, force=bool(job.params.get("force")), is_personal=is_personal).units
    return band_units(job.band, full=is_full) if job.band else None


def _probe_units(bands: Sequence[Band]) -> int:
    return math.ceil(len({band.channel_id for band in bands if band.channel_id}) / PAGE_SIZE)


def _with_active_job(bands: Sequence[Band], job_type: JobType) -> set[int]:
    """Return the ids of the bands that have an equal job."""
    if not bands:
        return set()
    keys = {band_key(job_type, band.pk): band.pk for band in bands}
    found = SyncJob.objects.active().filter(dedupe_key__in=keys).values_list("dedupe_key", flat=True)
    return {keys[key] for key in found if key is not None}
