"""Beat's schedules, installed once: an operator's changes, and a schedule she deleted, stay as she left them."""

import json

from django.db import migrations

CRONS = [
    ("Incremental sync of all bands", "INCREMENTAL_SYNC", {"minute": "10"}),
    ("Full sync of all bands", "FULL_SYNC", {"minute": "0", "hour": "3", "day_of_week": "0"}),
    ("Statistics of all videos", "STATS_REFRESH", {"minute": "0", "hour": "4"}),
    ("Availability check", "AVAILABILITY_CHECK", {"minute": "0", "hour": "5"}),
    ("Prune old jobs", "PRUNE", {"minute": "30", "hour": "2"}),
]


def install(apps, schema_editor):
    tasks = apps.get_model("django_celery_beat", "PeriodicTask")
    crontabs = apps.get_model("django_celery_beat", "CrontabSchedule")
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule")
    for name, job_type, cron in CRONS:
        # America/Los_Angeles, like the quota's day, which the passes share out.
        times = {"minute": "*", "hour": "*", "day_of_week": "*", "day_of_month": "*", "month_of_year": "*"} | cron
        crontab, _ = crontabs.objects.get_or_create(**times, timezone="America/Los_Angeles")
        tasks.objects.get_or_create(
            name=name, defaults={"task": "syncjobs.trigger", "kwargs": json.dumps({"job_type": job_type}), "crontab": crontab}
        )
    often, _ = intervals.objects.get_or_create(every=30, period="seconds")
    tasks.objects.get_or_create(
        name="Put right what crashes left behind", defaults={"task": "syncjobs.reconcile", "interval": often, "expire_seconds": 30}
    )


class Migration(migrations.Migration):
    dependencies = [
        ("syncjobs", "0002_audit_is_append_only"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
