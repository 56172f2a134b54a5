from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    """Create the table of Django's DatabaseCache, with the columns that its backend expects."""

    dependencies = [("syncjobs", "0005_feed_origin")]
    operations = [
        migrations.RunSQL(
            """
            CREATE TABLE IF NOT EXISTS syncmonitor_cache (
                cache_key varchar(255) PRIMARY KEY,
                value text NOT NULL,
                expires timestamptz NOT NULL
            );
            CREATE INDEX IF NOT EXISTS syncmonitor_cache_expires ON syncmonitor_cache (expires);
            """,
            "DROP TABLE IF EXISTS syncmonitor_cache",
        )
    ]
