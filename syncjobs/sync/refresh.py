"""Videos whose details change without a new entry in a playlist: live ones, and those that are only a few days old.

They are marked as pending, and the ENRICH job that follows an incremental sync fetches their details.
"""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from bands.models import Availability, Band, LiveState, Video
from bands.videos import OF_OTHER_CHANNEL, newest_to_request, request_details

from ..choices import JobType
from ..freshness import subscriptions
from ..models import Subscription, SyncJob
from ..youtube.client import PAGE_SIZE
from .context import JobContext

LIVE_UNITS = 4
"""Units for live videos in each incremental pass: 200 videos."""
RECENT_UNITS = 50
"""Units for recent videos in 24 hours: 2,500 videos."""
RECENT_DAYS = 14
PUSHED_AGE = (dt.timedelta(days=7), dt.timedelta(days=8))
"""The age at which a recent video is refreshed whose changes push reports. A daily pass finds it once."""
_REFRESHED = "recent_refreshed"
# A broadcast that was scheduled, but never took place, stays upcoming for ever.
_LATE_START = dt.timedelta(days=2)
# Less than 24 hours, so that an hourly pass does so at about the same time each day.
_DAY = dt.timedelta(hours=23, minutes=30)


def request_live(band: Band | None = None) -> int:
    """Request the details of videos that are live, should have begun, or were published without a known duration.

    This costs at most LIVE_UNITS, later. Return the number of videos.
    """
    return request_details(_live(band))


def request_due(context: JobContext) -> None:
    """Request the details of live videos, and once a day of recent ones, in the transaction of an all-bands job."""
    due = _live()
    earlier = SyncJob.objects.filter(
        job_type=JobType.INCREMENTAL_SYNC, fans_out=True, created_at__gt=Now() - _DAY
    ).filter(**{f"checkpoint__{_REFRESHED}": True})
    if not earlier.exists():
        context.checkpoint[_REFRESHED] = True
        # The details of a video that was added today are new.
        recent = _known() & _recent() & Q(created_at__lt=Now() - _DAY) & ~Q(pk__in=due)
        due += newest_to_request(recent, RECENT_UNITS * PAGE_SIZE)
    request_details(due)


def request_former(context: JobContext) -> None:
    """Request the details of the band's videos of other channels at the first sync of a new one: they may be gone.

    No pass over the new channel would notice it. This costs a unit for 50 of them, later.
    """
    band = context.band
    if band.channel_changed_at is None or band.synced_at(full=False) is not None:
        return
    with transaction.atomic():
        context.save()
        former = Video.objects.filter(OF_OTHER_CHANNEL, band=band, availability=Availability.AVAILABLE)
        if number := request_details(former.values_list("pk", flat=True)):
            videos = "1 video of a former channel is" if number == 1 else f"{number:,} videos of former channels are"
            context.note(f"{videos} looked up next. That job counts those that YouTube no longer has.")


def _recent() -> Q:
    """Return the condition of videos that are refreshed daily, and of those whose week is over.

    Push reports changed titles and descriptions, but not of a new start:
    https://developers.google.com/youtube/v3/guides/push_notifications
    """
    is_young = Q(published_at__gt=Now() - dt.timedelta(days=RECENT_DAYS))
    youngest, oldest = PUSHED_AGE
    has_turn = Q(published_at__gt=Now() - oldest, published_at__lte=Now() - youngest)
    working = Subscription.objects.filter(subscriptions.working(), trusted_at__isnull=False)
    is_pushed = Exists(working.filter(band=OuterRef("band"), channel_id=OuterRef("channel_id")))
    return Q(live_state=LiveState.UPCOMING) | (is_young & (has_turn | ~Q(is_pushed)))


def _live(band: Band | None = None) -> list[int]:
    since = Now() - _LATE_START
    has_begun = Q(live_state=LiveState.UPCOMING, scheduled_start_at__lte=Now(), scheduled_start_at__gt=since)
    is_processing = Q(live_state=LiveState.NONE, duration_seconds=None, published_at__gt=since)
    due = Q(live_state=LiveState.LIVE) | has_begun | is_processing
    return newest_to_request(_known(band) & due, LIVE_UNITS * PAGE_SIZE)


def _known(band: Band | None = None) -> Q:
    known = ~Q(availability=Availability.UNAVAILABLE)
    return known & Q(band=band) if band else known
