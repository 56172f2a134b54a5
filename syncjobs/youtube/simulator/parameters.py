"""Parse request parameters, and refuse what YouTube refuses."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from ..costs import Operation
from .faults import google_error

_PARTS = {
    Operation.CHANNELS_LIST: {"id", "snippet", "contentDetails", "statistics", "status", "brandingSettings", "topicDetails"},
    Operation.PLAYLIST_ITEMS_LIST: {"id", "snippet", "contentDetails", "status"},
    Operation.VIDEOS_LIST: {"id", "snippet", "contentDetails", "statistics", "status", "liveStreamingDetails", "topicDetails", "player"},
    Operation.VIDEOS_BATCH_GET_STATS: {"id", "snippet", "contentDetails", "statistics"},
    Operation.SEARCH_LIST: {"snippet", "id"},
}  # fmt: skip
# Parameters of every Google API, from the discovery document.
_COMMON = {"alt", "fields", "key", "prettyPrint", "quotaUser", "access_token", "oauth_token", "callback", "$.xgafv", "uploadType",
           "upload_protocol", "part", "onBehalfOfContentOwner", "maxResults", "pageToken", "hl"}  # fmt: skip
_OTHERS = {
    Operation.CHANNELS_LIST: {"categoryId", "managedByMe", "mine", "mySubscribers"},
    Operation.PLAYLIST_ITEMS_LIST: {"videoId", "onBehalfOfContentOwner"},
    Operation.VIDEOS_LIST: {"chart", "locale", "maxHeight", "maxWidth", "myRating", "regionCode", "videoCategoryId"},
    Operation.VIDEOS_BATCH_GET_STATS: set[str](),
    Operation.SEARCH_LIST: {"q", "channelId", "type", "order", "publishedAfter", "publishedBefore", "regionCode", "safeSearch"},
}  # fmt: skip
_FILTERS = {
    Operation.CHANNELS_LIST: ("id", "forHandle", "forUsername"),
    Operation.PLAYLIST_ITEMS_LIST: ("playlistId", "id"),
    Operation.VIDEOS_LIST: ("id",),
    Operation.VIDEOS_BATCH_GET_STATS: ("id",),
}


class Refusal(Exception):
    """An error response."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = google_error(status, reason, message)


def check_names(operation: Operation, parameters: Mapping[str, str]) -> None:
    """Refuse unknown parameters, and requests with no or several of the method's filters."""
    filters = _FILTERS.get(operation, ())
    for name in parameters:
        if name not in _COMMON and name not in _OTHERS[operation] and name not in filters:
            message = f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter.'
            raise Refusal(400, "badRequest", message)
    if filters and sum(name in parameters for name in filters) != 1:
        raise Refusal(400, "missingRequiredParameter", "No filter selected. Expected one of: " + ", ".join(filters))


def parts_of(operation: Operation, query: dict[str, list[str]]) -> list[str]:
    """Return the resource parts that the request asks for. Raises Refusal."""
    parts = [part for value in query.get("part", []) for part in value.split(",") if part]
    if not parts:
        raise Refusal(400, "missingRequiredParameter", "Required parameter: part")
    for part in parts:
        if part not in _PARTS[operation]:
            raise Refusal(400, "unknownPart", f"'{part}'")
    return parts


def ids_of(query: dict[str, list[str]]) -> list[str]:
    """Return the ids that the request asks for. Raises Refusal for more than 50."""
    ids = [i for value in query.get("id", []) for i in value.split(",") if i]
    if len(ids) > 50:
        raise Refusal(400, "invalidFilters", "The request specifies more than 50 ids.")
    return ids


def max_results(parameters: dict[str, str]) -> int:
    """Return the page size. Raises Refusal."""
    text = parameters.get("maxResults", "5")
    if text not in map(str, range(1, 51)):
        raise Refusal(400, "invalidParameter", f"Invalid value '{text}'. Values must be within the range: [1, 50]")
    return int(text)


def page_info(total: int, per_page: int) -> dict[str, int]:
    """Return the pageInfo object of a list response."""
    return {"totalResults": total, "resultsPerPage": per_page}


def token_for(playlist_id: str, offset: int) -> str:
    """Return an opaque token for the page that starts at `offset`."""
    return base64.urlsafe_b64encode(f"{playlist_id}:{offset}".encode()).decode().rstrip("=")


def offset_of(playlist_id: str, token: str) -> int:
    """Return the offset in a page token of this playlist. Raises Refusal for any other token."""
    if not token:
        return 0
    try:
        name, _, offset = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode().rpartition(":")
        if name == playlist_id and int(offset) >= 0:
            return int(offset)
    except (ValueError, binascii.Error):
        pass
    raise Refusal(400, "invalidPageToken", "The request specifies an invalid page token.")
