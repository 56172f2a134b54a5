from __future__ import annotations

import gc
import itertools
from collections.abc import Iterator

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Group
from django.db import connection
from django.test import TransactionTestCase
from django.utils import translation
from pytest_django import DjangoDbBlocker

from syncjobs import limits
from syncjobs.apps import ensure_rows
from syncjobs.operations import people
from syncjobs.youtube import client
from syncjobs.youtube.simulator import Simulator
from syncmonitor import embedded

# Tables that all tests share: filled by the migrations, or once per session by `django_db_setup`.
KEPT = (
    "django_migrations",
    "django_content_type",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
    "syncjobs_jobchangehorizon",
)

SLOW = ("browser", "faults", "fuzz")
"""The markers of slow tests."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the slow tests, those that compute and those that wait in processes of their own.

    Each process gets a share of the list and takes over tests of others when it is done. It can't take the last two, so
    a process that has slow tests left would be on its own for minutes.
    """
    processes = int(getattr(config, "workerinput", {}).get("workercount", 1))
    kinds: dict[str, list[pytest.Item]] = {name: [] for name in (*SLOW, "")}
    for item in items:
        kinds[next(filter(item.get_closest_marker, SLOW), "")].append(item)
    # Tests that kill processes wait most of the time, and take the longest.
    slow = [kinds["browser"], kinds["faults"][::2], kinds["faults"][1::2], kinds["fuzz"]]
    quick = iter(kinds[""])
    ordered: list[pytest.Item] = []
    for number in range(processes):
        share = [item for kind in slow[number::processes] for item in kind]
        size = (len(items) - len(ordered)) // (processes - number)
        ordered += [*share, *itertools.islice(quick, max(0, size - len(share)))]
    items[:] = [*ordered, *quick]


def pytest_collection_finish() -> None:
    """Keep the garbage collector from visiting all modules and tests again and again: that takes a tenth of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def services() -> None:
    """Start the PostgreSQL and the Redis of this process."""
    embedded.ensure()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None, services: None) -> None:
    """Start the services before pytest-django creates the database, and let a test's transaction last on a busy machine."""
    options = connection.settings_dict["OPTIONS"]
    options["options"] = f"{options['options']} -c idle_in_transaction_session_timeout=60000"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Create the roles, and speed up the reset after a transactional test."""
    with django_db_blocker.unblock():
        _do_not_wait_for_the_disk()
        empty_tables()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda self: empty_tables())
        yield
    with django_db_blocker.unblock():
        # Threads that fetch ahead keep their connections; the test database can't be dropped while they are open.
        # A test may have closed our connection or opened another one: Playwright's event loop has its own.
        connection.close()
        terminate_other_connections()


def _do_not_wait_for_the_disk() -> None:
    """Turn off waiting for the disk: the data need not survive a crash of the machine."""
    with connection.cursor() as cursor:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            cursor.execute(f"ALTER SYSTEM SET {name} = off")
        cursor.execute("SELECT pg_reload_conf()")


def empty_tables() -> None:
    """Delete every row except those that all tests share.

    Django's flush takes 100 times as long: it truncates all tables and creates the permissions again.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DO $$
            DECLARE
                name regclass;
            BEGIN
                SET LOCAL session_replication_role = replica;  -- No triggers, no foreign keys.
                FOR name IN
                    SELECT oid FROM pg_class
                    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> ALL (%s)
                LOOP
                    EXECUTE format('DELETE FROM %%s', name);
                END LOOP;
            END $$
            """,
            [list(KEPT)],
        )
    ensure_rows("default")
    if not Group.objects.exists():  # The test has flushed the database itself.
        people.setup_roles()


def terminate_other_connections() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Restore the language after each test, because a request leaves its language active in the thread."""
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def quick_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Don't slow down whoever guesses passwords in the tests' own process."""
    monkeypatch.setattr(limits, "_sleep", lambda seconds: None)


@pytest.fixture
def youtube(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """Start a simulated YouTube, and point the code under test to it. Calls are repeated almost at once."""
    monkeypatch.setattr(client, "MAX_BACKOFF_SECONDS", 0.01)
    with Simulator(key=settings.YOUTUBE_API_KEY) as simulator:
        settings.YOUTUBE_API_ENDPOINT = simulator.url
        settings.YOUTUBE_FEED_ENDPOINT, settings.YOUTUBE_HUB = simulator.feed_url, simulator.hub_url
        yield simulator
