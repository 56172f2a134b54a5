"""Classify YouTube's errors: permanent, transient, quota or configuration.

Reasons are from developers.google.com/youtube/v3/docs/errors and, in capitals, from the ErrorReason enum in
github.com/googleapis/googleapis (google/api/error_reason.proto).
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from enum import StrEnum
from html import unescape
from typing import Any

from .costs import Bucket
from .parsing import clean

MAX_MESSAGE = 500


class Kind(StrEnum):
    """The class of an error, which decides what happens next."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    QUOTA = "quota"
    CONFIGURATION = "configuration"


class YouTubeError(Exception):
    """A call failed. `reason` is YouTube's code, `message` a sentence without the API key."""

    kind = Kind.PERMANENT

    def __init__(self, reason: str, message: str, *, status: int | None = None, bucket: Bucket | None = None) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.status = status
        self.bucket = bucket


class TransientError(YouTubeError):
    """A rate limit, 5xx, timeout or dropped connection: the same call may succeed later."""

    kind = Kind.TRANSIENT
    retry_after = 0.0
    """Seconds to wait, from the Retry-After header."""


class QuotaExceeded(YouTubeError):
    """The day's units of `bucket` are used up, whatever we counted."""

    kind = Kind.QUOTA


class ConfigurationError(YouTubeError):
    """The API key is invalid or may not use this API: no call can succeed until a person changes something."""

    kind = Kind.CONFIGURATION


class Forbidden(YouTubeError):
    """We may not read this resource."""


class PlaylistNotFound(YouTubeError):
    """The playlist does not exist. YouTube also answers this for the uploads of a channel without videos."""


class InvalidPageToken(YouTubeError):
    """The page token has expired; the list must be read from the start."""

    kind = Kind.TRANSIENT


_QUOTA = {"quotaExceeded", "dailyLimitExceeded", "dailyLimitExceededUnreg"}
_RATE = {"rateLimitExceeded", "userRateLimitExceeded", "concurrentLimitExceeded", "backendError", "internalError",
         "processingFailure", "SERVICE_UNAVAILABLE", "RATE_LIMIT_EXCEEDED", "ABORTED", "CANCELLED"}  # fmt: skip
_CONFIGURATION = {"keyInvalid", "keyExpired", "accessNotConfigured", "ipRefererBlocked", "iamPermissionDenied",
                  "API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "API_KEY_HTTP_REFERRER_BLOCKED", "SERVICE_DISABLED",
                  "API_KEY_IP_ADDRESS_BLOCKED", "API_KEY_ANDROID_APP_BLOCKED", "API_KEY_IOS_APP_BLOCKED",
                  "CONSUMER_INVALID", "CONSUMER_SUSPENDED", "BILLING_DISABLED", "authError", "required"}  # fmt: skip
# Older responses have no reason for these but "forbidden" or "badRequest" (observed).
_ABOUT_THE_KEY = ("api key not valid", "api key not found", "api key expired", "unregistered callers",
                  "permission denied: consumer", "api key has an ip address restriction", "requests from referer",
                  "requests from this android client", "requests from this ios client", "requests to this api",
                  "has not been used in project", "requires billing")  # fmt: skip
_DAILY = ("per day", "perday")
_CONTENT_TYPE = re.compile(r"[a-z0-9.+-]{1,30}/[a-z0-9.+-]{1,40}")
_REDIRECTS = {301, 302, 303, 307, 308}
# The status of an error is one of these names (github.com/googleapis/googleapis, google/rpc/code.proto).
_RPC_CODES = {"CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
              "PERMISSION_DENIED", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
              "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}  # fmt: skip
_SHORT_TERM = ("per minute", "perminute", "per second", "per 100 seconds")


def from_response(
    status: int,
    body: bytes,
    bucket: Bucket,
    retry_after: str = "",
    redact: Callable[[str], str] = clean,
    content_type: str = "",
) -> YouTubeError:
    """Return the error for an HTTP response.

    The reasons in the body decide; if they are unknown, the status does. A response without YouTube's error
    body says nothing about what we asked for: it is transient, whatever its status. `retry_after` and `content_type` are
    the headers' values. `redact` is applied to every text in the error.
    """
    error = _error_of(body)
    reasons = [redact(reason) for reason in _reasons(error)] or _rpc_code(error, status)
    if reasons:
        message = redact(_sentence(error.get("message")) or f"YouTube responded with HTTP status {status}.")
        classified = _classify(status, reasons, message, bucket)
    else:
        classified = TransientError(f"http{status}", redact(not_from_youtube(status, content_type)), status=status)
    if isinstance(classified, TransientError):
        classified.retry_after = _seconds(retry_after)
    return classified


def not_from_youtube(status: int, content_type: str = "") -> str:
    """Return the message for a response that is not in YouTube's format. `content_type` is the header's value."""
    kind = content_type.partition(";")[0].strip().lower()
    what = f", {kind}" if _CONTENT_TYPE.fullmatch(kind) else ""
    redirect = ", a redirect" if status in _REDIRECTS else ""
    return (
        f"The response (HTTP status {status}{redirect}{what}) did not come from YouTube's API. "
        "A proxy, a firewall or a login page on the way may have sent it."
    )


def _classify(status: int, reasons: list[str], message: str, bucket: Bucket) -> YouTubeError:
    def first(group: set[str]) -> str:
        return next((reason for reason in reasons if reason in group), "")

    text = message.lower()
    is_short_term = _has_any(text, _SHORT_TERM) and not _has_any(text, _DAILY)
    if (reason := first(_QUOTA)) and not (status == 429 and is_short_term):
        return QuotaExceeded(reason, message, status=status, bucket=bucket)
    if reason := first(_CONFIGURATION) or next((r for r in reasons if r.startswith("API_KEY_")), ""):
        return ConfigurationError(reason, message, status=status)
    if (_has_any(text, _ABOUT_THE_KEY) and status in (400, 403)) or status == 401:
        return ConfigurationError(reasons[0], message, status=status)
    if (status == 429 or first(_RATE)) and _has_any(text, _DAILY):
        return QuotaExceeded("quotaExceeded", message, status=status, bucket=bucket)
    if status == 429 or status >= 500 or first(_RATE):
        return TransientError(first(_RATE) or reasons[0], message, status=status)
    for reason, kind in (("invalidPageToken", InvalidPageToken), ("playlistNotFound", PlaylistNotFound)):
        if reason in reasons:
            return kind(reason, message, status=status)
    if status < 400 or status == 408:
        return TransientError(reasons[0], message, status=status)
    permanent = Forbidden if status == 403 else YouTubeError
    return permanent(reasons[0], message, status=status)


def _has_any(text: str, phrases: tuple[str, ...]) -> bool:
    return any(phrase in text for phrase in phrases)


def _seconds(header: str) -> float:
    """Parse Retry-After, a number of seconds or an HTTP date (RFC 9110, section 10.2.3); return 0 for anything else."""
    if re.fullmatch(r"[0-9]{1,9}", header):
        return float(header)
    try:
        when = parsedate_to_datetime(header)
        return max(0.0, (when - dt.datetime.now(dt.UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _error_of(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    error = document.get("error") if isinstance(document, dict) else None
    return error if isinstance(error, dict) else {}


def _rpc_code(error: dict[str, Any], status: int) -> list[str]:
    """Return the name of google.rpc.Code in an error without reasons, if it has the members that Google's errors have."""
    name = error.get("status")
    is_ours = error.get("code") == status and isinstance(name, str) and name in _RPC_CODES
    return [str(name)] if is_ours else []


def _reasons(error: dict[str, Any]) -> Iterator[str]:
    for key in ("errors", "details"):
        entries = error.get(key)
        for entry in entries if isinstance(entries, list) else []:
            reason = entry.get("reason") if isinstance(entry, dict) else None
            # An empty one would pass for a success in the ledger.
            if isinstance(reason, str) and (cleaned := clean(reason).strip()):
                yield cleaned[:80]


def _sentence(message: object) -> str:
    """Return a message as plain text: YouTube puts links into its messages."""
    text = unescape(re.sub(r"<[^>]*>", "", message)) if isinstance(message, str) else ""
    return " ".join(clean(text).split())[:MAX_MESSAGE]
