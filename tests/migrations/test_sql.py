"""The functions, triggers and storage settings in the database are those of `syncjobs/sql/`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import connection

import syncjobs.sql

FILES = sorted(Path(syncjobs.sql.__file__).parent.glob("*.sql"))
_FUNCTIONS = """
    SELECT proname::text, pg_get_functiondef(oid) FROM pg_proc
     WHERE pronamespace = 'public'::regnamespace AND prokind = 'f' AND proname LIKE 'syncjobs%'"""
_TRIGGERS = """
    SELECT tgrelid::regclass::text || '.' || tgname, pg_get_triggerdef(oid) FROM pg_trigger
     WHERE NOT tgisinternal AND tgrelid::regclass::text ~ '^(syncjobs|bands)'"""

_PRIMARY_KEYS = """
    SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
     WHERE contype = 'p' AND conrelid::regclass::text LIKE 'syncjobs%'"""
_SETTINGS = """
    SELECT relname::text, array_to_string(reloptions, ', ') FROM pg_class
     WHERE reloptions IS NOT NULL AND relkind = 'r' AND relname LIKE 'syncjobs%'"""
_ALL = (_FUNCTIONS, _TRIGGERS, _PRIMARY_KEYS, _SETTINGS)


def _rows(query: str) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return dict(cursor.fetchall())


@pytest.mark.django_db
def test_the_files_change_nothing_in_the_database() -> None:
    before = [_rows(query) for query in _ALL]
    with connection.cursor() as cursor:
        # A setting that the files don't have would otherwise stay unnoticed.
        for table, settings in _rows(_SETTINGS).items():
            cursor.execute(f"ALTER TABLE {table} RESET ({re.sub(r'=[^,]+', '', settings)})")
        for file in FILES:
            cursor.execute(file.read_text())
    assert [_rows(query) for query in _ALL] == before


@pytest.mark.django_db
def test_the_database_has_nothing_beyond_the_files() -> None:
    text = "\n".join(file.read_text() for file in FILES)
    triggers = re.findall(r"REPLACE TRIGGER (\w+) (?:AFTER|BEFORE) [\w ]+? ON (\w+)", text)
    assert set(_rows(_FUNCTIONS)) == set(re.findall(r"REPLACE FUNCTION (\w+)\(", text))
    assert set(_rows(_TRIGGERS)) == {f"{table}.{name}" for name, table in triggers}
    including = {table for table, definition in _rows(_PRIMARY_KEYS).items() if "INCLUDE" in definition}
    assert including == set(re.findall(r"ALTER TABLE (\w+) DROP CONSTRAINT \w+_pkey", text))


@pytest.mark.django_db
def test_every_function_has_a_version() -> None:
    assert all(re.search(r"_v\d+\Z", name) for name in _rows(_FUNCTIONS))
