"""Errors of jobs, and groups of similar errors that people deal with once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Func
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _

from bands.models import Band

from .jobs import SyncJob


class ErrorGroupQuerySet(models.QuerySet["ErrorGroup"]):
    """Error groups by state."""

    def in_states(self, states: Collection[str]) -> Self:
        """Return the groups that are in one of these states now."""
        decided = [F(name) for name in ("acknowledged_at", "resolved_at", "ignored_until")]
        final = Coalesce("last_final_at", "last_seen_at")
        state = Func(*decided, final, Now(), function="syncjobs_error_state_v1", output_field=models.CharField())
        return self.alias(state=state).filter(state__in=states)


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
    last_final_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text=_("The last occurrence after which no retry followed; empty: the last one."),
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=200, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=200, blank=True, db_default="")
    ignored_until = models.DateTimeField(null=True, blank=True)
    ignored_by = models.CharField(max_length=200, blank=True, db_default="")
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    note = models.TextField(blank=True, help_text=_("The newest note of the thread."))

    objects = ErrorGroupQuerySet.as_manager()

    class Meta:
        ordering = ["-last_seen_at", "fingerprint"]
        verbose_name = _("error group")
        verbose_name_plural = _("error groups")
        permissions = [("acknowledge_errors", "Can acknowledge error groups")]
        indexes = [models.Index(fields=["-last_seen_at"], name="errorgroup_recent")]

    def __str__(self) -> str:
        return self.message


class ErrorNote(models.Model):
    """An entry in the thread of a group: a note, what its author did, or both."""

    class Action(models.TextChoices):
        NONE = "", _("Note")
        ACKNOWLEDGED = "acknowledged", _("Acknowledged")
        RESOLVED = "resolved", _("Resolved")
        IGNORED = "ignored", _("Ignored")
        REOPENED = "reopened", _("Reopened")
        ASSIGNED = "assigned", _("Assigned")
        UNASSIGNED = "unassigned", _("No longer assigned")

    group = models.ForeignKey(ErrorGroup, on_delete=models.CASCADE, related_name="notes", db_index=False)
    author = models.CharField(_("author"), max_length=200)
    action = models.CharField(_("action"), max_length=12, choices=Action.choices, blank=True)
    subject = models.CharField(
        max_length=200, blank=True, help_text=_("A username, or until when the group is ignored.")
    )
    text = models.TextField(_("note"), blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]
        verbose_name = _("note")
        verbose_name_plural = _("notes")
        default_permissions = ()
        indexes = [models.Index(fields=["group", "id"], name="errornote_group")]

    def __str__(self) -> str:
        return self.text or str(self.Action(self.action).label)


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
