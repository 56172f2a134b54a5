"""An index of the jobs with errors, built while jobs change."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("syncjobs", "0024_count_job_marks")]

    operations = [
        AddIndexConcurrently(
            "syncjob",
            models.Index(
                condition=models.Q(("error_count__gt", 0)),
                fields=["status", "job_type", "created_at", "id"],
                name="job_errors_created",
            ),
        )
    ]
