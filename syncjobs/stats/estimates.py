"""Estimate a sync before it is triggered: units, time, and whether it fits today's quota."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bands.models import Band

from ..choices import QUEUE_OF_TYPE, JobStatus, JobType
from ..engine import quota
from ..models import SyncJob
from ..operations import estimates
from ..youtube.costs import Bucket
from . import queues
from .queues import Readiness

_SAMPLE = 200


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimated cost of a sync.

    `units` are per bucket. `seconds_p50` and `seconds_p95` are the durations of past jobs of the same kind; None if there
    were none or nothing would be synced. `bands` would be synced; the other selected bands were synced recently, or are
    inactive or without a channel, or `already_active`: an equal job of theirs is queued or running, and no other is queued.
    An incremental sync of all bands looks at `bands` and `already_active`, and syncs those of `bands` that have changed.
    `paused_bands` are paused: their own jobs wait, and an all-bands job leaves them out.
    `units_left` are for manual syncs; `from_reserve` of the units are reserved for these.
    `queue` says whether the jobs would start.
    """

    units: dict[str, int]
    seconds_p50: float | None
    seconds_p95: float | None
    bands: int
    skipped_as_just_synced: int
    skipped_as_unsyncable: int
    already_active: int
    paused_bands: int
    units_left: int
    from_reserve: int
    fits_quota: bool
    queue: Readiness

    @property
    def is_nothing(self) -> bool:
        """Return whether a trigger would neither queue a job nor meet an equal one, which it may raise."""
        return not self.bands and not self.already_active


def estimate(selected: Sequence[Band] | None, *, full: bool, force: bool = False) -> Estimate:
    """Estimate `trigger_sync` (or `trigger_bands`) with the same arguments. None means all bands."""
    scope = estimates.scope(selected, full=full, force=force)
    units, due = scope.units, len(scope.due)
    if selected is None:
        paused = Band.objects.syncable().paused().count()
    else:
        paused = sum(band.paused_at is not None for band in selected)
    job_type = JobType.FULL_SYNC if full else JobType.INCREMENTAL_SYNC
    state = next(state for state in quota.today() if state.bucket == Bucket.MAIN)
    left = state.left_for_manual_syncs
    p50, p95 = _seconds(selected, job_type, due) if due else (None, None)
    return Estimate(
        units={Bucket.MAIN.value: units},
        seconds_p50=p50,
        seconds_p95=p95,
        bands=due,
        skipped_as_just_synced=scope.recently_synced,
        skipped_as_unsyncable=scope.unsyncable,
        already_active=scope.already_active,
        paused_bands=paused,
        units_left=left,
        from_reserve=max(0, min(units, left) - state.left_for_automatic_syncs),
        fits_quota=units <= left,
        queue=queues.readiness()[QUEUE_OF_TYPE[job_type]],
    )


def _seconds(bands: Sequence[Band] | None, job_type: JobType, due: int) -> tuple[float | None, float | None]:
    """Return p50 and p95 of the newest jobs of the type: of these bands, or of all-bands jobs.

    Those of full syncs of all bands are scaled from the bands that they had to the number of bands that are due. How many
    bands an incremental one will find changed is not known.
    """
    jobs = SyncJob.objects.filter(job_type=job_type, status=JobStatus.COMPLETED, started_at__isnull=False)
    jobs = jobs.filter(fans_out=True, band=None) if bands is None else jobs.filter(band__in=bands)
    is_scaled = bands is None and job_type == JobType.FULL_SYNC
    if is_scaled:
        jobs = jobs.filter(progress_total__gt=0)
    times = jobs.order_by("-created_at", "-pk").values_list("started_at", "completed_at", "progress_total")[:_SAMPLE]
    seconds = sorted(
        (ended - started).total_seconds() * (due / total if is_scaled and total else 1)
        for started, ended, total in times
        if started and ended
    )
    return (_percentile(seconds, 0.5), _percentile(seconds, 0.95)) if seconds else (None, None)


def _percentile(values: Sequence[float], fraction: float) -> float:
    """Return the interpolated percentile of sorted values, as PostgreSQL's percentile_cont does."""
    place = fraction * (len(values) - 1)
    low = values[int(place)]
    high = values[min(int(place) + 1, len(values) - 1)]
    return round(low + (high - low) * (place % 1), 3)
