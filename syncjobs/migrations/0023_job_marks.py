"""Deltas and counts of jobs by label and of jobs with errors. The next migration counts the jobs that there are."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).parent / "sql"
DROP = """
DROP FUNCTION syncjobs_mark_inserted_v1, syncjobs_mark_deleted_v1, syncjobs_mark_updated_v1, syncjobs_mark_truncated_v1 CASCADE;
DROP FUNCTION syncjobs_true_error_counts_v1, syncjobs_true_label_counts_v1;
"""


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0022_queued_changes")]

    operations = [
        migrations.CreateModel(
            name="JobLabelCount",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "kind",
                        "label",
                        "with_errors",
                        "job_type",
                        "status",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("kind", models.CharField(max_length=4)),
                ("label", models.CharField(max_length=200)),
                ("with_errors", models.BooleanField()),
                ("job_type", models.CharField(max_length=20)),
                ("status", models.CharField(max_length=12)),
                ("n", models.BigIntegerField()),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(condition=models.Q(("n", 0)), fields=["kind"], name="joblabelcount_empty")],
            },
        ),
        migrations.CreateModel(
            name="JobMarkDelta",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("band_id", models.BigIntegerField()),
                ("band_name", models.CharField(max_length=200)),
                ("requester", models.CharField(max_length=200)),
                ("with_errors", models.BooleanField()),
                ("hour", models.DateTimeField()),
                ("started", models.DateTimeField()),
                ("ended", models.DateTimeField()),
                ("job_type", models.CharField(max_length=20)),
                ("status", models.CharField(max_length=12)),
                ("n", models.BigIntegerField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.RunSQL((SQL / "0023_job_marks.sql").read_text(), DROP),
    ]
