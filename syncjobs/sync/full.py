"""FULL_SYNC: every video of a band's playlists, with its details."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from bands.models import Band
from bands.videos import mark_absent_from_playlists

from ..models import SeenVideo
from .context import Work
from .playlists import Walk, read_playlists

PLAYLIST_CUTOFF = 19_500
"""YouTube lists at most about 20,000 entries: beyond, a video that isn't listed is not a video that is gone."""


def sync_band(work: Work) -> None:
    """⌈N/50⌉ units for the playlist and ⌈N/50⌉ for the details of N videos; 1 more if the channel is not resolved yet."""
    video_count = work.ensure_channel()
    band = work.band
    walk = read_playlists(work, [band.uploads_playlist_id, *band.extra_playlists])
    with transaction.atomic():
        work.save()
        _suspect_unlisted(work, walk)
        Band.objects.filter(pk=band.pk).update(
            last_full_sync_at=Now(),
            last_page_read_at=Now(),
            channel_video_count=walk.uploads_total or 0 if video_count is None else video_count,
        )


def _suspect_unlisted(work: Work, walk: Walk) -> None:
    """Videos of the channel that its uploads playlist no longer lists await an availability check."""
    if (walk.uploads_total or 0) >= PLAYLIST_CUTOFF:
        return
    listed = SeenVideo.objects.filter(job_id=work.job.pk).values("youtube_id")
    older = Q(band_id=work.band.pk, channel_id=work.band.channel_id, created_at__lt=work.job.started_at)
    mark_absent_from_playlists(older & ~Q(youtube_id__in=listed))
