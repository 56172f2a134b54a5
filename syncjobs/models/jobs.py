"""Queues, jobs, their attempts and events."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from bands.models import Band

from ..choices import (
    ACTIVE_STATUSES,
    AttemptOutcome,
    DelayReason,
    EventKind,
    JobStatus,
    JobType,
    Origin,
    Priority,
    QueueName,
)
from .querysets import SUMMED, AttemptQuerySet, SyncJobQuerySet


class Queue(models.Model):
    """A queue of jobs that workers consume. It is paused while `paused_at` is set, which every claim reads."""

    name = models.CharField(_("name"), max_length=40, primary_key=True, choices=QueueName.choices)
    paused_at = models.DateTimeField(_("paused at"), null=True, blank=True)
    paused_by = models.CharField(_("paused by"), max_length=150, blank=True)
    pause_reason = models.CharField(_("reason"), max_length=500, blank=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("queue")
        verbose_name_plural = _("queues")
        permissions = [("pause_queue", "Can pause and resume queues"), ("clear_failed", "Can clear failed jobs")]

    def __str__(self) -> str:
        return self.name


class SyncJob(models.Model):
    """One requested sync. The row is the truth; a Celery message only says that a queue has work."""

    job_type = models.CharField(_("type"), max_length=20, choices=JobType.choices)
    status = models.CharField(_("status"), max_length=12, choices=JobStatus.choices, default=JobStatus.QUEUED)
    queue = models.ForeignKey(Queue, on_delete=models.PROTECT, db_column="queue", related_name="jobs", db_index=False)
    priority = models.SmallIntegerField(_("priority"), choices=Priority.choices, default=Priority.NORMAL)
    band = models.ForeignKey(
        Band, on_delete=models.SET_NULL, null=True, blank=True, related_name="sync_jobs", db_index=False
    )
    band_name = models.CharField(_("band"), max_length=200, blank=True, help_text=_("Kept when the band is deleted."))
    parent = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="children", db_index=False
    )
    fans_out = models.BooleanField(default=False, help_text=_("An all-bands job, whose children do the work."))
    dedupe_key = models.CharField(
        max_length=120, null=True, blank=True, help_text=_("At most one active job can have the same key.")
    )
    params = models.JSONField(default=dict, blank=True)

    run_at = models.DateTimeField(_("due"), db_default=Now())
    delay_reason = models.CharField(max_length=16, blank=True, choices=DelayReason.choices, default=DelayReason.NONE)
    attempts_made = models.PositiveIntegerField(
        default=0, help_text=_("The number of the newest attempt, which is its fencing token.")
    )
    failures_in_a_row = models.PositiveIntegerField(
        default=0, help_text=_("Attempts that failed or were lost since the job last made progress.")
    )
    checkpoint = models.JSONField(default=dict, blank=True)
    release_requested_at = models.DateTimeField(null=True, blank=True)

    videos_found = models.PositiveIntegerField(_("found"), default=0)
    videos_added = models.PositiveIntegerField(_("added"), default=0)
    videos_updated = models.PositiveIntegerField(_("updated"), default=0)
    videos_unavailable = models.PositiveIntegerField(_("unavailable"), default=0)
    progress_done = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(null=True, blank=True)
    quota_used = models.PositiveIntegerField(_("units used"), default=0)
    quota_estimated = models.PositiveIntegerField(_("units estimated"), null=True, blank=True)
    error_count = models.PositiveIntegerField(_("errors"), default=0)

    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    requested_by_label = models.CharField(_("requested by"), max_length=200, blank=True)
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.SYSTEM)
    retry_of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="retries")
    covered_by = models.ForeignKey(
        "self",
        # Neither constraint nor index: adding them would scan a big table, and old links may dangle.
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("The active job that did the same when a person retried this one; it may be gone by now."),
    )
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.CharField(max_length=200, blank=True)
    cancel_acknowledged_at = models.DateTimeField(null=True, blank=True)

    created_at = models.DateTimeField(_("created"), db_default=Now())
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    completed_at = models.DateTimeField(_("ended"), null=True, blank=True)

    objects = SyncJobQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = _("sync job")
        verbose_name_plural = _("sync jobs")
        permissions = [
            ("trigger_sync", "Can trigger syncs"),
            ("retry_job", "Can retry sync jobs"),
            ("cancel_job", "Can cancel sync jobs"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["dedupe_key"],
                name="one_active_job_per_dedupe_key",
                condition=models.Q(status__in=ACTIVE_STATUSES),
            )
        ]
        indexes = [
            models.Index(
                fields=["queue", "-priority", "id"],
                include=["run_at"],
                name="job_position",
                condition=models.Q(status=JobStatus.QUEUED),
            ),
            models.Index(fields=["queue", "run_at"], name="job_due", condition=models.Q(status=JobStatus.QUEUED)),
            models.Index(fields=["id"], name="job_in_progress", condition=models.Q(status=JobStatus.IN_PROGRESS)),
            models.Index(fields=["parent", "status"], name="job_children", condition=models.Q(parent__isnull=False)),
            models.Index(
                fields=["created_at", "id"],
                include=["status", "job_type", "started_at", "completed_at"],
                name="job_created",
            ),
            models.Index(
                fields=["band", "created_at", "id"],
                include=["status", "job_type", "started_at", "completed_at"],
                name="job_band_created",
            ),
            models.Index(fields=["status", "job_type", "created_at", "id"], name="job_state_created"),
            models.Index(fields=["band", "status", "job_type", "created_at", "id"], name="job_band_state_created"),
            models.Index(
                fields=["status", "job_type", "started_at", "id"], include=["created_at"], name="job_state_started"
            ),
            models.Index(
                fields=["band", "status", "job_type", "started_at", "id"],
                include=["created_at"],
                name="job_band_state_started",
            ),
            models.Index(
                fields=["status", "job_type", "completed_at", "id"], include=["created_at"], name="job_state_ended"
            ),
            models.Index(
                fields=["band", "status", "job_type", "completed_at", "id"],
                include=["created_at"],
                name="job_band_state_ended",
            ),
            models.Index(
                fields=["band_name", "created_at", "id"], name="job_band_name", condition=~models.Q(band_name="")
            ),
            models.Index(
                fields=["requested_by_label", "created_at", "id"],
                include=["status", "job_type"],
                name="job_requester_kinds",
            ),
            models.Index(fields=["id"], name="job_failed", condition=models.Q(status=JobStatus.FAILED)),
            models.Index(
                fields=["status", "job_type", "created_at", "id"],
                name="job_errors_created",
                condition=models.Q(error_count__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def priority_label(self) -> str:
        """Return what people call the priority."""
        return str(
            _("First in its queue") if self.is_in_front else dict(Priority.choices).get(self.priority, self.priority)
        )

    @property
    def is_in_front(self) -> bool:
        """Whether somebody moved the job to the front of its queue."""
        return self.priority > Priority.URGENT

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended."""
        return self.status not in ACTIVE_STATUSES

    def add_child_sums(self) -> None:
        """Add the sums that `with_child_sums()` read to the job's own figures, to show them. Don't save the job after it."""
        for name, total in zip(SUMMED, getattr(self, "child_sums", None) or (), strict=False):
            setattr(self, name, getattr(self, name) + total)


class Attempt(models.Model):
    """One execution of a job. Its number is a fencing token: only the job's newest attempt may write."""

    job = models.ForeignKey(SyncJob, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    number = models.PositiveIntegerField(_("number"))
    outcome = models.CharField(
        _("outcome"), max_length=12, choices=AttemptOutcome.choices, default=AttemptOutcome.RUNNING
    )
    worker = models.CharField(_("worker"), max_length=200, blank=True)
    process_id = models.PositiveIntegerField(null=True, blank=True)
    task_id = models.CharField(
        max_length=64, blank=True, db_index=True, help_text=_("The id of the Celery task, as in django-celery-results.")
    )
    lease_expires_at = models.DateTimeField()
    started_at = models.DateTimeField(_("started"), db_default=Now())
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True)
    error_reason = models.CharField(max_length=80, blank=True)
    traceback = models.TextField(blank=True)

    objects = AttemptQuerySet.as_manager()

    class Meta:
        ordering = ["job", "number"]
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="attempt_number_once")]
        indexes = [
            models.Index(fields=["id"], name="attempt_running", condition=models.Q(outcome=AttemptOutcome.RUNNING))
        ]

    def __str__(self) -> str:
        return f"#{self.job_id}/{self.number}"


class JobEvent(models.Model):
    """An entry of a job's timeline, written in the same transaction as the change it describes."""

    job = models.ForeignKey(SyncJob, on_delete=models.CASCADE, related_name="events", db_index=False)
    attempt_number = models.PositiveIntegerField(null=True, blank=True)
    kind = models.CharField(max_length=20, choices=EventKind.choices)
    message = models.TextField(blank=True)
    data: models.JSONField[Any, Any] = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]
        verbose_name = _("job event")
        verbose_name_plural = _("job events")
        indexes = [models.Index(fields=["job", "id"], name="event_timeline")]

    def __str__(self) -> str:
        return f"#{self.job_id} {self.kind}"


class SeenVideo(models.Model):
    """A video id that a running sync has read, so that it counts each video once across pages, playlists and crashes.

    `pass_number` numbers the job's passes over playlists. An entry that is read twice in one pass has moved in between;
    `entry_key` is the hash of its id, which tells it from a second entry of the same video.
    The rows are deleted when the job ends.
    """

    job = models.ForeignKey(SyncJob, on_delete=models.CASCADE, related_name="+", db_index=False)
    pass_number = models.PositiveSmallIntegerField()
    youtube_id = models.CharField(max_length=32)
    entry_key = models.BigIntegerField(db_default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "youtube_id", "pass_number"], name="seen_once_per_pass")]

    def __str__(self) -> str:
        return self.youtube_id
