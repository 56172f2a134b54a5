"""A time zone for each person."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('syncjobs', '0029_error_states'),
    ]

    operations = [
        migrations.AddField(
            model_name='preferences',
            name='time_zone',
            field=models.CharField(blank=True, db_default='', default='', max_length=64),
        ),
    ]
