"""Bands can be paused."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('bands', '0005_fresh_videos'),
    ]

    operations = [
        migrations.AddField(
            model_name='band',
            name='pause_reason',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=500, verbose_name='reason'),
        ),
        migrations.AddField(
            model_name='band',
            name='paused_at',
            field=models.DateTimeField(blank=True, editable=False, help_text='While it is set, workers claim none of its jobs.', null=True, verbose_name='paused at'),
        ),
        migrations.AddField(
            model_name='band',
            name='paused_by',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=150, verbose_name='paused by'),
        ),
        migrations.AddIndex(
            model_name='band',
            index=models.Index(condition=models.Q(('paused_at__isnull', False)), fields=['id'], name='band_paused'),
        ),
    ]
