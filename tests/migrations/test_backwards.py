"""Migrations run backwards and forwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings
from psycopg import sql
from psycopg.types.json import Jsonb

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
_SCHEMA = """
    SELECT table_name || '.' || column_name, concat_ws(' ', data_type, is_nullable, column_default)
      FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid)
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT tgrelid::regclass || ' ' || tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT proname::text, pg_get_functiondef(oid)
      FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'"""


@pytest.fixture
def database() -> Iterator[str]:
    base = urlsplit(settings.DATABASE_URL)
    name = f"test_backwards_{os.getpid()}"
    with psycopg.connect(base._replace(path="/postgres").geturl(), autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield base._replace(path=f"/{name}").geturl()
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _migrate(database: str, *target: str) -> None:
    environment = os.environ | {
        "DATABASE_URL": database,
        "REDIS_URL": settings.REDIS_URL,
        "DJANGO_SETTINGS_MODULE": "syncmonitor.settings",
    }
    command = [sys.executable, "manage.py", "migrate", "--no-input", *target]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def _schema(database: str) -> set[tuple[str, str]]:
    with psycopg.connect(database) as session:
        return set(session.execute(_SCHEMA).fetchall())


def _presets(database: str) -> list[tuple[dict[str, str]]]:
    with psycopg.connect(database) as session:
        return session.execute("SELECT filters FROM syncjobs_filterpreset ORDER BY id").fetchall()


def test_presets_keep_their_filters_backwards_and_forwards(database: str) -> None:
    _migrate(database)
    now = {"job_type": "PRUNE", "sort_by": "completed_at", "status": "FAILED"}
    with psycopg.connect(database) as session:
        session.execute(
            "INSERT INTO syncjobs_filterpreset (name, filters, created_by) VALUES ('One', %s, ''), ('Two', '{}', '')",
            [Jsonb(now)],
        )
    _migrate(database, "syncjobs", "0004")
    assert _presets(database) == [({"jobType": "PRUNE", "sortBy": "completedAt", "status": "FAILED"},), ({},)]
    _migrate(database, "syncjobs")
    assert _presets(database) == [(now,), ({},)]


def test_migrations_run_backwards_and_forwards(database: str) -> None:
    _migrate(database)
    schema = _schema(database)
    for target in (("syncjobs", "0002"), ("syncjobs", "0001"), ("syncjobs", "zero"), ("bands", "zero")):
        _migrate(database, *target)
    assert not [name for name, _definition in _schema(database) if name.startswith(("syncjobs_", "bands_"))]
    _migrate(database)
    assert _schema(database) == schema
