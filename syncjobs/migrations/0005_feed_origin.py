"""The cluster and the table that the change feed's transaction ids belong to; unknown until the feed is read.

A new database knows them at once, so that its first viewer misses nothing.
"""

from django.db import migrations, models

KNOW_A_NEW_DATABASE = """
    UPDATE syncjobs_jobchangehorizon
       SET origin = (SELECT concat_ws(':', system_identifier, timeline_id, 'syncjobs_jobchange'::regclass::oid)
                       FROM pg_control_system(), pg_control_checkpoint())
     WHERE xact = 0 AND NOT EXISTS (SELECT FROM syncjobs_jobchange)
"""


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0004_upgrade")]
    operations = [
        migrations.AddField("jobchangehorizon", "origin", models.CharField(db_default="", max_length=80)),
        migrations.RunSQL(KNOW_A_NEW_DATABASE, migrations.RunSQL.noop),
    ]
