"""The jobs that are about videos rather than bands, and about old jobs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from bands.models import Availability, Band, Video
from bands.videos import mark_missing, update_counts

from ..choices import TERMINAL_STATUSES
from ..models import QuotaCall, SyncJob
from ..youtube.client import PAGE_SIZE
from ..youtube.types import VideoBatch
from .context import SyncFailed, Work

PRUNE_BATCH = 500


def sync_video(work: Work) -> None:
    """SINGLE_VIDEO: one video, for 1 unit. It belongs to the band given, or to the one whose channel it is of."""
    video_id: str = work.job.params["video_id"]
    batch = work.client.videos([video_id])
    if batch.missing and not Video.objects.filter(youtube_id=video_id).exists():
        raise SyncFailed("videoNotFound", f"YouTube has no public video {video_id}.")
    with transaction.atomic():
        band_id = _band_of(work, batch)
        written = work.store(batch.videos, lambda _: band_id)
        mark_missing(batch.missing)
        work.save(written, batch.unreadable, videos_found=1, videos_unavailable=len(batch.missing), progress_done=1)


def _band_of(work: Work, batch: VideoBatch) -> int:
    if work.job.band_id or not batch.videos:
        return work.job.band_id or 0
    video = batch.videos[0]
    holder = Video.objects.filter(youtube_id=video.video_id).values_list("band_id", flat=True).first()
    owner = Band.objects.filter(channel_id=video.channel_id).order_by("pk").values_list("pk", flat=True).first()
    if not (owner or holder):
        message = f"The video is of the channel {video.channel_id}, which no band has. Say which band it belongs to."
        raise SyncFailed("bandUnknown", message)
    return owner or holder or 0


def enrich(work: Work) -> None:
    """ENRICH: the details of videos that only a playlist page has told of, 50 a unit, whatever band they are of."""
    while batch := _take_pending(work):
        answer = work.client.videos(list(batch))
        with transaction.atomic():
            written = work.store(answer.videos, lambda details: batch[details.video_id])
            mark_missing(answer.missing)
            broken = [item.item_id for item in answer.unreadable]
            Video.objects.filter(youtube_id__in=broken).update(details_pending=False, details_attempt=None)
            work.save(written, answer.unreadable, videos_unavailable=len(answer.missing), progress_done=len(batch))


def _take_pending(work: Work) -> dict[str, int]:
    """Up to 50 videos no other running attempt is fetching, now marked as ours: youtube_id → band."""
    with transaction.atomic(), connection.cursor() as cursor:
        work.save()
        cursor.execute(
            """
            UPDATE bands_video SET details_attempt = %s
             WHERE id IN (SELECT v.id FROM bands_video v
                           WHERE v.details_pending
                             AND (v.details_attempt IS NULL OR NOT EXISTS (
                                  SELECT 1 FROM syncjobs_attempt a WHERE a.id = v.details_attempt AND a.outcome = 'RUNNING'))
                           ORDER BY v.id LIMIT %s FOR UPDATE SKIP LOCKED)
            RETURNING youtube_id, band_id""",
            [work.attempt.pk, PAGE_SIZE],
        )
        return dict(cursor.fetchall())


def refresh_statistics(work: Work) -> None:
    """STATS_REFRESH: counts of all videos that are there, 50 a unit of the stats bucket (or of main, by the switch)."""
    fetch = work.client.statistics if settings.YOUTUBE_USE_BATCH_STATS else work.client.statistics_by_list
    videos = _of_band(work, Video.objects.exclude(availability=Availability.UNAVAILABLE))
    for ids in _in_batches(work, videos):
        answer = fetch(ids)
        with transaction.atomic():
            updated = update_counts([(s.video_id, s.view_count, s.like_count, s.comment_count) for s in answer.stats])
            work.save(
                unreadable=answer.unreadable,
                videos_found=len(answer.stats),
                videos_updated=updated,
                videos_unavailable=len(answer.missing),
                progress_done=len(ids),
            )
    _mark_bands(work, "last_stats_refresh_at")


def check_availability(work: Work) -> None:
    """AVAILABILITY_CHECK: asks for the videos of a band, or for all that went missing, by id; 50 a unit."""
    videos = _of_band(work, Video.objects.all())
    if work.job.band_id is None:
        videos = videos.exclude(availability=Availability.AVAILABLE)
    for ids in _in_batches(work, videos):
        _check_videos(work, ids)
    _mark_bands(work, "last_availability_check_at")


def _check_videos(work: Work, ids: list[str]) -> None:
    bands = dict(Video.objects.filter(youtube_id__in=ids).values_list("youtube_id", "band_id"))
    answer = work.client.videos(ids)
    with transaction.atomic():
        written = work.store(answer.videos, lambda details: bands[details.video_id])
        mark_missing(answer.missing)
        work.save(
            written,
            answer.unreadable,
            videos_found=len(answer.videos),
            videos_unavailable=len(answer.missing),
            progress_done=len(ids),
        )


def prune(work: Work) -> None:
    """PRUNE: delete jobs that ended over SYNC_KEEP_JOBS_DAYS ago, with all that hangs on them, and ledger rows as old."""
    before = timezone.now() - dt.timedelta(days=settings.SYNC_KEEP_JOBS_DAYS)
    old = SyncJob.objects.filter(status__in=TERMINAL_STATUSES, completed_at__lt=before).order_by("pk")
    _delete_in_batches(work, lambda: old.values_list("pk", flat=True)[:PRUNE_BATCH], SyncJob)
    calls = QuotaCall.objects.filter(at__lt=before).order_by("pk")
    _delete_in_batches(work, lambda: calls.values_list("pk", flat=True)[:PRUNE_BATCH], QuotaCall)


def _delete_in_batches(
    work: Work, batch: Callable[[], QuerySet[SyncJob, int] | QuerySet[QuotaCall, int]], model: type[SyncJob | QuotaCall]
) -> None:
    while ids := list(batch()):
        with transaction.atomic():
            work.save(progress_done=len(ids))
            # Locked before what hangs on them is looked for: who is just retrying one refers to it when that is done.
            rows = model._default_manager.filter(pk__in=ids).order_by("pk").select_for_update()
            model._default_manager.filter(pk__in=list(rows.values_list("pk", flat=True))).delete()
        work.check_interrupts()


def _of_band(work: Work, videos: QuerySet[Video]) -> QuerySet[Video]:
    return videos.filter(band_id=work.job.band_id) if work.job.band_id else videos


def _in_batches(work: Work, videos: QuerySet[Video]) -> Iterator[list[str]]:
    """Ids by fifties, from where the last attempt stopped; the next is begun when the one before is saved."""
    if work.progress_total is None:
        work.progress_total = videos.count()
    while True:
        after = work.checkpoint.get("after", 0)
        rows = list(videos.filter(pk__gt=after).order_by("pk").values_list("pk", "youtube_id")[:PAGE_SIZE])
        if not rows:
            return
        work.checkpoint = {"after": rows[-1][0]}
        yield [youtube_id for _, youtube_id in rows]


def _mark_bands(work: Work, field: str) -> None:
    bands = Band.objects.filter(pk=work.job.band_id) if work.job.band_id else Band.objects.all()
    with transaction.atomic():
        work.save()
        bands.update(**{field: Now()})
