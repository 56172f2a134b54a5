"""When a bucket that YouTube refused soon after the reset may be tried again, and how often it was."""

from django.db import migrations, models

HELP_AT = "When one call may try whether YouTube accepts calls again."


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0008_worker_state")]
    operations = [
        migrations.AddField("quotaday", "probe_at", models.DateTimeField(null=True, blank=True, help_text=HELP_AT)),
        migrations.AddField(
            "quotaday", "probes", models.PositiveSmallIntegerField(db_default=0, help_text="Such calls so far.")
        ),
    ]
