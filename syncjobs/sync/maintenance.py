"""SINGLE_VIDEO, ENRICH, STATS_REFRESH, AVAILABILITY_CHECK and PRUNE: the job types other than band syncs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from bands.models import Availability, Band, NoticedBy, Video
from bands.videos import mark_missing, update_counts, upsert_details

from ..choices import TERMINAL_STATUSES
from ..engine import clock
from ..models import QuotaCall, SyncJob
from ..youtube.client import PAGE_SIZE
from ..youtube.errors import TransientError
from ..youtube.types import Batch, VideoDetails
from .context import JobContext, SyncFailed
from .videos import video_from_details

PRUNE_BATCH = 500


def sync_video(context: JobContext) -> None:
    """SINGLE_VIDEO: sync one video for 1 unit. It belongs to the job's band, or else to the band of its channel."""
    video_id: str = context.job.params["video_id"]
    batch = context.client.videos([video_id])
    if batch.missing and not Video.objects.filter(youtube_id=video_id).exists():
        raise SyncFailed("videoNotFound", f"Video not found: {video_id}")
    with transaction.atomic():
        band_id = _band_of(context, batch)
        written = upsert_details(
            video_from_details(video, band_id, noticed_by=NoticedBy.PERSON) for video in batch.items
        )
        mark_missing(batch.missing)
        context.save(written, batch.unreadable, videos_found=1, videos_unavailable=len(batch.missing), progress_done=1)


def _band_of(context: JobContext, batch: Batch[VideoDetails]) -> int:
    if context.job.band_id or not batch.items:
        return context.job.band_id or 0
    video = batch.items[0]
    owner = Band.objects.filter(channel_id=video.channel_id).order_by("pk").values_list("pk", flat=True).first()
    stored = Video.objects.filter(youtube_id=video.video_id).values_list("band_id", flat=True).first()
    band_id = owner or stored
    if band_id is None and "channel_id" in video.unknown:
        raise TransientError("badAnswer", "YouTube's response lacks the video's snippet, which names its channel.")
    if band_id is None:
        message = f"No band has the video's channel {video.channel_id}. Choose the band that the video belongs to."
        raise SyncFailed("bandUnknown", message)
    return band_id


def enrich(context: JobContext) -> None:
    """ENRICH: fetch the details of videos known only from a playlist page or a notice, 50 per unit, across bands."""
    while batch := _claim_pending(context):
        response = context.client.videos(list(batch))
        with transaction.atomic():
            again = _requested_again(context, list(batch))
            written = upsert_details(video_from_details(video, batch[video.video_id]) for video in response.items)
            mark_missing(response.missing)
            unreadable = [item.item_id for item in response.unreadable]
            Video.objects.filter(youtube_id__in=unreadable).update(details_pending=False, details_attempt=None)
            if again:
                Video.objects.filter(youtube_id__in=again).update(details_pending=True, details_due_at=None)
            context.save(
                written, response.unreadable, videos_unavailable=len(response.missing), progress_done=len(batch)
            )


def _requested_again(context: JobContext, youtube_ids: list[str]) -> list[str]:
    """Lock the videos. Return those whose details were requested again after this attempt had asked for them."""
    rows = Video.objects.filter(youtube_id__in=youtube_ids).order_by("youtube_id").select_for_update(no_key=True)
    found = rows.values_list("youtube_id", "details_pending", "details_attempt")
    return [youtube_id for youtube_id, is_pending, by in found if is_pending and by != context.attempt.pk]


def _claim_pending(context: JobContext) -> dict[str, int]:
    """Mark up to 50 pending videos as this attempt's, if no other running attempt has them; map youtube_id to band id.

    One of them is due, or there are 50. Those that are not due yet cost nothing more.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        context.save()
        cursor.execute(
            """
            -- As a subquery, it might be executed more than once, each time for other rows.
            WITH claimed AS MATERIALIZED (
                SELECT v.id, COALESCE(v.details_due_at <= statement_timestamp(), true) AS is_due FROM bands_video v
                 WHERE v.details_pending
                   AND (v.details_due_at IS NULL OR v.details_due_at <= statement_timestamp() OR v.details_tries = 0)
                   AND (v.details_attempt IS NULL OR NOT EXISTS (
                        SELECT 1 FROM syncjobs_attempt a WHERE a.id = v.details_attempt AND a.outcome = 'RUNNING'))
                 ORDER BY is_due DESC, v.id LIMIT %(most)s FOR UPDATE SKIP LOCKED)
            UPDATE bands_video SET details_attempt = %(attempt)s FROM claimed
             WHERE bands_video.id = claimed.id AND (SELECT bool_or(is_due) OR count(*) = %(most)s FROM claimed)
            RETURNING youtube_id, band_id""",
            {"most": PAGE_SIZE, "attempt": context.attempt.pk},
        )
        return dict(cursor.fetchall())


def refresh_statistics(context: JobContext) -> None:
    """STATS_REFRESH: update the counts of all videos that aren't unavailable, 50 per unit.

    The units come from the stats bucket, or from main if YOUTUBE_USE_BATCH_STATS is off.
    """
    fetch = context.client.statistics if settings.YOUTUBE_USE_BATCH_STATS else context.client.statistics_by_list
    videos = _of_band(context, Video.objects.exclude(availability=Availability.UNAVAILABLE))
    for ids in _in_batches(context, videos):
        response = fetch(ids)
        with transaction.atomic():
            known = [stats for stats in response.items if stats.is_known]
            updated = update_counts([(s.video_id, s.view_count, s.like_count, s.comment_count) for s in known])
            context.save(
                unreadable=response.unreadable,
                videos_found=len(response.items),
                videos_updated=updated,
                videos_unavailable=len(response.missing),
                progress_done=len(ids),
            )
    _mark_bands(context, "last_stats_refresh_at")


def check_availability(context: JobContext) -> None:
    """AVAILABILITY_CHECK: ask for the videos of a band, or for all missing videos, by id; 50 per unit."""
    videos = _of_band(context, Video.objects.all())
    if context.job.band_id is None:
        videos = videos.exclude(availability=Availability.AVAILABLE)
    for ids in _in_batches(context, videos):
        _check_videos(context, ids)
    _mark_bands(context, "last_availability_check_at")


def _check_videos(context: JobContext, ids: list[str]) -> None:
    bands = dict(Video.objects.filter(youtube_id__in=ids).values_list("youtube_id", "band_id"))
    response = context.client.videos(ids)
    with transaction.atomic():
        written = upsert_details(video_from_details(video, bands[video.video_id]) for video in response.items)
        mark_missing(response.missing)
        context.save(
            written,
            response.unreadable,
            videos_found=len(response.items),
            videos_unavailable=len(response.missing),
            progress_done=len(ids),
        )


def prune(context: JobContext) -> None:
    """PRUNE: delete jobs that ended more than SYNC_KEEP_JOBS_DAYS ago, with their details, and equally old ledger rows."""
    before = clock.now() - dt.timedelta(days=settings.SYNC_KEEP_JOBS_DAYS)
    old = SyncJob.objects.filter(status__in=TERMINAL_STATUSES, completed_at__lt=before).order_by("pk")
    # A job of a band that was paused outlives the all-bands job that queued it. No other child is added to those that have ended.
    kept = SyncJob.objects.exclude(status__in=TERMINAL_STATUSES, completed_at__lt=before)
    kept.filter(parent__in=old.filter(fans_out=True)).update(parent=None)
    _delete_in_batches(context, old)
    calls = QuotaCall.objects.filter(at__lt=before).order_by("pk")
    _delete_in_batches(context, calls)


def _delete_in_batches(context: JobContext, rows: QuerySet[SyncJob] | QuerySet[QuotaCall]) -> None:
    while ids := list(rows.values_list("pk", flat=True)[:PRUNE_BATCH]):
        with transaction.atomic():
            context.save(progress_done=len(ids))
            # Lock the rows before Django collects what refers to them: a retry of one may be in progress.
            locked = rows.model._default_manager.filter(pk__in=ids).order_by("pk").select_for_update()
            rows.model._default_manager.filter(pk__in=list(locked.values_list("pk", flat=True))).delete()
        context.check_interrupts()


def _of_band(context: JobContext, videos: QuerySet[Video]) -> QuerySet[Video]:
    return videos.filter(band_id=context.job.band_id) if context.job.band_id else videos


def _in_batches(context: JobContext, videos: QuerySet[Video]) -> Iterator[list[str]]:
    """Yield the ids in batches of 50, from where the last attempt stopped. The caller saves each before the next."""
    if context.progress_total is None:
        context.progress_total = videos.count()
    while True:
        after = context.checkpoint.get("after", 0)
        rows = list(videos.filter(pk__gt=after).order_by("pk").values_list("pk", "youtube_id")[:PAGE_SIZE])
        if not rows:
            return
        context.checkpoint = {"after": rows[-1][0]}
        yield [youtube_id for _, youtube_id in rows]


def _mark_bands(context: JobContext, field: str) -> None:
    bands = Band.objects.filter(pk=context.job.band_id) if context.job.band_id else Band.objects.all()
    with transaction.atomic():
        context.save()
        bands.update(**{field: Now()})
