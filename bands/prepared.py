"""Statements that come often and at once: PostgreSQL parses and plans them once for each connection.

Django has every statement parsed and planned each time, which for some takes several times as long as its execution.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import DatabaseError, connection
from django.db.backends.postgresql.base import ServerBindingCursor

logger = logging.getLogger(__name__)

_REFUSALS = (
    psycopg.errors.InvalidSqlStatementName,
    psycopg.errors.DuplicatePreparedStatement,
    psycopg.errors.ProtocolViolation,
    psycopg.errors.FeatureNotSupported,
)
"""PgBouncer before 1.21 mixes the prepared statements of connections up in transaction mode. The last one is PostgreSQL's answer
after a migration has changed the type of a column: https://www.postgresql.org/docs/current/sql-prepare.html
"""
_is_possible = True


def execute(statement: str, values: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Execute a statement and return its rows. Use it for those that are the same each time, but for their values.

    A statement within a transaction is not prepared: it could not be repeated if that is refused.
    """
    global _is_possible
    if _is_possible and not connection.in_atomic_block:
        try:
            return _execute(_prepared_cursor(), statement, values)
        except DatabaseError as error:
            # It was refused before it was executed.
            if not isinstance(error.__cause__, _REFUSALS):
                raise
            _is_possible = False
            logger.warning("From now on, statements are not prepared, which would save time: %s", error)
    return _execute(connection.cursor(), statement, values)


def _prepared_cursor() -> Any:
    connection.ensure_connection()
    connection.connection.prepare_threshold = 0
    return connection._prepare_cursor(ServerBindingCursor(connection.connection))  # type: ignore[attr-defined, call-arg]


def _execute(cursor: Any, statement: str, values: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
