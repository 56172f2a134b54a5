"""Worker processes, from their heartbeats."""

from __future__ import annotations

import datetime as dt

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

WORKER_SILENCE_SECONDS = 30
"""A worker with an older heartbeat counts as dead."""


class Worker(models.Model):
    """A worker process. A thread of it updates the row every few seconds."""

    name = models.CharField(_("name"), max_length=200, primary_key=True)
    process_id = models.PositiveIntegerField()
    queues = ArrayField(models.CharField(max_length=40))
    concurrency = models.PositiveIntegerField()
    started_at = models.DateTimeField(_("started"), db_default=Now())
    heartbeat_at = models.DateTimeField(_("last heartbeat"), db_default=Now())
    stopping_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("worker")
        verbose_name_plural = _("workers")

    def __str__(self) -> str:
        return self.name

    @property
    def is_alive(self) -> bool:
        """Whether its last heartbeat is recent."""
        return self.heartbeat_at > timezone.now() - dt.timedelta(seconds=WORKER_SILENCE_SECONDS)
