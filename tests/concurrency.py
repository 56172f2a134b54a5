"""Helpers for tests of locks: start a thread that waits for a lock, and detect that it waits."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from django.db import connection, connections

from tests.factories import wait_for

T = TypeVar("T")


def someone_waits_for_a_lock() -> bool:
    """Return whether a session of the test's database is waiting for a lock."""
    with connection.cursor() as cursor:
        # Within a transaction, PostgreSQL keeps its first snapshot of the activity.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
        )
        return bool(cursor.fetchone()[0])


def start_and_wait_for_lock(act: Callable[[], T]) -> Future[T]:
    """Start `act` in another thread; return once it waits for a lock that the caller's transaction holds."""

    def run() -> T:
        try:
            return act()
        finally:
            connections.close_all()

    pool = ThreadPoolExecutor(1)
    future = pool.submit(run)
    wait_for(someone_waits_for_a_lock)
    pool.shutdown(wait=False)
    return future


def in_thread(act: Callable[[], T]) -> T:
    """Call `act` in another thread, which has a database connection of its own, and return its result."""

    def run() -> T:
        try:
            return act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


def in_parallel(count: int, act: Callable[[int], T]) -> list[T]:
    """Call `act` with 0 to `count` - 1 at once, each in a thread with a connection of its own; return the results."""

    def run(number: int) -> T:
        try:
            return act(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
