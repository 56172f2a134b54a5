from .audit import AuditEntry
from .bulk import BulkAction
from .errors import ErrorGroup, JobError
from .jobs import Attempt, JobEvent, Queue, SeenVideo, SyncJob
from .presets import FilterPreset
from .quota import QuotaCall, QuotaDay
from .workers import Worker

__all__ = [
    "Attempt",
    "AuditEntry",
    "BulkAction",
    "ErrorGroup",
    "FilterPreset",
    "JobError",
    "JobEvent",
    "Queue",
    "QuotaCall",
    "QuotaDay",
    "SeenVideo",
    "SyncJob",
    "Worker",
]
