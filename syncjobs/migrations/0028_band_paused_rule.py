"""A rule about bands that are paused for long."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('syncjobs', '0027_requester_index'),
    ]

    operations = [
        migrations.AlterField(
            model_name='alert',
            name='rule',
            field=models.CharField(choices=[('no_worker', 'No worker for a queue'), ('worker_silent', 'Worker silent'), ('worker_failing', 'Worker failing'), ('clock_skew', 'Wrong clock'), ('no_scheduler', 'No scheduler'), ('schedule_overdue', 'Schedule overdue'), ('queue_paused', 'Queue paused for long'), ('band_paused', 'Band paused for long'), ('old_job', 'Jobs wait for long'), ('stuck_job', 'Job runs for long'), ('band_failing', 'Band failing'), ('band_stale', 'Band not synced'), ('failure_rate', 'Many jobs fail'), ('new_error', 'New error'), ('error_back', 'Error came back'), ('quota_forecast', 'Quota over budget'), ('quota_exhausted', 'Quota used up'), ('key_refused', 'API key refused'), ('youtube_silent', 'YouTube does not answer'), ('redis_degraded', 'Redis degraded'), ('database_degraded', 'PostgreSQL degraded'), ('deliveries_failing', 'Messages not delivered'), ('push_off', 'Push does not work'), ('videos_late', 'New videos come late')], max_length=40, verbose_name='rule'),
        ),
        migrations.AlterField(
            model_name='alertchannel',
            name='rules',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('no_worker', 'No worker for a queue'), ('worker_silent', 'Worker silent'), ('worker_failing', 'Worker failing'), ('clock_skew', 'Wrong clock'), ('no_scheduler', 'No scheduler'), ('schedule_overdue', 'Schedule overdue'), ('queue_paused', 'Queue paused for long'), ('band_paused', 'Band paused for long'), ('old_job', 'Jobs wait for long'), ('stuck_job', 'Job runs for long'), ('band_failing', 'Band failing'), ('band_stale', 'Band not synced'), ('failure_rate', 'Many jobs fail'), ('new_error', 'New error'), ('error_back', 'Error came back'), ('quota_forecast', 'Quota over budget'), ('quota_exhausted', 'Quota used up'), ('key_refused', 'API key refused'), ('youtube_silent', 'YouTube does not answer'), ('redis_degraded', 'Redis degraded'), ('database_degraded', 'PostgreSQL degraded'), ('deliveries_failing', 'Messages not delivered'), ('push_off', 'Push does not work'), ('videos_late', 'New videos come late')], max_length=40), blank=True, default=list, size=None, verbose_name='rules'),
        ),
        migrations.AlterField(
            model_name='alertrule',
            name='name',
            field=models.CharField(choices=[('no_worker', 'No worker for a queue'), ('worker_silent', 'Worker silent'), ('worker_failing', 'Worker failing'), ('clock_skew', 'Wrong clock'), ('no_scheduler', 'No scheduler'), ('schedule_overdue', 'Schedule overdue'), ('queue_paused', 'Queue paused for long'), ('band_paused', 'Band paused for long'), ('old_job', 'Jobs wait for long'), ('stuck_job', 'Job runs for long'), ('band_failing', 'Band failing'), ('band_stale', 'Band not synced'), ('failure_rate', 'Many jobs fail'), ('new_error', 'New error'), ('error_back', 'Error came back'), ('quota_forecast', 'Quota over budget'), ('quota_exhausted', 'Quota used up'), ('key_refused', 'API key refused'), ('youtube_silent', 'YouTube does not answer'), ('redis_degraded', 'Redis degraded'), ('database_degraded', 'PostgreSQL degraded'), ('deliveries_failing', 'Messages not delivered'), ('push_off', 'Push does not work'), ('videos_late', 'New videos come late')], max_length=40, primary_key=True, serialize=False, verbose_name='rule'),
        ),
    ]
