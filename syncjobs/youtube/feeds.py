"""Atom feeds: those of a channel's 15 newest videos, which cost no quota, and what a WebSub hub delivers of them.

The format is at developers.google.com/youtube/v3/guides/push_notifications; deletions are tombstones (RFC 6721).
"""

from __future__ import annotations

import datetime as dt
import http.client
import os
import threading
from dataclasses import dataclass
from urllib.parse import quote
from xml.etree.ElementTree import Element, ParseError

import httplib2
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from . import parsing
from .proxies import UnusableProxy, proxy_for
from .transport import OneShotHttp, ProxyFailed, Redactor, TooLong

FEED_SIZE = 15
"""A channel's feed has so many videos."""
MAX_BYTES = 1_000_000
"""More than any feed: 15 videos with the longest descriptions have 100 kB."""
_ATOM = "{http://www.w3.org/2005/Atom}"
_YOUTUBE = "{http://www.youtube.com/xml/schemas/2015}"
_DELETED = "{http://purl.org/atompub/tombstones/1.0}deleted-entry"
_VIDEO_REF = "yt:video:"
_MAX_VALIDATOR = 200
"""Longer values of ETag and Last-Modified are not kept."""


class MalformedFeed(ValueError):
    """The text is no Atom feed. The message says why."""


class FeedFailed(Exception):
    """A feed could not be read. `status` is that of HTTP, or None if there was no response."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """A video in a feed. Times are None if the feed has none that can be read."""

    video_id: str
    channel_id: str
    title: str
    published_at: dt.datetime | None
    updated_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Feed:
    """The videos of a feed, in its order, and the ids of those that it says were deleted, with the time of the deletion."""

    entries: list[FeedEntry]
    deleted: dict[str, dt.datetime | None]


@dataclass(frozen=True, slots=True)
class FeedAnswer:
    """A feed that was read, with its validators for the next request. `feed` is None if it has not changed."""

    feed: Feed | None
    etag: str
    last_modified: str


def parse_feed(body: bytes) -> Feed:
    """Parse a feed. An entry without a valid id of a video or channel is left out. Raises MalformedFeed."""
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        # LookupError: an encoding that nobody knows.
        raise MalformedFeed(f"The feed is not valid XML ({type(error).__name__}).") from None
    if root.tag != _ATOM + "feed":
        raise MalformedFeed("The XML is not an Atom feed.")
    entries = [entry for element in root.iterfind(_ATOM + "entry") if (entry := _entry(element))]
    deleted = {}
    for element in root.iterfind(_DELETED):
        _, prefix, video_id = element.get("ref", "").rpartition(_VIDEO_REF)
        if prefix and parsing.is_video_id(video_id):
            deleted[video_id] = parsing.timestamp(element.get("when"))
    return Feed(entries, deleted)


def _entry(element: Element) -> FeedEntry | None:
    video_id = (element.findtext(_YOUTUBE + "videoId") or "").strip()
    channel_id = (element.findtext(_YOUTUBE + "channelId") or "").strip()
    if not parsing.is_video_id(video_id) or len(channel_id) > parsing.MAX_CHANNEL_ID:
        return None
    return FeedEntry(
        video_id,
        parsing.clean(channel_id),
        parsing.clean(element.findtext(_ATOM + "title") or ""),
        parsing.timestamp(element.findtext(_ATOM + "published")),
        parsing.timestamp(element.findtext(_ATOM + "updated")),
    )


def read_feed(
    endpoint: str, channel_id: str, *, etag: str = "", last_modified: str = "", timeout: float = 10.0
) -> FeedAnswer:
    """Ask for a channel's feed, once. `endpoint` is the URL without its query; `timeout` is in seconds.

    YouTube answers 404 and 500 for channels that exist (observed), so an error says nothing about the channel. A response
    that arrives little by little ends after `timeout` too.

    Raises FeedFailed.
    """
    headers = {"If-None-Match": etag} if etag else {}
    headers |= {"If-Modified-Since": last_modified} if last_modified else {}
    try:
        response, content = _http(endpoint, timeout).request(
            f"{endpoint}?channel_id={quote(channel_id)}", headers=headers
        )
    except TimeoutError:
        raise FeedFailed(f"YouTube did not respond within {timeout:g} seconds.") from None
    except (ProxyFailed, UnusableProxy) as error:
        raise FeedFailed(str(error)) from None
    except TooLong:
        raise FeedFailed("The feed is too long.", status=200) from None
    except (OSError, ValueError, http.client.HTTPException, httplib2.HttpLib2Error) as error:
        raise FeedFailed(f"The connection to YouTube broke ({type(error).__name__}).") from None
    status = int(response.status)
    if status == 304 and headers:
        return FeedAnswer(None, etag, last_modified)
    if status != 200 or len(content) > MAX_BYTES:
        why = f"YouTube answered {status}." if status != 200 else "The feed is too long."
        raise FeedFailed(why, status=status)
    try:
        feed = parse_feed(content)
    except MalformedFeed as error:
        raise FeedFailed(str(error), status=status) from None
    return FeedAnswer(feed, _validator(response, "etag"), _validator(response, "last-modified"))


def _validator(response: httplib2.Response, name: str) -> str:
    value = str(response.get(name, ""))
    return value if value.isascii() and len(value) <= _MAX_VALIDATOR else ""


_local = threading.local()


def _http(endpoint: str, timeout: float) -> OneShotHttp:
    """Return this thread's connection: httplib2 is not thread-safe, and a connection must not survive a fork."""
    key = (os.getpid(), endpoint, timeout)
    if getattr(_local, "key", None) != key:
        _local.http = OneShotHttp(
            timeout=timeout, redactor=Redactor(""), proxy=proxy_for(endpoint), patience=1, max_bytes=MAX_BYTES
        )
        _local.key = key
    http_: OneShotHttp = _local.http
    return http_
