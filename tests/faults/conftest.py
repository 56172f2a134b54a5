from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.conf import LazySettings

from syncjobs.youtube.simulator import Simulator
from tests.processes import Workers, environment


@pytest.fixture
def broker(settings: LazySettings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushall()
        yield client


@pytest.fixture
def workers(transactional_db: None, youtube: Simulator, broker: redis.Redis, tmp_path: Path) -> Iterator[Workers]:
    started = Workers(environment(youtube.url), tmp_path)
    yield started
    started.kill_all()
