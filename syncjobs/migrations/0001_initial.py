"""All tables as of the squash of the first thirteen migrations."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    # The migrations that this one, besides the one of the same name, stands for.
    replaces = [
        ("syncjobs", "0005_list_indexes"),
        ("syncjobs", "0007_bulk_actions"),
        ("syncjobs", "0008_filter_presets"),
        ("syncjobs", "0011_clear_in_background"),
        ("syncjobs", "0013_failed_jobs"),
    ]

    dependencies = [
        ('bands', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='BandNameCount',
            fields=[
                ('band_name', models.CharField(max_length=200, primary_key=True, serialize=False)),
                ('n', models.BigIntegerField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='ErrorDelta',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('group_id', models.CharField(max_length=16)),
                ('band_id', models.BigIntegerField()),
                ('errors', models.BigIntegerField()),
                ('jobs', models.BigIntegerField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='JobChangeHorizon',
            fields=[
                ('xact', models.BigIntegerField(primary_key=True, serialize=False)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='JobDelta',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('band_id', models.BigIntegerField()),
                ('band_name', models.CharField(max_length=200)),
                ('hour', models.DateTimeField()),
                ('started', models.DateTimeField()),
                ('ended', models.DateTimeField()),
                ('job_type', models.CharField(max_length=20)),
                ('status', models.CharField(max_length=12)),
                ('n', models.BigIntegerField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Queue',
            fields=[
                ('name', models.CharField(choices=[('video-sync', 'Video sync'), ('video-processing', 'Video processing'), ('maintenance', 'Maintenance')], max_length=40, primary_key=True, serialize=False, verbose_name='name')),
                ('paused_at', models.DateTimeField(blank=True, null=True, verbose_name='paused at')),
                ('paused_by', models.CharField(blank=True, max_length=150, verbose_name='paused by')),
                ('pause_reason', models.CharField(blank=True, max_length=500, verbose_name='reason')),
            ],
            options={
                'verbose_name': 'queue',
                'verbose_name_plural': 'queues',
                'ordering': ['name'],
                'permissions': [('pause_queue', 'Can pause and resume queues'), ('clear_failed', 'Can clear failed jobs')],
            },
        ),
        migrations.CreateModel(
            name='Worker',
            fields=[
                ('name', models.CharField(max_length=200, primary_key=True, serialize=False, verbose_name='name')),
                ('process_id', models.PositiveIntegerField()),
                ('queues', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), size=None)),
                ('concurrency', models.PositiveIntegerField()),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='started')),
                ('heartbeat_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='last heartbeat')),
                ('stopping_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'worker',
                'verbose_name_plural': 'workers',
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='time')),
                ('action', models.CharField(max_length=40, verbose_name='action')),
                ('actor_id', models.BigIntegerField(blank=True, null=True)),
                ('actor_label', models.CharField(max_length=200, verbose_name='actor')),
                ('origin', models.CharField(choices=[('ADMIN', 'Admin'), ('API', 'API'), ('COMMAND', 'Command line'), ('SCHEDULE', 'Schedule'), ('SYSTEM', 'System')], max_length=10, verbose_name='source')),
                ('address', models.CharField(blank=True, max_length=200, verbose_name='address')),
                ('target_type', models.CharField(blank=True, max_length=40)),
                ('target_id', models.CharField(blank=True, max_length=120, verbose_name='target')),
                ('result', models.CharField(help_text='ok, or the code of the error.', max_length=40, verbose_name='result')),
                ('message', models.TextField(blank=True)),
                ('data', models.JSONField(blank=True, default=dict)),
            ],
            options={
                'verbose_name': 'audit entry',
                'verbose_name_plural': 'audit entries',
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['target_type', 'target_id', '-id'], name='audit_target'), models.Index(fields=['actor_label', '-id'], name='audit_actor')],
            },
        ),
        migrations.CreateModel(
            name='BulkAction',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('action', models.CharField(choices=[('retry', 'Retry'), ('cancel', 'Cancel'), ('clear', 'Clear failed')], max_length=10)),
                ('job_ids', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, size=None)),
                ('failed_jobs', models.JSONField(blank=True, null=True)),
                ('total', models.PositiveIntegerField(db_default=0)),
                ('done', models.PositiveIntegerField(default=0)),
                ('succeeded', models.PositiveIntegerField(default=0)),
                ('refused', models.JSONField(blank=True, default=dict)),
                ('actor_id', models.BigIntegerField(blank=True, null=True)),
                ('actor_label', models.CharField(max_length=200)),
                ('origin', models.CharField(choices=[('ADMIN', 'Admin'), ('API', 'API'), ('COMMAND', 'Command line'), ('SCHEDULE', 'Schedule'), ('SYSTEM', 'System')], max_length=10)),
                ('address', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'bulk action',
                'verbose_name_plural': 'bulk actions',
                'ordering': ['-id'],
                'indexes': [models.Index(condition=models.Q(('ended_at', None)), fields=['id'], name='bulk_unfinished')],
            },
        ),
        migrations.CreateModel(
            name='ErrorBandCount',
            fields=[
                ('pk', models.CompositePrimaryKey('group_id', 'band_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('group_id', models.CharField(max_length=16)),
                ('band_id', models.BigIntegerField()),
                ('n', models.BigIntegerField()),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(condition=models.Q(('n', 0)), fields=['group_id'], name='errorbandcount_empty')],
            },
        ),
        migrations.CreateModel(
            name='ErrorGroup',
            fields=[
                ('fingerprint', models.CharField(max_length=16, primary_key=True, serialize=False)),
                ('reason', models.CharField(max_length=80, verbose_name='reason')),
                ('message', models.TextField(help_text='With the variable parts replaced.', verbose_name='message')),
                ('sample', models.TextField(help_text='The newest message in full.')),
                ('is_permanent', models.BooleanField(verbose_name='permanent')),
                ('count', models.PositiveBigIntegerField(default=0, verbose_name='count')),
                ('job_count', models.PositiveBigIntegerField(default=0)),
                ('band_count', models.PositiveBigIntegerField(default=0)),
                ('first_seen_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='first seen')),
                ('last_seen_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='last seen')),
                ('acknowledged_at', models.DateTimeField(blank=True, null=True)),
                ('acknowledged_by', models.CharField(blank=True, max_length=200)),
                ('note', models.TextField(blank=True)),
            ],
            options={
                'verbose_name': 'error group',
                'verbose_name_plural': 'error groups',
                'ordering': ['-last_seen_at', 'fingerprint'],
                'permissions': [('acknowledge_errors', 'Can acknowledge error groups')],
                'indexes': [models.Index(fields=['-last_seen_at'], name='errorgroup_recent')],
            },
        ),
        migrations.CreateModel(
            name='JobChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('xact', models.BigIntegerField(db_default=django.db.models.functions.comparison.Cast(django.db.models.functions.comparison.Cast(models.Func(function='pg_current_xact_id'), models.TextField()), output_field=models.BigIntegerField()))),
                ('kind', models.CharField(max_length=5)),
                ('job_id', models.BigIntegerField(null=True)),
                ('status', models.CharField(max_length=12, null=True)),
                ('job_type', models.CharField(max_length=20, null=True)),
                ('queue', models.CharField(max_length=40, null=True)),
                ('band_id', models.BigIntegerField(null=True)),
                ('parent_id', models.BigIntegerField(null=True)),
                ('progress_done', models.IntegerField(null=True)),
                ('progress_total', models.IntegerField(null=True)),
                ('videos_found', models.IntegerField(null=True)),
                ('videos_added', models.IntegerField(null=True)),
                ('videos_updated', models.IntegerField(null=True)),
                ('deleted', models.BooleanField(db_default=False)),
                ('paused', models.BooleanField(null=True)),
                ('at', models.DateTimeField(db_default=models.Func(function='clock_timestamp', output_field=models.DateTimeField()))),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(fields=['xact', 'id'], name='jobchange_order')],
                'constraints': [models.CheckConstraint(condition=models.Q(('kind__in', ['job', 'queue', 'many'])), name='jobchange_kind')],
            },
        ),
        migrations.CreateModel(
            name='JobCount',
            fields=[
                ('pk', models.CompositePrimaryKey('grain', 'band_id', 'since', 'across', 'job_type', 'status', blank=True, editable=False, primary_key=True, serialize=False)),
                ('grain', models.SmallIntegerField()),
                ('band_id', models.BigIntegerField()),
                ('since', models.DateTimeField()),
                ('across', models.DateTimeField()),
                ('job_type', models.CharField(max_length=20)),
                ('status', models.CharField(max_length=12)),
                ('n', models.BigIntegerField()),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(condition=models.Q(('n', 0)), fields=['grain'], name='jobcount_empty')],
            },
        ),
        migrations.CreateModel(
            name='QuotaDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('bucket', models.CharField(max_length=10)),
                ('day', models.DateField()),
                ('limit', models.PositiveIntegerField(help_text='Units a day, according to the settings at the last call.')),
                ('reserved', models.PositiveIntegerField(default=0, help_text='Units of the limit that are reserved for manual syncs.')),
                ('used', models.PositiveIntegerField(default=0)),
                ('closed_at', models.DateTimeField(blank=True, help_text='When YouTube reported that the quota was used up, whatever we had counted.', null=True)),
                ('closed_reason', models.CharField(blank=True, max_length=80)),
            ],
            options={
                'verbose_name': 'quota day',
                'verbose_name_plural': 'quota days',
                'ordering': ['-day', 'bucket'],
                'constraints': [models.UniqueConstraint(fields=('day', 'bucket'), name='quota_day_once')],
            },
        ),
        migrations.CreateModel(
            name='SyncJob',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('job_type', models.CharField(choices=[('FULL_SYNC', 'Full sync'), ('INCREMENTAL_SYNC', 'Incremental sync'), ('SINGLE_VIDEO', 'Single video'), ('ENRICH', 'Video details'), ('STATS_REFRESH', 'Statistics refresh'), ('AVAILABILITY_CHECK', 'Availability check'), ('PRUNE', 'Prune')], max_length=20, verbose_name='type')),
                ('status', models.CharField(choices=[('QUEUED', 'Queued'), ('IN_PROGRESS', 'In progress'), ('COMPLETED', 'Completed'), ('FAILED', 'Failed'), ('CANCELLED', 'Cancelled')], default='QUEUED', max_length=12, verbose_name='status')),
                ('priority', models.SmallIntegerField(choices=[(10, 'Low'), (20, 'Normal'), (30, 'High'), (40, 'Urgent')], default=20, verbose_name='priority')),
                ('band_name', models.CharField(blank=True, help_text='Kept when the band is deleted.', max_length=200, verbose_name='band')),
                ('fans_out', models.BooleanField(default=False, help_text='An all-bands job, whose children do the work.')),
                ('dedupe_key', models.CharField(blank=True, help_text='At most one active job can have the same key.', max_length=120, null=True)),
                ('params', models.JSONField(blank=True, default=dict)),
                ('run_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='due')),
                ('delay_reason', models.CharField(blank=True, choices=[('', 'None'), ('RETRY', 'Waiting to retry'), ('QUOTA_MAIN', 'Waiting for the main quota to reset'), ('QUOTA_SEARCH', 'Waiting for the search quota to reset'), ('QUOTA_STATS', 'Waiting for the statistics quota to reset'), ('SCHEDULED', 'Scheduled for later')], default='', max_length=16)),
                ('attempts_made', models.PositiveIntegerField(default=0, help_text='The number of the newest attempt, which is its fencing token.')),
                ('failures_in_a_row', models.PositiveIntegerField(default=0, help_text='Attempts that failed or were lost since the job last made progress.')),
                ('checkpoint', models.JSONField(blank=True, default=dict)),
                ('handback_requested_at', models.DateTimeField(blank=True, null=True)),
                ('videos_found', models.PositiveIntegerField(default=0, verbose_name='found')),
                ('videos_added', models.PositiveIntegerField(default=0, verbose_name='added')),
                ('videos_updated', models.PositiveIntegerField(default=0, verbose_name='updated')),
                ('videos_unavailable', models.PositiveIntegerField(default=0, verbose_name='unavailable')),
                ('progress_done', models.PositiveIntegerField(default=0)),
                ('progress_total', models.PositiveIntegerField(blank=True, null=True)),
                ('quota_used', models.PositiveIntegerField(default=0, verbose_name='units used')),
                ('quota_estimated', models.PositiveIntegerField(blank=True, null=True, verbose_name='units estimated')),
                ('error_count', models.PositiveIntegerField(default=0, verbose_name='errors')),
                ('requested_by_label', models.CharField(blank=True, max_length=200, verbose_name='requested by')),
                ('origin', models.CharField(choices=[('ADMIN', 'Admin'), ('API', 'API'), ('COMMAND', 'Command line'), ('SCHEDULE', 'Schedule'), ('SYSTEM', 'System')], default='SYSTEM', max_length=10)),
                ('cancel_requested_at', models.DateTimeField(blank=True, null=True)),
                ('cancel_requested_by', models.CharField(blank=True, max_length=200)),
                ('cancel_acknowledged_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='created')),
                ('started_at', models.DateTimeField(blank=True, null=True, verbose_name='started')),
                ('completed_at', models.DateTimeField(blank=True, null=True, verbose_name='ended')),
                ('band', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='sync_jobs', to='bands.band')),
                ('parent', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='children', to='syncjobs.syncjob')),
                ('queue', models.ForeignKey(db_column='queue', db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='jobs', to='syncjobs.queue')),
                ('requested_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('retry_of', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='retries', to='syncjobs.syncjob')),
            ],
            options={
                'verbose_name': 'sync job',
                'verbose_name_plural': 'sync jobs',
                'ordering': ['-created_at', '-id'],
                'permissions': [('trigger_sync', 'Can trigger syncs'), ('retry_job', 'Can retry sync jobs'), ('cancel_job', 'Can cancel sync jobs')],
            },
        ),
        migrations.CreateModel(
            name='SeenVideo',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('walk', models.PositiveSmallIntegerField()),
                ('youtube_id', models.CharField(max_length=32)),
                ('job', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='syncjobs.syncjob')),
            ],
        ),
        migrations.CreateModel(
            name='QuotaCall',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('bucket', models.CharField(max_length=10)),
                ('day', models.DateField()),
                ('operation', models.CharField(max_length=40)),
                ('units', models.PositiveSmallIntegerField()),
                ('job_type', models.CharField(blank=True, choices=[('FULL_SYNC', 'Full sync'), ('INCREMENTAL_SYNC', 'Incremental sync'), ('SINGLE_VIDEO', 'Single video'), ('ENRICH', 'Video details'), ('STATS_REFRESH', 'Statistics refresh'), ('AVAILABILITY_CHECK', 'Availability check'), ('PRUNE', 'Prune')], max_length=20)),
                ('band_id', models.BigIntegerField(blank=True, null=True)),
                ('is_personal', models.BooleanField(default=False)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('seconds', models.FloatField(blank=True, null=True)),
                ('http_status', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('reason', models.CharField(blank=True, help_text='Empty if the call succeeded.', max_length=80)),
                ('job', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='quota_calls', to='syncjobs.syncjob')),
            ],
            options={
                'verbose_name': 'quota call',
                'verbose_name_plural': 'quota calls',
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='JobEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('attempt_number', models.PositiveIntegerField(blank=True, null=True)),
                ('kind', models.CharField(choices=[('QUEUED', 'Queued'), ('STARTED', 'Started'), ('FANNED_OUT', 'Bands queued'), ('NOTE', 'Note'), ('DELAYED', 'Delayed'), ('RETRYING', 'Retry scheduled'), ('LOST', 'Worker lost'), ('HANDED_BACK', 'Released'), ('CANCEL_REQUESTED', 'Cancel requested'), ('CANCELLED', 'Cancelled'), ('COMPLETED', 'Completed'), ('FAILED', 'Failed')], max_length=20)),
                ('message', models.TextField(blank=True)),
                ('data', models.JSONField(blank=True, default=dict)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('job', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='events', to='syncjobs.syncjob')),
            ],
            options={
                'verbose_name': 'job event',
                'verbose_name_plural': 'job events',
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='JobError',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('attempt_number', models.PositiveIntegerField()),
                ('reason', models.CharField(max_length=80)),
                ('message', models.TextField()),
                ('item_id', models.CharField(blank=True, max_length=64)),
                ('will_retry', models.BooleanField(default=False, help_text='Another attempt follows, so this does not count as an error of the job.')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('job_created_at', models.DateTimeField(editable=False, null=True)),
                ('band', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='bands.band')),
                ('group', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='errors', to='syncjobs.errorgroup')),
                ('job', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='job_errors', to='syncjobs.syncjob')),
            ],
            options={
                'verbose_name': 'job error',
                'verbose_name_plural': 'job errors',
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='Attempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField(verbose_name='number')),
                ('outcome', models.CharField(choices=[('RUNNING', 'Running'), ('SUCCEEDED', 'Succeeded'), ('FAILED', 'Failed'), ('LOST', 'Lost'), ('CANCELLED', 'Cancelled'), ('KILLED', 'Killed'), ('DELAYED', 'Delayed by quota'), ('HANDED_BACK', 'Released')], default='RUNNING', max_length=12, verbose_name='outcome')),
                ('worker', models.CharField(blank=True, max_length=200, verbose_name='worker')),
                ('process_id', models.PositiveIntegerField(blank=True, null=True)),
                ('task_id', models.CharField(blank=True, db_index=True, help_text='The id of the Celery task, as in django-celery-results.', max_length=64)),
                ('lease_expires_at', models.DateTimeField()),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='started')),
                ('ended_at', models.DateTimeField(blank=True, null=True, verbose_name='ended')),
                ('error', models.TextField(blank=True, verbose_name='error')),
                ('error_reason', models.CharField(blank=True, max_length=80)),
                ('traceback', models.TextField(blank=True)),
                ('job', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='attempts', to='syncjobs.syncjob')),
            ],
            options={
                'verbose_name': 'attempt',
                'verbose_name_plural': 'attempts',
                'ordering': ['job', 'number'],
            },
        ),
        migrations.CreateModel(
            name='FilterPreset',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80, verbose_name='name')),
                ('filters', models.JSONField(default=dict, help_text='The query parameters of the list.', verbose_name='filters')),
                ('created_by', models.CharField(help_text='Kept when the user is deleted.', max_length=200, verbose_name='created by')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='created')),
                ('owner', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'filter preset',
                'verbose_name_plural': 'filter presets',
                'ordering': ['name', 'id'],
                'permissions': [('share_filterpreset', 'Can share filter presets')],
                'constraints': [models.UniqueConstraint(fields=('owner', 'name'), name='preset_name_once', nulls_distinct=False)],
            },
        ),
        migrations.AddIndex(
            model_name='syncjob',
            index=models.Index(condition=models.Q(('status', 'QUEUED')), fields=['queue', '-priority', 'id'], include=('run_at',), name='job_position'),
        ),
        migrations.AddIndex(
            model_name='syncjob',
            index=models.Index(condition=models.Q(('status', 'QUEUED')), fields=['queue', 'run_at'], name='job_due'),
        ),
        migrations.AddIndex(
            model_name='syncjob',
            index=models.Index(condition=models.Q(('status', 'IN_PROGRESS')), fields=['id'], name='job_in_progress'),
        ),
        migrations.AddIndex(
            model_name='syncjob',
            index=models.Index(condition=models.Q(('parent__isnull', False)), fields=['parent', 'status'], name='job_children'),
        ),
        migrations.AddIndex(
            model_name='syncjob',
            index=models.Index(fields=['created_at', 'id'], include=('status', 'job_type', 'started_at', 'completed_at'), name='job_created'),
        ),
        migrations.AddIndex(
            model_name='syncjob',
            index=models.Index(fields=['band', 'created_at', 'id'], include=('status', 'job_type', 'started_at', 'completed_at'), name='job_band_created'),
        ),
        migrations.AddIndex(
            model_name='syncjob',
            index=models.Index(fields=['status', 'job_type', 'created_at', 'id'], name='job_state_created'),
        ),
        migrations.AddIndex(
            model_name='syncjob',
            index=models.Index(fields=['band', 'status', 'job_type', 'created_at', 'id'], name='job_band_state_created'),
        ),
        migrations.AddIndex(
            model_name='syncjob',
            index=models.Index(fields=['status', 'job_type', 'started_at', 'id'], include=('created_at',), name='job_state_started'),
        ),
        migrations.AddIndex(
            model_name='syncjob',
            index=models.Index(fields=['band', 'status', 'job_type', 'started_at', 'id'], include=('created_at',), name='job_band_state_started'),
        ),
        migrations.AddIndex(
            model_name='syncjob',
            index=models.Index(fields=['status', 'job_type', 'completed_at', 'id'], include=('created_at',), name='job_state_ended'),
        ),
        migrations.AddIndex(
            model_name='syncjob',
            index=models.Index(fields=['band', 'status', 'job_type', 'completed_at', 'id'], include=('created_at',), name='job_band_state_ended'),
        ),
        migrations.AddIndex(
            model_name='syncjob',
            index=models.Index(condition=models.Q(('band_name', ''), _negated=True), fields=['band_name', 'created_at', 'id'], name='job_band_name'),
        ),
        migrations.AddIndex(
            model_name='syncjob',
            index=models.Index(fields=['requested_by_label', 'created_at', 'id'], name='job_requester'),
        ),
        migrations.AddIndex(
            model_name='syncjob',
            index=models.Index(condition=models.Q(('status', 'FAILED')), fields=['id'], name='job_failed'),
        ),
        migrations.AddConstraint(
            model_name='syncjob',
            constraint=models.UniqueConstraint(condition=models.Q(('status__in', ('QUEUED', 'IN_PROGRESS'))), fields=('dedupe_key',), name='one_active_job_per_dedupe_key'),
        ),
        migrations.AddConstraint(
            model_name='seenvideo',
            constraint=models.UniqueConstraint(fields=('job', 'youtube_id', 'walk'), name='seen_once_a_walk'),
        ),
        migrations.AddIndex(
            model_name='quotacall',
            index=models.Index(fields=['job'], name='quota_call_job'),
        ),
        migrations.AddIndex(
            model_name='quotacall',
            index=models.Index(fields=['day', 'bucket', 'operation'], include=('units',), name='quota_call_day'),
        ),
        migrations.AddIndex(
            model_name='jobevent',
            index=models.Index(fields=['job', 'id'], name='event_timeline'),
        ),
        migrations.AddIndex(
            model_name='joberror',
            index=models.Index(fields=['job', 'id'], name='error_job'),
        ),
        migrations.AddIndex(
            model_name='joberror',
            index=models.Index(fields=['created_at'], include=('group', 'band'), name='error_window'),
        ),
        migrations.AddIndex(
            model_name='joberror',
            index=models.Index(fields=['group', '-created_at'], include=('job', 'band'), name='error_group_newest'),
        ),
        migrations.AddIndex(
            model_name='joberror',
            index=models.Index(fields=['group', 'job_created_at', 'job'], name='error_group_job'),
        ),
        migrations.AddIndex(
            model_name='attempt',
            index=models.Index(condition=models.Q(('outcome', 'RUNNING')), fields=['id'], name='attempt_running'),
        ),
        migrations.AddConstraint(
            model_name='attempt',
            constraint=models.UniqueConstraint(fields=('job', 'number'), name='attempt_number_once'),
        ),
    ]
