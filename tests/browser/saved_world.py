"""The site of `world`, which a process of the tests writes once and copies from then on: that takes a twentieth of the time."""

from __future__ import annotations

import datetime as dt

from django.db import connection
from django.utils import timezone

from syncjobs import counters
from syncjobs.youtube.costs import quota_day
from tests.conftest import KEPT

from . import world

_filled_at: dt.datetime | None = None

_SAVE = """
    DO $$
    DECLARE
        name text;
    BEGIN
        DROP SCHEMA IF EXISTS saved_world CASCADE;
        CREATE SCHEMA saved_world;
        FOR name IN
            SELECT relname FROM pg_class
            WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> ALL (%s)
        LOOP
            EXECUTE format('CREATE TABLE saved_world.%%1$I AS TABLE public.%%1$I', name);
        END LOOP;
    END $$"""
_RESTORE = """
    DO $$
    DECLARE
        name text;
        targets text;
        sources text;
    BEGIN
        SET LOCAL session_replication_role = replica;  -- No triggers, no foreign keys.
        FOR name, targets, sources IN
            SELECT c.table_name, string_agg(format('%%I', column_name), ', '),
                   string_agg(format(CASE data_type WHEN 'timestamp with time zone' THEN '%%I + $1' ELSE '%%I' END, column_name), ', ')
            FROM information_schema.columns c JOIN information_schema.tables t USING (table_name)
            WHERE c.table_schema = 'public' AND t.table_schema = 'saved_world' AND is_generated = 'NEVER'
            GROUP BY 1
        LOOP
            EXECUTE format('DELETE FROM public.%%I', name);
            EXECUTE format(
                'INSERT INTO public.%%1$I (%%2$s) OVERRIDING SYSTEM VALUE SELECT %%3$s FROM saved_world.%%1$I', name, targets, sources
            ) USING %s::interval;
        END LOOP;
    END $$"""


def fill() -> None:
    """Add everything of `world` to a database that has only the roles. All times are as long ago as at the first call."""
    global _filled_at
    now = timezone.now()
    with connection.cursor() as cursor:
        # The quota of a day has its date, which can't be moved.
        if _filled_at is not None and quota_day(_filled_at) == quota_day(now):
            cursor.execute(_RESTORE, [now - _filled_at])
            counters.rebuild()  # The hours of the counts have moved off the hour.
        else:
            world.fill()
            _filled_at = now
            cursor.execute(_SAVE, [list(KEPT)])


def forget() -> None:
    """Drop the copy."""
    global _filled_at
    _filled_at = None
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS saved_world CASCADE")
