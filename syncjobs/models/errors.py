"""Errors of jobs, and groups of similar errors that people deal with once."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from bands.models import Band

from .jobs import SyncJob


class ErrorGroup(models.Model):
    """Errors whose messages are equal once ids, numbers and URLs are replaced by placeholders."""

    fingerprint = models.CharField(max_length=16, primary_key=True)
    reason = models.CharField(_("reason"), max_length=80)
    message = models.TextField(_("message"), help_text=_("With the variable parts replaced."))
    sample = models.TextField(help_text=_("The newest message in full."))
    is_permanent = models.BooleanField(_("permanent"))
    count = models.PositiveBigIntegerField(_("count"), default=0)  # All three counts are as of the last fold.
    job_count = models.PositiveBigIntegerField(default=0)
    band_count = models.PositiveBigIntegerField(default=0)
    first_seen_at = models.DateTimeField(_("first seen"), db_default=Now())
    last_seen_at = models.DateTimeField(_("last seen"), db_default=Now())
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=200, blank=True)
    note = models.TextField(blank=True)

    class Meta:
        ordering = ["-last_seen_at", "fingerprint"]
        verbose_name = _("error group")
        verbose_name_plural = _("error groups")
        permissions = [("acknowledge_errors", "Can acknowledge error groups")]
        indexes = [models.Index(fields=["-last_seen_at"], name="errorgroup_recent")]

    def __str__(self) -> str:
        return self.message


class JobError(models.Model):
    """One error of a job: its attempt failed, or it couldn't read a single item (`item_id`)."""

    job = models.ForeignKey(SyncJob, on_delete=models.CASCADE, related_name="job_errors", db_index=False)
    attempt_number = models.PositiveIntegerField()
    group = models.ForeignKey(ErrorGroup, on_delete=models.PROTECT, related_name="errors", db_index=False)
    band = models.ForeignKey(Band, on_delete=models.SET_NULL, null=True, related_name="+")
    reason = models.CharField(max_length=80)
    message = models.TextField()
    item_id = models.CharField(max_length=64, blank=True)
    will_retry = models.BooleanField(
        default=False, help_text=_("Another attempt follows, so this does not count as an error of the job.")
    )
    created_at = models.DateTimeField(db_default=Now())
    job_created_at = models.DateTimeField(null=True, editable=False)  # Set by a trigger.

    class Meta:
        ordering = ["id"]
        verbose_name = _("job error")
        verbose_name_plural = _("job errors")
        indexes = [
            models.Index(fields=["job", "id"], name="error_job"),
            models.Index(fields=["created_at"], include=["group", "band"], name="error_window"),
            models.Index(fields=["group", "-created_at"], include=["job", "band"], name="error_group_newest"),
            models.Index(fields=["group", "job_created_at", "job"], name="error_group_job"),
        ]

    def __str__(self) -> str:
        return self.message
