"""Retrying or cancelling many jobs: what is asked before, and how far it is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bands.text import parse_numbers

from .. import counters
from ..exceptions import DomainError, InvalidInput
from ..listing import query as listing_query
from ..models import BulkAction, SyncJob
from ..operations import bulk
from ..templatetags.monitor import number
from .core import links
from .core.job_filters import Filters, sentence_of
from .core.pages import Question, actor_of, is_part, page, show, told

_REFUSED_SHOWN = 100
_TITLES: dict[str, Any] = {
    BulkAction.Action.RETRY: gettext_lazy("Retrying many jobs"),
    BulkAction.Action.CANCEL: gettext_lazy("Cancelling many jobs"),
    BulkAction.Action.CLEAR: gettext_lazy("Deleting failed jobs"),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """The jobs a person means: how many there are, and those whose state allows the action."""

    total: int
    ids: Sequence[int]

    @property
    def mark(self) -> str:
        """Two sets with the same mark are the same set."""
        return hashlib.sha256(",".join(map(str, self.ids)).encode()).hexdigest()[:32]


class MarkForm(forms.Form):
    """Which set of jobs the question was about."""

    mark = forms.CharField(widget=forms.HiddenInput)


@page("syncjobs.view_syncjob", posts=True)
def ask_bulk(request: HttpRequest) -> HttpResponse:
    """Say how many jobs it is about and what becomes of them, then do it: at once, or in the background."""
    action, filters = request.GET.get("action", ""), _filters(request)
    if action in bulk.ELIGIBLE_STATUSES and not request.user.has_perm(f"syncjobs.{action}_job"):
        raise PermissionDenied
    back = filters.url()
    try:
        chosen = _chosen(request, action, filters)
        if request.method != "POST":
            return _question(request, action, back, chosen)
        if request.POST.get("mark") != chosen.mark:
            return _question(request, action, back, chosen, has_changed=True)
        outcome = bulk.start(actor_of(request), action, chosen.ids)
    except DomainError as error:
        return told(request, error.message, back, level="error")
    if isinstance(outcome, BulkAction):
        text = _("%s jobs are being worked through.") % number(len(chosen.ids))
        return told(request, text, reverse("admin:syncjobs_bulkaction_change", args=[outcome.pk]), goes=True)
    return told(request, _sentence(action, outcome), back, level="success" if outcome.succeeded else "error")


def _filters(request: HttpRequest) -> Filters:
    """The list's own parameters, without those of this question."""
    values = dict(Filters.read(request.GET).values)
    for name in ("action", "all", "job", "page"):
        values.pop(name, None)
    return Filters(values)


def _chosen(request: HttpRequest, action: str, filters: Filters) -> Chosen:
    """The jobs ticked, or all that the filters match. Raises InvalidInput."""
    if request.GET.get("all"):
        try:
            query = listing_query.job_query(filters.query())
        except InvalidInput as error:
            raise InvalidInput(sentence_of(error)) from None
        total = counters.count(query.selection) if query.is_counted else query.jobs.order_by().count()
        return Chosen(total, bulk.eligible_ids(query.jobs, action))
    ids = set(parse_numbers(request.GET.getlist("job")))
    if not ids:
        raise InvalidInput(_("No job is chosen. Tick some first."))
    if len(ids) > bulk.MAX_FOREGROUND:
        raise InvalidInput(_("At most %s jobs can be ticked.") % bulk.MAX_FOREGROUND)
    return Chosen(len(ids), bulk.eligible_ids(SyncJob.objects.filter(pk__in=ids), action))


def _question(
    request: HttpRequest, action: str, back: str, chosen: Chosen, *, has_changed: bool = False
) -> HttpResponse:
    able, total = len(chosen.ids), chosen.total
    if not able:
        return told(request, _none_of(action, total), back, level="error")
    is_retry = action == BulkAction.Action.RETRY
    details = []
    if total > able:
        rest = ngettext(
            "%s is left as it is, because its state does not allow it: ",
            "%s are left as they are, because their state does not allow it: ",
            total - able,
        ) % number(total - able)
        details.append(
            rest + (_("only failed and cancelled jobs can be retried.") if is_retry else _("they have ended already."))
        )
    if not is_retry:
        details.append(_("Queued ones are cancelled at once; running ones stop within one call to YouTube."))
    if able > bulk.MAX_FOREGROUND:
        details.append(_("So many are done in the background; you will see how far it is."))
    question = Question(
        title=_title(is_retry, able),
        text=_text(is_retry, able, total, has_changed),
        button=_title(is_retry, able).rstrip("?"),
        back=back,
        icon="retry" if is_retry else "stop",
        is_danger=not is_retry,
        details=details,
    )
    form = MarkForm(initial={"mark": chosen.mark})
    context = {"question": question, "form": form}
    return show(
        request,
        "syncjobs/ask.html",
        context,
        title=question.title,
        crumbs=((back, _("Sync jobs")),),
        status=422 if has_changed else 200,
    )


def _title(is_retry: bool, count: int) -> str:
    if is_retry:
        return ngettext("Retry %s job?", "Retry %s jobs?", count) % number(count)
    return ngettext("Cancel %s job?", "Cancel %s jobs?", count) % number(count)


def _text(is_retry: bool, able: int, total: int, has_changed: bool) -> str:
    values = {"able": number(able), "total": number(total)}
    if has_changed:
        return (
            _(
                "Nothing was done yet: the jobs have changed since you were asked. It is about %(able)s of %(total)s now."
            )
            % values
        )
    if able < total:
        return _("It is about %(able)s of the %(total)s chosen.") % values
    return _("Each of them runs again as a new job.") if is_retry else _("None of them will be finished.")


def _none_of(action: str, total: int) -> str:
    if action == BulkAction.Action.RETRY:
        return _("None of the %s chosen can be retried: only failed and cancelled jobs can.") % number(total)
    return _("None of the %s chosen can be cancelled: they have ended already.") % number(total)


def _sentence(action: str, outcome: bulk.BulkResult) -> str:
    done = (
        ngettext("%s job runs again.", "%s jobs run again.", outcome.succeeded)
        if action == BulkAction.Action.RETRY
        else ngettext("%s job is cancelled or stopping.", "%s jobs are cancelled or stopping.", outcome.succeeded)
    ) % number(outcome.succeeded)
    if not outcome.refused:
        return done
    why = next(iter(outcome.refused.values()))
    return f"{done} {_('Not %(count)s: %(why)s') % {'count': number(len(outcome.refused)), 'why': why}}"


@page("syncjobs.view_syncjob")
def progress(request: HttpRequest, bulk_id: int) -> HttpResponse:
    """How far a bulk action in the background is."""
    found = bulk.get_bulk_action(bulk_id)
    context = {
        "bulk": found,
        "refused_count": found.done - found.succeeded,
        "refused": [
            (job_id, links.job(int(job_id)), why) for job_id, why in list(found.refused.items())[:_REFUSED_SHOWN]
        ],
        "jobs_url": links.jobs(),
    }
    if is_part(request):
        return render(request, "syncjobs/jobs/bulk_state.html", context)
    return show(
        request,
        "syncjobs/jobs/bulk.html",
        context,
        title=str(_TITLES[found.action]),
        crumbs=((links.jobs(), _("Sync jobs")),),
        is_live=True,
    )


PAGES = (
    ("jobs/bulk/", ask_bulk, "syncjobs_syncjob_bulk"),
    ("jobs/bulk/<id:bulk_id>/", progress, "syncjobs_bulkaction_change"),
)
