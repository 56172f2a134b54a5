"""How error responses are classified: by status, reasons and texts, and whether Google's servers sent them."""

from __future__ import annotations

import json

import pytest

from syncjobs.youtube.costs import Bucket
from syncjobs.youtube.errors import (
    Forbidden,
    InvalidPageToken,
    Kind,
    PlaylistNotFound,
    YouTubeError,
    from_response,
)


def _error(reason: str = "", message: str = "", detail: str = "") -> bytes:
    error: dict[str, object] = {"message": message, "errors": [{"reason": reason}] if reason else []}
    return json.dumps({"error": error | ({"details": [{"reason": detail}]} if detail else {})}).encode()


def _rpc_error(code: int, name: str, message: str = "") -> bytes:
    return json.dumps({"error": {"code": code, "message": message, "status": name}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (403, _error("quotaExceeded", "You have exceeded your quota"), Kind.QUOTA, "quotaExceeded"),
        (403, _error("dailyLimitExceeded"), Kind.QUOTA, "dailyLimitExceeded"),
        (429, _error("rateLimitExceeded", "limit 'Search Queries per day'"), Kind.QUOTA, "quotaExceeded"),
        (429, _error("", "Quota exceeded, Queries per day", "RATE_LIMIT_EXCEEDED"), Kind.QUOTA, "quotaExceeded"),
        (429, _error("quotaExceeded", "limit 'Queries per minute per user'"), Kind.TRANSIENT, "quotaExceeded"),
        (403, _error("rateLimitExceeded", "limit 'Queries per day'"), Kind.QUOTA, "quotaExceeded"),
        (429, b"", Kind.TRANSIENT, "http429"),
        (403, _error("userRateLimitExceeded"), Kind.TRANSIENT, "userRateLimitExceeded"),
        (503, b"<html>", Kind.TRANSIENT, "http503"),
        (500, b"[" * 100_000, Kind.TRANSIENT, "http500"),
        (408, b"", Kind.TRANSIENT, "http408"),
        (304, b"", Kind.TRANSIENT, "http304"),
        (403, b"<html>Sorry, unusual traffic", Kind.TRANSIENT, "http403"),
        (400, _error("badRequest", "API key not valid. Please pass a valid API key."), Kind.CONFIGURATION, "badRequest"),
        (400, _error("badRequest", "API key expired.", "API_KEY_INVALID"), Kind.CONFIGURATION, "API_KEY_INVALID"),
        (400, _error("keyInvalid"), Kind.CONFIGURATION, "keyInvalid"),
        (403, _error("forbidden", "Method doesn't allow unregistered callers"), Kind.CONFIGURATION, "forbidden"),
        (403, _error("forbidden", "Blocked.", "API_KEY_SOMETHING_BLOCKED"), Kind.CONFIGURATION, "API_KEY_SOMETHING_BLOCKED"),
        (403, _error("ipRefererBlocked"), Kind.CONFIGURATION, "ipRefererBlocked"),
        (403, _error("accessNotConfigured", "", "SERVICE_DISABLED"), Kind.CONFIGURATION, "accessNotConfigured"),
        (401, _error("authError"), Kind.CONFIGURATION, "authError"),
        (403, _error("channelSuspended", "The channel has been suspended."), Kind.PERMANENT, "channelSuspended"),
        (400, b'{"error": {"errors": 5, "details": "x", "message": ["y"]}}', Kind.TRANSIENT, "http400"),
        (401, b"<html>Log in</html>", Kind.TRANSIENT, "http401"),
        (401, b'{"error": "unauthorized"}', Kind.TRANSIENT, "http401"),
        (403, b'{"error": {"code": 403, "message": "Blocked by policy"}}', Kind.TRANSIENT, "http403"),
        (404, b'{"status": 404, "message": "No route"}', Kind.TRANSIENT, "http404"),
        (403, _rpc_error(403, "PERMISSION_DENIED"), Kind.PERMANENT, "PERMISSION_DENIED"),
        (401, _rpc_error(401, "UNAUTHENTICATED"), Kind.CONFIGURATION, "UNAUTHENTICATED"),
        (429, _rpc_error(429, "RESOURCE_EXHAUSTED", "Queries per day"), Kind.QUOTA, "quotaExceeded"),
        (404, _rpc_error(400, "NOT_FOUND"), Kind.TRANSIENT, "http404"),
        (400, b'{"error": {"errors": [{"reason": "a\\u0000b\\ud800"}]}}', Kind.PERMANENT, "ab"),
    ],
)  # fmt: skip
def test_responses_are_classified(status: int, body: bytes, kind: Kind, reason: str) -> None:
    error = from_response(status, body, Bucket.STATS)
    assert (error.kind, error.reason) == (kind, reason)
    assert error.bucket == (Bucket.STATS if kind is Kind.QUOTA else None)
    (error.message + error.reason).encode()


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (403, "forbidden", Forbidden),
        (403, "playlistItemsNotAccessible", Forbidden),
        (404, "playlistNotFound", PlaylistNotFound),
        (400, "invalidPageToken", InvalidPageToken),
    ],
)
def test_errors_that_a_sync_handles_separately_have_their_own_class(
    status: int, reason: str, expected: type[YouTubeError]
) -> None:
    assert type(from_response(status, _error(reason), Bucket.MAIN)) is expected
