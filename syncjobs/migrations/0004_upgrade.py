"""Bring a database made before the migrations were squashed to the current schema. Changes nothing in a new one."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0003_default_schedules")]
    operations = [
        migrations.RunSQL(
            [(SQL / f"{name}.sql").read_text() for name in ("0004_upgrade", "0002_triggers", "0004_drop_unversioned")],
            migrations.RunSQL.noop,
        )
    ]
