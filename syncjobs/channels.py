"""Which YouTube channel a band has: looked up, and given to it."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from bands.models import Band

from . import quota
from .actors import Actor
from .audit import audited
from .exceptions import InvalidInput, NotFound
from .youtube.client import YouTubeClient
from .youtube.references import MalformedReference, parse_channel, uploads_playlist_id
from .youtube.types import Channel


def resolve_channel(actor: Actor, reference: str, band: Band | None = None) -> Channel:
    """Ask YouTube for the channel a person's reference names (1 unit), and give it to the band, if one is named.

    Raises InvalidInput, NotFound, QuotaExhausted, and what the client raises.
    """
    with audited(actor, "resolve_channel", "band", band.slug if band else None) as span:
        span.message = reference[:300]
        try:
            parsed = parse_channel(reference)
        except MalformedReference as error:
            raise InvalidInput(str(error), field="channel") from None
    channel = _client(band).find_channel(parsed)
    if channel is None:
        raise NotFound(_("YouTube knows no channel %(reference)s.") % {"reference": reference}, field="channel")
    if band is not None:
        with transaction.atomic():
            give_channel(band, reference, channel_id=channel.id)
            band.channel_handle, band.channel_title = channel.handle[:120], channel.title[:200]
            band.save()
    return channel


def give_channel(band: Band, reference: str, *, channel_id: str = "") -> None:
    """Set, not save, what a band's channel is; what was known of another channel no longer holds."""
    band.channel_reference = reference
    if channel_id == band.channel_id != "":
        return
    band.channel_id = channel_id
    band.uploads_playlist_id = uploads_playlist_id(channel_id) if channel_id else ""
    band.channel_handle = band.channel_title = ""
    band.channel_video_count = None
    band.last_full_sync_at = band.last_incremental_sync_at = band.last_page_read_at = None
    band.channel_problem, band.channel_problem_since = "", None


def _client(band: Band | None) -> YouTubeClient:
    return YouTubeClient(
        api_key=settings.YOUTUBE_API_KEY,
        endpoint=settings.YOUTUBE_API_ENDPOINT,
        timeout=settings.YOUTUBE_TIMEOUT_SECONDS,
        meter=quota.PersonalMeter(band.pk if band else None),
    )
