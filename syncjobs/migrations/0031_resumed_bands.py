"""The histogram of how late new videos were leaves out those of a band's pause."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0030_time_zones_of_people"), ("bands", "0007_resumed_bands")]

    operations = [
        migrations.RunSQL(
            (SQL / "0031_resumed_bands.sql").read_text(),
            (SQL / "0020_freshness_metrics.sql").read_text() + "DROP FUNCTION syncjobs_metric_video_v2;",
        )
    ]
