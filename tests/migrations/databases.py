"""Databases besides the test's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from psycopg import sql
from pytest_django import DjangoDbBlocker

SCHEMA = """
    SELECT 'column', table_name || '.' || column_name,
           concat_ws(' ', data_type, character_maximum_length, is_nullable, column_default, identity_generation)
      FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT 'constraint', conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid)
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT 'trigger', tgrelid::regclass || ' ' || tgname, pg_get_triggerdef(oid)
      FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'function', proname::text, pg_get_functiondef(oid)
      FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'"""


def _url(name: str) -> str:
    return urlsplit(settings.DATABASE_URL)._replace(path=f"/{name}").geturl()


@dataclass(frozen=True)
class Database:
    """A database, and how to use it."""

    name: str
    blocker: DjangoDbBlocker

    @property
    def url(self) -> str:
        return _url(self.name)

    def ask(self, query: str) -> list[Any]:
        with psycopg.connect(self.url) as session:
            return session.execute(query).fetchall()  # type: ignore[arg-type]

    @contextmanager
    def used(self) -> Iterator[None]:
        """Let Django use this database instead of the test's."""
        tests = connection.settings_dict["NAME"]
        with self.blocker.unblock():
            _switch(self.name)
            try:
                yield
            finally:
                _switch(tests)

    def manage(self, *arguments: str) -> str:
        """Run a command of manage.py, and return its output. Raises what the command raises."""
        output = StringIO()
        with self.used():
            call_command(*arguments, stdout=output)
        return output.getvalue()


def _switch(name: str) -> None:
    connection.close()
    connection.settings_dict["NAME"] = name
    ContentType.objects.clear_cache()  # The ids differ.


@contextmanager
def created(purpose: str, blocker: DjangoDbBlocker, template: str = "template1") -> Iterator[Database]:
    """Create a database, as a copy of another one to which nobody is connected, and drop it at the end."""
    name = f"test_{purpose}_{os.getpid()}"
    identifier = sql.Identifier(name)
    # A connection for each, because other tests restart the server meanwhile.
    with psycopg.connect(_url("postgres"), autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(identifier, sql.Identifier(template)))
    try:
        yield Database(name, blocker)
    finally:
        with psycopg.connect(_url("postgres"), autocommit=True) as server:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))
