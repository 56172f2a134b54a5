"""`migrate` upgrades a database of an earlier main without loss.

`main_2026_11.sql.gz` was made by pg_dump (--rows-per-insert, so that no psql is needed) of a small site: jobs in every
status, a running one with a checkpoint, delayed ones, errors in groups, and counts that are partly not folded yet.
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from psycopg import sql

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
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
_PERMISSIONS = """
    SELECT g.name, c.app_label || '.' || p.codename FROM auth_group g
      JOIN auth_group_permissions gp ON gp.group_id = g.id JOIN auth_permission p ON p.id = gp.permission_id
      JOIN django_content_type c ON c.id = p.content_type_id"""

_SCHEMA = """
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


@dataclass
class Upgraded:
    """A database restored from the dump, and its rows before the migration."""

    url: str
    before: dict[str, list[Any]]
    after: dict[str, list[Any]]
    permissions: set[Any]

    def ask(self, query: str) -> list[Any]:
        with psycopg.connect(self.url) as session:
            return session.execute(query).fetchall()  # type: ignore[arg-type]

    def manage(self, *arguments: str) -> str:
        return _python(self.url, "manage.py", *arguments)

    def run(self, code: str) -> None:
        _python(self.url, "-c", f"import django; django.setup(); {code}")


def _python(url: str, *arguments: str) -> str:
    """Run Python in the project with that database and return its output; raise if it fails."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=_environment(url),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _environment(url: str) -> Mapping[str, str]:
    return os.environ | {
        "DATABASE_URL": url,
        "REDIS_URL": settings.REDIS_URL,
        "DJANGO_SETTINGS_MODULE": "syncmonitor.settings",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _rows(session: psycopg.Connection[Any], table: str, columns: list[str]) -> list[Any]:
    names = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in columns)
    query = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(names, sql.Identifier(table), names)
    return session.execute(query).fetchall()


@pytest.fixture(scope="module")
def upgraded() -> Iterator[Upgraded]:
    base = urlsplit(settings.DATABASE_URL)
    name = f"test_upgrade_{os.getpid()}"
    url = base._replace(path=f"/{name}").geturl()
    with psycopg.connect(base._replace(path="/postgres").geturl(), autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield _upgrade(url)
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _upgrade(url: str) -> Upgraded:
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(gzip.decompress(DUMP.read_bytes()))
    with psycopg.connect(url) as session:
        found = session.execute(
            "SELECT table_name::text, array_agg(column_name::text ORDER BY ordinal_position)"
            " FROM information_schema.columns WHERE table_name = ANY(%s) GROUP BY 1",
            [list(KEPT)],
        )
        columns = dict(found.fetchall())
        before = {table: _rows(session, table, columns[table]) for table in KEPT}
        permissions = set(session.execute(_PERMISSIONS).fetchall())
    _python(url, "manage.py", "migrate", "--no-input")
    with psycopg.connect(url) as session:
        after = {table: _rows(session, table, columns[table]) for table in KEPT}
    return Upgraded(url, before, after, permissions)


@pytest.mark.parametrize("table", KEPT)
def test_an_upgrade_keeps_the_rows(upgraded: Upgraded, table: str) -> None:
    assert upgraded.before[table]
    assert len(upgraded.after[table]) == len(upgraded.before[table])
    assert upgraded.after[table] == upgraded.before[table]


def test_an_upgrade_names_the_filters_of_presets_in_snake_case(upgraded: Upgraded) -> None:
    assert upgraded.ask("SELECT name, owner_id, filters FROM syncjobs_filterpreset ORDER BY id") == [
        ("Mine", 1, {"band_id": "1"}),
        ("Failed", None, {"status": "FAILED", "job_type": "FULL_SYNC,ENRICH"}),
    ]


def test_an_upgrade_keeps_the_permissions(upgraded: Upgraded) -> None:
    assert {group for group, _permission in upgraded.permissions} == {"MODERATOR", "ADMIN", "SUPER_ADMIN"}
    assert upgraded.permissions <= set(upgraded.ask(_PERMISSIONS))


def test_every_count_is_right(upgraded: Upgraded) -> None:
    deltas = "SELECT count(*) FROM syncjobs_jobdelta"
    assert upgraded.ask(deltas) > [(0,)]  # Some counts of the dump are not folded yet.
    upgraded.manage("reconcile", "--counts")  # The command exits with 1 if a count is wrong.
    upgraded.run("from syncjobs import counters; counters.fold()")
    assert upgraded.ask(deltas) == [(0,)]
    upgraded.manage("reconcile", "--counts")


def test_no_migration_is_missing(upgraded: Upgraded) -> None:
    upgraded.manage("makemigrations", "--check", "--dry-run")


@pytest.mark.django_db
def test_the_schema_equals_that_of_a_new_database(upgraded: Upgraded) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_SCHEMA)
        new = set(map(_plain, cursor.fetchall()))
    old = set(map(_plain, upgraded.ask(_SCHEMA)))
    assert (sorted(old - new), sorted(new - old)) == ([], [])


def _plain(row: tuple[str, str, str]) -> tuple[str, str, str]:
    """Remove the casts and parentheses that PostgreSQL changes when a condition is dumped and restored."""
    kind, name, definition = row
    if kind in ("constraint", "index"):
        definition = re.sub(r"::(character varying|[a-z]+)(\[\])?|[()]", "", definition)
    return kind, name, definition


def test_a_second_migrate_does_nothing(upgraded: Upgraded) -> None:
    assert "No migrations to apply" in upgraded.manage("migrate", "--no-input")


def test_the_audit_is_still_append_only(upgraded: Upgraded) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        upgraded.ask("UPDATE syncjobs_auditentry SET message = 'rewritten' RETURNING id")


def test_the_commands_work(upgraded: Upgraded) -> None:
    assert "video-sync" in upgraded.manage("sync_status")


def test_a_job_can_be_claimed(upgraded: Upgraded) -> None:
    running = "SELECT count(*) FROM syncjobs_syncjob WHERE status = 'IN_PROGRESS'"
    ((before,),) = upgraded.ask(running)
    upgraded.run("from tests.factories import claim; claim()")
    assert upgraded.ask(running) == [(before + 1,)]
    upgraded.manage("reconcile", "--counts")
