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
            models.Index(
                fields=["created_at", "id"],
                include=["status", "job_type", "started_at", "completed_at"],
                name="job_created",
            ),
            models.Index(
                fields=["band", "created_at", "id"],
                include=["status", "job_type", "started_at", "completed_at"],
                name="job_band_created",
            ),
            models.Index(fields=["status", "job_type", "created_at", "id"], name="job_state_created"),
            models.Index(fields=["band", "status", "job_type", "created_at", "id"], name="job_band_state_created"),
            models.Index(
                fields=["status", "job_type", "started_at", "id"], include=["created_at"], name="job_state_started"
            ),
            models.Index(
                fields=["band", "status", "job_type", "started_at", "id"],
                include=["created_at"],
                name="job_band_state_started",
            ),
            models.Index(
                fields=["status", "job_type", "completed_at", "id"], include=["created_at"], name="job_state_ended"
            ),
            models.Index(
                fields=["band", "status", "job_type", "completed_at", "id"],
                include=["created_at"],
                name="job_band_state_ended",
            ),
            models.Index(
                fields=["band_name", "created_at", "id"], name="job_band_name", condition=~models.Q(band_name="")
            ),
            models.Index(
                fields=["queue", "-priority", "id"],
                include=["run_at"],
                name="job_position",
                condition=models.Q(status="QUEUED"),
            ),
            models.Index(fields=["requested_by_label", "created_at", "id"], name="job_requester"),
        )
    ] + [postgres.RemoveIndexConcurrently("syncjob", name) for name in ("job_band", "job_claim_order")]
