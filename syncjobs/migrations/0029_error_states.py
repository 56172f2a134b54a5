"""States, assignees and threads of error groups. A note that a group has becomes the first of its thread."""

from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


SQL = Path(__file__).parent / "sql"
COPY_NOTES = """
INSERT INTO syncjobs_errornote (group_id, author, action, subject, text, created_at)
SELECT fingerprint, acknowledged_by, '', '', note, COALESCE(acknowledged_at, last_seen_at)
  FROM syncjobs_errorgroup WHERE note <> ''
"""
DROP = "DROP FUNCTION syncjobs_error_state_v1"


class Migration(migrations.Migration):

    dependencies = [
        ('syncjobs', '0028_band_paused_rule'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='errorgroup',
            name='assignee',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='errorgroup',
            name='ignored_by',
            field=models.CharField(blank=True, db_default='', max_length=200),
        ),
        migrations.AddField(
            model_name='errorgroup',
            name='ignored_until',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='errorgroup',
            name='resolved_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='errorgroup',
            name='resolved_by',
            field=models.CharField(blank=True, db_default='', max_length=200),
        ),
        migrations.AlterField(
            model_name='errorgroup',
            name='note',
            field=models.TextField(blank=True, help_text='The newest note of the thread.'),
        ),
        migrations.CreateModel(
            name='ErrorNote',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('author', models.CharField(max_length=200, verbose_name='author')),
                ('action', models.CharField(blank=True, choices=[('', 'Note'), ('acknowledged', 'Acknowledged'), ('resolved', 'Resolved'), ('ignored', 'Ignored'), ('reopened', 'Reopened'), ('assigned', 'Assigned'), ('unassigned', 'No longer assigned')], max_length=12, verbose_name='action')),
                ('subject', models.CharField(blank=True, help_text='A username, or until when the group is ignored.', max_length=200)),
                ('text', models.TextField(blank=True, verbose_name='note')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('group', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='notes', to='syncjobs.errorgroup')),
            ],
            options={
                'verbose_name': 'note',
                'verbose_name_plural': 'notes',
                'ordering': ['id'],
                'default_permissions': (),
                'indexes': [models.Index(fields=['group', 'id'], name='errornote_group')],
            },
        ),
        migrations.RunSQL((SQL / "0029_error_states.sql").read_text(), DROP),
        migrations.RunSQL(COPY_NOTES, migrations.RunSQL.noop),
    ]
