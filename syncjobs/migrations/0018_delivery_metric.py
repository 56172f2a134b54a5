"""A counter of messages of alerts."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0017_alert_channels")]

    operations = [
        migrations.RunSQL(
            (SQL / "0018_delivery_metric.sql").read_text(), "DROP FUNCTION syncjobs_metric_delivery_v1 CASCADE;"
        )
    ]
