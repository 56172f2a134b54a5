"""Actions on many jobs at once."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from ..choices import Origin


class BulkAction(models.Model):
    """Retry, cancel, clear or change a set of jobs in the background, chunk by chunk.

    The set is fixed when the action is requested: `job_ids`, or `failed_jobs` (`queues`, and `until` when jobs failed)
    for clearing. The ids of jobs to be changed are stored as negative numbers. `values` has `until` (ISO 8601) of a delay, or
    the `priority`. A chunk's jobs and `done` change in one transaction, so a crash repeats and skips nothing. `covered` are
    the succeeded retries that got no job of their own.
    """

    class Action(models.TextChoices):
        RETRY = "retry", _("Retry")
        CANCEL = "cancel", _("Cancel")
        CLEAR = "clear", _("Clear failed")
        RUN = "run", _("Run now")
        DELAY = "delay", _("Delay")
        PRIORITY = "priority", _("Change priority")
        FRONT = "front", _("Move to front")

    action = models.CharField(max_length=10, choices=Action.choices)
    job_ids = ArrayField(models.BigIntegerField(), default=list)
    failed_jobs: models.JSONField[Any, Any] = models.JSONField(null=True, blank=True)
    values: models.JSONField[Any, Any] = models.JSONField(default=dict, db_default={}, blank=True)
    total = models.PositiveIntegerField(db_default=0)
    done = models.PositiveIntegerField(default=0)
    succeeded = models.PositiveIntegerField(default=0)
    covered = models.PositiveIntegerField(default=0, db_default=0)
    refused = models.JSONField(default=dict, blank=True)
    actor_id = models.BigIntegerField(null=True, blank=True)
    actor_label = models.CharField(max_length=200)
    origin = models.CharField(max_length=10, choices=Origin.choices)
    address = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("bulk action")
        verbose_name_plural = _("bulk actions")
        indexes = [models.Index(fields=["id"], name="bulk_unfinished", condition=models.Q(ended_at=None))]

    def __str__(self) -> str:
        return f"{self.action} {self.total}"
