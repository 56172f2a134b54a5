"""When an error group last occurred in a way that no retry healed. Without a value, that is its last occurrence."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0032_channel_suggestions")]

    operations = [
        migrations.AddField(
            model_name="errorgroup",
            name="last_final_at",
            field=models.DateTimeField(
                editable=False,
                help_text="The last occurrence after which no retry followed; empty: the last one.",
                null=True,
            ),
        ),
    ]
