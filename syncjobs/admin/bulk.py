"""Acting on many jobs: the confirmation, and the progress of an action in the background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bands.text import parse_numbers

from .. import counters
from ..exceptions import DomainError, InvalidInput
from ..listing import filters as listing_filters
from ..models import BulkAction, SyncJob
from ..operations import bulk, queued_jobs
from ..operations.waiting import pauses, pauses_of_retries
from ..stats import queues
from ..templatetags.monitor import number
from . import bulk_words, job_changes
from .core import id_sets, links
from .core.advice import permanent_warning
from .core.job_filters import Filters, sentence_of
from .core.model_admin import PageAdmin, id_of, requires
from .core.pages import Question, actor_of, is_part, report, show, style
from .site import site

_REFUSED_SHOWN = 100
_TITLES: dict[str, Any] = {
    BulkAction.Action.RETRY: gettext_lazy("Retrying many jobs"),
    BulkAction.Action.CANCEL: gettext_lazy("Cancelling many jobs"),
    BulkAction.Action.CLEAR: gettext_lazy("Deleting failed jobs"),
    BulkAction.Action.RUN: gettext_lazy("Running many jobs now"),
    BulkAction.Action.DELAY: gettext_lazy("Delaying many jobs"),
    BulkAction.Action.PRIORITY: gettext_lazy("Changing the priority of many jobs"),
    BulkAction.Action.FRONT: gettext_lazy("Moving many jobs to the front"),
}


@dataclass(frozen=True, slots=True)
class Selected:
    """The selected jobs: how many there are, and the ids of those whose status allows the action."""

    total: int
    ids: Sequence[int]


class AskedForm(forms.Form):
    """The jobs that the question was about."""

    asked = forms.CharField(widget=forms.HiddenInput)


class _DelayForm(AskedForm, job_changes.DelayForm):
    pass


class _PriorityForm(AskedForm, job_changes.PriorityForm):
    pass


_FORMS: dict[str, type[AskedForm]] = {BulkAction.Action.DELAY: _DelayForm, BulkAction.Action.PRIORITY: _PriorityForm}


@admin.register(BulkAction, site=site)
class BulkAdmin(PageAdmin):
    """Bulk actions: adding one is the question about the selected jobs, and its page shows the progress."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("syncjobs.view_syncjob")

    def has_add_permission(self, request: HttpRequest) -> bool:
        action = request.GET.get("action", "")
        allowed = action not in bulk.PERMISSIONS or request.user.has_perm(bulk.PERMISSIONS[action])
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
            form = _FORMS.get(action, AskedForm)(request.POST)
            if not form.is_valid():
                return _ask(request, action, back, selected, form=form)
            outcome = bulk.start(actor_of(request), action, asked, job_changes.change_of(action, form.cleaned_data))
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
            "is_change": bulk_action.action in queued_jobs.ACTIONS,
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


def _pauses(action: str, job_ids: Sequence[int]) -> str:
    """Return which pauses the jobs will wait for, if the action is to let them start sooner."""
    if action in (BulkAction.Action.CANCEL, BulkAction.Action.DELAY):
        return ""
    if action == BulkAction.Action.RETRY:
        return pauses_of_retries(job_ids)
    return pauses(job_ids)


def _ask(
    request: HttpRequest,
    action: str,
    back: str,
    selected: Selected,
    *,
    more: int = 0,
    form: AskedForm | None = None,
) -> HttpResponse:
    """Show the question; `more` jobs have joined since it was asked before, and `form` has errors."""
    able, total = len(selected.ids), selected.total
    if not able:
        return report(request, bulk_words.none_of(action, total), back, level="error")
    title = bulk_words.title(action, able)
    details = [*bulk_words.details(action, able, total), *filter(None, [_pauses(action, selected.ids)])]
    if able > bulk.MAX_FOREGROUND:
        details.append(_("This runs in the background; you will see its progress."))
    question = Question(
        title=title,
        text=bulk_words.text(action, able, total, more),
        button=title.rstrip("?"),
        back=back,
        icon=bulk_words.ICONS[action],
        is_danger=action == BulkAction.Action.CANCEL,
        details=details,
        warning=permanent_warning(request, selected.ids) if action == BulkAction.Action.RETRY else "",
    )
    if form is None:
        form = _FORMS.get(action, AskedForm)(initial=request.POST.dict() | {"asked": id_sets.pack(selected.ids)})
    crumbs = ((back, _("Sync jobs")),)
    status = 422 if more or form.is_bound else 200
    context = {"question": question, "form": style(form)}
    return show(request, "syncjobs/ask.html", context, title=title, crumbs=crumbs, status=status)
