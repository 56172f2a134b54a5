"""How each person likes the list of jobs."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("syncjobs", "0025_errors_index"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Preferences",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="preferences",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("job_columns", models.JSONField(blank=True, null=True)),
                (
                    "job_density",
                    models.CharField(
                        choices=[("comfortable", "Comfortable"), ("compact", "Compact")], default="comfortable", max_length=12
                    ),
                ),
                ("jobs_per_page", models.PositiveSmallIntegerField(default=20)),
            ],
            options={"default_permissions": ()},
        ),
    ]
