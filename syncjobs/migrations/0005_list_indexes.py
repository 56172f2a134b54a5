"""What the list of jobs sorts and filters by, built without locking out writers."""

import django.contrib.postgres.operations as postgres
import django.db.models as models
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("syncjobs", "0004_job_counts")]
    operations = [
        postgres.AddIndexConcurrently("syncjob", index)
        for index in (
            models.Index(fields=["created_at", "id"], include=["status", "job_type"], name="job_created"),
            models.Index(fields=["status", "job_type", "created_at", "id"], name="job_state_created"),
            models.Index(fields=["band", "status", "job_type", "created_at", "id"], name="job_band_created"),
            models.Index(fields=["started_at", "id"], name="job_started"),
            models.Index(models.F("started_at").desc(nulls_last=True), models.F("id").desc(), name="job_started_desc"),
            models.Index(fields=["completed_at", "id"], name="job_completed"),
            models.Index(models.F("completed_at").desc(nulls_last=True), models.F("id").desc(), name="job_completed_desc"),
            models.Index(fields=["requested_by_label", "created_at", "id"], name="job_requester"),
        )
    ] + [postgres.RemoveIndexConcurrently("syncjob", "job_band")]
