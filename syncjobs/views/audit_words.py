"""What the audit's codes are called."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

ACTIONS = {
    "trigger_sync": _("Triggered a sync"),
    "trigger_video": _("Triggered a video's sync"),
    "trigger_upkeep": _("Triggered upkeep"),
    "retry_job": _("Retried a job"),
    "cancel_job": _("Cancelled a job"),
    "bulk_retry": _("Retried several jobs"),
    "bulk_cancel": _("Cancelled several jobs"),
    "pause_queue": _("Paused a queue"),
    "resume_queue": _("Resumed a queue"),
    "clear_failed": _("Cleared failed jobs"),
    "retry_group": _("Retried an error group's jobs"),
    "acknowledge_errors": _("Acknowledged errors"),
    "create_schedule": _("Added a schedule"),
    "change_schedule": _("Changed a schedule"),
    "delete_schedule": _("Deleted a schedule"),
    "run_schedule": _("Ran a schedule by hand"),
    "create_band": _("Added a band"),
    "change_band": _("Changed a band"),
    "activate_bands": _("Made bands active"),
    "deactivate_bands": _("Made bands inactive"),
    "delete_band": _("Deleted a band"),
    "import_bands": _("Imported bands"),
    "resolve_channel": _("Looked a channel up"),
    "create_preset": _("Saved filters"),
    "change_preset": _("Changed saved filters"),
    "delete_preset": _("Deleted saved filters"),
    "add_person": _("Added a person"),
    "save_user": _("Set a person's role and password"),
    "change_role": _("Changed a person's role"),
    "set_password": _("Set a person's password"),
    "deactivate_person": _("Locked a person out"),
    "activate_person": _("Let a person in again"),
}
TARGETS = {
    "job": _("Job"),
    "jobs": _("Jobs"),
    "jobType": _("Job type"),
    "band": _("Band"),
    "bands": _("Bands"),
    "video": _("Video"),
    "queue": _("Queue"),
    "error": _("Error group"),
    "schedule": _("Schedule"),
    "preset": _("Saved filters"),
    "user": _("Person"),
}
RESULTS = {
    "ok": _("Done"),
    "invalid": _("Refused: not valid"),
    "not_found": _("Refused: not found"),
    "permission_denied": _("Refused: not permitted"),
    "conflict": _("Refused: conflict"),
    "wrong_state": _("Refused: wrong state"),
    "recently_synced": _("Refused: just synced"),
    "no_channel": _("Refused: no channel"),
    "quota_exhausted": _("Refused: quota used up"),
}
