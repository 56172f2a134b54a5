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

from ..audit.actors import Actor
from ..choices import QueueName
from ..engine import clock
from ..exceptions import NotFound
from ..models import BulkAction, Queue
from ..operations import bulk, queues
from ..templatetags.monitor import number
from .core import links
from .core.model_admin import PageAdmin, requires
from .core.pages import Question, ask, style
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
        question = Question(
            title=_("Pause %(queue)s?") % {"queue": _label(name)},
            text=_("No new jobs start until someone resumes it. Running jobs finish."),
            button=_("Pause"),
            icon="pause",
            back=reverse("admin:index"),
        )

        def do(actor: Actor, values: dict[str, Any]) -> str:
            paused = queues.pause_queue(actor, name, values["reason"])
            return _("Paused: %(queues)s.") % {"queues": _labels(paused)} if paused else _("It was already paused.")

        return ask(request, question, do, form=style(PauseForm(request.POST if request.method == "POST" else None)))

    @requires("syncjobs.pause_queue", post=True)
    def resume_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Confirm, then resume."""
        question = Question(
            title=_("Resume %(queue)s?") % {"queue": _label(name)},
            text=ngettext("Workers start its queued jobs again.", "Workers start their queued jobs again.", 1),
            button=_("Resume"),
            icon="play",
            back=reverse("admin:index"),
        )

        def do(actor: Actor, values: dict[str, Any]) -> str:
            resumed = queues.resume_queue(actor, name)
            return _("Resumed: %(queues)s.") % {"queues": _labels(resumed)} if resumed else _("It was not paused.")

        return ask(request, question, do)

    @requires("syncjobs.clear_failed", post=True)
    def clear_failed_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Say which failed jobs there are now, then delete those; later ones stay."""
        form, until = ClearForm(request.POST), clock.now()
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
