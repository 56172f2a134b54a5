"""What push and feeds know of a band's former channel."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import F

from ..models import ChannelFeed
from . import subscriptions


def forget_former(band_ids: Collection[int]) -> None:
    """End the subscriptions to channels that these bands no longer have, and forget the feeds, so that neither is trusted.

    The caller's transaction has changed the channels, and has locked the rows of the bands. Workers add what the new channels
    need within a minute.
    """
    subscriptions.end_unwanted(band_ids)
    feeds = ChannelFeed.objects.filter(band__in=band_ids).exclude(channel_id=F("band__channel_id"))
    # All writers lock the rows of feeds in the order of their bands.
    locked = list(feeds.order_by("band").select_for_update(of=("self",)).values_list("pk", flat=True))
    ChannelFeed.objects.filter(pk__in=locked).delete()
