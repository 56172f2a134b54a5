from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


def ensure_queues(using: str, **kwargs: Any) -> None:
    """The queues exist from the first migration on, and again after a test has flushed the database."""
    from .choices import QueueName
    from .models import Queue

    Queue.objects.using(using).bulk_create((Queue(name=name) for name in QueueName.values), ignore_conflicts=True)


class SyncJobsConfig(AppConfig):
    name = "syncjobs"
    verbose_name = _("Sync jobs")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import converters

        converters.register()
        post_migrate.connect(ensure_queues, sender=self)
