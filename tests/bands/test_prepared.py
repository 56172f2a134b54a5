"""Prepared statements, and databases that take none."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.db import DataError, ProgrammingError, connection, transaction

from bands import prepared
from tests.concurrency import in_thread

pytestmark = pytest.mark.django_db(transaction=True)
STATEMENT = "SELECT %(text)s || '!'"


@pytest.fixture(autouse=True)
def prepared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "_is_possible", True)


def known() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%||%'")
        return int(cursor.fetchone()[0])


def test_a_statement_is_prepared_once_and_not_within_a_transaction() -> None:
    with transaction.atomic():
        assert prepared.execute(STATEMENT, {"text": "a"}) == [("a!",)]
        assert known() == 0
    for text in ("a", "b"):
        assert prepared.execute(STATEMENT, {"text": text}) == [(f"{text}!",)]
        assert known() == 1
    with pytest.raises(DataError):
        prepared.execute("SELECT 1 / %(n)s::int", {"n": 0})
    assert prepared._is_possible


@pytest.mark.parametrize(
    "refusal",
    [
        psycopg.errors.InvalidSqlStatementName,
        psycopg.errors.DuplicatePreparedStatement,
        psycopg.errors.ProtocolViolation,
        psycopg.errors.FeatureNotSupported,
    ],
)
def test_a_database_that_refuses_prepared_statements_executes_them_as_usual(
    monkeypatch: pytest.MonkeyPatch, refusal: type[Exception]
) -> None:
    asked = []

    def refuse() -> Any:
        asked.append(1)
        raise ProgrammingError from refusal()

    monkeypatch.setattr(prepared, "_prepared_cursor", refuse)
    for text in ("a", "b"):
        assert prepared.execute(STATEMENT, {"text": text}) == [(f"{text}!",)]
    assert len(asked) == 1


def test_a_statement_is_executed_after_a_migration_has_changed_a_column() -> None:
    def migrate(statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    in_thread(lambda: migrate("CREATE TABLE migrated AS SELECT 1 AS a"))
    try:
        assert prepared.execute("SELECT a FROM migrated WHERE a::text = %(a)s", {"a": "1"}) == [(1,)]
        in_thread(lambda: migrate("ALTER TABLE migrated ALTER a TYPE text"))
        assert prepared.execute("SELECT a FROM migrated WHERE a::text = %(a)s", {"a": "1"}) == [("1",)]
        assert not prepared._is_possible
    finally:
        in_thread(lambda: migrate("DROP TABLE migrated"))
