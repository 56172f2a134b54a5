"""Sync jobs: their list, the page of each, and their actions."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern
from django.utils.translation import gettext as _

from bands.text import parse_numbers

from ..audit.actors import Actor
from ..exceptions import InvalidInput
from ..listing import export
from ..listing import filters as listing_filters
from ..models import SyncJob
from ..operations import jobs as operations
from ..operations import triggers
from ..operations.waiting import pauses, pauses_of_retries
from ..stats import errors as stats_errors
from . import job_changes, job_list, job_look, job_page, trigger
from .core import fixes, links
from .core.advice import permanent_warning
from .core.job_filters import Filters, sentence_of, suggestions
from .core.model_admin import PageAdmin, id_of, requires
from .core.pages import Question, ask, is_part, refuse, show
from .site import site


@admin.register(SyncJob, site=site)
class JobAdmin(PageAdmin):
    """Jobs are triggered, retried and cancelled through `operations.jobs`; adding one is the trigger page."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("rows/", self.rows_view, "rows"),
            self.page("bands/", self.bands_view, "bands"),
            self.page("look/", self.look_view, "look"),
            self.page("export/", self.export_view, "export"),
            self.page("<id:job_id>/retry/", self.retry_view, "retry"),
            self.page("<id:job_id>/run/", self.run_view, "run"),
            self.page("<id:job_id>/delay/", self.delay_view, "delay"),
            self.page("<id:job_id>/priority/", self.priority_view, "priority"),
            self.page("<id:job_id>/front/", self.front_view, "front"),
            self.page("<id:job_id>/cancel/", self.cancel_view, "cancel"),
            *super().get_urls(),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("syncjobs.trigger_sync")

    @requires("view")
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """List jobs, filtered, sorted and paged by the query string."""
        filters = Filters.read(request)
        problem = ""
        if "band" in filters.values:
            filters, problem = job_list.with_band_id(filters)
        if not problem and dict(request.GET.lists()) != {name: [value] for name, value in filters.values.items()}:
            return HttpResponseRedirect(filters.url(page=filters.values.get("page")))
        is_open = job_list.shows_all_filters(request, filters)
        listing = job_list.ListPage(problem=problem) if problem else job_list.find(request, filters, is_open=is_open)
        context = job_list.list_context(request, filters, listing, is_open=is_open)
        return show(request, "syncjobs/jobs/list.html", context, title=_("Sync jobs"), is_live=True)

    @requires("view")
    def rows_view(self, request: HttpRequest) -> HttpResponse:
        """Refresh the visible rows in their current order, and say whether the list has changed."""
        parameters = request.GET.copy()
        shown = "".join(parameters.pop("shown", [])).split(",")
        visible = parse_numbers(shown)
        columns = "".join(parameters.pop("columns", [])).split(",")
        is_open = bool(parameters.pop("open", []))
        filters = Filters.read(request, parameters)
        context = job_list.refreshed_context(request, filters, visible, columns, is_open=is_open)
        return render(request, "syncjobs/jobs/rows.html", context)

    @requires("bands.view_band")
    def bands_view(self, request: HttpRequest) -> HttpResponse:
        """Suggest bands for the text typed into a band field, `named` in the trigger form and `band` in the filters."""
        text = request.GET.get("named", request.GET.get("band", ""))
        return render(request, "syncjobs/parts/band_options.html", {"bands": suggestions(text)})

    @requires("view", post=True)
    def look_view(self, request: HttpRequest) -> HttpResponse:
        """Choose the columns, density and page size of the list."""
        return job_look.look(request)

    @requires("view")
    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Stream all jobs that match, as CSV or JSON (one object per line)."""
        filters = Filters.read(request)
        values = dict(filters.values)
        kind = values.pop("format", "csv")
        if kind not in export.FORMATS:
            return _refused(_("format: Must be one of %s.") % ", ".join(export.FORMATS))
        for name in ("page", "limit"):
            values.pop(name, None)
        try:
            jobs = listing_filters.job_query(filters.replaced(values).query()).jobs
        except InvalidInput as error:
            return _refused(sentence_of(error))
        return export.file_of(export.jobs(jobs, kind, person=request.user.pk), kind, export.dated("sync-jobs"))

    @requires("add", post=True)
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        return trigger.trigger(request)

    @requires("view")
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a job: as a page, in a dialog, or for htmx its live part."""
        job = job_page.get(id_of(object_id))
        context = job_page.context_of(request, job)
        if is_part(request):
            return render(request, "syncjobs/jobs/facts.html", context)
        context |= job_list.neighbors_of(request, job)
        crumbs = ((context.get("list_url", links.jobs()), _("Sync jobs")),)
        title = _("Job #%s") % job.pk
        return show(request, "syncjobs/jobs/job.html", context, title=title, crumbs=crumbs, is_live=True)

    @requires("syncjobs.retry_job", post=True)
    def retry_view(self, request: HttpRequest, job_id: int) -> HttpResponse:
        job = operations.get_job(job_id)
        if refusal := refuse(request, operations.retry_problem(job), links.job(job_id)):
            return refusal
        if request.method != "POST" and (other := operations.running_instead(job)):
            return job_changes.refuse_to_retry(request, job, other)
        warning = permanent_warning(request, [job_id])
        bands = [(job.band_id, job.band_name)] if job.band_id else []
        question = Question(
            title=_("Retry job #%s?") % job_id,
            text=_("%(type)s of %(what)s runs again as a new job; this one stays as it is.")
            % {"type": job.get_job_type_display(), "what": job_page.scope_of(job)},
            button=_("Retry anyway") if warning else _("Retry"),
            back=links.job(job_id),
            parent=_("Job #%s") % job_id,
            icon="retry",
            warning=warning,
            offers=fixes.of(request, stats_errors.last_reason(job_id), bands) if warning else (),
            details=[*filter(None, [pauses_of_retries([job_id])])],
        )

        def do(actor: Actor, _values: dict[str, Any]) -> str:
            created = operations.retry_job(actor, job_id)
            if created.is_new:
                said = _("Job #%(old)s was retried: job #%(new)s is queued.") % {"old": job_id, "new": created.job.pk}
                return f"{said} {pauses([created.job.pk])}".rstrip()
            return triggers.describe(created)

        return ask(request, question, do)

    @requires("syncjobs.trigger_sync", post=True)
    def run_view(self, request: HttpRequest, job_id: int) -> HttpResponse:
        """End the delay of a job."""
        return job_changes.ask_to_run(request, job_id)

    @requires("syncjobs.trigger_sync", post=True)
    def delay_view(self, request: HttpRequest, job_id: int) -> HttpResponse:
        """Let a queued job wait."""
        return job_changes.ask_to_delay(request, job_id)

    @requires("syncjobs.trigger_sync", post=True)
    def priority_view(self, request: HttpRequest, job_id: int) -> HttpResponse:
        """Change the priority of a queued job."""
        return job_changes.ask_to_prioritize(request, job_id)

    @requires("syncjobs.trigger_sync", post=True)
    def front_view(self, request: HttpRequest, job_id: int) -> HttpResponse:
        """Move a queued job to the front of its queue."""
        return job_changes.ask_to_move(request, job_id)

    @requires("syncjobs.cancel_job", post=True)
    def cancel_view(self, request: HttpRequest, job_id: int) -> HttpResponse:
        job = operations.get_job(job_id)
        if refusal := refuse(request, operations.cancel_problem(job), links.job(job_id)):
            return refusal
        question = job_changes.question_to_cancel(job)

        def do(actor: Actor, _values: dict[str, Any]) -> str:
            cancelled = operations.cancel_job(actor, job_id)
            if cancelled.is_terminal:
                return _("Job #%s is cancelled.") % job_id
            return _("Job #%s was asked to stop.") % job_id

        return ask(request, question, do)


def _refused(message: str) -> HttpResponse:
    return HttpResponse(message, status=400, content_type="text/plain; charset=utf-8")
