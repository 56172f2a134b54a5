"""Loaded by pytest before Django's settings are: tests have a PostgreSQL and a Redis of their own, and no other settings."""

from __future__ import annotations

import os

os.environ |= {
    "DEBUG": "true",
    "SYNCMONITOR_INSTANCE": "test",
    "YOUTUBE_API_KEY": "AIza-test-key-0123456789",
    "YOUTUBE_API_ENDPOINT": "http://127.0.0.1:9",
    "YOUTUBE_QUOTA_RESERVED": "0",
    "SYNC_LEASE_SECONDS": "4",
    "SYNC_CANCEL_GRACE_SECONDS": "2",
    "SYNC_RETRY_BASE_SECONDS": "1",
}

from syncmonitor import embedded

embedded.ensure()
