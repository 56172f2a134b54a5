"""Workers and schedulers, from their heartbeats."""

from __future__ import annotations

import datetime as dt
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.db.models.lookups import LessThanOrEqual
from django.utils.translation import gettext_lazy as _

WORKER_SILENCE_SECONDS = 20
"""A worker with an older heartbeat counts as dead. Pages must show it within 30 seconds."""


class WorkerQuerySet(models.QuerySet["Worker"]):
    """Selects workers by their heartbeat, with the database's clock."""

    def silent(self, seconds: float = WORKER_SILENCE_SECONDS) -> Self:
        """Return workers that have not reported for longer than this."""
        return self.filter(heartbeat_at__lte=Now() - dt.timedelta(seconds=seconds))

    def with_silence(self) -> Self:
        """Annotate `is_silent`, whether it stopped reporting, and `is_alive`, whether it reports and its tasks don't fail."""
        oldest = Now() - dt.timedelta(seconds=WORKER_SILENCE_SECONDS)
        return self.annotate(
            is_silent=LessThanOrEqual(models.F("heartbeat_at"), oldest),
            is_alive=Q(heartbeat_at__gt=oldest, failing_since=None),
        )

    def workers(self) -> Self:
        """Return the workers."""
        return self.filter(is_scheduler=False)

    def schedulers(self) -> Self:
        """Return the schedulers; one should run."""
        return self.filter(is_scheduler=True)


class Worker(models.Model):
    """A worker, or a scheduler (beat), which runs no jobs. It updates its row every few seconds.

    `clock_skew` are the seconds by which its host's clock is ahead of the database's. While the tasks of a process of its
    pool fail, `failing_since` is set. `broker_failed_at` is when it last could not reach Redis while it reconciled.
    """

    name = models.CharField(_("name"), max_length=200, primary_key=True)
    process_id = models.PositiveIntegerField()
    queues = ArrayField(models.CharField(max_length=40))
    concurrency = models.PositiveIntegerField()
    started_at = models.DateTimeField(_("started"), db_default=Now())
    heartbeat_at = models.DateTimeField(_("last heartbeat"), db_default=Now())
    stopping_at = models.DateTimeField(null=True, blank=True)
    is_scheduler = models.BooleanField(default=False, db_default=False)
    clock_skew = models.FloatField(null=True, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)
    broker_failed_at = models.DateTimeField(null=True, blank=True)

    objects = WorkerQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name = _("worker")
        verbose_name_plural = _("workers")

    def __str__(self) -> str:
        return self.name
