"""An all-bands job: decide which bands need a sync, and queue one child job for each of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from bands.models import Band
from bands.videos import recently_noticed

from ..choices import PERSONAL_ORIGINS, EventKind, JobType, Origin
from ..engine import broker, clock, timeline
from ..engine.enqueue import actor_of, band_key, create_jobs, lock_bands, new_job
from ..freshness import trust
from ..models import SyncJob
from ..operations import estimates
from ..youtube.client import PAGE_SIZE
from ..youtube.types import Channel
from .context import JobContext
from .refresh import request_due

Plan = list[tuple[Band, dict[str, Any]]]
"""The bands to sync, each with the parameters of its job."""


def queue_children(context: JobContext) -> None:
    """Queue all children in one transaction. An attempt that finds them queued already does nothing."""
    if context.checkpoint.get("fanned_out"):
        return
    job = context.job
    is_full = job.job_type == JobType.FULL_SYNC
    force, is_personal = bool(job.params.get("force")), Origin(job.origin) in PERSONAL_ORIGINS
    unpaused = estimates.all_bands()
    bands = unpaused if is_full else estimates.to_probe(unpaused, force=force, is_personal=is_personal)
    plan, skipped = _plan_full(bands, force=force) if is_full else _plan_incremental(context, bands)
    unknown = len(bands) - len(plan) - len(skipped)
    # Made before the transaction, which PostgreSQL ends if it is idle for seconds.
    planned = _children(job, plan)
    with transaction.atomic():
        # Bands are locked before jobs, as in a band's deletion. Some may have been deleted since YouTube was asked.
        existing = lock_bands(child.band_id for child in planned)
        # A band that is paused from now on keeps its child waiting, and the job completes without it.
        existing &= set(Band.objects.unpaused().filter(pk__in=existing).values_list("pk", flat=True))
        children = [child for child in planned if child.band_id in existing]
        # This locks the job's row: a cancel from now on waits, and then cancels the children too.
        context.save()
        context.check_interrupts()
        new = [created.job for created in create_jobs(children, notify=False) if created.is_new]
        queued = len(new)
        summary = {"queued": queued, "unchanged": len(skipped), "already_active": len(children) - queued}
        context.checkpoint = {"fanned_out": True, "enrich": not is_full, **summary}
        context.progress_total = queued
        if not is_full:
            request_due(context)
        context.save()
        expected = sum(child.quota_estimated or 0 for child in new)
        SyncJob.objects.filter(pk=job.pk).update(quota_estimated=F("quota_used") + expected)
        if not is_full:
            _note_probes(bands, skipped)
        message = f"{queued} bands queued, {len(skipped)} {'recently synced' if is_full else 'unchanged'}"
        message += _left_out(unknown=unknown, rested=len(unpaused) - len(bands))
        timeline.note(job.pk, EventKind.FANNED_OUT, message, attempt=context.attempt.number, **summary)
        broker.notify_on_commit(job.queue_id, wake_ups=queued)


def _left_out(*, unknown: int, rested: int) -> str:
    paused = Band.objects.syncable().paused().count()
    text = f", {paused} paused" if paused else ""
    text += f", {unknown} without a video count from YouTube" if unknown else ""
    return text + (f", {rested} left to push and feeds until their daily probe" if rested else "")


def _note_probes(bands: list[Band], skipped: list[int]) -> None:
    """Note that the bands were asked for, and that the skipped ones have nothing new: their sync has worked.

    Of a band that fails, or whose channel is missing, a probe proves nothing.
    """
    working = Band.objects.filter(pk__in=skipped, consecutive_failures=0, channel_problem="")
    working.update(last_incremental_sync_at=Now())
    trust.note_probes(band.pk for band in bands if band.channel_id)


def _children(parent: SyncJob, plan: Plan) -> list[SyncJob]:
    job_type, actor = JobType(parent.job_type), actor_of(parent)
    return [
        new_job(
            actor,
            job_type,
            band=band,
            parent=parent,
            dedupe_key=band_key(job_type, band.pk),
            priority=parent.priority,
            params=params,
            quota_estimated=estimates.band_units(band, full=job_type == JobType.FULL_SYNC),
        )
        for band, params in sorted(plan, key=lambda planned: planned[0].pk)
    ]


def _plan_full(bands: list[Band], *, force: bool) -> tuple[Plan, list[int]]:
    """Skip recently synced bands unless the job is forced. Return the plan and the ids of the skipped bands."""
    due = estimates.not_recently_synced(bands, full=True, force=force)
    return [(band, {}) for band in due], list({band.pk for band in bands} - {band.pk for band in due})


def _plan_incremental(context: JobContext, bands: list[Band]) -> tuple[Plan, list[int]]:
    """Ask for the videoCount of all channels, 50 per unit, and skip bands where it is unchanged.

    A band that was not read since the rotation began is synced too, unless its feed shows what a page would.

    Return the plan and the ids of the skipped bands. A band whose count the response lacks is in neither: the next pass
    asks again.
    """
    ids = sorted({band.channel_id for band in bands if band.channel_id})
    channels: dict[str, Channel] = {}
    for start in range(0, len(ids), PAGE_SIZE):
        channels.update((channel.id, channel) for channel in context.client.channels(ids[start : start + PAGE_SIZE]))
    plan: Plan = []
    skipped = []
    rotation = clock.now() - dt.timedelta(hours=settings.SYNC_ROTATION_HOURS)
    shown, noticed = trust.feeds_proven(), recently_noticed()
    for band in bands:
        channel = channels.get(band.channel_id)
        # A feed has the videos of the channel only.
        is_shown = band.pk in shown and not band.extra_playlists
        is_due = band.last_page_read_at is None or (band.last_page_read_at < rotation and not is_shown)
        if is_due or _has_changed(band, channel, noticed.get(band.pk, 0)):
            known = channel is not None and channel.video_count is not None
            plan.append((band, {"video_count": channel.video_count} if channel and known else {}))
        elif channel is None or "statistics" not in channel.missing_parts:
            skipped.append(band.pk)
    return plan, skipped


def _has_changed(band: Band, channel: Channel | None, noticed: int) -> bool:
    """Whether the channel may have videos that we don't know. `noticed` were noticed lately; YouTube may not count them yet."""
    if channel is None:
        return not band.channel_problem
    if "statistics" in channel.missing_parts:
        return False
    count, known = channel.video_count, band.channel_video_count
    if count is None or known is None:
        return True
    return not known - noticed <= count <= known
