"""Every path of the API."""

from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from . import (
    alert_channels,
    alerts,
    audit,
    auth,
    bands,
    docs,
    errors,
    events,
    freshness,
    jobs,
    presets,
    queues,
    quota,
    schedules,
    stats,
    suggestions,
    videos,
    workers,
)

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
# The comment after each resource lists its extra actions.
router.register("auth", auth.AuthViewSet, "auth")  # /token /token/refresh /logout /me
router.register("admin/sync-jobs", jobs.SyncJobViewSet, "job")  # /trigger /estimate /export /<job_id>/retry
#                                                                 /<job_id>/cancel /<job_id>/run /<job_id>/delay
#                                                                 /<job_id>/priority /<job_id>/front /bulk /bulk/<bulk_id>
router.register("admin/queue", queues.QueueViewSet, "queue")  # /status /pause /resume /clear-failed
router.register("admin/sync/errors", errors.ErrorGroupViewSet, "error")  # /export /<fingerprint>/acknowledge
#                                                                          /<fingerprint>/retry
router.register("admin/jobs", stats.JobStatsViewSet, "stats")  # /metrics /trends /stuck
router.register("admin/workers", workers.WorkerViewSet, "worker")
router.register("admin/alerts", alerts.AlertViewSet, "alert")  # /<alert_id>/acknowledge /<alert_id>/snooze
router.register("admin/alert-rules", alerts.AlertRuleViewSet, "alert-rule")
router.register("admin/alert-channels", alert_channels.AlertChannelViewSet, "alert-channel")  # /<channel_id>/test
router.register("admin/alert-deliveries", alert_channels.AlertDeliveryViewSet, "alert-delivery")  # /<delivery_id>/retry
router.register("admin/audit", audit.AuditViewSet, "audit")  # /export
router.register("admin/schedules", schedules.ScheduleViewSet, "schedule")  # /<schedule_id>/run
router.register("admin/filter-presets", presets.FilterPresetViewSet, "preset")
router.register("admin/quota", quota.QuotaViewSet, "quota")  # /history /reopen
router.register("admin/freshness", freshness.FreshnessViewSet, "freshness")  # /renew /read-feeds
router.register("admin/events", events.EventViewSet, "event")
router.register("bands", bands.BandViewSet, "band")  # /<band_id>/videos /<band_id>/pause /<band_id>/resume
router.register("suggestions", suggestions.SuggestionViewSet, "suggestion")  # /<suggestion_id>/accept
#                                                                              /<suggestion_id>/decline
router.register("videos", videos.VideoViewSet, "video")

urlpatterns = [
    *router.urls,
    path("schema", docs.Document.as_view(), name="schema"),
    path("docs", docs.Page.as_view(url_name="schema")),
]
