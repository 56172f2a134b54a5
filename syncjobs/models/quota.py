"""Use of YouTube's daily quota."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from ..choices import JobType
from .jobs import SyncJob


class QuotaDay(models.Model):
    """A bucket on a day, which starts at midnight America/Los_Angeles. `used` never exceeds `limit`."""

    bucket = models.CharField(max_length=10)
    day = models.DateField()
    limit = models.PositiveIntegerField(help_text=_("Units a day, according to the settings at the last call."))
    reserved = models.PositiveIntegerField(
        default=0, help_text=_("Units of the limit that are reserved for manual syncs.")
    )
    used = models.PositiveIntegerField(default=0)
    closed_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When YouTube reported that the quota was used up, whatever we had counted.")
    )
    closed_reason = models.CharField(max_length=80, blank=True)
    probe_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When one call may try whether YouTube accepts calls again.")
    )
    probes = models.PositiveSmallIntegerField(db_default=0, help_text=_("Such calls so far."))

    class Meta:
        ordering = ["-day", "bucket"]
        verbose_name = _("quota day")
        verbose_name_plural = _("quota days")
        constraints = [models.UniqueConstraint(fields=["day", "bucket"], name="quota_day_once")]

    def __str__(self) -> str:
        return f"{self.bucket} {self.day}"

    @property
    def was_used_up(self) -> bool:
        """Whether YouTube may have had no units left at the end of the day. Its own count may differ from ours."""
        return bool(self.closed_at or self.probe_at) or self.used * 10 >= self.limit * 9


class QuotaCall(models.Model):
    """An HTTP request to YouTube. The row is written, and its units are reserved, before the request is sent."""

    bucket = models.CharField(max_length=10)
    day = models.DateField()
    operation = models.CharField(max_length=40)
    units = models.PositiveSmallIntegerField()
    job = models.ForeignKey(SyncJob, on_delete=models.SET_NULL, null=True, related_name="quota_calls", db_index=False)
    job_type = models.CharField(max_length=20, blank=True, choices=JobType.choices)
    band_id = models.BigIntegerField(null=True, blank=True)
    is_personal = models.BooleanField(default=False)
    at = models.DateTimeField(db_default=Now())
    seconds = models.FloatField(null=True, blank=True)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    reason = models.CharField(max_length=80, blank=True, help_text=_("Empty if the call succeeded."))

    class Meta:
        ordering = ["id"]
        verbose_name = _("quota call")
        verbose_name_plural = _("quota calls")
        indexes = [
            models.Index(fields=["job"], name="quota_call_job"),
            models.Index(fields=["day", "bucket", "operation"], include=["units"], name="quota_call_day"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.at:%Y-%m-%d %H:%M:%S}"
