"""Database connections for code on the event loop, which can't use Django's."""

from __future__ import annotations

from typing import Any

import psycopg
from django.db import connection, connections

_DJANGO_ONLY = ("cursor_factory", "pool", "context", "prepare_threshold", "server_side_binding")


async def connect(**options: Any) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """Open a new connection to Django's database, in autocommit mode. Raises psycopg.OperationalError."""
    parameters = connections["default"].get_connection_params()
    kept = {name: value for name, value in parameters.items() if name not in _DJANGO_ONLY}
    # Behind PgBouncer, prepared statements would not outlive a transaction.
    opened = await psycopg.AsyncConnection.connect(**kept | options, autocommit=True, prepare_threshold=None)
    await opened.execute("SET timezone TO 'UTC'")
    return opened


def release() -> None:
    """Close the view's own connection before a long response, which would occupy it until the end."""
    if not connection.in_atomic_block:
        connection.close()
