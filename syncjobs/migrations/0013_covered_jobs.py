"""The job that covers a retried one, and how many jobs of a bulk retry are covered."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0012_idempotency_keys")]
    operations = [
        migrations.AddField(
            "syncjob",
            "covered_by",
            models.ForeignKey(
                "syncjobs.syncjob",
                blank=True,
                db_constraint=False,
                db_index=False,
                help_text="The active job that did the same when a person retried this one; it may be gone by now.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
            ),
        ),
        migrations.AddField("bulkaction", "covered", models.PositiveIntegerField(db_default=0, default=0)),
    ]
