"""The fixed vocabularies of sync jobs, and the groups other code asks for by name."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class JobStatus(models.TextChoices):
    """Where a job stands. *Waiting* and *delayed* are QUEUED jobs whose `run_at` has, or hasn't, come."""

    QUEUED = "QUEUED", _("Queued")
    IN_PROGRESS = "IN_PROGRESS", _("In progress")
    COMPLETED = "COMPLETED", _("Completed")
    FAILED = "FAILED", _("Failed")
    CANCELLED = "CANCELLED", _("Cancelled")


ACTIVE_STATUSES = (JobStatus.QUEUED, JobStatus.IN_PROGRESS)
TERMINAL_STATUSES = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
RETRYABLE_STATUSES = (JobStatus.FAILED, JobStatus.CANCELLED)


class QueueName(models.TextChoices):
    """The lanes that workers consume; also the names of the Celery queues their bells ring in."""

    VIDEO_SYNC = "video-sync", _("Video sync")
    VIDEO_PROCESSING = "video-processing", _("Video processing")
    MAINTENANCE = "maintenance", _("Maintenance")


class JobType(models.TextChoices):
    """What a job does."""

    FULL_SYNC = "FULL_SYNC", _("Full sync")
    INCREMENTAL_SYNC = "INCREMENTAL_SYNC", _("Incremental sync")
    SINGLE_VIDEO = "SINGLE_VIDEO", _("Single video")
    ENRICH = "ENRICH", _("Video details")
    STATS_REFRESH = "STATS_REFRESH", _("Statistics refresh")
    AVAILABILITY_CHECK = "AVAILABILITY_CHECK", _("Availability check")
    PRUNE = "PRUNE", _("Prune")


QUEUE_OF_TYPE: dict[str, QueueName] = {
    JobType.FULL_SYNC: QueueName.VIDEO_SYNC,
    JobType.INCREMENTAL_SYNC: QueueName.VIDEO_SYNC,
    JobType.SINGLE_VIDEO: QueueName.VIDEO_PROCESSING,
    JobType.ENRICH: QueueName.VIDEO_PROCESSING,
    JobType.STATS_REFRESH: QueueName.MAINTENANCE,
    JobType.AVAILABILITY_CHECK: QueueName.MAINTENANCE,
    JobType.PRUNE: QueueName.MAINTENANCE,
}
BAND_SYNC_TYPES = (JobType.FULL_SYNC, JobType.INCREMENTAL_SYNC)


class Priority(models.IntegerChoices):
    """The higher goes first; within one priority the older job does."""

    LOW = 10, _("Low")
    NORMAL = 20, _("Normal")
    HIGH = 30, _("High")
    URGENT = 40, _("Urgent")


class Origin(models.TextChoices):
    """Through which door a request came."""

    ADMIN = "ADMIN", _("Admin")
    API = "API", _("API")
    COMMAND = "COMMAND", _("Command line")
    SCHEDULE = "SCHEDULE", _("Schedule")
    SYSTEM = "SYSTEM", _("System")


PERSONAL_ORIGINS = (Origin.ADMIN, Origin.API, Origin.COMMAND)


class DelayReason(models.TextChoices):
    """Why a queued job's `run_at` lies in the future."""

    NONE = "", _("None")
    RETRY = "RETRY", _("Waiting to try again")
    QUOTA_MAIN = "QUOTA_MAIN", _("Waiting for the main quota to reset")
    QUOTA_SEARCH = "QUOTA_SEARCH", _("Waiting for the search quota to reset")
    QUOTA_STATS = "QUOTA_STATS", _("Waiting for the statistics quota to reset")
    SCHEDULED = "SCHEDULED", _("Not due yet")


class AttemptOutcome(models.TextChoices):
    """How one execution of a job ended."""

    RUNNING = "RUNNING", _("Running")
    SUCCEEDED = "SUCCEEDED", _("Succeeded")
    FAILED = "FAILED", _("Failed")
    LOST = "LOST", _("Lost")
    CANCELLED = "CANCELLED", _("Cancelled")
    KILLED = "KILLED", _("Killed")
    DELAYED = "DELAYED", _("Delayed by quota")
    HANDED_BACK = "HANDED_BACK", _("Handed back")


class EventKind(models.TextChoices):
    """What a line of a job's timeline says."""

    QUEUED = "QUEUED", _("Queued")
    STARTED = "STARTED", _("Started")
    FANNED_OUT = "FANNED_OUT", _("Bands queued")
    NOTE = "NOTE", _("Note")
    DELAYED = "DELAYED", _("Delayed")
    RETRYING = "RETRYING", _("Will try again")
    LOST = "LOST", _("Worker lost")
    HANDED_BACK = "HANDED_BACK", _("Handed back")
    CANCEL_REQUESTED = "CANCEL_REQUESTED", _("Cancel requested")
    CANCELLED = "CANCELLED", _("Cancelled")
    COMPLETED = "COMPLETED", _("Completed")
    FAILED = "FAILED", _("Failed")


class Role(models.TextChoices):
    """Groups of people, each holding all that the one before may do."""

    MODERATOR = "MODERATOR", _("Moderator")
    ADMIN = "ADMIN", _("Admin")
    SUPER_ADMIN = "SUPER_ADMIN", _("Super admin")
