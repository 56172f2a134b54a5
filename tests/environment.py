"""The environment of the tests, set before Django reads it: none of the developer's settings, and separate services.

pytest loads this as a plugin (see pyproject.toml). Each process of pytest-xdist has its own PostgreSQL and Redis, so that a
test may flush either one.
"""

from __future__ import annotations

import os
import sys

# Compiled once, a process of the project starts in three quarters of the time. The tests start hundreds of them.
sys.dont_write_bytecode = False
os.environ |= {
    "PYTHONDONTWRITEBYTECODE": "",
    "DEBUG": "true",
    "DJANGO_SETTINGS_MODULE": "tests.settings",
    "SYNCMONITOR_INSTANCE": "-".join(filter(None, ["test", os.environ.get("PYTEST_XDIST_WORKER")])),
    "YOUTUBE_API_KEY": "AIza-test-key-0123456789",
    "YOUTUBE_API_ENDPOINT": "http://127.0.0.1:9",
    "YOUTUBE_QUOTA_RESERVED": "0",
    # Long, so that a busy machine loses no lease. Workers that tests kill have a short one: see `processes.environment`.
    "SYNC_LEASE_SECONDS": "20",
    "SYNC_CANCEL_GRACE_SECONDS": "2",
    "SYNC_RETRY_BASE_SECONDS": "1",
}
