from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django.db import connection
from django.utils import translation
from pytest_django import DjangoDbBlocker

from syncjobs.youtube.simulator import Simulator


@pytest.fixture(scope="session", autouse=True)
def no_session_left(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The threads that fetch ahead keep their connections; the test database can't be dropped while they last."""
    yield
    # Ours may have been cut off by a test: beside the browser's event loop, Django keeps another one for the same thread.
    connection.close()
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """A request leaves the language it was answered in with its thread, which here is the next test's too."""
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def fresh_rates() -> None:
    """Clear the cache, so that the rate limits on logging in and triggering are counted per test."""
    cache.clear()


@pytest.fixture
def youtube(settings: LazySettings) -> Iterator[Simulator]:
    """A simulated YouTube that the code under test talks to, over HTTP."""
    with Simulator(key=settings.YOUTUBE_API_KEY) as simulator:
        settings.YOUTUBE_API_ENDPOINT = simulator.url
        yield simulator
