"""A server with the feed of changes, and clients that watch it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker
from rest_framework_simplejwt.tokens import AccessToken

from tests.live.watchers import Watch, Watcher, access_token
from tests.processes import pooled_server


@pytest.fixture(scope="package")
def site(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    with django_db_blocker.unblock(), pooled_server("tests.live.quick_site:application") as (url, _):
        yield url


@pytest.fixture
def watch(site: str) -> Iterator[Watch]:
    """Start watching as a moderator, from the position `last`."""
    watchers: list[Watcher] = []
    token = access_token()

    def start(last: str | None = None, token: AccessToken = token) -> Watcher:
        watchers.append(Watcher(site, token, last))
        return watchers[-1]

    yield start
    for watcher in watchers:
        watcher.close()
