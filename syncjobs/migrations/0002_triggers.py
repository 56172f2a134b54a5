"""Triggers that keep the audit append-only, count jobs and errors, and record changes.

They count from here on. After migrating backwards and forwards with jobs in the database, run `reconcile --counts --rebuild`.
"""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"
DROP = """
DROP FUNCTION syncjobs_audit_is_append_only_v1, syncjobs_count_inserted_v1, syncjobs_count_deleted_v1,
    syncjobs_count_updated_v1, syncjobs_count_truncated_v1, syncjobs_date_error_v1, syncjobs_redate_errors_v1,
    syncjobs_errors_inserted_v1, syncjobs_errors_deleted_v1, syncjobs_errors_updated_v1, syncjobs_errors_truncated_v1,
    syncjobs_group_deleted_v1, syncjobs_change_written_v1, syncjobs_change_updated_v1, syncjobs_change_truncated_v1,
    syncjobs_change_queue_v1, syncjobs_true_counts_v1, syncjobs_grains_v1 CASCADE;
DELETE FROM syncjobs_jobchangehorizon;
"""


class Migration(migrations.Migration):
    replaces = [
        ("syncjobs", "0002_audit_is_append_only"),
        ("syncjobs", "0004_job_counts"),
        ("syncjobs", "0006_error_group_bands"),
        ("syncjobs", "0009_job_changes"),
        ("syncjobs", "0010_recent_errors"),
    ]
    dependencies = [("syncjobs", "0001_initial")]
    operations = [
        migrations.RunSQL((SQL / "0002_triggers.sql").read_text(), DROP),
        migrations.RunSQL((SQL / "0002_storage.sql").read_text(), migrations.RunSQL.noop),
    ]
