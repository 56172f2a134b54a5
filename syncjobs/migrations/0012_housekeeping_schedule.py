"""Beat's schedule for the housekeeping, installed once: an operator's changes of it stay."""

from django.db import migrations

TASK = "syncjobs.housekeep"


def install(apps, schema_editor):
    times = {"minute": "45", "hour": "2", "day_of_week": "*", "day_of_month": "*", "month_of_year": "*"}
    crontab, _ = apps.get_model("django_celery_beat", "CrontabSchedule").objects.get_or_create(
        **times, timezone="America/Los_Angeles"
    )
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name="Housekeeping", defaults={"task": TASK, "crontab": crontab}
    )


def remove(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(task=TASK).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("syncjobs", "0011_clear_in_background"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(install, remove)]
