"""Bulk actions on queued jobs."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('syncjobs', '0021_freshness_alerts'),
    ]

    operations = [
        migrations.AddField(
            model_name='bulkaction',
            name='values',
            field=models.JSONField(blank=True, db_default={}, default=dict),
        ),
        migrations.AlterField(
            model_name='bulkaction',
            name='action',
            field=models.CharField(choices=[('retry', 'Retry'), ('cancel', 'Cancel'), ('clear', 'Clear failed'), ('run', 'Run now'), ('delay', 'Delay'), ('priority', 'Change priority'), ('front', 'Move to front')], max_length=10),
        ),
    ]
