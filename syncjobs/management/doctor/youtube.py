"""Whether there is a key of the YouTube API, and whether YouTube accepts it."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings

from ...engine import errors, quota
from ...engine.meter import Meter
from ...exceptions import QuotaExhausted
from ...youtube.client import YouTubeClient
from ...youtube.costs import Bucket
from ...youtube.errors import Kind, YouTubeError
from .findings import Finding, Level, good

_CHANNEL = "UC_x5XG1OV2P6uZZ5FSM9Ttw"
"""Google for Developers: the channel of the examples in YouTube's own documentation."""


def key() -> Iterator[Finding]:
    """Look whether a key is set."""
    if settings.YOUTUBE_SIMULATED:
        message = f"YouTube is simulated ({settings.YOUTUBE_API_ENDPOINT}): all videos are made up."
        yield Finding("youtube.key", Level.WARNING, message, "Set YOUTUBE_API_KEY to use the real one.")
    elif not settings.YOUTUBE_API_KEY:
        message = "YOUTUBE_API_KEY is not set, so workers don't start."
        yield Finding("youtube.key", Level.ERROR, message, "Set it to a key of the YouTube Data API v3.")
    else:
        yield good("youtube.key", "A YouTube key is set. Use --youtube to try it, which costs 1 unit.")


def answer() -> Iterator[Finding]:
    """Make one call of 1 unit. The ledger counts it like any other."""
    client = YouTubeClient(
        api_key=settings.YOUTUBE_API_KEY,
        endpoint=settings.YOUTUBE_API_ENDPOINT,
        timeout=settings.YOUTUBE_TIMEOUT_SECONDS,
        meter=Meter(quota.Spender(is_personal=True)),
        tries=1,
    )
    try:
        client.channels([_CHANNEL])
    except QuotaExhausted as error:
        advice = "Wait for the reset. If you get more units, raise YOUTUBE_QUOTA_MAIN."
        yield Finding("youtube.answer", Level.WARNING, error.message, advice)
    except YouTubeError as error:
        yield _refusal(error)
    else:
        yield good("youtube.answer", "YouTube accepts the key.")


def _refusal(error: YouTubeError) -> Finding:
    message = errors.without_secrets(error.message or error.reason)
    if error.kind is Kind.CONFIGURATION:
        advice = "Correct the key, or enable the YouTube Data API v3 for its project. Then restart the workers."
        return Finding("youtube.answer", Level.ERROR, f"YouTube rejects the API key: {message}", advice)
    if error.kind is Kind.QUOTA:
        quota.refuse(error.bucket or Bucket.MAIN, error.reason)
        advice = "Wait for the reset. Others may use the key's units too."
        return Finding("youtube.answer", Level.WARNING, f"YouTube says that the quota is used up: {message}", advice)
    advice = "Check that this host reaches the YouTube API, and the proxy if there is one."
    return Finding("youtube.answer", Level.ERROR, f"YouTube gives no usable answer: {message}", advice)
