"""Tests run against a PostgreSQL and a Redis of their own, unless DATABASE_URL and REDIS_URL name others."""

from __future__ import annotations

import os

os.environ.setdefault("DEBUG", "true")
os.environ.setdefault("SYNCMONITOR_INSTANCE", "test")
os.environ["YOUTUBE_API_KEY"] = "AIza-test-key-0123456789"
os.environ["YOUTUBE_QUOTA_RESERVED"] = "0"

from syncmonitor import embedded

embedded.ensure()
