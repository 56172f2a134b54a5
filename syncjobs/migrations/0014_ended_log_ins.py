from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0013_covered_jobs")]

    operations = [
        migrations.CreateModel(
            name="EndedLogIn",
            fields=[
                (
                    "family",
                    models.CharField(
                        help_text="The claim that all tokens of the log-in have.",
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "expires_at",
                    models.DateTimeField(help_text="When the last of its tokens has expired, so that the row can go."),
                ),
            ],
            options={"default_permissions": ()},
        ),
    ]
