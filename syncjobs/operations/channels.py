"""Look up YouTube channels, and assign them to bands."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from bands.channels import ChannelIndex, ChannelName, channel_conflict, lock_channels, set_channel
from bands.models import Band

from ..audit.actors import Actor
from ..audit.record import audited
from ..choices import AlertSubject
from ..engine import quota
from ..engine.meter import Meter
from ..exceptions import Conflict, InvalidInput, NotFound
from ..freshness.former import forget_former
from ..models import AlertRound
from ..youtube.client import YouTubeClient
from ..youtube.costs import Bucket
from ..youtube.errors import Kind, YouTubeError
from ..youtube.references import MalformedReference, parse_channel, unwrap
from ..youtube.types import Channel
from .rates import limited
from .texts import check_text, translated


@limited
def resolve_channel(actor: Actor, reference: str, band: Band | None = None) -> Channel:
    """Ask YouTube for a channel (1 unit), and assign it to the band, if one is given.

    `reference` is a channel id, an @handle or a URL. Raises InvalidInput, NotFound, QuotaExhausted, Conflict if another
    band has the channel, TooMany, and YouTubeError.
    """
    reference = unwrap(reference)
    with audited(actor, "resolve_channel", "band", band.slug if band else None) as span:
        span.message = reference[:300]
        check_text(reference, "channel")
        try:
            parsed = parse_channel(reference)
        except MalformedReference as error:
            raise InvalidInput(translated(error), field="channel") from None
    try:
        channel = _client(band).find_channel(parsed)
    except YouTubeError as error:
        if error.kind is Kind.QUOTA:
            quota.refuse(error.bucket or Bucket.MAIN, error.reason)
        raise
    if channel is None:
        raise NotFound(_("Channel not found: %(reference)s") % {"reference": reference}, field="channel")
    if band is not None:
        with transaction.atomic():
            lock_channels()
            # A worker may have written other columns of the row since it was read.
            band.refresh_from_db(from_queryset=Band.objects.select_for_update())
            set_channel(band, reference, channel_id=channel.id)
            set_names(band, channel)
            if conflict := channel_conflict(band, channel_index()):
                raise Conflict(conflict, field="channel")
            band.save()
            forget_former([band.pk])
            AlertRound.objects.request_about(AlertSubject.BAND, band.pk)
    return channel


def set_names(band: Band, channel: Channel) -> None:
    """Set the channel's handle and title without saving, unless YouTube's response left them out."""
    if "snippet" not in channel.missing_parts:
        band.channel_handle, band.channel_title = channel.handle, channel.title


def channel_index() -> ChannelIndex:
    """Index the channels of all bands."""
    return ChannelIndex(_channel_name)


@lru_cache(maxsize=20_000)
def _channel_name(reference: str) -> ChannelName | None:
    try:
        parsed = parse_channel(reference)
    except MalformedReference:
        return None
    return parsed.kind, parsed.value


def _client(band: Band | None) -> YouTubeClient:
    return YouTubeClient(
        api_key=settings.YOUTUBE_API_KEY,
        endpoint=settings.YOUTUBE_API_ENDPOINT,
        timeout=settings.YOUTUBE_TIMEOUT_SECONDS,
        meter=Meter(quota.Spender(is_personal=True, band_id=band.pk if band else None)),
    )
