"""The choices of sync jobs, and named groups of them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class JobStatus(models.TextChoices):
    """The state of a job. QUEUED jobs are *waiting* if they are due, and *delayed* if `run_at` is in the future."""

    QUEUED = "QUEUED", _("Queued")
    IN_PROGRESS = "IN_PROGRESS", _("In progress")
    COMPLETED = "COMPLETED", _("Completed")
    FAILED = "FAILED", _("Failed")
    CANCELLED = "CANCELLED", _("Cancelled")


class QueuedPart(models.TextChoices):
    """The two parts of the QUEUED jobs, which filters of jobs can tell apart. People call the first simply queued."""

    WAITING = "WAITING", _("Queued")
    DELAYED = "DELAYED", _("Delayed")


ACTIVE_STATUSES = (JobStatus.QUEUED, JobStatus.IN_PROGRESS)
TERMINAL_STATUSES = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
RETRYABLE_STATUSES = (JobStatus.FAILED, JobStatus.CANCELLED)


class QueueName(models.TextChoices):
    """The queues that workers consume. Their wake-ups use Celery queues of the same names."""

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
    """Jobs with a higher priority run first; of equal priority, the oldest.

    A job that somebody moved to the front has a higher one than any of these, and counts as urgent where it is shown.
    """

    LOW = 10, _("Low")
    NORMAL = 20, _("Normal")
    HIGH = 30, _("High")
    URGENT = 40, _("Urgent")


MAX_FRONT = 32_767
"""The highest priority that the column can hold."""


class Origin(models.TextChoices):
    """How a request reached the application."""

    ADMIN = "ADMIN", _("Admin")
    API = "API", _("API")
    COMMAND = "COMMAND", _("Command line")
    SCHEDULE = "SCHEDULE", _("Schedule")
    SYSTEM = "SYSTEM", _("System")


PERSONAL_ORIGINS = (Origin.ADMIN, Origin.API, Origin.COMMAND)


class SuggestionState(models.TextChoices):
    """What has become of a suggested channel."""

    OPEN = "open", _("Open")
    ACCEPTED = "accepted", _("Accepted")
    DECLINED = "declined", _("Declined")
    WITHDRAWN = "withdrawn", _("Withdrawn by its author")


class ErrorState(models.TextChoices):
    """What people have decided about an error group, and whether it holds. `syncjobs_error_state_v1` derives it from a row."""

    OPEN = "open", _("Open")
    REGRESSED = "regressed", _("Regressed")
    ACKNOWLEDGED = "acknowledged", _("Acknowledged")
    IGNORED = "ignored", _("Ignored")
    RESOLVED = "resolved", _("Resolved")


UNHANDLED_STATES = (ErrorState.OPEN, ErrorState.REGRESSED)
"""The states of the groups that nobody has dealt with yet."""


class DelayReason(models.TextChoices):
    """Why a queued job is delayed."""

    NONE = "", _("None")
    RETRY = "RETRY", _("Waiting to retry")
    QUOTA_MAIN = "QUOTA_MAIN", _("Waiting for the main quota to reset")
    QUOTA_SEARCH = "QUOTA_SEARCH", _("Waiting for the search quota to reset")
    QUOTA_STATS = "QUOTA_STATS", _("Waiting for the statistics quota to reset")
    SCHEDULED = "SCHEDULED", _("Scheduled for later")


class AttemptOutcome(models.TextChoices):
    """How an attempt ended."""

    RUNNING = "RUNNING", _("Running")
    SUCCEEDED = "SUCCEEDED", _("Succeeded")
    FAILED = "FAILED", _("Failed")
    LOST = "LOST", _("Lost")
    CANCELLED = "CANCELLED", _("Cancelled")
    KILLED = "KILLED", _("Killed")
    DELAYED = "DELAYED", _("Delayed by quota")
    RELEASED = "HANDED_BACK", _("Released")


class EventKind(models.TextChoices):
    """The kind of an event in a job's timeline."""

    QUEUED = "QUEUED", _("Queued")
    STARTED = "STARTED", _("Started")
    FANNED_OUT = "FANNED_OUT", _("Bands queued")
    NOTE = "NOTE", _("Note")
    DELAYED = "DELAYED", _("Delayed")
    RETRYING = "RETRYING", _("Retry scheduled")
    LOST = "LOST", _("Worker lost")
    RELEASED = "HANDED_BACK", _("Released")
    CANCEL_REQUESTED = "CANCEL_REQUESTED", _("Cancel requested")
    CANCELLED = "CANCELLED", _("Cancelled")
    COMPLETED = "COMPLETED", _("Completed")
    FAILED = "FAILED", _("Failed")


class Role(models.TextChoices):
    """Roles, each with all permissions of the one before."""

    MODERATOR = "MODERATOR", _("Moderator")
    ADMIN = "ADMIN", _("Admin")
    SUPER_ADMIN = "SUPER_ADMIN", _("Super admin")


class Severity(models.TextChoices):
    """How urgent an alert is."""

    WARNING = "WARNING", _("Warning")
    CRITICAL = "CRITICAL", _("Critical")


class AlertSubject(models.TextChoices):
    """The kind of thing that an alert is about."""

    SITE = "site", _("Site")
    QUEUE = "queue", _("Queue")
    WORKER = "worker", _("Worker")
    SCHEDULE = "schedule", _("Schedule")
    JOB = "job", _("Job")
    BAND = "band", _("Band")
    BUCKET = "bucket", _("Quota bucket")
    ERROR = "error", _("Error group")
    SERVICE = "service", _("Service")
    CHANNEL = "channel", _("Channel")


class AlertRuleName(models.TextChoices):
    """The conditions that open an alert. `operations.alert_rules` has their defaults."""

    NO_WORKER = "no_worker", _("No worker for a queue")
    WORKER_SILENT = "worker_silent", _("Worker silent")
    WORKER_FAILING = "worker_failing", _("Worker failing")
    CLOCK_SKEW = "clock_skew", _("Wrong clock")
    NO_SCHEDULER = "no_scheduler", _("No scheduler")
    SCHEDULE_OVERDUE = "schedule_overdue", _("Schedule overdue")
    QUEUE_PAUSED = "queue_paused", _("Queue paused for long")
    BAND_PAUSED = "band_paused", _("Band paused for long")
    OLD_JOB = "old_job", _("Jobs wait for long")
    STUCK_JOB = "stuck_job", _("Job runs for long")
    BAND_FAILING = "band_failing", _("Band failing")
    BAND_STALE = "band_stale", _("Band not synced")
    FAILURE_RATE = "failure_rate", _("Many jobs fail")
    NEW_ERROR = "new_error", _("New error")
    ERROR_BACK = "error_back", _("Error came back")
    QUOTA_FORECAST = "quota_forecast", _("Quota over budget")
    QUOTA_EXHAUSTED = "quota_exhausted", _("Quota used up")
    KEY_REFUSED = "key_refused", _("API key refused")
    YOUTUBE_SILENT = "youtube_silent", _("YouTube does not answer")
    REDIS_DEGRADED = "redis_degraded", _("Redis degraded")
    DATABASE_DEGRADED = "database_degraded", _("PostgreSQL degraded")
    DELIVERIES_FAILING = "deliveries_failing", _("Messages not delivered")
    PUSH_OFF = "push_off", _("Push does not work")
    VIDEOS_LATE = "videos_late", _("New videos come late")


class ChannelKind(models.TextChoices):
    """How a channel of alerts is reached."""

    EMAIL = "EMAIL", _("E-mail")
    WEBHOOK = "WEBHOOK", _("Webhook")
    APPRISE = "APPRISE", _("Apprise (Slack, Teams, Telegram and others)")
    PING = "PING", _("Dead man's switch")


class SubscriptionState(models.TextChoices):
    """How far a subscription at the hub is."""

    PENDING = "PENDING", _("Pending")
    VERIFIED = "VERIFIED", _("Verified")
    ENDING = "ENDING", _("Ending")


class PushState(models.TextChoices):
    """What push is worth for a band. Deliveries are expected from SILENT on."""

    OFF = "off", _("Off")
    MISSING = "missing", _("Not requested yet")
    PENDING = "pending", _("Requested")
    REFUSED = "refused", _("Not accepted")
    LAPSED = "lapsed", _("Lapsed")
    SILENT = "silent", _("Silent")
    UNPROVEN = "unproven", _("Not proven yet")
    TRUSTED = "trusted", _("Trusted")


class FeedState(models.TextChoices):
    """What a band's feed is worth."""

    MISSING = "missing", _("Not read yet")
    OVERDUE = "overdue", _("Overdue")
    FAILING = "failing", _("Failing")
    UNPROVEN = "unproven", _("Not proven yet")
    TRUSTED = "trusted", _("Trusted")


class AlertStep(models.TextChoices):
    """What happened to an alert."""

    OPENED = "opened", _("Opened")
    ESCALATED = "escalated", _("Became critical")
    RESOLVED = "resolved", _("Resolved")


class DeliveryKind(models.TextChoices):
    """What a delivery is."""

    ALERTS = "ALERTS", _("Alerts")
    TEST = "TEST", _("Test")


class DeliveryState(models.TextChoices):
    """How far a delivery is."""

    PENDING = "PENDING", _("Pending")
    DELIVERED = "DELIVERED", _("Delivered")
    FAILED = "FAILED", _("Failed")
    CANCELLED = "CANCELLED", _("Cancelled")


class AttemptResult(models.TextChoices):
    """How an attempt to deliver ended."""

    RUNNING = "RUNNING", _("Running")
    DELIVERED = "DELIVERED", _("Delivered")
    FAILED = "FAILED", _("Failed")
    LOST = "LOST", _("Lost")
