"""Errors and connection faults of YouTube, and of its feeds and hub, on demand."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from typing import Any

from ..costs import Operation

_METHODS = frozenset(Operation)
_HELP = ' See <a href="https://developers.google.com/youtube/v3">the documentation</a>.'

# name → (HTTP status, errors[].reason, message, details[].reason)
ERRORS: dict[str, tuple[int, str, str, str]] = {
    "quotaExceeded": (403, "quotaExceeded", "The request cannot be completed because you have exceeded your quota." + _HELP, ""),
    "dailyLimitExceeded": (403, "dailyLimitExceeded", "Daily Limit Exceeded.", ""),
    "perDay429": (429, "rateLimitExceeded", "Quota exceeded for quota metric 'Queries' and limit 'Queries per day'.", "RATE_LIMIT_EXCEEDED"),
    "perMinute429": (429, "rateLimitExceeded", "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute'.", "RATE_LIMIT_EXCEEDED"),
    "rateLimitExceeded": (403, "rateLimitExceeded", "Rate Limit Exceeded", ""),
    "userRateLimitExceeded": (403, "userRateLimitExceeded", "User Rate Limit Exceeded", ""),
    "backendError": (500, "backendError", "Internal error encountered.", ""),
    "unavailable": (503, "backendError", "The service is currently unavailable.", ""),
    "forbidden": (403, "forbidden", "The request is not properly authorized to access this resource.", ""),
    "playlistItemsNotAccessible": (403, "playlistItemsNotAccessible", "The request is not properly authorized to retrieve the specified playlist.", ""),
    "badRequest": (400, "badRequest", "Request contains an invalid argument.", ""),
    "playlistNotFound": (404, "playlistNotFound", "The playlist identified with the request's <code>playlistId</code> parameter cannot be found.", ""),
    "invalidPageToken": (400, "invalidPageToken", "The request specifies an invalid page token.", ""),
    "keyInvalid": (400, "keyInvalid", "Bad Request", ""),
    "apiKeyInvalid": (400, "badRequest", "API key not valid. Please pass a valid API key.", "API_KEY_INVALID"),
    "accessNotConfigured": (403, "accessNotConfigured", "YouTube Data API v3 has not been used in project 1 before or it is disabled.", "SERVICE_DISABLED"),
    "unauthorized": (401, "authError", "Request had invalid authentication credentials.", "CREDENTIALS_MISSING"),
    "keyMissing": (403, "forbidden", "Method doesn't allow unregistered callers. Please use API Key.", "API_KEY_INVALID"),
}  # fmt: skip
CONNECTION_FAULTS = {
    "hang": 0,
    "drop": 0,
    "truncate": 200,
    "garbage": 200,
    "empty": 200,
    "redirect": 302,
    "foreign": 200,
}
"""Faults that are not errors in Google's format, with the HTTP status in the log; 0 means no response."""

PAGE_FAULTS = {"sameToken", "firstToken", "endless", "emptyPage", "noToken"}
"""Faults of a page of playlistItems.list: its token leads to itself or to the first page, there is always a next page,
there is one and no item on this page, or there is no token."""
FEED = "feed"
HUB_SUBSCRIBE, HUB_VERIFY, HUB_DELIVER = "hub.subscribe", "hub.verify", "hub.deliver"
"""Names of operations beside those of the API. A fault hits them only if it names them."""
HUB_FAULTS = {"lose", "delay", "duplicate", "unsigned", "forged", "deny"}
"""Faults of the hub: it sends no verification or delivery, sends it late (up to `seconds`) or twice, signs a delivery not at
all or with another secret, or denies a subscription that it accepted. One that answers 503 has "unavailable", and
one that is silent loses everything."""
ANSWER_FAULTS = {"missingPart", "wrongValue", *PAGE_FAULTS}
"""Faults in a response that is right otherwise."""


def error_body(name: str, echo: str = "") -> tuple[int, dict[str, Any]]:
    """Return status and body of an error in Google's format. `echo` is appended to its message."""
    status, reason, message, detail = ERRORS[name]
    body = google_error(status, reason, message + echo)
    if detail:
        body["error"]["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": detail}]
    return status, body


def google_error(status: int, reason: str, message: str) -> dict[str, Any]:
    """Return the body of an error in Google's format."""
    domain = "youtube.quota" if "Exceeded" in reason else "global"
    errors = [{"message": message, "domain": domain, "reason": reason}]
    return {"error": {"code": status, "message": message, "errors": errors}}


@dataclass
class Fault:
    """A fault. `name` is a key of ERRORS or one of CONNECTION_FAULTS or ANSWER_FAULTS."""

    name: str
    operation: str = ""
    playlist: str = ""
    """The only playlist whose requests it hits."""
    channel: str = ""
    """The only channel whose feed, subscriptions or deliveries it hits."""
    seconds: float = 60.0
    """How late a "delay" is at most."""
    probability: float = 1.0
    times: int | None = None
    """How many more requests it hits; None means all."""
    after: int = 0
    """How many requests it lets pass first."""
    echo_key: bool = False
    """Whether the response repeats the request's API key in its body and a header."""
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    """HTTP status of "foreign", the response of a proxy, firewall or login page; `content_type` and `body` are its rest."""
    content_type: str = "text/html; charset=utf-8"
    part: str = "snippet"
    """The part that "missingPart" leaves out of every item."""
    path: list[str | int] = field(default_factory=list)
    """Where "wrongValue" puts `value` into the response, such as items, 0, snippet, title."""
    value: Any = None
    body: str = "<html><h1>Welcome to Forest Wi-Fi</h1><a href=/login>Log in</a></html>"

    def __post_init__(self) -> None:
        known = [*ERRORS, *CONNECTION_FAULTS, *sorted(ANSWER_FAULTS), *sorted(HUB_FAULTS)]
        if self.name not in known:
            raise ValueError(f"Unknown fault {self.name!r}. Faults: {', '.join(known)}.")
        if self.name in PAGE_FAULTS:
            self.operation = Operation.PLAYLIST_ITEMS_LIST

    def concerns(self, operation: str, playlist: str, channel: str) -> bool:
        """Whether it hits such requests."""
        is_named = self.operation == operation if self.operation else operation in _METHODS
        return is_named and self.playlist in ("", playlist) and self.channel in ("", channel)


@dataclass
class Faults:
    """The active faults, and the latency in seconds."""

    latency: float = 0.0
    active: list[Fault] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _random: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - repeatable faults

    def add(self, *faults: Fault) -> None:
        """Add faults to the active ones."""
        with self._lock:
            self.active.extend(faults)

    def clear(self) -> None:
        """Remove all faults and the latency, and end hanging requests."""
        with self._lock:
            self.active.clear()
            self.latency = 0.0
        self.released.set()
        self.released = threading.Event()

    def match(self, operation: str, playlist: str = "", *, channel: str = "") -> Fault | None:
        """Return the fault that hits this request, if any, and count it."""
        with self._lock:
            for fault in self.active:
                if fault.times == 0 or not fault.concerns(operation, playlist, channel):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                if self._random.random() < fault.probability:
                    fault.times = None if fault.times is None else fault.times - 1
                    return fault
        return None
