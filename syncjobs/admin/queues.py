"""Pausing, resuming and clearing one queue or all of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bands.models import Band

from ..audit.actors import Actor
from ..choices import QueueName
from ..engine import clock
from ..exceptions import NotFound
from ..models import BulkAction, Queue
from ..operations import bulk, queues
from ..templatetags.monitor import number
from .core import links
from .core.model_admin import PageAdmin, requires
from .core.pages import Question, Unchanged, ask, refuse, style
from .site import site


class PauseForm(forms.Form):
    """The reason for a pause, shown to everyone who sees the queue."""

    reason = forms.CharField(
        required=False,
        max_length=queues.MAX_REASON,
        label=gettext_lazy("Reason (optional)"),
        help_text=gettext_lazy("Shown next to the queue and kept in the audit log."),
    )


class ClearForm(forms.Form):
    """When the question was asked: jobs that fail later stay."""

    until = forms.DateTimeField(widget=forms.HiddenInput)


@admin.register(Queue, site=site)
class QueueAdmin(PageAdmin):
    """The actions on a queue, or on "all"; the dashboard shows the queues."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("<str:name>/pause/", self.pause_view, "pause"),
            self.page("<str:name>/resume/", self.resume_view, "resume"),
            self.page("<str:name>/clear-failed/", self.clear_failed_view, "clear_failed"),
            *super().get_urls(),
        ]

    @requires("syncjobs.pause_queue", post=True)
    def pause_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Ask for a reason, then pause."""
        if refusal := refuse(request, _pause_problem(name), reverse("admin:index")):
            return refusal
        question = Question(
            title=_("Pause %(queue)s?") % {"queue": _label(name)},
            text=_("No new jobs start until someone resumes it. Running jobs finish."),
            button=_("Pause"),
            icon="pause",
            back=reverse("admin:index"),
        )

        def do(actor: Actor, values: dict[str, Any]) -> str:
            paused = queues.pause_queue(actor, name, values["reason"])
            if not paused:
                return Unchanged(_("It was already paused."))
            return _("Paused: %(queues)s.") % {"queues": _labels(paused)}

        return ask(request, question, do, form=style(PauseForm(request.POST if request.method == "POST" else None)))

    @requires("syncjobs.pause_queue", post=True)
    def resume_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Confirm, then resume."""
        if refusal := refuse(request, _resume_problem(name), reverse("admin:index")):
            return refusal
        question = Question(
            title=_("Resume %(queue)s?") % {"queue": _label(name)},
            text=ngettext("Workers start its queued jobs again.", "Workers start their queued jobs again.", 1),
            button=_("Resume"),
            icon="play",
            back=reverse("admin:index"),
        )

        def do(actor: Actor, values: dict[str, Any]) -> str:
            resumed = queues.resume_queue(actor, name)
            if not resumed:
                return Unchanged(_("It was not paused."))
            return _("Resumed: %(queues)s.") % {"queues": _labels(resumed)}

        return ask(request, question, do)

    @requires("syncjobs.clear_failed", post=True)
    def clear_failed_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Say which failed jobs there are now, then delete those; later ones stay."""
        form, until = ClearForm(request.POST), clock.now()
        _label(name)
        if not bulk.failed_jobs(queues.queue_names(name), until).exists() and (
            refusal := refuse(request, _("There are no failed jobs to delete."), reverse("admin:index"))
        ):
            return refusal
        if form.is_valid():
            until = form.cleaned_data["until"]
        else:
            form = ClearForm(initial={"until": until.isoformat()})
        in_background: list[str] = []

        def do(actor: Actor, values: dict[str, Any]) -> str:
            cleared = bulk.clear_failed(actor, name, until)
            if isinstance(cleared, BulkAction):
                in_background.append(links.object_page("syncjobs_bulkaction_change", cleared.pk))
                return _("%s failed jobs are being deleted.") % number(cleared.total)
            message = ngettext("%(count)s failed job deleted.", "%(count)s failed jobs deleted.", cleared)
            return message % {"count": number(cleared)}

        question = _clear_question(name, until)
        return ask(request, question, do, form=form, then=lambda: next(iter(in_background), None))


def _pause_problem(name: str) -> str:
    """Return why there is nothing to pause, if so. Raises NotFound."""
    label, found = _label(name), list(Queue.objects.filter(name__in=queues.queue_names(name)))
    if not all(queue.paused_at for queue in found):
        return ""
    return _("All queues are paused already.") if name == queues.ALL_QUEUES else paused_already(label, found[0])


def _resume_problem(name: str) -> str:
    """Return why there is nothing to resume, if so. Raises NotFound."""
    label = _label(name)
    if Queue.objects.filter(name__in=queues.queue_names(name), paused_at__isnull=False).exists():
        return ""
    return _("No queue is paused.") if name == queues.ALL_QUEUES else not_paused(label)


def paused_already(what: str, paused: Queue | Band) -> str:
    """Return a sentence that says since when a queue or a band is paused, and by whom."""
    text = _("%(what)s is paused already, since %(time)s UTC by %(who)s.")
    return text % {"what": what, "time": f"{paused.paused_at:%Y-%m-%d %H:%M:%S}", "who": paused.paused_by}


def not_paused(what: str) -> str:
    """Return a sentence that says that a queue or a band is not paused."""
    return _("%(what)s is not paused.") % {"what": what}


def _clear_question(name: str, until: dt.datetime) -> Question:
    label = _label(name)
    jobs = bulk.failed_jobs(queues.queue_names(name), until)
    count = jobs.count()
    retried = count - jobs.not_retried().count()
    also = ngettext(
        "%(count)s of them has already been retried and is deleted too.",
        "%(count)s of them have already been retried and are deleted too.",
        retried,
    )
    text = ngettext(
        "%(count)s failed job is permanently deleted, with its errors and its timeline.",
        "%(count)s failed jobs are permanently deleted, with their errors and their timelines.",
        count,
    )
    return Question(
        title=_("Delete the failed jobs of %(queue)s?") % {"queue": label},
        text=text % {"count": number(count)},
        details=(
            *([also % {"count": number(retried)}] if retried else []),
            _("Jobs that fail from now on stay."),
            _("Deleted jobs can't be retried. Retry the ones you still need first."),
        ),
        button=_("Delete permanently"),
        icon="trash",
        back=reverse("admin:index"),
        is_danger=True,
    )


def _label(name: str) -> str:
    """Return what the interface calls the queue. Raises NotFound."""
    if name == queues.ALL_QUEUES:
        return _("all queues")
    if name not in QueueName.values:
        raise NotFound(_("There is no queue “%(name)s”.") % {"name": name}, field="queue")
    return f"“{QueueName(name).label}”"


def _labels(names: list[str]) -> str:
    return ", ".join(str(QueueName(name).label) for name in names)
