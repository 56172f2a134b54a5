"""`migrate` upgrades a database of an earlier main without loss.

`main_2026_11.sql.gz` was made by pg_dump (--rows-per-insert, so that no psql is needed) of a small site: jobs in every
status, a running one with a checkpoint, delayed ones, errors in groups, and counts that are partly not folded yet.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg import sql
from pytest_django import DjangoDbBlocker

from syncjobs import counters
from tests.factories import claim
from tests.migrations.databases import SCHEMA, Database, created

DUMP = Path(__file__).with_name("main_2026_11.sql.gz")
KEPT = (
    "auth_group", "auth_user", "auth_user_groups", "bands_band", "bands_video", "django_celery_beat_crontabschedule",
    "django_celery_beat_intervalschedule", "django_celery_beat_periodictask", "django_celery_results_taskresult",
    "django_session", "syncjobs_attempt", "syncjobs_auditentry", "syncjobs_bulkaction", "syncjobs_errorgroup",
    "syncjobs_joberror", "syncjobs_jobevent", "syncjobs_queue", "syncjobs_quotacall",
    "syncjobs_quotaday", "syncjobs_seenvideo", "syncjobs_syncjob", "syncjobs_worker", "token_blacklist_blacklistedtoken",
    "token_blacklist_outstandingtoken",
)  # fmt: skip
"""Tables whose rows and values must stay; columns may be added."""
RENAMED = {"handback_requested_at": "release_requested_at", "walk": "pass_number"}
"""Columns that have another name now."""
LONG_NAME = "x" * 80
_PERMISSIONS = """
    SELECT g.name, c.app_label || '.' || p.codename FROM auth_group g
      JOIN auth_group_permissions gp ON gp.group_id = g.id JOIN auth_permission p ON p.id = gp.permission_id
      JOIN django_content_type c ON c.id = p.content_type_id"""


@dataclass
class Upgraded:
    """A database restored from the dump, and its rows before and after the migration."""

    database: Database
    before: dict[str, list[Any]]
    after: dict[str, list[Any]]
    permissions: set[Any]


def _rows(session: psycopg.Connection[Any], table: str, columns: list[str]) -> list[Any]:
    names = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in columns)
    query = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(names, sql.Identifier(table), names)
    return session.execute(query).fetchall()


@pytest.fixture(scope="session")
def upgraded(django_db_blocker: DjangoDbBlocker) -> Iterator[Upgraded]:
    with created("upgrade", django_db_blocker) as database:
        yield _upgrade(database)


def _upgrade(database: Database) -> Upgraded:
    with psycopg.connect(database.url, autocommit=True) as session:
        session.execute(gzip.decompress(DUMP.read_bytes()))
        # On PostgreSQL 14, Django left this constraint out.
        session.execute("ALTER TABLE public.syncjobs_filterpreset DROP CONSTRAINT preset_name_once")
        filters = '{"sortBy": "completedAt", "sortOrder": "asc"}'
        for values in (
            (3, "Mine", 1, filters),
            (4, "Mine", None, "{}"),
            (5, LONG_NAME, None, "{}"),
            (6, LONG_NAME, None, "{}"),
        ):
            session.execute(
                "INSERT INTO public.syncjobs_filterpreset (id, name, owner_id, filters, created_by) VALUES (%s, %s, %s, %s, '')",
                values,
            )
    with psycopg.connect(database.url) as session:
        found = session.execute(
            "SELECT table_name::text, array_agg(column_name::text ORDER BY ordinal_position)"
            " FROM information_schema.columns WHERE table_name = ANY(%s) GROUP BY 1",
            [list(KEPT)],
        )
        columns = dict(found.fetchall())
        before = {table: _rows(session, table, columns[table]) for table in KEPT}
        permissions = set(session.execute(_PERMISSIONS).fetchall())
    database.manage("migrate", "--no-input")
    with psycopg.connect(database.url) as session:
        after = {table: _rows(session, table, [RENAMED.get(name, name) for name in columns[table]]) for table in KEPT}
    return Upgraded(database, before, after, permissions)


@pytest.fixture
def database(upgraded: Upgraded) -> Database:
    """Return the upgraded database, which all tests share."""
    return upgraded.database


@pytest.mark.parametrize("table", KEPT)
def test_an_upgrade_keeps_the_rows(upgraded: Upgraded, table: str) -> None:
    assert upgraded.before[table]
    assert len(upgraded.after[table]) == len(upgraded.before[table])
    assert upgraded.after[table] == upgraded.before[table]


def test_an_upgrade_makes_the_names_of_presets_unique_and_their_filters_snake_case(upgraded: Upgraded) -> None:
    assert upgraded.database.ask("SELECT name, owner_id, filters FROM syncjobs_filterpreset ORDER BY id") == [
        ("Mine", 1, {"band_id": "1"}),
        ("Failed", None, {"status": "FAILED", "job_type": "FULL_SYNC,ENRICH"}),
        ("Mine (3)", 1, {"sort_by": "completed_at", "sort_order": "asc"}),
        ("Mine", None, {}),
        (LONG_NAME, None, {}),
        (f"{LONG_NAME[:76]} (6)", None, {}),
    ]


def test_an_upgrade_keeps_the_permissions(upgraded: Upgraded) -> None:
    assert {group for group, _permission in upgraded.permissions} == {"MODERATOR", "ADMIN", "SUPER_ADMIN"}
    assert upgraded.permissions <= set(upgraded.database.ask(_PERMISSIONS))


def test_every_count_is_right(database: Database) -> None:
    deltas = "SELECT count(*) FROM syncjobs_jobdelta"
    assert database.ask(deltas) > [(0,)]  # Some counts of the dump are not folded yet.
    database.manage("reconcile", "--counts")  # The command raises an error if a count is wrong.
    with database.used():
        counters.fold()
    assert database.ask(deltas) == [(0,)]
    database.manage("reconcile", "--counts")


def test_no_migration_is_missing(database: Database) -> None:
    database.manage("makemigrations", "--check", "--dry-run")


@pytest.mark.django_db
def test_the_schema_equals_that_of_a_new_database(database: Database) -> None:
    with connection.cursor() as cursor:
        cursor.execute(SCHEMA)
        new = set(map(_plain, cursor.fetchall()))
    old = set(map(_plain, database.ask(SCHEMA)))
    assert (sorted(old - new), sorted(new - old)) == ([], [])


def _plain(row: tuple[str, str, str]) -> tuple[str, str, str]:
    """Remove the casts and parentheses that PostgreSQL changes when a condition is dumped and restored."""
    kind, name, definition = row
    if kind in ("constraint", "index"):
        definition = re.sub(r"::(character varying|[a-z]+)(\[\])?|[()]", "", definition)
    return kind, name, definition


def test_a_second_migrate_does_nothing(database: Database) -> None:
    assert "No migrations to apply" in database.manage("migrate", "--no-input")


def test_the_audit_is_still_append_only(database: Database) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.ask("UPDATE syncjobs_auditentry SET message = 'rewritten' RETURNING id")


def test_the_commands_work(database: Database) -> None:
    assert "video-sync" in database.manage("sync_status")


def test_a_job_can_be_claimed(database: Database) -> None:
    running = "SELECT count(*) FROM syncjobs_syncjob WHERE status = 'IN_PROGRESS'"
    ((before,),) = database.ask(running)
    with database.used():
        claim()
    assert database.ask(running) == [(before + 1,)]
    database.manage("reconcile", "--counts")
