"""A YouTube channel belongs to one band.

This module does not know how people write channels; whoever builds a `ChannelIndex` passes a function that parses them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from django.db import connection
from django.utils.translation import gettext as _

from .models import Band

_CHANNELS_LOCK = 7_460_003
ChannelName = tuple[str, str]
"""What identifies a channel: ("id", "UC…"), ("handle", "@…") or ("username", "…")."""


def uploads_playlist_id(channel_id: str) -> str:
    """Return the id of the playlist of all uploads: that of channel UC… is UU…."""
    return "UU" + channel_id[2:]


def set_channel(band: Band, reference: str, *, channel_id: str = "") -> None:
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


def lock_channels() -> None:
    """Until the caller's transaction ends, nobody else gives a channel to a band.

    It protects the look for another band with the channel together with the write after it: of two that are given one
    channel at once, the second looks when the first's row is there. To be taken before the rows of bands are locked.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CHANNELS_LOCK])


class ChannelIndex:
    """Index from channel to bands; `note()` keeps it current. It stays true while the caller holds `lock_channels()`."""

    def __init__(self, parse: Callable[[str], ChannelName | None]) -> None:
        self._parse = parse
        self._bands: dict[int, Band] = {}
        self._named: defaultdict[ChannelName, set[int]] = defaultdict(set)
        known = ("name", "channel_id", "channel_handle", "channel_reference")
        for band in Band.objects.exclude(channel_id="", channel_reference="").only(*known):
            self.note(band)

    def note(self, band: Band) -> None:
        """Record that the band is stored with this channel."""
        for pks in [self._named[name] for name in self._names(self._bands.get(band.pk, Band()))]:
            pks.discard(band.pk)
        self._bands[band.pk] = band
        for name in self._names(band):
            self._named[name].add(band.pk)

    def others(self, band: Band) -> list[Band]:
        """List other bands with the band's channel, by name. Where both ids are known, only the ids are compared."""
        found = {pk for name in self._names(band) for pk in self._named.get(name, ())} - {band.pk}
        others = [self._bands[pk] for pk in found]
        same = [o for o in others if "" in (band.channel_id, o.channel_id) or band.channel_id == o.channel_id]
        return sorted(same, key=lambda other: (other.name, other.pk))

    def _names(self, band: Band) -> set[ChannelName]:
        """All names of the band's channel. Handles and user names are case-insensitive."""
        names = set()
        if band.channel_id:
            names.add(("id", band.channel_id))
        if band.channel_handle:
            names.add(("handle", "@" + band.channel_handle.removeprefix("@").casefold()))
        given = self._parse(band.channel_reference)
        if given is not None:
            kind, value = given
            names.add((kind, value if kind == "id" else value.casefold()))
        return names


def channel_conflict(band: Band, index: ChannelIndex) -> str:
    """Why the band can't have its channel, naming the band that has it already; "" if none has."""
    others = index.others(band)
    return _("%(band)s has this channel already.") % {"band": others[0].name} if others else ""


def other_band_with_channel(channel_id: str, *, exclude: Band) -> Band | None:
    """Another band that is known to have the channel."""
    return Band.objects.filter(channel_id=channel_id).exclude(pk=exclude.pk).order_by("pk").first()
