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
            field=models.DateTimeField(blank=True, editable=False, help_text='When its last pause ended. What was due before its end does not count as late.', null=True),
        ),
    ]
