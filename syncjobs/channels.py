"""Which YouTube channel a band has: looked up, and given to it, unless another band has it."""

from __future__ import annotations

from collections import defaultdict

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _

from bands.models import Band

from .actors import Actor
from .audit import audited
from .engine import quota
from .exceptions import Conflict, InvalidInput, NotFound
from .youtube.client import YouTubeClient
from .youtube.references import MalformedReference, parse_channel, uploads_playlist_id
from .youtube.types import Channel

_CHANNELS_LOCK = 7_460_003
Name = tuple[str, str]


def resolve_channel(actor: Actor, reference: str, band: Band | None = None) -> Channel:
    """Ask YouTube for the channel a person's reference names (1 unit), and give it to the band, if one is named.

    Raises InvalidInput, NotFound, QuotaExhausted, Conflict if another band has it, and what the client raises.
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
            lock()
            give_channel(band, reference, channel_id=channel.id)
            band.channel_handle, band.channel_title = channel.handle[:120], channel.title[:200]
            if fault := fault_of(band, Holders()):
                raise Conflict(fault, field="channel")
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


def lock() -> None:
    """Until the caller's transaction ends, nobody else gives a channel to a band.

    It protects the look for another band with the channel together with the write after it: of two that are given one
    channel at once, the second looks when the first's row is there. To be taken before the rows of bands are locked.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CHANNELS_LOCK])


class Holders:
    """Which bands have which channel, as of when it is made and of what is noted since; stays true under `lock`."""

    def __init__(self) -> None:
        self._bands: dict[int, Band] = {}
        self._named: defaultdict[Name, set[int]] = defaultdict(set)
        known = ("name", "channel_id", "channel_handle", "channel_reference")
        for band in Band.objects.exclude(channel_id="", channel_reference="").only(*known):
            self.note(band)

    def note(self, band: Band) -> None:
        """The band is stored with this channel now."""
        for pks in [self._named[name] for name in _names(self._bands.get(band.pk, Band()))]:
            pks.discard(band.pk)
        self._bands[band.pk] = band
        for name in _names(band):
            self._named[name].add(band.pk)

    def others(self, band: Band) -> list[Band]:
        """Other bands that have the band's channel, by name. Where both ids are known, they alone decide."""
        found = {pk for name in _names(band) for pk in self._named.get(name, ())} - {band.pk}
        others = [self._bands[pk] for pk in found]
        same = [o for o in others if "" in (band.channel_id, o.channel_id) or band.channel_id == o.channel_id]
        return sorted(same, key=lambda other: (other.name, other.pk))


def _names(band: Band) -> set[Name]:
    """All that the band's channel is known by; capitals make no difference in handles and user names."""
    names = set()
    if band.channel_id:
        names.add(("id", band.channel_id))
    if band.channel_handle:
        names.add(("handle", "@" + band.channel_handle.removeprefix("@").casefold()))
    try:
        given = parse_channel(band.channel_reference)
    except MalformedReference:
        return names
    return names | {(given.kind, given.value if given.kind == "id" else given.value.casefold())}


def fault_of(band: Band, holders: Holders) -> str:
    """Why the band can't have its channel, naming the band that has it already; "" if none has."""
    others = holders.others(band)
    return _("%(band)s has this channel already.") % {"band": others[0].name} if others else ""


def holder_of(channel_id: str, *, besides: Band) -> Band | None:
    """Another band that is known to have the channel."""
    return Band.objects.filter(channel_id=channel_id).exclude(pk=besides.pk).order_by("pk").first()


def _client(band: Band | None) -> YouTubeClient:
    return YouTubeClient(
        api_key=settings.YOUTUBE_API_KEY,
        endpoint=settings.YOUTUBE_API_ENDPOINT,
        timeout=settings.YOUTUBE_TIMEOUT_SECONDS,
        meter=quota.PersonalMeter(band.pk if band else None),
    )
