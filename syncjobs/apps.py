from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.apps.registry import Apps
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


def ensure_rows(using: str, apps: Apps = apps, **kwargs: Any) -> None:
    """Create the rows that always exist: after a migration, and after a test has flushed the database."""
    from .choices import QueueName

    try:
        queue, horizon = apps.get_model("syncjobs", "Queue"), apps.get_model("syncjobs", "JobChangeHorizon")
    except LookupError:
        return  # Migrated back to before these tables existed.
    queue.objects.using(using).bulk_create((queue(name=name) for name in QueueName.values), ignore_conflicts=True)
    if not horizon.objects.using(using).exists():
        horizon.objects.using(using).create(xact=0)
    try:
        alert_round = apps.get_model("syncjobs", "AlertRound")
    except LookupError:
        return
    alert_round.objects.using(using).bulk_create([alert_round(pk=1)], ignore_conflicts=True)
    try:
        hub_state = apps.get_model("syncjobs", "HubState")
    except LookupError:
        return
    hub_state.objects.using(using).bulk_create([hub_state(pk=1)], ignore_conflicts=True)


class SyncJobsConfig(AppConfig):
    name = "syncjobs"
    verbose_name = _("Sync jobs")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import converters

        converters.register()
        post_migrate.connect(ensure_rows, sender=self)
