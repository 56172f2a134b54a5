"""The rule that a YouTube channel belongs to one band.

This module can't parse channel references: `ChannelIndex` takes a function that does.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from django.db import connection
from django.utils.translation import gettext as _

from .models import Band

_CHANNELS_LOCK = 7_460_003
ChannelName = tuple[str, str]
"""A name of a channel: ("id", "UC…"), ("handle", "@…") or ("username", "…")."""


def uploads_playlist_id(channel_id: str) -> str:
    """Return the id of a channel's uploads playlist: UU… for the channel UC…."""
    return "UU" + channel_id[2:]


def set_channel(band: Band, reference: str, *, channel_id: str = "") -> None:
    """Set a band's channel without saving; for a new channel, clear what is known about the old one."""
    is_same_reference, band.channel_reference = reference == band.channel_reference, reference
    if channel_id == band.channel_id != "":
        return
    if band.pk and (band.channel_id or not is_same_reference):
        band.channel_changed_at = _now()
    band.channel_id = channel_id
    band.uploads_playlist_id = uploads_playlist_id(channel_id) if channel_id else ""
    band.channel_handle = band.channel_title = ""
    band.channel_video_count = None
    band.last_full_sync_at = band.last_incremental_sync_at = band.last_page_read_at = None
    band.channel_problem, band.channel_problem_since = "", None
    band.consecutive_failures, band.failing_since = 0, None


OF_CHANNEL = (
    "channel_id", "uploads_playlist_id", "channel_handle", "channel_title", "channel_video_count", "last_full_sync_at",
    "last_incremental_sync_at", "last_page_read_at", "channel_problem", "channel_problem_since", "consecutive_failures",
    "failing_since", "channel_changed_at",
)  # fmt: skip
"""What `set_channel` clears for a new channel."""


def _now() -> dt.datetime:
    """Return the database's time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        now: dt.datetime = cursor.fetchone()[0]
    return now


def lock_channels() -> None:
    """Keep others from assigning channels to bands until the caller's transaction ends.

    Hold this from the check for another band with the channel to the write, so that of two bands that get the same
    channel at once, the second check sees the first row. Take it before locking rows of bands.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CHANNELS_LOCK])


class Assigned(NamedTuple):
    """A band and its channel. Instances of the model would take four times as long to make; there may be thousands."""

    pk: int
    name: str
    channel_id: str
    channel_handle: str
    channel_reference: str


class ChannelIndex:
    """Index from channel to bands; `note()` keeps it current. Valid while the caller holds `lock_channels()`."""

    def __init__(self, parse: Callable[[str], ChannelName | None]) -> None:
        self._parse = parse
        self._bands: dict[int, Assigned] = {}
        self._named: defaultdict[ChannelName, set[int]] = defaultdict(set)
        for row in Band.objects.exclude(channel_id="", channel_reference="").order_by().values_list(*Assigned._fields):
            self._add(Assigned._make(row))

    def note(self, band: Band) -> None:
        """Record that the band has been saved with this channel."""
        if known := self._bands.get(band.pk):
            for name in self._names(known):
                self._named[name].discard(band.pk)
        self._add(Assigned._make(getattr(band, field) for field in Assigned._fields))

    def _add(self, band: Assigned) -> None:
        self._bands[band.pk] = band
        for name in self._names(band):
            self._named[name].add(band.pk)

    def others(self, band: Band) -> list[Assigned]:
        """Return other bands with the band's channel, by name. If both ids are known, compare only the ids."""
        matches = {pk for name in self._names(band) for pk in self._named.get(name, ())} - {band.pk}
        others = [self._bands[pk] for pk in matches]
        same = [o for o in others if "" in (band.channel_id, o.channel_id) or band.channel_id == o.channel_id]
        return sorted(same, key=lambda other: (other.name, other.pk))

    def _names(self, band: Band | Assigned) -> set[ChannelName]:
        """Return all names of the band's channel. Handles and user names are case-insensitive."""
        names = set()
        if band.channel_id:
            names.add(("id", band.channel_id))
        if band.channel_handle:
            names.add(("handle", "@" + band.channel_handle.removeprefix("@").casefold()))
        parsed = self._parse(band.channel_reference)
        if parsed is not None:
            kind, value = parsed
            names.add((kind, value if kind == "id" else value.casefold()))
        return names


def channel_conflict(band: Band, index: ChannelIndex) -> str:
    """Return a message if another band already has the band's channel, or ""."""
    others = index.others(band)
    return _("%(band)s already has this channel.") % {"band": others[0].name} if others else ""


def other_band_with_channel(channel_id: str, *, exclude: Band) -> Band | None:
    """Return a band with this channel id, other than `exclude`, or None."""
    return Band.objects.filter(channel_id=channel_id).exclude(pk=exclude.pk).order_by("pk").first()
