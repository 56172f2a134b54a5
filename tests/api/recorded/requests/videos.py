"""Videos, of all bands and of one."""

from __future__ import annotations

from typing import Any

from tests.api.recorded.requests.ask import NOBODY, PLAIN, each, get, head, ids

_VIDEO_QUERIES = """
    search=halftime
    search=nothing
    availability=UNAVAILABLE
    availability=MISSING&availability=UNAVAILABLE
    availability=MISSING,UNAVAILABLE
    sortBy=viewCount
    sortBy=viewCount&sortOrder=asc
    sortOrder=asc
    page=2&limit=3
    page=9
"""
_VIDEO_REFUSALS = """
    availability=x
    sortBy=title
    sortOrder=up
    page=0
    limit=101
    nonsense=1
    search=%00
"""
REQUESTS: list[Any] = [
    get("videos"),
    head("videos"),
    *each(ids, "videos", _VIDEO_QUERIES),
    ids("videos?bandId=12"),
    ids("videos?bandId=999"),
    *each(get, "videos", _VIDEO_REFUSALS),
    get("videos?bandId=x"),
    get("videos", NOBODY),
    get("videos", PLAIN),
    get("bands/12/videos"),
    head("bands/11/videos"),
    *each(ids, "bands/11/videos", _VIDEO_QUERIES),
    *each(get, "bands/11/videos", _VIDEO_REFUSALS),
    get("bands/11/videos?bandId=12"),
    get("bands/999/videos"),
    get("bands/14/videos"),
    get("bands/11/videos", NOBODY),
    get("bands/11/videos", PLAIN),
]
