from .alert_channels import AlertChannel, AlertDelivery, AlertDeliveryAttempt, AlertNotice
from .alerts import Alert, AlertRound, AlertRule
from .audit import AuditEntry
from .bulk import BulkAction
from .changes import JobChange, JobChangeHorizon
from .counters import (
    BandNameCount,
    ErrorBandCount,
    ErrorDelta,
    JobCount,
    JobDelta,
    JobLabelCount,
    JobMarkDelta,
)
from .errors import ErrorGroup, ErrorNote, JobError
from .freshness import ChannelFeed, HubState, Subscription
from .idempotency import IdempotencyKey
from .imports import BandImport
from .jobs import Attempt, JobEvent, Queue, SeenVideo, SyncJob
from .log_ins import EndedLogIn
from .metrics import Metric, MetricDelta
from .preferences import Preferences
from .presets import FilterPreset
from .quota import QuotaCall, QuotaDay
from .suggestions import ChannelSuggestion
from .workers import Worker

__all__ = [
    "Alert",
    "AlertChannel",
    "AlertDelivery",
    "AlertDeliveryAttempt",
    "AlertNotice",
    "AlertRound",
    "AlertRule",
    "Attempt",
    "AuditEntry",
    "BandImport",
    "BandNameCount",
    "BulkAction",
    "ChannelFeed",
    "ChannelSuggestion",
    "EndedLogIn",
    "ErrorBandCount",
    "ErrorDelta",
    "ErrorGroup",
    "ErrorNote",
    "FilterPreset",
    "HubState",
    "IdempotencyKey",
    "JobChange",
    "JobChangeHorizon",
    "JobCount",
    "JobDelta",
    "JobError",
    "JobEvent",
    "JobLabelCount",
    "JobMarkDelta",
    "Metric",
    "MetricDelta",
    "Preferences",
    "Queue",
    "QuotaCall",
    "QuotaDay",
    "SeenVideo",
    "Subscription",
    "SyncJob",
    "Worker",
]
