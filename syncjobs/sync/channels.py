"""The channel of a job's band: find it on YouTube, save it, and record problems with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import transaction
from django.db.models.functions import Now

from bands.channels import lock_channels, other_band_with_channel, uploads_playlist_id
from bands.models import Band, ChannelProblem

from ..operations.channels import set_names
from ..youtube.errors import Forbidden
from ..youtube.references import ChannelReference, MalformedReference, parse_channel
from ..youtube.types import Channel
from .context import JobContext, SyncFailed

T = TypeVar("T")


def ensure_channel(context: JobContext) -> int | None:
    """Make sure that the band's uploads playlist is known. This costs at most one unit.

    Return the channel's videoCount if YouTube was asked for it. Raises SyncFailed.
    """
    band = context.band
    if band.uploads_playlist_id:
        return None
    if band.channel_id:
        band.uploads_playlist_id = uploads_playlist_id(band.channel_id)
        _save_channel(context, band)
        return None
    return _resolve(context, band)


def _resolve(context: JobContext, band: Band) -> int | None:
    try:
        reference = parse_channel(band.channel_reference)
    except MalformedReference as error:
        raise SyncFailed("malformedChannel", str(error)) from None
    channel_id, video_count = reference.value, None
    if reference.kind != "id":
        channel = _ask(context, lambda: context.client.find_channel(reference))
        if channel is None:
            flag_channel(context, ChannelProblem.NOT_FOUND)
            raise SyncFailed("channelNotFound", f"Channel not found: {band.channel_reference}")
        channel_id, video_count = channel.id, channel.video_count
        set_names(band, channel)
    band.channel_id, band.uploads_playlist_id = channel_id, uploads_playlist_id(channel_id)
    _save_channel(context, band)
    return video_count


def _save_channel(context: JobContext, band: Band) -> None:
    with transaction.atomic():
        context.save()
        lock_channels()
        other = other_band_with_channel(band.channel_id, exclude=band)
        if other is None:
            band.save(
                update_fields=["channel_id", "channel_handle", "channel_title", "uploads_playlist_id", "updated_at"]
            )
    if other is not None:
        flag_channel(context, ChannelProblem.TAKEN)
        raise SyncFailed("channelTaken", f"{other.name} already has the channel {band.channel_id}.")


def existing_channel(context: JobContext) -> Channel:
    """Ask YouTube for the band's channel, for 1 unit. Raises SyncFailed, and flags the band, if there is no such channel."""
    channel_id = context.band.channel_id
    channel = _ask(context, lambda: context.client.find_channel(ChannelReference("id", channel_id)))
    if channel is None:
        flag_channel(context, ChannelProblem.NOT_FOUND)
        raise SyncFailed("channelNotFound", f"Channel not found: {channel_id}")
    return channel


def _ask(context: JobContext, call: Callable[[], T]) -> T:
    """Make a call that is about the channel itself. If it is forbidden, flag the band."""
    try:
        return call()
    except Forbidden:
        flag_channel(context, ChannelProblem.FORBIDDEN)
        raise


def flag_channel(context: JobContext, problem: ChannelProblem) -> None:
    """Record on the band what is wrong with its channel, and since when."""
    with transaction.atomic():
        context.save()
        Band.objects.filter(pk=context.band.pk).exclude(channel_problem=problem).update(
            channel_problem=problem, channel_problem_since=Now()
        )
