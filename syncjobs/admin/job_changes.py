"""Changing a job that waits in a queue: the forms, which bulk actions share, and the question about one job."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..audit.actors import Actor
from ..choices import JobStatus, Priority
from ..engine import clock
from ..exceptions import InvalidInput
from ..models import SyncJob
from ..operations import jobs, queued_jobs, triggers
from ..operations.queued_jobs import Action, Change
from ..operations.waiting import pauses
from ..templatetags.monitor import number
from .core import links
from .core.pages import Question, ask, refuse, report, style
from .job_page import scope_of


class DelayForm(forms.Form):
    """How long to wait: for some hours, or until a time."""

    hours = forms.TypedChoiceField(
        label=gettext_lazy("Delay for"),
        coerce=int,
        required=False,
        empty_value=None,
        initial=4,
        choices=[
            (1, gettext_lazy("1 hour")),
            (4, gettext_lazy("4 hours")),
            (12, gettext_lazy("12 hours")),
            (24, gettext_lazy("1 day")),
            (72, gettext_lazy("3 days")),
            (168, gettext_lazy("7 days")),
        ],
    )
    until = forms.DateTimeField(
        required=False,
        label=gettext_lazy("Or until"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["until"].help_text = _(
            "In the time zone %(zone)s, within the next 30 days. This time counts if both are given."
        ) % {"zone": timezone.get_current_timezone_name()}

    def clean_until(self) -> dt.datetime | None:
        """Check the time before anything converts it: the first and last years have no time in some zones."""
        until: dt.datetime | None = self.cleaned_data["until"]
        if until is not None:
            try:
                queued_jobs.check(Change(Action.DELAY, until=until))
            except InvalidInput as error:
                raise forms.ValidationError(error.message) from None
        return until

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not values.get("until") and not values.get("hours") and not self.errors:
            self.add_error("hours", _("Choose how long, or give a time."))
        return values


class PriorityForm(forms.Form):
    """The new priority."""

    priority = forms.TypedChoiceField(
        label=gettext_lazy("Priority"), coerce=int, choices=Priority.choices, initial=Priority.HIGH.value
    )


def change_of(action: str, values: dict[str, Any]) -> Change:
    """Return the change that a form's cleaned values describe."""
    if action == Action.DELAY:
        until: dt.datetime = values["until"] or clock.now() + dt.timedelta(hours=values["hours"])
        return Change(action, until=until.astimezone(dt.UTC))
    return Change(action, priority=values.get("priority"))


def ask_to_delay(request: HttpRequest, job_id: int) -> HttpResponse:
    """Ask how long a job should wait, then delay it."""
    job = jobs.get_job(job_id)
    if refusal := _refused(request, job, Action.DELAY):
        return refusal
    question = Question(
        title=_("Delay job #%s?") % job_id,
        text=_("It does not start before the time below, whatever it waits for now."),
        button=_("Delay the job"),
        back=links.job(job_id),
        parent=_("Job #%s") % job_id,
        icon="clock",
        details=_about_children(job),
    )

    def do(actor: Actor, values: dict[str, Any]) -> str:
        until = change_of(Action.DELAY, values).until
        assert until is not None
        queued_jobs.delay(actor, job_id, until)
        text = _("Job #%(id)s is delayed until %(time)s UTC.")
        if queued_jobs.changes_only_children(job):
            text = _("The queued child jobs of job #%(id)s are delayed until %(time)s UTC.")
        return text % {"id": job_id, "time": f"{until:%Y-%m-%d %H:%M}"}

    return ask(request, question, do, form=style(DelayForm(request.POST if request.method == "POST" else None)))


def ask_to_prioritize(request: HttpRequest, job_id: int) -> HttpResponse:
    """Ask for the priority of a job, then change it."""
    job = jobs.get_job(job_id)
    if refusal := _refused(request, job, Action.PRIORITY):
        return refusal
    question = Question(
        title=_("Change the priority of job #%s?") % job_id,
        text=_("Of two waiting jobs, the one with the higher priority starts first."),
        button=_("Change priority"),
        back=links.job(job_id),
        parent=_("Job #%s") % job_id,
        icon="priority",
        details=_details(job),
    )

    def do(actor: Actor, values: dict[str, Any]) -> str:
        queued_jobs.prioritize(actor, job_id, values["priority"])
        label = Priority(values["priority"]).label
        text = _("Job #%(id)s has the priority “%(priority)s”.")
        if queued_jobs.changes_only_children(job):
            text = _("The queued child jobs of job #%(id)s have the priority “%(priority)s”.")
        return text % {"id": job_id, "priority": label}

    initial = {"priority": min(job.priority, Priority.URGENT)}
    form = PriorityForm(request.POST) if request.method == "POST" else PriorityForm(initial=initial)
    return ask(request, question, do, form=style(form))


def ask_to_move(request: HttpRequest, job_id: int) -> HttpResponse:
    """Confirm, then move a job to the front of its queue."""
    job = jobs.get_job(job_id)
    if refusal := _refused(request, job, Action.FRONT):
        return refusal
    text = _("It starts before all other jobs of its queue, once it is due and a worker is free.")
    question = Question(
        title=_("Move job #%s to the front?") % job_id,
        text=text,
        button=_("Move to front"),
        back=links.job(job_id),
        parent=_("Job #%s") % job_id,
        icon="front",
        details=_details(job),
    )

    def do(actor: Actor, _values: dict[str, Any]) -> str:
        moved = queued_jobs.move_to_front(actor, job_id)
        done = _("Job #%s is at the front of its queue.")
        if queued_jobs.changes_only_children(job):
            done = _("The queued child jobs of job #%s are at the front of their queue.")
        elif moved.queue.paused_at and not (moved.band and moved.band.paused_at):
            return _("Job #%s is at the front of its queue. It starts first once the queue is resumed.") % job_id
        return f"{done % job_id} {pauses([job_id])}".rstrip()

    return ask(request, question, do)


def ask_to_run(request: HttpRequest, job_id: int) -> HttpResponse:
    """Confirm, then end the delay of a job."""
    job = jobs.get_job(job_id)
    if refusal := _refused(request, job, Action.RUN):
        return refusal
    question = Question(
        title=_("Run job #%s now?") % job_id,
        text=_(
            "It no longer waits, nor do its delayed child jobs. It starts when a worker is free, unless its queue is paused."
            " If the quota is still used up, it is delayed again."
        ),
        button=_("Run now"),
        back=links.job(job_id),
        parent=_("Job #%s") % job_id,
        icon="play",
        details=[*filter(None, [pauses([job_id])])],
    )

    def do(actor: Actor, _values: dict[str, Any]) -> str:
        queued_jobs.run_now(actor, job_id)
        text = _("Job #%s is no longer delayed.")
        if queued_jobs.changes_only_children(job):
            text = _("The child jobs of job #%s are no longer delayed.")
        return f"{text % job_id} {pauses([job_id])}".rstrip()

    return ask(request, question, do)


def _refused(request: HttpRequest, job: SyncJob, action: Action) -> HttpResponse | None:
    problem = queued_jobs.problem(job, action) if request.method != "POST" else None
    return refuse(request, problem, links.job(job.pk))


def _details(job: SyncJob) -> list[str]:
    """Return what concerns a job that somebody wants to start sooner: its children, and the pauses that it waits for."""
    return [*_about_children(job), *filter(None, [pauses([job.pk])])]


def _about_children(job: SyncJob) -> list[str]:
    if queued_jobs.changes_only_children(job):
        return [_("It runs already, so this applies to its queued child jobs.")]
    return [_("This applies to its queued child jobs too.")] if job.fans_out else []


def refuse_to_retry(request: HttpRequest, job: SyncJob, other: SyncJob) -> HttpResponse:
    """Instead of asking, report that the other job already does what a retry of this one would, and offer that job."""
    error = triggers.cancelling_error(other)
    text = _("Job #%(id)s was retried already: job #%(other)s is %(status)s.")
    if other.retry_of_id != job.pk:
        text = _("Job #%(id)s needs no retry: job #%(other)s does the same and is %(status)s.")
    values = {"other": other.pk, **jobs.status_of(other), "id": job.pk}
    offer = (links.job(other.pk), _("Show the job"))
    return report(request, error.message if error else text % values, links.job(job.pk), level="error", offer=offer)


def question_to_cancel(job: SyncJob) -> Question:
    """Ask whether to cancel a job; of an all-bands job, whether to stop the whole sync."""
    details = []
    unfinished = SyncJob.objects.active().filter(parent=job).count() if job.fans_out else 0
    if unfinished:
        text = ngettext(
            "%(n)s child job that has not ended is cancelled too.",
            "%(n)s child jobs that have not ended are cancelled too.",
            unfinished,
        )
        details.append(text % {"n": number(unfinished)})
    if job.status == JobStatus.IN_PROGRESS:
        details.append(_("It stops within one call to YouTube. What it has saved so far stays."))
    values = {"type": job.get_job_type_display(), "what": scope_of(job), "id": job.pk}
    return Question(
        title=_("Stop the sync #%(id)s?") % values if job.fans_out else _("Cancel job #%(id)s?") % values,
        text=_("%(type)s of %(what)s will stop where it is.") % values,
        button=_("Stop this sync") if job.fans_out else _("Cancel the job"),
        back=links.job(job.pk),
        parent=_("Job #%s") % job.pk,
        icon="stop",
        is_danger=True,
        details=details,
    )
