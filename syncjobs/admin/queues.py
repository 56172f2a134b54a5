"""Pausing, resuming and clearing a queue, or all of them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..audit.actors import Actor
from ..choices import QueueName
from ..exceptions import NotFound
from ..models import BulkAction
from ..operations import bulk, queues
from ..stats import queues as stats_queues
from ..templatetags.monitor import number
from .core.pages import Question, ask, page, style


class _Reason(forms.Form):
    """Why somebody pauses, for those who find it paused."""

    reason = forms.CharField(required=False, max_length=queues.MAX_REASON)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.fields["reason"].label = _("Reason")
        self.fields["reason"].help_text = _("Shown beside the queue, and kept in the audit.")
        style(self)


@page("syncjobs.pause_queue", posts=True)
def pause(request: HttpRequest, name: str) -> HttpResponse:
    """Ask for a reason, then pause."""
    label = _label(name)
    question = Question(
        title=_("Pause %(queue)s?") % {"queue": label},
        text=_("No further job of it starts until somebody resumes it. What is running goes on to its end."),
        button=_("Pause"),
        icon="pause",
        back=reverse("admin:index"),
    )

    def do(actor: Actor, values: dict[str, Any]) -> str:
        paused = queues.pause_queue(actor, name, values["reason"])
        return _("Paused: %(queues)s.") % {"queues": _labels(paused)} if paused else _("It was paused already.")

    return ask(request, question, do, form=_Reason(request.POST if request.method == "POST" else None))


@page("syncjobs.pause_queue", posts=True)
def resume(request: HttpRequest, name: str) -> HttpResponse:
    """Ask, then let the workers go on."""
    label = _label(name)
    question = Question(
        title=_("Resume %(queue)s?") % {"queue": label},
        text=_("The workers go on with the jobs that wait in it."),
        button=_("Resume"),
        icon="play",
        back=reverse("admin:index"),
    )

    def do(actor: Actor, values: dict[str, Any]) -> str:
        resumed = queues.resume_queue(actor, name)
        return _("Resumed: %(queues)s.") % {"queues": _labels(resumed)} if resumed else _("It was not paused.")

    return ask(request, question, do)


@page("syncjobs.clear_failed", posts=True)
def clear_failed(request: HttpRequest, name: str) -> HttpResponse:
    """Ask, saying how many, then delete them."""
    label = _label(name)
    count = stats_queues.failed(name)
    question = Question(
        title=_("Delete the failed jobs of %(queue)s?") % {"queue": label},
        text=ngettext(
            "%(count)s failed job is deleted for good, with its errors and its timeline.",
            "%(count)s failed jobs are deleted for good, with their errors and their timelines.",
            count,
        )
        % {"count": number(count)},
        details=(_("They can't be retried after that. Retry first what you still want done."),),
        button=_("Delete for good"),
        icon="trash",
        back=reverse("admin:index"),
        is_danger=True,
    )

    under_way: list[str] = []

    def do(actor: Actor, values: dict[str, Any]) -> str:
        cleared = bulk.clear_failed(actor, name)
        if isinstance(cleared, BulkAction):
            under_way.append(reverse("admin:syncjobs_bulkaction_change", args=[cleared.pk]))
            return _("%s failed jobs are being deleted.") % number(cleared.total)
        return ngettext("%(count)s failed job deleted.", "%(count)s failed jobs deleted.", cleared) % {
            "count": number(cleared)
        }

    return ask(request, question, do, then=lambda: next(iter(under_way), None))


def _label(name: str) -> str:
    """What people call the queue. Raises NotFound."""
    if name == queues.ALL_QUEUES:
        return _("all queues")
    if name not in QueueName.values:
        raise NotFound(_("There is no queue of this name."), field="queue")
    return f"“{QueueName(name).label}”"


def _labels(names: list[str]) -> str:
    return ", ".join(str(QueueName(name).label) for name in names)


PAGES = (
    ("queues/<str:name>/pause/", pause, "syncjobs_queue_pause"),
    ("queues/<str:name>/resume/", resume, "syncjobs_queue_resume"),
    ("queues/<str:name>/clear-failed/", clear_failed, "syncjobs_queue_clear_failed"),
)
