"""Failed jobs in the order in which they are cleared, however many jobs stand before them."""

import django.contrib.postgres.operations as postgres
import django.db.models as models
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("syncjobs", "0012_housekeeping_schedule")]
    operations = [
        postgres.AddIndexConcurrently(
            "syncjob", models.Index(fields=["id"], name="job_failed", condition=models.Q(status="FAILED"))
        )
    ]
