"""The cluster and the table that the change feed's transaction ids belong to; unknown until the feed is read."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0004_upgrade")]
    operations = [
        migrations.AddField("jobchangehorizon", "origin", models.CharField(db_default="", max_length=80)),
    ]
