"""Migrations run backwards and forwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.migrations.databases import SCHEMA, Database, created


@pytest.fixture
def database(django_db_blocker: DjangoDbBlocker) -> Iterator[Database]:
    with created("backwards", django_db_blocker) as database:
        yield database


def test_migrations_run_backwards_and_forwards(database: Database) -> None:
    database.manage("migrate", "--no-input")
    schema = set(database.ask(SCHEMA))
    for target in (("syncjobs", "0002"), ("syncjobs", "0001"), ("syncjobs", "zero"), ("bands", "zero")):
        database.manage("migrate", "--no-input", *target)
    names = {name for _kind, name, _definition in database.ask(SCHEMA)}
    assert not [name for name in names if name.startswith(("syncjobs_", "bands_"))]
    database.manage("migrate", "--no-input")
    assert set(database.ask(SCHEMA)) == schema
