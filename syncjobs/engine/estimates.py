"""Estimates of the quota that a sync will use."""

from __future__ import annotations

import math

from bands.models import Band

from ..youtube.client import PAGE_SIZE


def estimate_units(band: Band | None, *, full: bool) -> int:
    """Estimate the units of the main bucket that a sync of the band, or of all bands, will use.

    A full sync needs one playlist page and one call for details per 50 known videos. An incremental sync of one band
    needs about one of each. Of all bands, it needs the probe of their channels; its children can't be known yet.
    """
    if not full:
        return 2 if band else math.ceil(Band.objects.syncable().unpaused().count() / PAGE_SIZE)
    return sum(_full_sync_units(each) for each in ([band] if band else Band.objects.syncable().unpaused()))


def _full_sync_units(band: Band) -> int:
    pages = max(1, math.ceil((band.channel_video_count or 0) / PAGE_SIZE))
    return 2 * pages + (0 if band.channel_id else 1)
