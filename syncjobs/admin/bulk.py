"""Retrying or cancelling many jobs: the confirmation, and the progress of an action in the background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bands.text import parse_numbers

from .. import counters
from ..exceptions import DomainError, InvalidInput
from ..listing import filters as listing_filters
from ..models import BulkAction, SyncJob
from ..operations import bulk
from ..stats import queues
from ..templatetags.monitor import number
from .core import id_sets, links
from .core.advice import permanent_warning
from .core.job_filters import Filters, sentence_of
from .core.model_admin import PageAdmin, id_of, requires
from .core.pages import Question, actor_of, is_part, report, show
from .site import site

_REFUSED_SHOWN = 100
_TITLES: dict[str, Any] = {
    BulkAction.Action.RETRY: gettext_lazy("Retrying many jobs"),
    BulkAction.Action.CANCEL: gettext_lazy("Cancelling many jobs"),
    BulkAction.Action.CLEAR: gettext_lazy("Deleting failed jobs"),
}


@dataclass(frozen=True, slots=True)
class Selected:
    """The selected jobs: how many there are, and the ids of those whose status allows the action."""

    total: int
    ids: Sequence[int]


class AskedForm(forms.Form):
    """The jobs that the question was about."""

    asked = forms.CharField(widget=forms.HiddenInput)


@admin.register(BulkAction, site=site)
class BulkAdmin(PageAdmin):
    """Bulk actions: adding one is the question about the selected jobs, and its page shows the progress."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("syncjobs.view_syncjob")

    def has_add_permission(self, request: HttpRequest) -> bool:
        action = request.GET.get("action", "")
        allowed = action not in bulk.ELIGIBLE_STATUSES or request.user.has_perm(f"syncjobs.{action}_job")
        return allowed and request.user.has_perm("syncjobs.view_syncjob")

    @requires("add", post=True)
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Say how many jobs the action is about, then run it now or in the background."""
        action, filters = request.GET.get("action", ""), _filters(request)
        back = filters.url()
        try:
            selected = _selected(request, action, filters)
            if request.method != "POST":
                return _ask(request, action, back, selected)
            asked = id_sets.unpack(request.POST.get("asked", ""))
            # Jobs that have ended or changed meanwhile don't need another question: each gets its own result.
            if not asked or (more := len(set(selected.ids).difference(asked))):
                return _ask(request, action, back, selected, more=more if asked else len(selected.ids))
            outcome = bulk.start(actor_of(request), action, asked)
        except DomainError as error:
            return report(request, error.message, back, level="error")
        if isinstance(outcome, BulkAction):
            text = _("%s jobs are being processed.") % number(outcome.total)
            progress = links.object_page("syncjobs_bulkaction_change", outcome.pk)
            return report(request, text, progress, redirect=True)
        return report(request, bulk.summary(action, outcome), back, level="success" if outcome.succeeded else "error")

    @requires("view")
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the progress of a bulk action in the background."""
        bulk_action = bulk.get_bulk_action(id_of(object_id))
        context = {
            "bulk": bulk_action,
            "refused_count": bulk_action.done - bulk_action.succeeded,
            "queued_count": bulk_action.succeeded - bulk_action.covered,
            "is_retry": bulk_action.action == BulkAction.Action.RETRY,
            "lacks_worker": not bulk_action.ended_at and queues.lacks_bulk_worker(),
            "is_clear": bulk_action.action == BulkAction.Action.CLEAR,
            "refused": list(bulk_action.refused.items())[:_REFUSED_SHOWN],
            "jobs_url": links.jobs(),
        }
        if is_part(request):
            return render(request, "syncjobs/jobs/bulk_state.html", context)
        crumbs = ((links.jobs(), _("Sync jobs")),)
        title = str(_TITLES[bulk_action.action])
        return show(request, "syncjobs/jobs/bulk.html", context, title=title, crumbs=crumbs, is_live=True)


def _filters(request: HttpRequest) -> Filters:
    """Return the list's own parameters, without those of the bulk action."""
    filters = Filters.read(request)
    values = dict(filters.values)
    for name in ("action", "all", "job", "page"):
        values.pop(name, None)
    return filters.replaced(values)


def _selected(request: HttpRequest, action: str, filters: Filters) -> Selected:
    """Return the selected jobs, or all that the filters match. Raises InvalidInput."""
    if request.GET.get("all"):
        try:
            query = listing_filters.job_query(filters.query())
        except InvalidInput as error:
            raise InvalidInput(sentence_of(error)) from None
        total = counters.count(query.selection) if query.is_counted else query.jobs.order_by().count()
        return Selected(total, bulk.eligible_ids(query.jobs, action))
    ids = set(parse_numbers(request.GET.getlist("job")))
    if not ids:
        raise InvalidInput(_("No job is selected. Select at least one."))
    if len(ids) > bulk.MAX_FOREGROUND:
        raise InvalidInput(_("At most %s jobs can be selected one by one.") % bulk.MAX_FOREGROUND)
    return Selected(len(ids), bulk.eligible_ids(SyncJob.objects.filter(pk__in=ids), action))


def _ask(request: HttpRequest, action: str, back: str, selected: Selected, *, more: int = 0) -> HttpResponse:
    """Show the question; `more` jobs have joined since it was asked before."""
    able, total = len(selected.ids), selected.total
    is_retry = action == BulkAction.Action.RETRY
    if not able:
        return report(request, _none_of(is_retry, total), back, level="error")
    title = _title(is_retry, able)
    question = Question(
        title=title,
        text=_text(is_retry, able, total, more),
        button=title.rstrip("?"),
        back=back,
        icon="retry" if is_retry else "stop",
        is_danger=not is_retry,
        details=_details(is_retry, able, total),
        warning=permanent_warning(request, selected.ids) if is_retry else "",
    )
    context = {"question": question, "form": AskedForm(initial={"asked": id_sets.pack(selected.ids)})}
    crumbs = ((back, _("Sync jobs")),)
    status = 422 if more else 200
    return show(request, "syncjobs/ask.html", context, title=title, crumbs=crumbs, status=status)


def _title(is_retry: bool, count: int) -> str:
    if is_retry:
        return ngettext("Retry %s job?", "Retry %s jobs?", count) % number(count)
    return ngettext("Cancel %s job?", "Cancel %s jobs?", count) % number(count)


def _text(is_retry: bool, able: int, total: int, more: int) -> str:
    values = {"able": number(able), "total": number(total), "more": number(more)}
    if more:
        pattern = ngettext(
            "Nothing was done: %(more)s more job is selected since you were asked. %(able)s of %(total)s are affected now.",
            "Nothing was done: %(more)s more jobs are selected since you were asked."
            " %(able)s of %(total)s are affected now.",
            more,
        )
        return pattern % values
    if able < total:
        pattern = ngettext(
            "%(able)s of the %(total)s selected jobs is affected.",
            "%(able)s of the %(total)s selected jobs are affected.",
            able,
        )
        return pattern % values
    if is_retry:
        return ngettext("It runs again as a new job.", "Each of them runs again as a new job.", able)
    return ngettext("It will stop where it is.", "They will stop where they are.", able)


def _details(is_retry: bool, able: int, total: int) -> list[str]:
    details = []
    if total > able:
        excluded = ngettext("%s is excluded: ", "%s are excluded: ", total - able) % number(total - able)
        reason = _("only failed and cancelled jobs can be retried.") if is_retry else _("they have already ended.")
        details.append(excluded + reason)
    if not is_retry:
        details.append(_("Queued jobs are cancelled at once; running jobs stop within one call to YouTube."))
    if able > bulk.MAX_FOREGROUND:
        details.append(_("This runs in the background; you will see its progress."))
    return details


def _none_of(is_retry: bool, total: int) -> str:
    if is_retry:
        pattern = ngettext(
            "The selected job can't be retried: only failed and cancelled jobs can.",
            "None of the %(n)s selected jobs can be retried: only failed and cancelled jobs can.",
            total,
        )
    else:
        pattern = ngettext(
            "The selected job can't be cancelled: it has already ended.",
            "None of the %(n)s selected jobs can be cancelled: they have already ended.",
            total,
        )
    return pattern % {"n": number(total)}
