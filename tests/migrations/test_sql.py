"""The functions and triggers in the database are those of `syncjobs/sql/`."""

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
     WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'syncjobs%'"""


def _rows(query: str) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return dict(cursor.fetchall())


@pytest.mark.django_db
def test_the_files_change_nothing_in_the_database() -> None:
    functions, triggers = _rows(_FUNCTIONS), _rows(_TRIGGERS)
    with connection.cursor() as cursor:
        for file in FILES:
            cursor.execute(file.read_text())
    assert _rows(_FUNCTIONS) == functions
    assert _rows(_TRIGGERS) == triggers


@pytest.mark.django_db
def test_the_database_has_nothing_beyond_the_files() -> None:
    text = "\n".join(file.read_text() for file in FILES)
    triggers = re.findall(r"REPLACE TRIGGER (\w+) (?:AFTER|BEFORE) [\w ]+? ON (\w+)", text)
    assert set(_rows(_FUNCTIONS)) == set(re.findall(r"REPLACE FUNCTION (\w+)\(", text))
    assert set(_rows(_TRIGGERS)) == {f"{table}.{name}" for name, table in triggers}


@pytest.mark.django_db
def test_every_function_has_a_version() -> None:
    assert all(re.search(r"_v\d+\Z", name) for name in _rows(_FUNCTIONS))
