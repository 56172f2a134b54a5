"""Counters for Prometheus. They begin with the jobs that there are, so that they are not lower than what the lists show."""

from pathlib import Path

import django.db.models.functions.datetime
from django.db import migrations, models

SQL = Path(__file__).parent / "sql"
DROP = """
DROP FUNCTION syncjobs_metric_job_v1, syncjobs_metric_attempt_v1, syncjobs_metric_call_v1, syncjobs_metric_alert_v1,
    syncjobs_metric_bound_v1 CASCADE;
"""
BEGIN = """
INSERT INTO syncjobs_metric (name, label, second_label, bound, n, total, last_at)
SELECT 'job', job_type, status, -1, sum(n), 0,
       (SELECT max(completed_at) FROM syncjobs_syncjob AS job
         WHERE job.status = cell.status AND job.job_type = cell.job_type)
  FROM (SELECT job_type, status, n FROM syncjobs_jobcount WHERE grain = 0
        UNION ALL SELECT job_type, status, n FROM syncjobs_jobdelta) AS cell
 WHERE status IN ('COMPLETED', 'FAILED', 'CANCELLED') GROUP BY job_type, status HAVING sum(n) > 0;
"""


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0015_alerts")]

    operations = [
        migrations.CreateModel(
            name="Metric",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "name",
                        "label",
                        "second_label",
                        "bound",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("name", models.CharField(max_length=20)),
                ("label", models.CharField(max_length=60)),
                ("second_label", models.CharField(max_length=60)),
                ("bound", models.FloatField()),
                ("n", models.BigIntegerField()),
                ("total", models.FloatField(default=0)),
                ("last_at", models.DateTimeField(null=True)),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="MetricDelta",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=20)),
                ("label", models.CharField(max_length=60)),
                ("second_label", models.CharField(max_length=60)),
                ("value", models.FloatField(null=True)),
                ("n", models.IntegerField(db_default=1)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={"default_permissions": ()},
        ),
        migrations.RunSQL((SQL / "0016_metrics.sql").read_text(), DROP),
        migrations.RunSQL(BEGIN, migrations.RunSQL.noop),
    ]
