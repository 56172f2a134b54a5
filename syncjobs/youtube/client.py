"""The calls we make, typed. Every HTTP attempt is reserved with a meter first, and made exactly once."""

from __future__ import annotations

import http.client
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import httplib2
from google.auth.api_key import Credentials
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build
from googleapiclient.errors import Error as GoogleClientError
from googleapiclient.errors import HttpError

from . import parsing
from .costs import Operation, bucket_of
from .errors import ConfigurationError, TransientError, YouTubeError, from_response
from .references import ChannelReference
from .transport import OneShotHttp
from .types import Channel, PlaylistPage, StatsBatch, VideoBatch

PAGE_SIZE = 50
"""Most ids a call takes, and most items a page holds (videos.list, channels.list, playlistItems.list)."""
MAX_BACKOFF_SECONDS = 8.0
_VIDEO_PARTS = "snippet,contentDetails,statistics,status,liveStreamingDetails"


class Meter(Protocol):
    """Whoever answers for the quota."""

    def reserve(self, operation: Operation) -> object:
        """Called before each HTTP attempt. Whatever it raises passes through, and no request is made."""

    def settle(self, receipt: object, *, status: int | None, reason: str, seconds: float) -> None:
        """Called after the attempt; `reason` is empty when it went well."""


class YouTubeClient:
    """YouTube Data API v3 at `endpoint`, with an API key. Cheap to make; may be used from several threads at once."""

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
        self._key = (api_key, endpoint.rstrip("/"), timeout)
        self._meter = meter
        self._tries = tries
        self._backoff = backoff
        self._sleep = sleep

    def channels(self, ids: Sequence[str]) -> list[Channel]:
        """The channels of up to 50 ids that exist. 1 unit."""
        body = self._list_channels(id=",".join(_checked(ids)), maxResults=PAGE_SIZE)
        return parsing.parse_items(_items(body), parsing.channel)[0]

    def find_channel(self, reference: ChannelReference) -> Channel | None:
        """The channel a person's reference names, or None. 1 unit."""
        name = {"id": "id", "handle": "forHandle", "username": "forUsername"}[reference.kind]
        channels, _ = parsing.parse_items(_items(self._list_channels(**{name: reference.value})), parsing.channel)
        return channels[0] if channels else None

    def playlist_page(self, playlist_id: str, page_token: str | None = None) -> PlaylistPage:
        """One page of up to 50 entries; an uploads playlist has the newest first. 1 unit.

        Raises PlaylistNotFound, also for the uploads of a channel without videos, and InvalidPageToken.
        """
        body = self._call(
            Operation.PLAYLIST_ITEMS_LIST,
            lambda api: api.playlistItems().list(
                part="snippet,contentDetails,status", playlistId=playlist_id, maxResults=PAGE_SIZE, pageToken=page_token
            ),
        )
        items, unreadable = parsing.parse_items(_items(body), parsing.playlist_item)
        info, token = body.get("pageInfo"), body.get("nextPageToken")
        total = info.get("totalResults") if isinstance(info, dict) else None
        return PlaylistPage(
            items=items,
            unreadable=unreadable,
            next_page_token=token if isinstance(token, str) and token else None,
            total_results=total if isinstance(total, int) else None,
        )

    def videos(self, ids: Sequence[str]) -> VideoBatch:
        """All about up to 50 videos. 1 unit."""
        body = self._list_videos(_VIDEO_PARTS, ids)
        videos, unreadable = parsing.parse_items(_items(body), parsing.video)
        return VideoBatch(videos, _missing(ids, videos, unreadable), unreadable)

    def statistics(self, ids: Sequence[str]) -> StatsBatch:
        """Counts of up to 50 videos, by videos.batchGetStats. 1 unit of the stats bucket."""
        body = self._call(
            Operation.VIDEOS_BATCH_GET_STATS,
            lambda api: api.videos().batchGetStats(part="statistics", id=",".join(_checked(ids))),
        )
        return _stats_batch(ids, body)

    def statistics_by_list(self, ids: Sequence[str]) -> StatsBatch:
        """Counts of up to 50 videos, by videos.list. 1 unit of the main bucket."""
        return _stats_batch(ids, self._list_videos("statistics", ids))

    def _list_channels(self, **arguments: Any) -> dict[str, Any]:
        parts = "id,snippet,contentDetails,statistics"
        return self._call(Operation.CHANNELS_LIST, lambda api: api.channels().list(part=parts, **arguments))

    def _list_videos(self, parts: str, ids: Sequence[str]) -> dict[str, Any]:
        joined = ",".join(_checked(ids))
        return self._call(Operation.VIDEOS_LIST, lambda api: api.videos().list(part=parts, id=joined))

    def _call(self, operation: Operation, request: Callable[[Any], Any]) -> dict[str, Any]:
        if not self._key[0]:
            raise ConfigurationError("keyMissing", "YOUTUBE_API_KEY is not set.")
        for attempt in range(self._tries):
            receipt = self._meter.reserve(operation)
            started = time.monotonic()
            body, error = self._attempt(operation, request)
            self._meter.settle(
                receipt,
                status=error.status if error else 200,
                reason=error.reason if error else "",
                seconds=time.monotonic() - started,
            )
            if error is None:
                return body
            if type(error) is not TransientError or attempt + 1 == self._tries:
                raise error
            # Full jitter: many workers that failed together must not come back together.
            longest = min(self._backoff * 2**attempt, MAX_BACKOFF_SECONDS)
            self._sleep(random.uniform(0, longest))  # noqa: S311 - jitter, not a secret
        raise AssertionError("the loop returns or raises")

    def _attempt(
        self, operation: Operation, request: Callable[[Any], Any]
    ) -> tuple[dict[str, Any], YouTubeError | None]:
        """One HTTP attempt. Errors are returned, not chained: what the google client raises may hold request headers."""
        try:
            body = request(_service(*self._key)).execute(num_retries=0)
        except HttpError as error:
            return {}, from_response(int(error.resp.status), error.content, bucket_of(operation))
        except TimeoutError:
            return {}, TransientError("timeout", f"YouTube did not answer within {self._key[2]:g} seconds.")
        except (OSError, http.client.HTTPException, httplib2.HttpLib2Error, GoogleClientError) as error:
            return {}, TransientError("connection", f"The connection to YouTube broke ({type(error).__name__}).")
        except ValueError:
            return {}, TransientError("badAnswer", "YouTube's answer was cut off or is no JSON.")
        if not isinstance(body, dict):
            return {}, TransientError("badAnswer", "YouTube's answer is no JSON object.")
        return body, None


_local = threading.local()


def _service(api_key: str, endpoint: str, timeout: float) -> Any:
    """The google client of this thread: httplib2 is not thread-safe, and a connection must not survive a fork."""
    cached = getattr(_local, "services", None)
    if cached is None or cached[0] != os.getpid():
        cached = _local.services = (os.getpid(), {})
    services: dict[tuple[str, str, float], Any] = cached[1]
    key = (api_key, endpoint, timeout)
    if key not in services:
        # With the key as credentials it travels in a header, and stands in no URL that anything may log.
        http = AuthorizedHttp(
            Credentials(api_key),  # type: ignore[no-untyped-call]
            http=OneShotHttp(timeout=timeout, secret=api_key),
            refresh_status_codes=(),
            max_refresh_attempts=0,
        )
        services[key] = build(
            "youtube",
            "v3",
            http=http,
            cache_discovery=False,
            static_discovery=True,
            client_options={"api_endpoint": endpoint + "/"},
        )
    return services[key]


def _checked(ids: Sequence[str]) -> Sequence[str]:
    if not 0 < len(ids) <= PAGE_SIZE:
        raise ValueError(f"1 to {PAGE_SIZE} ids go into one call, not {len(ids)}")
    return ids


def _items(body: dict[str, Any]) -> list[Any]:
    items = body.get("items")
    return items if isinstance(items, list) else []


def _missing(ids: Sequence[str], found: Sequence[Any], unreadable: Sequence[Any]) -> list[str]:
    answered = {item.video_id for item in found} | {item.item_id for item in unreadable}
    return [video_id for video_id in ids if video_id not in answered]


def _stats_batch(ids: Sequence[str], body: dict[str, Any]) -> StatsBatch:
    stats, unreadable = parsing.parse_items(_items(body), parsing.stats)
    return StatsBatch(stats, _missing(ids, stats, unreadable), unreadable)
