"""Which bands an error group has met, found by an index instead of by reading all of its errors."""

import django.contrib.postgres.operations as postgres
import django.db.models as models
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("syncjobs", "0005_list_indexes")]
    operations = [
        postgres.AddIndexConcurrently("joberror", models.Index(fields=["group", "band"], name="error_group_band"))
    ]
