"""Typed calls of the YouTube Data API. A meter reserves quota before each HTTP attempt, which is made exactly once."""

from __future__ import annotations

import http.client
import json
import os
import random
import ssl
import string
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import httplib2
from google.auth.api_key import Credentials
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build
from googleapiclient.errors import Error as GoogleClientError

from . import parsing
from .costs import Operation, bucket_of
from .errors import ConfigurationError, Kind, TransientError, YouTubeError, from_response, not_from_youtube
from .proxies import UnusableProxy, proxy_for
from .references import ChannelReference
from .transport import OneShotHttp, ProxyFailed, Redactor
from .types import Batch, Channel, PlaylistPage, Unreadable, VideoDetails, VideoStats

PAGE_SIZE = 50
"""Maximum number of ids in a call and of items on a page (reference of videos.list, channels.list, playlistItems.list)."""
MAX_BACKOFF_SECONDS = 8.0
MAX_RETRY_AFTER_SECONDS = 10.0
"""Longest wait within a call for a Retry-After header. The job's next attempt comes later anyway."""
_KINDS = {
    Operation.CHANNELS_LIST: "youtube#channelListResponse",
    Operation.PLAYLIST_ITEMS_LIST: "youtube#playlistItemListResponse",
    Operation.VIDEOS_LIST: "youtube#videoListResponse",
    Operation.VIDEOS_BATCH_GET_STATS: "youtube#batchGetStatsResponse",
}
"""The `kind` of a response, from the reference of each method."""
_VIDEO_PARTS = "snippet,contentDetails,statistics,status,liveStreamingDetails"


V = TypeVar("V", VideoDetails, VideoStats)


class Meter(Protocol):
    """Counts quota."""

    def reserve(self, operation: Operation) -> object:
        """Reserve quota for an HTTP attempt. If this raises an exception, no request is made."""

    def record_result(
        self, receipt: object, *, status: int | None, reason: str, seconds: float, is_accepted: bool
    ) -> None:
        """Record how the attempt ended. `reason` is empty for a success.

        `is_accepted` says that YouTube accepted the call, even if what was asked for does not exist or is forbidden.
        """


class YouTubeClient:
    """Client of the YouTube Data API v3 with an API key. Cheap to create; thread-safe.

    `endpoint` is the API's base URL, with or without `/youtube/v3`; `timeout` and `backoff` are seconds. Every call may
    raise a YouTubeError (a ConfigurationError for a malformed key) and the meter's exceptions.
    """

    def __init__(
        self,
        *,
        api_key: str,
        endpoint: str,
        meter: Meter,
        timeout: float = 10.0,
        tries: int = 3,
        backoff: float = 0.5,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not endpoint.startswith(("http://", "https://")) or tries < 1:
            raise ValueError("endpoint must be an http:// or https:// URL, and tries at least 1")
        self._key = (api_key.strip(), endpoint.rstrip("/").removesuffix("/youtube/v3"), timeout)
        self._redactor = Redactor(self._key[0])
        self._meter = meter
        self._tries = tries
        self._backoff = backoff
        self._sleep = sleep

    def channels(self, ids: Sequence[str]) -> list[Channel]:
        """Return those of up to 50 channels that exist and can be read. 1 unit."""
        body = self._list_channels(id=",".join(_checked(ids)), maxResults=PAGE_SIZE)
        found, _unreadable = parsing.parse_items(body.get("items", []), parsing.channel)
        return [channel for channel in found if channel.id in ids]

    def find_channel(self, reference: ChannelReference) -> Channel | None:
        """Return the channel that a reference names, or None. 1 unit."""
        name = {"id": "id", "handle": "forHandle", "username": "forUsername"}[reference.kind]
        body = self._list_channels(**{name: reference.value})
        channels, unreadable = parsing.parse_items(body.get("items", []), parsing.channel)
        found = [channel for channel in channels if name != "id" or channel.id == reference.value]
        if unreadable and not found:
            # It may be the channel, which must not be taken for deleted.
            raise TransientError("badAnswer", unreadable[0].message)
        return found[0] if found else None

    def playlist_page(self, playlist_id: str, page_token: str | None = None) -> PlaylistPage:
        """Return a page of up to 50 entries; an uploads playlist lists newest first. 1 unit.

        Raises PlaylistNotFound, also for the uploads of a channel without videos, and InvalidPageToken.
        """
        body = self._call(
            Operation.PLAYLIST_ITEMS_LIST,
            lambda api: api.playlist_items.list(
                part="snippet,contentDetails,status", playlistId=playlist_id, maxResults=PAGE_SIZE, pageToken=page_token
            ),
        )
        items, unreadable = parsing.parse_items(body.get("items", []), parsing.playlist_item)
        token = body.get("nextPageToken")
        return PlaylistPage(
            items=items,
            unreadable=unreadable,
            next_page_token=token if isinstance(token, str) and token else None,
            total_results=parsing.total_results(body),
        )

    def videos(self, ids: Sequence[str]) -> Batch[VideoDetails]:
        """Return the details of up to 50 videos. 1 unit."""
        body = self._list_videos(_VIDEO_PARTS, ids)
        return _split(ids, body, parsing.video)

    def statistics(self, ids: Sequence[str]) -> Batch[VideoStats]:
        """Return the counts of up to 50 videos, from videos.batchGetStats. 1 unit of the stats bucket."""
        body = self._call(
            Operation.VIDEOS_BATCH_GET_STATS,
            lambda api: api.videos.batchGetStats(part="statistics", id=",".join(_checked(ids))),
        )
        return _split(ids, body, parsing.stats)

    def statistics_by_list(self, ids: Sequence[str]) -> Batch[VideoStats]:
        """Return the counts of up to 50 videos, from videos.list. 1 unit of the main bucket."""
        return _split(ids, self._list_videos("statistics", ids), parsing.stats)

    def _list_channels(self, **arguments: Any) -> dict[str, Any]:
        parts = "id,snippet,contentDetails,statistics"
        try:
            return self._call(Operation.CHANNELS_LIST, lambda api: api.channels.list(part=parts, **arguments))
        except YouTubeError as error:
            if error.reason == "channelNotFound":
                # The reference of channels.list has this error too; usually the list is empty (observed).
                return {}
            raise

    def _list_videos(self, parts: str, ids: Sequence[str]) -> dict[str, Any]:
        joined = ",".join(_checked(ids))
        return self._call(Operation.VIDEOS_LIST, lambda api: api.videos.list(part=parts, id=joined))

    def _call(self, operation: Operation, request: Callable[[_Api], Any]) -> dict[str, Any]:
        _check_key(self._key[0])
        try:
            proxy_for(self._key[1])
        except UnusableProxy as unusable:
            raise TransientError("connection", str(unusable)) from None
        for attempt in range(self._tries):
            body, error = self._metered(operation, request)
            if error is None:
                return body
            if type(error) is not TransientError or attempt + 1 == self._tries:
                raise error
            # Full jitter: workers that failed together must not retry together.
            longest = min(self._backoff * 2**attempt, MAX_BACKOFF_SECONDS)
            jitter = random.uniform(0, longest)  # noqa: S311 - jitter, not a secret
            self._sleep(max(jitter, min(error.retry_after, MAX_RETRY_AFTER_SECONDS)))
        raise AssertionError("the loop returns or raises")

    def _metered(
        self, operation: Operation, request: Callable[[_Api], Any]
    ) -> tuple[dict[str, Any], YouTubeError | None]:
        """Make one HTTP attempt. Reserve quota before it, and record the result after it in any case."""
        receipt = self._meter.reserve(operation)
        started = time.monotonic()
        status, reason, is_accepted = None, "aborted", False
        try:
            body, error = self._attempt(operation, request)
            status, reason = (error.status, error.reason) if error else (200, "")
            is_accepted = error is None or error.kind is Kind.PERMANENT
        finally:
            seconds = time.monotonic() - started
            self._meter.record_result(receipt, status=status, reason=reason, seconds=seconds, is_accepted=is_accepted)
        return body, error

    def _attempt(
        self, operation: Operation, request: Callable[[_Api], Any]
    ) -> tuple[dict[str, Any], YouTubeError | None]:
        """Make one HTTP attempt. Return errors instead of chaining them: the Google client's may contain request headers."""
        try:
            prepared = request(_service(*self._key))
            # Not `execute`, which fails itself if an error is not in Google's format.
            response, content = prepared.http.request(prepared.uri, headers=prepared.headers)
        except ProxyFailed as error:
            return {}, TransientError("connection", str(error))
        except TimeoutError:
            return {}, TransientError("timeout", f"YouTube did not respond within {self._key[2]:g} seconds.")
        except ssl.SSLCertVerificationError:
            message = (
                "The server's certificate is not YouTube's. A proxy, a firewall or a login page may have responded."
            )
            return {}, TransientError("connection", message)
        except (OSError, ValueError, http.client.HTTPException, httplib2.HttpLib2Error, GoogleClientError) as error:
            return {}, TransientError("connection", f"The connection to YouTube broke ({type(error).__name__}).")
        return self._parse(operation, response, content)

    def _parse(
        self, operation: Operation, response: httplib2.Response, content: bytes
    ) -> tuple[dict[str, Any], YouTubeError | None]:
        if response.status >= 300:
            return {}, from_response(
                int(response.status),
                content,
                bucket_of(operation),
                response.get("retry-after", ""),
                self._redactor.text,
                response.get("content-type", ""),
            )
        try:
            body = self._redactor.tree(json.loads(content))
        except (ValueError, RecursionError):
            body = None
        if response.status != 200 or not _is_list_response(operation, body):
            return {}, _bad_answer(response, body, self._redactor)
        return body, None


class _Api:
    """The collections of a Google client. They are kept, because the client builds a new class for each use of one."""

    def __init__(self, service: Any) -> None:
        self.channels = service.channels()
        self.playlist_items = service.playlistItems()
        self.videos = service.videos()
        self.close = service.close


_local = threading.local()


def _service(api_key: str, endpoint: str, timeout: float) -> _Api:
    """Return this thread's Google client: httplib2 is not thread-safe, and a connection must not survive a fork."""
    cached = getattr(_local, "services", None)
    if cached is None or cached[0] != os.getpid():
        cached = _local.services = (os.getpid(), {})
    services: dict[tuple[str, str, float], _Api] = cached[1]
    key = (api_key, endpoint, timeout)
    if key not in services:
        # Another endpoint, as tests have it, would leave the connections to the one before open.
        for other in [each for each in services if each[1] != endpoint]:
            services.pop(other).close()
        # As credentials, the key is sent in a header and is in no URL that might be logged.
        http = AuthorizedHttp(
            Credentials(api_key),  # type: ignore[no-untyped-call]
            http=OneShotHttp(timeout=timeout, redactor=Redactor(api_key), proxy=proxy_for(endpoint)),
            refresh_status_codes=(),
            max_refresh_attempts=0,
        )
        service = build(
            "youtube",
            "v3",
            http=http,
            cache_discovery=False,
            static_discovery=True,
            # Without a universe, an environment variable meant for other Google clients would set it.
            client_options={"api_endpoint": endpoint + "/", "universe_domain": "googleapis.com"},
        )
        services[key] = _Api(service)
    return services[key]


def _check_key(api_key: str) -> None:
    """Refuse a key that can't be sent in a header before it costs a unit, without repeating it."""
    if not api_key:
        raise ConfigurationError("keyMissing", "YOUTUBE_API_KEY is not set.")
    if not set(api_key) <= set(string.ascii_letters + string.digits + string.punctuation):
        raise ConfigurationError(
            "keyInvalid", "YOUTUBE_API_KEY contains a space, a line break or another character that keys don't have."
        )


def _checked(ids: Sequence[str]) -> Sequence[str]:
    if not 0 < len(ids) <= PAGE_SIZE:
        raise ValueError(f"A call takes 1 to {PAGE_SIZE} ids, not {len(ids)}.")
    return ids


def _is_list_response(operation: Operation, body: Any) -> bool:
    """Whether this is the requested list. Without items, Google omits `items`, but not everything else (observed)."""
    if not isinstance(body, dict) or "error" in body or body.get("kind") != _KINDS[operation]:
        return False
    return isinstance(body.get("items", []), list)


def _bad_answer(answer: httplib2.Response, body: Any, redactor: Redactor) -> TransientError:
    """Return the error for a 2xx response that is not a list. `body` is text or None if it is not JSON."""
    kind = redactor.text(answer.get("content-type", ""))
    is_json = isinstance(body, dict | list)
    if answer.status != 200 or not (is_json or "json" in kind):
        message = not_from_youtube(answer.status, kind)
    elif not is_json:
        message = "YouTube's response was cut off or is not JSON."
    else:
        message = "The response is JSON, but not the requested list of YouTube's. A proxy may have sent it."
    return TransientError("badAnswer", message, status=answer.status)


def _split(ids: Sequence[str], body: dict[str, Any], parse: Callable[[dict[str, Any]], V]) -> Batch[V]:
    """Split the requested ids into items, ids missing from the response, and unreadable items."""
    items, unreadable = parsing.parse_items(body.get("items", []), parse)
    requested = dict.fromkeys(ids)
    kept = [item for item in items if item.video_id in requested]
    broken = [item for item in unreadable if item.item_id in requested]
    answered = {item.video_id for item in kept} | {item.item_id for item in broken}
    missing = [video_id for video_id in requested if video_id not in answered]
    if len(broken) == len(unreadable):
        return Batch(kept, missing, broken)
    # Each missing video may be the item that can't be read. It must not be marked unavailable.
    unclear = "YouTube's response has items that can't be read, and this may be one of them."
    return Batch(kept, [], broken + [Unreadable(video_id, unclear) for video_id in missing])
