"""The change feed: what triggers record about jobs and queues for live pages. See `live.changes`."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Cast

TRANSACTION_ID = Cast(
    Cast(models.Func(function="pg_current_xact_id"), models.TextField()), output_field=models.BigIntegerField()
)
CLOCK_TIME = models.Func(function="clock_timestamp", output_field=models.DateTimeField())


class JobChange(models.Model):
    """One change, written in the transaction that made it; its columns are NULL where they don't apply.

    Unlike an id, `xact` shows whether a snapshot includes the row, so that no reader misses a transaction that
    commits out of order.
    """

    xact = models.BigIntegerField(db_default=TRANSACTION_ID)
    kind = models.CharField(max_length=5)
    job_id = models.BigIntegerField(null=True)
    status = models.CharField(max_length=12, null=True)
    job_type = models.CharField(max_length=20, null=True)
    queue = models.CharField(max_length=40, null=True)
    band_id = models.BigIntegerField(null=True)
    parent_id = models.BigIntegerField(null=True)
    progress_done = models.IntegerField(null=True)
    progress_total = models.IntegerField(null=True)
    videos_found = models.IntegerField(null=True)
    videos_added = models.IntegerField(null=True)
    videos_updated = models.IntegerField(null=True)
    deleted = models.BooleanField(db_default=False)
    paused = models.BooleanField(null=True)
    at = models.DateTimeField(db_default=CLOCK_TIME)

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=["job", "queue", "many"]), name="jobchange_kind")
        ]
        indexes = [models.Index(fields=["xact", "id"], name="jobchange_order")]

    def __str__(self) -> str:
        return f"{self.xact} {self.kind}"


class JobChangeHorizon(models.Model):
    """One row: the newest transaction whose changes were purged. A reader that has not seen all before it starts over.

    `origin` names the cluster and the table that all transaction ids of the feed belong to; it differs after a restore.
    """

    xact = models.BigIntegerField(primary_key=True)
    origin = models.CharField(max_length=80, db_default="")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.xact)
