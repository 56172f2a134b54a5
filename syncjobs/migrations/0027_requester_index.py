"""Statuses and types in the index of requesters, so that counting a requester's jobs of some days reads no jobs."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("syncjobs", "0026_preferences")]

    operations = [
        AddIndexConcurrently(
            "syncjob",
            models.Index(
                fields=["requested_by_label", "created_at", "id"],
                include=["status", "job_type"],
                name="job_requester_kinds",
            ),
        ),
        RemoveIndexConcurrently("syncjob", "job_requester"),
    ]
