"""Since when a band fails, and when it got another channel."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('bands', '0007_resumed_bands'),
    ]

    operations = [
        migrations.AddField(
            model_name='band',
            name='failing_since',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='band',
            name='channel_changed_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
