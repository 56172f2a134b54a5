"""Beat's schedules, installed once, so that schedules people change or delete stay as they left them."""

import json

from django.db import migrations

ANY_TIME = {"minute": "*", "hour": "*", "day_of_week": "*", "day_of_month": "*", "month_of_year": "*"}
TRIGGERS = [
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

    def install_cron(name, times, **task):
        # Los Angeles time, because YouTube's quota resets at midnight there.
        crontab, _ = crontabs.objects.get_or_create(**ANY_TIME | times, timezone="America/Los_Angeles")
        tasks.objects.get_or_create(name=name, defaults={**task, "crontab": crontab})

    for name, job_type, times in TRIGGERS:
        install_cron(name, times, task="syncjobs.trigger", kwargs=json.dumps({"job_type": job_type}))
    install_cron("Cleanup", {"minute": "45", "hour": "2"}, task="syncjobs.housekeep")
    interval, _ = intervals.objects.get_or_create(every=30, period="seconds")
    tasks.objects.get_or_create(
        name="Reconcile",
        defaults={"task": "syncjobs.reconcile", "interval": interval, "expire_seconds": 30},
    )


class Migration(migrations.Migration):
    replaces = [("syncjobs", "0012_housekeeping_schedule")]
    dependencies = [
        ("syncjobs", "0002_triggers"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
