"""Counters of what push and feeds tell of, and a histogram of how late new videos were."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0019_freshness")]

    operations = [
        migrations.RunSQL(
            (SQL / "0020_freshness_metrics.sql").read_text(), "DROP FUNCTION syncjobs_metric_video_v1, syncjobs_metric_change_v1 CASCADE;"
        )
    ]
