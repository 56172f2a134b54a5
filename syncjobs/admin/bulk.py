"""Retrying or cancelling many jobs: the confirmation, and the progress of an action in the background."""

from __future__ import annotations

import hashlib
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
from ..templatetags.monitor import number
from .core import links
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

    @property
    def mark(self) -> str:
        """A hash of the ids."""
        return hashlib.sha256(",".join(map(str, self.ids)).encode()).hexdigest()[:32]


class MarkForm(forms.Form):
    """The hash of the jobs that the question was about."""

    mark = forms.CharField(widget=forms.HiddenInput)


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
            if request.POST.get("mark") != selected.mark:
                return _ask(request, action, back, selected, has_changed=True)
            outcome = bulk.start(actor_of(request), action, selected.ids)
        except DomainError as error:
            return report(request, error.message, back, level="error")
        if isinstance(outcome, BulkAction):
            text = _("%s jobs are being processed.") % number(len(selected.ids))
            progress = links.object_page("syncjobs_bulkaction_change", outcome.pk)
            return report(request, text, progress, redirect=True)
        return report(request, _summary(action, outcome), back, level="success" if outcome.succeeded else "error")

    @requires("view")
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the progress of a bulk action in the background."""
        bulk_action = bulk.get_bulk_action(id_of(object_id))
        context = {
            "bulk": bulk_action,
            "refused_count": bulk_action.done - bulk_action.succeeded,
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
    values = dict(Filters.read(request.GET).values)
    for name in ("action", "all", "job", "page"):
        values.pop(name, None)
    return Filters(values)


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


def _ask(
    request: HttpRequest, action: str, back: str, selected: Selected, *, has_changed: bool = False
) -> HttpResponse:
    able, total = len(selected.ids), selected.total
    is_retry = action == BulkAction.Action.RETRY
    if not able:
        return report(request, _none_of(is_retry, total), back, level="error")
    title = _title(is_retry, able)
    question = Question(
        title=title,
        text=_text(is_retry, able, total, has_changed),
        button=title.rstrip("?"),
        back=back,
        icon="retry" if is_retry else "stop",
        is_danger=not is_retry,
        details=_details(is_retry, able, total),
    )
    context = {"question": question, "form": MarkForm(initial={"mark": selected.mark})}
    crumbs = ((back, _("Sync jobs")),)
    status = 422 if has_changed else 200
    return show(request, "syncjobs/ask.html", context, title=title, crumbs=crumbs, status=status)


def _title(is_retry: bool, count: int) -> str:
    if is_retry:
        return ngettext("Retry %s job?", "Retry %s jobs?", count) % number(count)
    return ngettext("Cancel %s job?", "Cancel %s jobs?", count) % number(count)


def _text(is_retry: bool, able: int, total: int, has_changed: bool) -> str:
    values = {"able": number(able), "total": number(total)}
    if has_changed:
        return (
            _("Nothing was done: the jobs have changed since you were asked. %(able)s of %(total)s are affected now.")
            % values
        )
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


def _summary(action: str, outcome: bulk.BulkResult) -> str:
    if action == BulkAction.Action.RETRY:
        done = ngettext("%s job runs again.", "%s jobs run again.", outcome.succeeded)
    else:
        done = ngettext("%s job is cancelled or stopping.", "%s jobs are cancelled or stopping.", outcome.succeeded)
    done %= number(outcome.succeeded)
    if not outcome.refused:
        return done
    reason = next(iter(outcome.refused.values()))
    return f"{done} {_('%(count)s refused: %(why)s') % {'count': number(len(outcome.refused)), 'why': reason}}"
