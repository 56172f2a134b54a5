"""An all-bands job: finds out which bands need a sync, and queues one child job for each."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from bands.models import Band

from ..choices import EventKind, JobType
from ..engine import broker, timeline
from ..engine.enqueue import actor_of, band_key, create_jobs, lock_bands, new_job
from ..youtube.client import PAGE_SIZE
from ..youtube.types import Channel
from .context import Work

Plan = list[tuple[Band, dict[str, Any]]]


def queue_children(work: Work) -> None:
    """Queue the children, once: an attempt after a crash finds that it was done, or does all of it."""
    if work.checkpoint.get("fanned_out"):
        return
    is_full = work.job.job_type == JobType.FULL_SYNC
    bands = list(Band.objects.syncable())
    plan, unchanged = _plan_full(work, bands) if is_full else _plan_incremental(work, bands)
    actor = actor_of(work.job)
    with transaction.atomic():
        # Bands first and then jobs, as whoever deletes one does. Some may be gone since YouTube was asked.
        held = lock_bands(band.pk for band, _params in plan)
        plan = [(band, params) for band, params in plan if band.pk in held]
        # Locks the job's row: whoever cancels it from here on waits, and then finds the children to cancel too.
        work.save()
        work.check_interrupts()
        children = [
            new_job(
                actor,
                JobType(work.job.job_type),
                band=band,
                parent=work.job,
                dedupe_key=band_key(work.job.job_type, band.pk),
                priority=work.job.priority,
                params=params,
            )
            for band, params in sorted(plan, key=lambda planned: planned[0].pk)
        ]
        queued = sum(created.is_new for created in create_jobs(children, notify=False))
        summary = {"queued": queued, "unchanged": len(unchanged), "already_active": len(plan) - queued}
        work.checkpoint = {"fanned_out": True, "enrich": not is_full, **summary}
        work.progress_total = queued
        work.save()
        if not is_full:
            Band.objects.filter(pk__in=unchanged).update(last_incremental_sync_at=Now())
        message = f"{queued} bands queued, {len(unchanged)} {'synced just before' if is_full else 'unchanged'}"
        timeline.note(work.job.pk, EventKind.FANNED_OUT, message, attempt=work.attempt.number, **summary)
        broker.notify_on_commit(work.job.queue_id, wake_ups=queued)


def _plan_full(work: Work, bands: list[Band]) -> tuple[Plan, list[int]]:
    force = work.job.params.get("force", False)
    skipped = {band.pk for band in bands if not force and band.is_recently_synced(full=True)}
    return [(band, {}) for band in bands if band.pk not in skipped], list(skipped)


def _plan_incremental(work: Work, bands: list[Band]) -> tuple[Plan, list[int]]:
    """Ask for all channels' videoCount, 50 for a unit; only bands that changed, or whose turn it is, are read."""
    ids = sorted({band.channel_id for band in bands if band.channel_id})
    channels: dict[str, Channel] = {}
    for start in range(0, len(ids), PAGE_SIZE):
        channels.update((channel.id, channel) for channel in work.client.channels(ids[start : start + PAGE_SIZE]))
    plan: Plan = []
    unchanged = []
    for band in bands:
        channel = channels.get(band.channel_id)
        if _needs_reading(band, channel):
            known = channel is not None and channel.video_count is not None
            plan.append((band, {"video_count": channel.video_count} if channel and known else {}))
        else:
            unchanged.append(band.pk)
    return plan, unchanged


def _needs_reading(band: Band, channel: Channel | None) -> bool:
    turn = timezone.now() - dt.timedelta(hours=settings.SYNC_ROTATION_HOURS)
    if band.last_page_read_at is None or band.last_page_read_at < turn:
        return True
    if channel is None:
        return not band.channel_problem
    return channel.video_count is None or channel.video_count != band.channel_video_count
