"""Django's PostgreSQL backend, whose pool is whole again at once after the server was away."""

from __future__ import annotations

from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool

from .connection import ANSWER_SECONDS, CHECK_SECONDS


class DatabaseWrapper(base.DatabaseWrapper):
    """Replaces all idle connections of the pool as soon as one of them turns out to be dead."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a working connection from the pool, or a new one if there is no pool. Raises OperationalError.

        psycopg's own check replaces one dead connection after the other, with growing pauses. After a restart of the
        server all are dead, so that a pool of 20 would need minutes.
        """
        connection: Any = super().get_new_connection(conn_params)
        if not self.pool:
            return connection
        connection.answer_seconds = CHECK_SECONDS
        try:
            ConnectionPool.check_connection(connection)
        except psycopg.Error:
            self.pool.putconn(connection)
            self.pool.drain()
            connection = super().get_new_connection(conn_params)
        connection.answer_seconds = ANSWER_SECONDS
        return connection
