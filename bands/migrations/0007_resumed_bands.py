"""When the last pause of a band ended."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('bands', '0006_paused_bands'),
    ]

    operations = [
        migrations.AddField(
            model_name='band',
            name='resumed_at',
            field=models.DateTimeField(blank=True, editable=False, help_text='When its last pause ended. Of what should have been synced before, nothing is late.', null=True),
        ),
    ]
