"""Add what workers and schedulers report about themselves."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0007_entry_keys")]
    operations = [
        migrations.AddField("worker", "is_scheduler", models.BooleanField(default=False, db_default=False)),
        migrations.AddField("worker", "clock_skew", models.FloatField(null=True, blank=True)),
        migrations.AddField("worker", "failing_since", models.DateTimeField(null=True, blank=True)),
        migrations.AddField("worker", "broker_failed_at", models.DateTimeField(null=True, blank=True)),
    ]
