"""Redirects from the admin's addresses before it used Django's; bookmarks and links in chats keep working."""

from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

_MOVED = {
    "jobs/": "syncjobs_syncjob_changelist",
    "jobs/trigger/": "syncjobs_syncjob_add",
    "jobs/rows/": "syncjobs_syncjob_rows",
    "jobs/bands/": "syncjobs_syncjob_bands",
    "jobs/export/": "syncjobs_syncjob_export",
    "jobs/bulk/": "syncjobs_bulkaction_add",
    "jobs/bulk/<id:object_id>/": "syncjobs_bulkaction_change",
    "jobs/presets/save/": "syncjobs_filterpreset_add",
    "jobs/presets/<id:object_id>/delete/": "syncjobs_filterpreset_delete",
    "jobs/<id:object_id>/": "syncjobs_syncjob_change",
    "jobs/<id:job_id>/retry/": "syncjobs_syncjob_retry",
    "jobs/<id:job_id>/cancel/": "syncjobs_syncjob_cancel",
    "errors/": "syncjobs_errorgroup_changelist",
    "errors/export/": "syncjobs_errorgroup_export",
    "errors/<slug:object_id>/": "syncjobs_errorgroup_change",
    "errors/<slug:fingerprint>/acknowledge/": "syncjobs_errorgroup_acknowledge",
    "errors/<slug:fingerprint>/reopen/": "syncjobs_errorgroup_reopen",
    "errors/<slug:fingerprint>/retry/": "syncjobs_errorgroup_retry",
    "bands/": "bands_band_changelist",
    "bands/add/": "bands_band_add",
    "bands/import/": "import",
    "bands/switch/": "bands_band_switch",
    "bands/<id:object_id>/": "bands_band_change",
    "bands/<id:band_id>/change/": "bands_band_edit",
    "bands/<id:band_id>/sync/": "bands_band_sync",
    "bands/<id:object_id>/delete/": "bands_band_delete",
    "videos/": "bands_video_changelist",
    "videos/<id:object_id>/": "bands_video_change",
    "videos/<id:video_id>/sync/": "bands_video_sync",
    "schedules/": "django_celery_beat_periodictask_changelist",
    "schedules/add/": "django_celery_beat_periodictask_add",
    "schedules/preview/": "django_celery_beat_periodictask_preview",
    "schedules/<id:object_id>/": "django_celery_beat_periodictask_change",
    "schedules/<id:schedule_id>/switch/": "django_celery_beat_periodictask_switch",
    "schedules/<id:schedule_id>/run/": "django_celery_beat_periodictask_run",
    "schedules/<id:object_id>/delete/": "django_celery_beat_periodictask_delete",
    "audit/": "syncjobs_auditentry_changelist",
    "audit/export/": "syncjobs_auditentry_export",
    "audit/<id:object_id>/": "syncjobs_auditentry_change",
    "people/": "auth_user_changelist",
    "people/add/": "auth_user_add",
    "people/<id:user_id>/role/": "auth_user_role",
    "people/<id:user_id>/password/": "auth_user_password_change",
    "people/<id:user_id>/deactivate/": "auth_user_deactivate",
    "people/<id:user_id>/activate/": "auth_user_reactivate",
    "workers/": "syncjobs_worker_changelist",
    "queues/<str:name>/pause/": "syncjobs_queue_pause",
    "queues/<str:name>/resume/": "syncjobs_queue_resume",
    "queues/<str:name>/clear-failed/": "syncjobs_queue_clear_failed",
}
"""Old route to URL name."""

urlpatterns = [
    path(route, RedirectView.as_view(pattern_name=f"admin:{name}", query_string=True)) for route, name in _MOVED.items()
]
