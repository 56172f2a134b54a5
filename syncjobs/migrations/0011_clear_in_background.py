"""Bulk actions know how many jobs they are about, and may be about failed jobs that no list of ids holds."""

import django.contrib.postgres.fields
from django.db import migrations, models

TOTALS = "UPDATE syncjobs_bulkaction SET total = cardinality(job_ids)"


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0010_recent_errors")]
    operations = [
        migrations.AlterField(
            "bulkaction",
            "action",
            models.CharField(
                choices=[("retry", "Retry"), ("cancel", "Cancel"), ("clear", "Clear failed")], max_length=10
            ),
        ),
        migrations.AddField("bulkaction", "failed_jobs", models.JSONField(blank=True, null=True)),
        migrations.AlterField(
            "bulkaction",
            "job_ids",
            django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, size=None),
        ),
        migrations.AddField("bulkaction", "total", models.PositiveIntegerField(db_default=0)),
        migrations.RunSQL(TOTALS, "DELETE FROM syncjobs_bulkaction WHERE action = 'clear'"),
    ]
