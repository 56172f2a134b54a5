"""FULL_SYNC of one band: every video of its playlists, with details."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from bands.models import Band
from bands.videos import mark_absent_from_playlists

from ..freshness import trust
from ..models import SeenVideo
from .channels import ensure_channel
from .context import JobContext
from .playlists import fetch_missing_details, read_playlists, read_with_details
from .refresh import request_former

PLAYLIST_CUTOFF = 19_500
"""YouTube lists about 20,000 entries at most. In a longer playlist, a video that isn't listed may still exist."""


def sync_band(context: JobContext) -> None:
    """Sync N videos for ⌈N/50⌉ units for the playlist, ⌈N/50⌉ for details, and 1 if the channel isn't resolved yet."""
    video_count = ensure_channel(context)
    band = context.band
    fetch_missing_details(context)
    last_pass = read_playlists(context, [band.uploads_playlist_id, *band.extra_playlists], read_with_details)
    is_whole = not last_pass.incomplete and (last_pass.uploads_total or 0) < PLAYLIST_CUTOFF
    request_former(context)
    changes: dict[str, int] = {}
    if is_whole:
        # Incremental passes compare this with videoCount, which counts public videos only.
        changes["channel_video_count"] = last_pass.uploads_public if video_count is None else video_count
    with transaction.atomic():
        context.save()
        if is_whole and not last_pass.unidentified:
            _mark_unlisted(context)
        Band.objects.filter(pk=band.pk).update(last_full_sync_at=Now(), last_page_read_at=Now(), **changes)
    trust.note_misses([band.pk])


def _mark_unlisted(context: JobContext) -> None:
    """Queue videos of the channel that its uploads playlist no longer lists for an availability check."""
    band, job = context.band, context.job
    listed = SeenVideo.objects.filter(job_id=job.pk).values("youtube_id")
    older = Q(band_id=band.pk, channel_id=band.channel_id, created_at__lt=job.started_at)
    mark_absent_from_playlists(older & ~Q(youtube_id__in=listed))
