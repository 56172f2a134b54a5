"""The admin's first pages: jobs and what became of them, queues, errors, quota. They decide nothing by themselves."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from . import operations
from .actors import Actor, for_user
from .choices import Origin
from .exceptions import DomainError
from .models import Attempt, AuditEntry, ErrorGroup, JobError, JobEvent, Queue, QuotaDay, SyncJob, Worker


def actor_of(request: HttpRequest) -> Actor:
    """The person behind a request to the admin."""
    return for_user(request.user, Origin.ADMIN, request.META.get("REMOTE_ADDR", ""))


class ReadOnly:
    """History and state are changed by operations only."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AttemptInline(ReadOnly, admin.TabularInline[Attempt, SyncJob]):
    model = Attempt
    fields = ("number", "outcome", "worker", "started_at", "ended_at", "error", "task_id")
    extra = 0


class EventInline(ReadOnly, admin.TabularInline[JobEvent, SyncJob]):
    model = JobEvent
    fields = ("at", "kind", "message", "attempt_number")
    extra = 0


class ErrorInline(ReadOnly, admin.TabularInline[JobError, SyncJob]):
    model = JobError
    fields = ("created_at", "reason", "message", "item_id", "will_retry")
    extra = 0


@admin.register(SyncJob)
class SyncJobAdmin(ReadOnly, admin.ModelAdmin[SyncJob]):
    list_display = (
        "number",
        "job_type",
        "band_name",
        "state",
        "progress",
        "videos_found",
        "videos_added",
        "videos_updated",
        "error_count",
        "requested_by_label",
        "created_at",
        "started_at",
        "completed_at",
    )
    list_filter = ("status", "job_type", "queue")
    search_fields = ("=id", "band_name")
    list_per_page = 20
    show_full_result_count = False
    inlines = (ErrorInline, AttemptInline, EventInline)
    actions = ("retry", "cancel")

    @admin.display(description="#", ordering="id")
    def number(self, job: SyncJob) -> str:
        return str(job)

    @admin.display(description=_("status"), ordering="status")
    def state(self, job: SyncJob) -> str:
        return format_html(
            '<span class="job-state job-state-{}">{}</span>', job.status.lower(), job.get_status_display()
        )

    @admin.display(description=_("progress"))
    def progress(self, job: SyncJob) -> str:
        total = job.progress_total
        return f"{job.progress_done} / {'?' if total is None else total}"

    @admin.action(description=_("Retry"), permissions=["retry"])
    def retry(self, request: HttpRequest, jobs: QuerySet[SyncJob]) -> None:
        self._each(request, jobs, lambda job: f"{job} → {operations.retry_job(actor_of(request), job.pk).job}")

    @admin.action(description=_("Cancel"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, jobs: QuerySet[SyncJob]) -> None:
        self._each(
            request, jobs, lambda job: f"{job}: {operations.cancel_job(actor_of(request), job.pk).get_status_display()}"
        )

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("syncjobs.retry_job")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("syncjobs.cancel_job")

    def _each(self, request: HttpRequest, jobs: QuerySet[SyncJob], act: Any) -> None:
        for job in jobs.order_by("pk"):
            try:
                self.message_user(request, act(job), messages.SUCCESS)
            except DomainError as error:
                self.message_user(request, error.message, messages.ERROR)


@admin.register(Queue)
class QueueAdmin(ReadOnly, admin.ModelAdmin[Queue]):
    list_display = ("name", "paused_at", "paused_by", "pause_reason")
    actions = ("pause", "resume")

    @admin.action(description=_("Pause"), permissions=["pause"])
    def pause(self, request: HttpRequest, queues: QuerySet[Queue]) -> None:
        for queue in queues:
            operations.pause_queue(actor_of(request), queue.name)

    @admin.action(description=_("Resume"), permissions=["pause"])
    def resume(self, request: HttpRequest, queues: QuerySet[Queue]) -> None:
        for queue in queues:
            operations.resume_queue(actor_of(request), queue.name)

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("syncjobs.pause_queue")


class Watched(ReadOnly, admin.ModelAdmin[Model]):
    """A plain list to look at."""


class ErrorGroupAdmin(Watched):
    list_display = ("message", "reason", "is_permanent", "count", "first_seen_at", "last_seen_at")


class QuotaDayAdmin(Watched):
    list_display = ("day", "bucket", "used", "limit", "reserved", "closed_at", "closed_reason")


class WorkerAdmin(Watched):
    list_display = ("name", "queues", "concurrency", "started_at", "heartbeat_at", "stopping_at")


class AuditEntryAdmin(Watched):
    list_display = ("at", "actor_label", "action", "target_type", "target_id", "result", "message", "origin", "address")
    show_full_result_count = False


admin.site.register(ErrorGroup, ErrorGroupAdmin)
admin.site.register(QuotaDay, QuotaDayAdmin)
admin.site.register(Worker, WorkerAdmin)
admin.site.register(AuditEntry, AuditEntryAdmin)
admin.site.site_header = _("Sync monitor")
admin.site.site_title = _("Sync monitor")
admin.site.index_title = _("Bands and sync jobs")
