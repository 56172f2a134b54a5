"""Labels for the codes in audit entries."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

JOB_TYPE = "jobType"
"""A type of target. Not in snake_case, because entries are never rewritten and all of them must be found by it."""
ACTIONS = {
    "trigger_sync": _("Triggered a sync"),
    "trigger_video": _("Triggered a video sync"),
    "trigger_upkeep": _("Triggered maintenance"),
    "retry_job": _("Retried a job"),
    "cancel_job": _("Cancelled a job"),
    "bulk_retry": _("Retried jobs in bulk"),
    "bulk_cancel": _("Cancelled jobs in bulk"),
    "pause_queue": _("Paused a queue"),
    "resume_queue": _("Resumed a queue"),
    "clear_failed": _("Cleared failed jobs"),
    "remove_worker": _("Removed a worker"),
    "retry_group": _("Retried the jobs of an error group"),
    "acknowledge_errors": _("Acknowledged errors"),
    "reopen_errors": _("Reopened errors"),
    "create_schedule": _("Added a schedule"),
    "change_schedule": _("Changed a schedule"),
    "delete_schedule": _("Deleted a schedule"),
    "run_schedule": _("Ran a schedule manually"),
    "create_band": _("Added a band"),
    "change_band": _("Changed a band"),
    "activate_bands": _("Activated bands"),
    "deactivate_bands": _("Deactivated bands"),
    "delete_band": _("Deleted a band"),
    "import_bands": _("Imported bands"),
    "resolve_channel": _("Looked up a channel"),
    "housekeep": _("Cleaned up expired data"),
    "create_preset": _("Saved a preset"),
    "change_preset": _("Changed a preset"),
    "delete_preset": _("Deleted a preset"),
    "add_person": _("Added a user"),
    "save_user": _("Saved a user"),
    "change_role": _("Changed a user's role"),
    "set_password": _("Set a user's password"),
    "deactivate_person": _("Deactivated a user"),
    "activate_person": _("Reactivated a user"),
}
TARGETS = {
    "job": _("Job"),
    "jobs": _("Jobs"),
    JOB_TYPE: _("Job type"),
    "band": _("Band"),
    "bands": _("Bands"),
    "video": _("Video"),
    "queue": _("Queue"),
    "worker": _("Worker"),
    "error": _("Error group"),
    "schedule": _("Schedule"),
    "preset": _("Preset"),
    "user": _("User"),
}
RESULTS = {
    "ok": _("Done"),
    "invalid": _("Refused: invalid"),
    "not_found": _("Refused: not found"),
    "permission_denied": _("Refused: permission denied"),
    "conflict": _("Refused: conflict"),
    "wrong_state": _("Refused: wrong state"),
    "recently_synced": _("Refused: recently synced"),
    "no_channel": _("Refused: no channel"),
    "band_inactive": _("Refused: band inactive"),
    "quota_exhausted": _("Refused: quota used up"),
    "busy": _("Refused: too busy"),
    "unavailable": _("Refused: database unavailable"),
}
