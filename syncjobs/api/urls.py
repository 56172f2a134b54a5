from django.urls import path, register_converter
from django.urls.converters import IntConverter

from . import bulk, catalogue, docs, jobs, monitoring, presets, session, watching


class IdConverter(IntConverter):
    """A number that fits into an id."""

    regex = "[0-9]{1,18}"


register_converter(IdConverter, "id")

urlpatterns = [
    path("auth/token", session.LogIn.as_view()),
    path("auth/token/refresh", session.Refresh.as_view()),
    path("auth/logout", session.LogOut.as_view()),
    path("auth/me", session.Me.as_view()),
    path("admin/sync-jobs", jobs.JobList.as_view()),
    path("admin/sync-jobs/trigger", jobs.Trigger.as_view()),
    path("admin/sync-jobs/estimate", bulk.Estimate.as_view()),
    path("admin/sync-jobs/bulk", bulk.Bulk.as_view()),
    path("admin/sync-jobs/bulk/<id:bulk_id>", bulk.BulkDetail.as_view()),
    path("admin/sync-jobs/export", bulk.JobExport.as_view()),
    path("admin/sync-jobs/<id:job_id>", jobs.JobDetail.as_view()),
    path("admin/sync-jobs/<id:job_id>/retry", jobs.JobRetry.as_view()),
    path("admin/sync-jobs/<id:job_id>/cancel", jobs.JobCancel.as_view()),
    path("admin/queue/status", monitoring.QueueStatus.as_view()),
    path("admin/queue/pause", monitoring.QueuePause.as_view()),
    path("admin/queue/resume", monitoring.QueueResume.as_view()),
    path("admin/queue/clear-failed", monitoring.ClearFailed.as_view()),
    path("admin/sync/errors", monitoring.Errors.as_view()),
    path("admin/sync/errors/export", bulk.ErrorExport.as_view()),
    path("admin/sync/errors/<slug:fingerprint>/acknowledge", monitoring.AcknowledgeError.as_view()),
    path("admin/sync/errors/<slug:fingerprint>/retry", monitoring.RetryErrors.as_view()),
    path("admin/jobs/metrics", watching.Metrics.as_view()),
    path("admin/jobs/trends", watching.Trends.as_view()),
    path("admin/jobs/stuck", watching.Stuck.as_view()),
    path("admin/workers", watching.Workers.as_view()),
    path("admin/audit", watching.Audit.as_view()),
    path("admin/schedules", watching.Schedules.as_view()),
    path("admin/schedules/<id:schedule_id>", watching.ScheduleDetail.as_view()),
    path("admin/schedules/<id:schedule_id>/run", watching.ScheduleRun.as_view()),
    path("admin/filter-presets", presets.Presets.as_view()),
    path("admin/filter-presets/<id:preset_id>", presets.PresetDetail.as_view()),
    path("admin/quota/history", watching.QuotaHistory.as_view()),
    path("admin/quota", monitoring.Quota.as_view()),
    path("bands", catalogue.BandList.as_view()),
    path("bands/<id:band_id>", catalogue.BandDetail.as_view()),
    path("bands/<id:band_id>/videos", catalogue.BandVideos.as_view()),
    path("videos", catalogue.VideoList.as_view()),
    path("schema", docs.Document.as_view(), name="schema"),
    path("docs", docs.Page.as_view(url_name="schema")),
]
