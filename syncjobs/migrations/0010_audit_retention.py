"""Let the cleanup delete audit entries that are older than the retention says."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0009_quota_probes")]
    operations = [
        migrations.RunSQL(
            (SQL / "0010_audit_retention.sql").read_text(), (SQL / "0010_audit_retention_back.sql").read_text()
        )
    ]
