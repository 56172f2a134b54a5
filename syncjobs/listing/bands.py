"""The list of bands: the query parameters that the API and the admin share."""

from __future__ import annotations

import datetime as dt

from django.db.models import F, Q
from django.db.models.functions import Now

from bands.models import BandQuerySet, BandState, NoticedBy, Video

from ..choices import FeedState, PushState
from ..freshness import states
from ..models import ChannelSuggestion
from .base_filters import Choice, Paged, Whole

MOST_MINUTES = 43_200
"""A video that is stored more than 30 days after its publication was private before."""


class BandStates(Paged):
    """The query parameters that find bands by the health of their syncs and by the freshness of their videos."""

    health = Choice(
        method="in_health",
        choices=BandState.values,
        help_text="How its syncs are. A band may match several, such as active and failing.",
    )
    suggestion = Choice(
        method="with_suggestion",
        choices=("open",),
        help_text="Bands for which a channel is suggested that nobody has decided about.",
    )
    push = Choice(
        method="in_push_state",
        choices=PushState.values,
        help_text="What push is worth, of active bands whose channel is known.",
    )
    feed = Choice(
        method="in_feed_state",
        choices=FeedState.values,
        help_text="What the feed is worth, of active bands whose channel is known.",
    )
    late = Whole(
        method="are_late",
        max_value=MOST_MINUTES,
        help_text="Bands with a video of the last day that was stored so many minutes or more after its publication.",
    )

    def in_health(self, bands: BandQuerySet, _name: str, state: str) -> BandQuerySet:
        """Return the bands in this state."""
        return bands.in_state(BandState(state))

    def with_suggestion(self, bands: BandQuerySet, _name: str, _state: str) -> BandQuerySet:
        """Return the bands for which a channel is suggested."""
        return bands.filter(pk__in=ChannelSuggestion.objects.open().values("band"))

    def in_push_state(self, bands: BandQuerySet, _name: str, state: str) -> BandQuerySet:
        """Return the bands whose push is in this state."""
        return states.in_push_state(bands, PushState(state))

    def in_feed_state(self, bands: BandQuerySet, _name: str, state: str) -> BandQuerySet:
        """Return the bands whose feed is in this state."""
        return states.in_feed_state(bands, FeedState(state))

    def are_late(self, bands: BandQuerySet, _name: str, minutes: int) -> BandQuerySet:
        """Return the bands with late videos, as the alert `videos_late` counts them."""
        videos = Video.objects.exclude(noticed_by="").exclude(noticed_by=NoticedBy.PERSON)
        resumed_at = F("band__resumed_at")
        late = videos.filter(
            # Not because of a pause.
            Q(band__resumed_at=None) | Q(published_at__gt=resumed_at) | Q(created_at__lt=resumed_at),
            created_at__gt=Now() - dt.timedelta(days=1),
            published_at__lte=F("created_at") - dt.timedelta(minutes=minutes),
            published_at__gt=F("created_at") - dt.timedelta(minutes=MOST_MINUTES),
            published_at__gte=F("band__feed__watched_since"),
            channel_id=F("band__feed__channel_id"),
        )
        return bands.filter(pk__in=late.values("band"))
