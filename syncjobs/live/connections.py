"""Connections to the database for code on the event loop, where Django's own can't be used."""

from __future__ import annotations

from typing import Any

import psycopg
from django.db import connection, connections

_DJANGOS_OWN = ("cursor_factory", "pool", "context", "prepare_threshold", "server_side_binding")


async def connect(**options: Any) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """A connection that is nobody else's, in autocommit, to Django's database. Raises psycopg.OperationalError."""
    given = connections["default"].get_connection_params()
    kept = {name: value for name, value in given.items() if name not in _DJANGOS_OWN}
    # Prepared statements would not outlive a transaction behind PgBouncer.
    made = await psycopg.AsyncConnection.connect(**kept | options, autocommit=True, prepare_threshold=None)
    await made.execute("SET timezone TO 'UTC'")
    return made


def give_back() -> None:
    """For a view whose answer may be under way for long: its own connection would be kept from others until the end."""
    if not connection.in_atomic_block:
        connection.close()
