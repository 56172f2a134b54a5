"""Atom as YouTube writes it: a channel's feed, and what its hub delivers about one video.

The feed is as observed; developers.google.com/youtube/v3/guides/push_notifications documents what the hub delivers.
"""

from __future__ import annotations

import datetime as dt
from email.utils import format_datetime
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape, quoteattr

from .resources import etag
from .world import Channel, Video, World, uploads

PATHS = ("/xml/feeds/videos.xml", "/feeds/videos.xml")
FEED_SIZE = 15
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMES = 'xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom"'
_MEDIA = 'xmlns:media="http://search.yahoo.com/mrss/"'
_TOMBSTONE = 'xmlns:at="http://purl.org/atompub/tombstones/1.0" xmlns="http://www.w3.org/2005/Atom"'


def channel_of(url: str) -> str:
    """Return the id of the channel that a topic or the address of a feed names, or an empty string."""
    parts = urlsplit(url)
    return (parse_qs(parts.query).get("channel_id") or [""])[0] if parts.path in PATHS else ""


def feed(world: World, channel_id: str, now: dt.datetime) -> tuple[str, dict[str, str]] | None:
    """Return the feed of a channel's 15 newest videos and its validators, or None for an unknown channel.

    It lists public videos only, and those that `feed_lag` has hidden long enough.
    """
    with world.lock:
        channel = world.channels.get(channel_id)
        if channel is None:
            return None
        until = now - world.feed_lag
        videos = [world.videos[i] for i in world.playlists[uploads(channel_id)]]
        listed = [video for video in videos if video.privacy == "public" and video.changed_at <= until][:FEED_SIZE]
        entries = "".join(_entry(video, channel, with_media=True) for video in listed)
    url = f"https://www.youtube.com/channel/{channel_id}"
    body = (
        f'{_HEAD}<feed {_MEDIA} {_NAMES}>\n <link rel="self" href="http://www.youtube.com/feeds/videos.xml?channel_id={channel_id}"/>\n'
        # Observed: this id of the channel lacks its UC.
        f" <id>yt:channel:{channel_id[2:]}</id>\n <yt:channelId>{channel_id[2:]}</yt:channelId>\n <title>{escape(channel.title)}</title>\n"
        f' <link rel="alternate" href="{url}"/>\n <author><name>{escape(channel.title)}</name><uri>{url}</uri></author>\n'
        f" <published>2012-01-01T00:00:00+00:00</published>\n{entries}</feed>"
    )
    newest = max((video.changed_at for video in listed), default=dt.datetime(2012, 1, 1, tzinfo=dt.UTC))
    validators = {"ETag": f'"{etag(body)}"', "Last-Modified": format_datetime(newest.astimezone(dt.UTC), usegmt=True)}
    return body, validators


def notice(video: Video, channel: Channel) -> str:
    """Return what the hub delivers about a new or changed video."""
    topic = f"https://www.youtube.com/xml/feeds/videos.xml?channel_id={channel.id}"
    return (
        f'{_HEAD}<feed {_NAMES}><link rel="hub" href="https://pubsubhubbub.appspot.com"/><link rel="self" href="{topic}"/>'
        f"<title>YouTube video feed</title><updated>{_time(video.changed_at)}</updated>{_entry(video, channel)}</feed>\n"
    )


def deletion(video: Video, channel: Channel, now: dt.datetime) -> str:
    """Return what the hub delivers about a video that was deleted or became private."""
    url = f"https://www.youtube.com/channel/{channel.id}"
    return (
        f'{_HEAD}<feed {_TOMBSTONE}><at:deleted-entry ref="yt:video:{video.id}" when="{_time(now)}">'
        f'<link href="https://www.youtube.com/watch?v={video.id}"/>'
        f"<at:by><name>{escape(channel.title)}</name><uri>{url}</uri></at:by></at:deleted-entry></feed>\n"
    )


def _entry(video: Video, channel: Channel, *, with_media: bool = False) -> str:
    title, url = escape(video.title), f"https://www.youtube.com/channel/{channel.id}"
    media = (
        f"<media:group><media:title>{title}</media:title>"
        f'<media:content url="https://www.youtube.com/v/{video.id}?version=3" type="application/x-shockwave-flash" width="640" height="390"/>'
        f'<media:thumbnail url="https://i1.ytimg.com/vi/{video.id}/hqdefault.jpg" width="480" height="360"/>'
        f"<media:description>{escape(video.description)}</media:description>"
        f'<media:community><media:starRating count="{video.likes or 0}" average="5.00" min="1" max="5"/>'
        f"<media:statistics views={quoteattr(str(video.views or 0))}/></media:community></media:group>"
    )
    return (
        f" <entry>\n  <id>yt:video:{video.id}</id>\n  <yt:videoId>{video.id}</yt:videoId>\n"
        f"  <yt:channelId>{channel.id}</yt:channelId>\n  <title>{title}</title>\n"
        f'  <link rel="alternate" href="https://www.youtube.com/watch?v={video.id}"/>\n'
        f"  <author><name>{escape(channel.title)}</name><uri>{url}</uri></author>\n"
        f"  <published>{video.published_at.isoformat(timespec='seconds')}</published>\n  <updated>{_time(video.changed_at)}</updated>\n"
        f"{media if with_media else ''} </entry>\n"
    )


def _time(when: dt.datetime) -> str:
    """Return a time with nanoseconds, as YouTube writes it."""
    return when.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f789+00:00")
