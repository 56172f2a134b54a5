"""What can be wrong with PostgreSQL: its version, settings and connections, our rights, the schema and its triggers."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from ... import sql
from ...exceptions import one_line, unavailable
from .findings import Finding, Level, good

OLDEST = 140_000
"""The oldest supported version, as server_version_num."""
FREE_CONNECTIONS = 10
_SETTINGS = {
    "server_encoding": (("UTF8",), Level.ERROR, "names can't be stored", "Create the database with ENCODING 'UTF8'."),
    "default_transaction_isolation": (
        ("read committed",),
        Level.ERROR,
        "claims and counts rely on it",
        "Set default_transaction_isolation to 'read committed' for the role.",
    ),
    "fsync": (("on",), Level.ERROR, "a crash of the host can destroy the data", "Set fsync = on."),
    "full_page_writes": (
        ("on",),
        Level.ERROR,
        "a crash of the host can destroy the data",
        "Set full_page_writes = on.",
    ),
    "synchronous_commit": (
        ("on", "remote_apply", "remote_write", "local"),
        Level.WARNING,
        "a crash of PostgreSQL loses what was answered just before, also pushed videos, which feeds bring later",
        "Set synchronous_commit = on.",
    ),
    "autovacuum": (("on",), Level.WARNING, "tables grow and become slow", "Set autovacuum = on."),
    "track_counts": (("on",), Level.WARNING, "autovacuum doesn't work without it", "Set track_counts = on."),
}
"""For each setting: the right values, how bad another value is, why, and what to do."""
_READ_ONLY_TABLES = {"django_migrations"}
_APPEND_ONLY_TABLES = {"syncjobs_auditentry"}
_FUNCTION = re.compile(r"CREATE OR REPLACE FUNCTION (\w+)\(.*?\bAS \$\$(.*?)\$\$", re.DOTALL)
_TRIGGER = re.compile(r"CREATE OR REPLACE TRIGGER (\w+) [^;]*? ON (\w+)\s[^;]*;")


def _rows(statement: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def answers() -> Iterator[Finding]:
    """Connect. Raises what Django raises if that fails."""
    [(name, user)] = _rows("SELECT current_database(), current_user")
    yield good("postgresql", f"PostgreSQL answers: database {name}, role {user}.")


def version() -> Iterator[Finding]:
    """Compare the server's version with the oldest that is supported."""
    [(number, text)] = _rows("SELECT current_setting('server_version_num')::int, current_setting('server_version')")
    if number < OLDEST:
        advice = f"Upgrade to PostgreSQL {OLDEST // 10_000} or newer."
        yield Finding("postgresql.version", Level.ERROR, f"PostgreSQL {text} is too old.", advice)
    else:
        yield good("postgresql.version", f"PostgreSQL {text} is supported.")


def writable() -> Iterator[Finding]:
    """Write a row, and take it back."""
    try:
        with transaction.atomic():
            _write()
            transaction.set_rollback(True)
    except DatabaseError as error:
        outage = unavailable(error)
        message = outage.message if outage else "PostgreSQL refuses to write."
        advice = "Connect to the primary server, free its disk, or grant the role what it needs."
        yield Finding("postgresql.writable", Level.ERROR, f"{message} {one_line(error)}", advice)
    else:
        yield good("postgresql.writable", "PostgreSQL takes writes.")


def _write() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('syncmonitor_cache') IS NOT NULL")
        if cursor.fetchone()[0]:
            cursor.execute(
                "INSERT INTO syncmonitor_cache (cache_key, value, expires) VALUES ('doctor', '', now())"
                " ON CONFLICT (cache_key) DO UPDATE SET expires = EXCLUDED.expires"
            )
        else:
            # Before the first migration. It is refused where writes are.
            cursor.execute("SELECT txid_current()")


def configuration() -> Iterator[Finding]:
    """Compare settings that matter with what they should be, and look for triggers being switched off."""
    values = dict(_rows("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(_SETTINGS)]))
    wrong = [name for name, (right, *_rest) in _SETTINGS.items() if values.get(name) not in right]
    for name in wrong:
        _right, level, why, advice = _SETTINGS[name]
        yield Finding("postgresql.settings", level, f"{name} is {values.get(name)}: {why}.", advice)
    [(role,)] = _rows("SELECT current_setting('session_replication_role')")
    if role == "replica":
        message = "session_replication_role is replica, so triggers don't count jobs."
        yield Finding("postgresql.settings", Level.ERROR, message, "Reset session_replication_role for the role.")
    elif not wrong:
        yield good("postgresql.settings", f"{len(_SETTINGS)} settings are as they should be.")


def connections() -> Iterator[Finding]:
    """Compare the number of connections with the server's limit and the role's."""
    [(most, used, of_role, role_limit)] = _rows(
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,"
        " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),"
        " (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user),"
        " (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user)"
    )
    free = min(most - used, role_limit - of_role if role_limit >= 0 else most)
    if free < FREE_CONNECTIONS:
        message = f"Only {max(0, free)} more connections to PostgreSQL are possible ({used} of {most} are open)."
        advice = "Raise max_connections, or lower DATABASE_POOL_SIZE and the number of worker processes."
        yield Finding("postgresql.connections", Level.WARNING, message, advice)
    else:
        yield good("postgresql.connections", f"{free} more connections to PostgreSQL are possible.")


def encryption() -> Iterator[Finding]:
    """Warn of a connection without TLS to an address that is not private."""
    host = str(connection.settings_dict["HOST"])
    [(is_encrypted,)] = _rows("SELECT coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)")
    if is_encrypted:
        yield good("postgresql.tls", "The connection to PostgreSQL is encrypted.")
    elif is_private(host):
        yield good("postgresql.tls", "The connection to PostgreSQL is not encrypted, but its address is private.")
    else:
        message = f"The connection to PostgreSQL at {host} is not encrypted."
        yield Finding("postgresql.tls", Level.WARNING, message, "Add ?sslmode=verify-full to DATABASE_URL.")


def is_private(host: str) -> bool:
    """Whether the host is this machine or in a private network. An unknown name counts as private: it leads nowhere."""
    if not host or host.startswith("/"):
        return True
    try:
        found = {str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return True
    return all(ipaddress.ip_address(address).is_private for address in found)


def migrations() -> Iterator[Finding]:
    """Look for migrations that have not been applied, and for applied ones that this release doesn't have."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    known = executor.loader.disk_migrations
    squashed = {each for migration in known.values() for each in migration.replaces}
    ours = {app for app, _name in known}
    unknown = [
        each for each in executor.loader.applied_migrations if each[0] in ours and each not in {*known, *squashed}
    ]
    if plan:
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _backwards in plan[:3])
        more = f" and {len(plan) - 3} more" if len(plan) > 3 else ""
        message = f"Migrations have not been applied: {names}{more}."
        yield Finding("migrations", Level.ERROR, message, "Run: python manage.py migrate")
    if unknown:
        names = ", ".join(f"{app}.{name}" for app, name in sorted(unknown)[:3])
        message = f"The database has migrations that this release doesn't have: {names}."
        yield Finding("migrations", Level.ERROR, message, "Start the release that the database belongs to.")
    if not plan and not unknown:
        yield good("migrations", "All migrations have been applied.")


def rights() -> Iterator[Finding]:
    """Check what the role may do with each table and its sequence."""
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True) if model._meta.managed}
    missing: list[str] = []
    for table, *allowed in _rows(
        "SELECT c.relname::text, has_table_privilege(c.oid, 'SELECT'), has_table_privilege(c.oid, 'INSERT'),"
        " has_table_privilege(c.oid, 'UPDATE'), has_table_privilege(c.oid, 'DELETE'),"
        " coalesce((SELECT bool_and(has_sequence_privilege(s.oid, 'USAGE')) FROM pg_depend AS d"
        "             JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S' WHERE d.refobjid = c.oid), true)"
        " FROM pg_class AS c WHERE c.relkind = 'r' AND pg_table_is_visible(c.oid) AND c.relname = ANY(%s) ORDER BY 1",
        [[*tables, "syncmonitor_cache", "django_migrations"]],
    ):
        number = 1 if table in _READ_ONLY_TABLES else 2 if table in _APPEND_ONLY_TABLES else 4
        names = [
            name for name, is_allowed in zip(("SELECT", "INSERT", "UPDATE", "DELETE")[:number], allowed, strict=False)
            if not is_allowed
        ]  # fmt: skip
        if number > 1 and not allowed[-1]:
            names.append("USAGE of its sequence")
        if names:
            missing.append(f"{', '.join(names)} on {table}")
    if missing:
        more = f", and on {len(missing) - 3} more tables" if len(missing) > 3 else ""
        message = f"The database role lacks rights: {'; '.join(missing[:3])}{more}."
        yield Finding("postgresql.rights", Level.ERROR, message, "Grant them; docs/operations.md has the statements.")
    else:
        yield good("postgresql.rights", "The database role has the rights that it needs.")


def triggers() -> Iterator[Finding]:
    """Compare the functions and triggers of the database with the files in syncjobs/sql/, and look for disabled ones."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in sorted(Path(sql.__file__).parent.glob("*.sql")))
    problems = [*_wrong_functions(text), *_wrong_triggers(text)]
    if problems:
        more = f" {len(problems) - 3} more are wrong." if len(problems) > 3 else ""
        advice = (
            "Run migrate with this release. If that changes nothing, run the files of syncjobs/sql/ with psql as the owner of"
            " the tables, then: python manage.py reconcile --counts --rebuild"
        )
        yield Finding("postgresql.triggers", Level.ERROR, f"{' '.join(problems[:3])}{more}", advice)
    else:
        yield good("postgresql.triggers", "The functions and triggers are those of this release.")


def _wrong_functions(text: str) -> Iterator[str]:
    bodies = dict(
        _rows(
            "SELECT proname::text, prosrc FROM pg_proc WHERE proname LIKE 'syncjobs%%' AND pg_function_is_visible(oid)",
            [],
        )
    )
    for name, body in _FUNCTION.findall(text):
        if name not in bodies:
            yield f"The function {name} is missing."
        elif bodies[name].strip() != body.strip():
            yield f"The function {name} is not the one of this release."


def _wrong_triggers(text: str) -> Iterator[str]:
    rows = _rows(
        "SELECT tgrelid::regclass::text, tgname::text, tgenabled::text, pg_get_triggerdef(oid, true)"
        " FROM pg_trigger WHERE NOT tgisinternal"
    )
    found = {(table, name): rest for table, name, *rest in rows}
    for match in _TRIGGER.finditer(text):
        name, table = match.groups()
        if (table, name) not in found:
            yield f"The trigger {name} of {table} is missing."
            continue
        enabled, actual = found[table, name]
        if _as_written(actual) != _as_written(match[0]):
            yield f"The trigger {name} of {table} is not the one of this release."
        elif enabled not in ("O", "A"):
            yield f"The trigger {name} of {table} is disabled."


def _as_written(trigger: str) -> str:
    """Return the definition without what PostgreSQL writes in its own way: casts, lists, parentheses and space."""
    text = trigger.replace("CREATE OR REPLACE", "CREATE").replace("OLD.", "old.").replace("NEW.", "new.")
    text = re.sub(r"::(?:text|character varying)(?:\[\])?", "", text)
    return re.sub(r"[\s()\[\];]", "", text).replace("=ANYARRAY", "IN")
