"""Count the jobs by label and those with errors. Jobs may change meanwhile; only the fold waits."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0023_job_marks")]

    operations = [
        migrations.RunSQL("SELECT pg_advisory_xact_lock(7460001)", migrations.RunSQL.noop),
        migrations.RunSQL(
            (SQL / "0024_count_job_marks.sql").read_text(), "DELETE FROM syncjobs_jobcount WHERE grain >= 100"
        ),
    ]
