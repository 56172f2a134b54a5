"""Quota costs and daily buckets (developers.google.com/youtube/v3/determine_quota_cost)."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from zoneinfo import ZoneInfo

QUOTA_TIMEZONE = ZoneInfo("America/Los_Angeles")


class Bucket(StrEnum):
    """A daily allowance of units."""

    MAIN = "main"
    SEARCH = "search"
    STATS = "stats"


class Operation(StrEnum):
    """A method of the API that we call."""

    CHANNELS_LIST = "channels.list"
    PLAYLIST_ITEMS_LIST = "playlistItems.list"
    VIDEOS_LIST = "videos.list"
    VIDEOS_BATCH_GET_STATS = "videos.batchGetStats"
    SEARCH_LIST = "search.list"


_BUCKETS = {Operation.SEARCH_LIST: Bucket.SEARCH, Operation.VIDEOS_BATCH_GET_STATS: Bucket.STATS}


def bucket_of(operation: Operation) -> Bucket:
    """Return the bucket that a call is charged to."""
    return _BUCKETS.get(operation, Bucket.MAIN)


def units_of(operation: Operation) -> int:
    """Return the cost of one HTTP attempt: one unit for each method that we call, even if the attempt fails."""
    return 1


def quota_day(now: dt.datetime) -> dt.date:
    """Return the quota day of an instant. Days begin at midnight Pacific time."""
    return now.astimezone(QUOTA_TIMEZONE).date()


def next_reset(now: dt.datetime) -> dt.datetime:
    """Return when the quota day of `now` ends and all buckets are reset, in UTC."""
    tomorrow = quota_day(now) + dt.timedelta(days=1)
    return dt.datetime.combine(tomorrow, dt.time(), QUOTA_TIMEZONE).astimezone(dt.UTC)
