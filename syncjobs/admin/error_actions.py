"""What people may do about an error group: decide, assign, note something, or retry its failed jobs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..audit.actors import Actor
from ..engine import clock, error_reasons
from ..models import BulkAction, ErrorGroup
from ..operations import bulk
from ..operations import errors as operations
from ..operations import jobs as job_operations
from ..operations.waiting import pauses_of_retries
from ..templatetags.monitor import number
from . import error_help
from .core import advice, fixes, links
from .core.local_time import start_of
from .core.pages import Question, ask, refuse, style

_DAYS = (1, 3, 7, 30, 90)


class NoteForm(forms.Form):
    """A note for the next person."""

    note = forms.CharField(
        required=False,
        max_length=operations.MAX_NOTE,
        label=gettext_lazy("Note (optional)"),
        help_text=gettext_lazy("What you found out and what was done about it. Shown with your name."),
        widget=forms.Textarea(attrs={"rows": 4}),
    )


class NewNoteForm(NoteForm):
    """A note on its own, which must say something."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["note"].label = _("Note")
        self.fields["note"].required = True


class IgnoreForm(NoteForm):
    """Until when: for some days, or until a date."""

    days = forms.TypedChoiceField(
        label=gettext_lazy("Ignore for"), coerce=int, required=False, empty_value=None, initial=7
    )
    until = forms.DateField(
        required=False,
        label=gettext_lazy("Or until"),
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    field_order = ("days", "until", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["days"].choices = [  # type: ignore[attr-defined]
            (n, ngettext("%(n)s day", "%(n)s days", n) % {"n": n}) for n in _DAYS
        ]
        self.fields["until"].help_text = _(
            "The start of this day in the time zone %(zone)s, within a year. This date counts if both are given."
        ) % {"zone": timezone.get_current_timezone_name()}

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not values.get("until") and not values.get("days") and not self.errors:
            self.add_error("days", _("Choose how long, or give a date."))
        return values


class AssignForm(forms.Form):
    """To whom."""

    assignee = forms.ChoiceField(required=False, label=gettext_lazy("Assigned to"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [person.get_username() for person in operations.assignable()]
        self.fields["assignee"].choices = [  # type: ignore[attr-defined]
            ("", _("Nobody")),
            *((name, name) for name in names),
        ]


def ask_to_acknowledge(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """Confirm, then mark a group as acknowledged."""
    question = _question(
        fingerprint,
        title=_("Acknowledge this error?"),
        text=_("Somebody takes care of it. It leaves what is to do until it occurs again and no retry heals it."),
        button=_("Acknowledge"),
        icon="check",
    )

    def do(actor: Actor, values: dict[str, Any]) -> str:
        is_changed = operations.acknowledge_errors(actor, fingerprint, values["note"])
        return _("Acknowledged.") if is_changed else _("It was acknowledged already.")

    problem = operations.decide_problem(fingerprint)
    return refuse(request, problem, question.back) or _ask(request, question, do, NoteForm)


def ask_to_resolve(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """Confirm, then mark a group as resolved."""
    question = _question(
        fingerprint,
        title=_("Resolve this error?"),
        text=_("Its cause has been removed. If it occurs again and no retry heals it, it comes back as regressed."),
        button=_("Resolve"),
        icon="resolve",
    )

    def do(actor: Actor, values: dict[str, Any]) -> str:
        operations.resolve_errors(actor, fingerprint, values["note"])
        return _("Resolved.")

    problem = operations.decide_problem(fingerprint)
    return refuse(request, problem, question.back) or _ask(request, question, do, NoteForm)


def ask_to_ignore(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """Ask until when, then ignore a group."""
    question = _question(
        fingerprint,
        title=_("Ignore this error?"),
        text=_("It leaves what is to do until then, even if it occurs again, and nobody is alerted."),
        button=_("Ignore"),
        icon="clock",
    )

    def do(actor: Actor, values: dict[str, Any]) -> str:
        day = values["until"]
        until = (
            start_of(day, timezone.get_current_timezone()) if day else clock.now() + dt.timedelta(days=values["days"])
        )
        operations.ignore_errors(actor, fingerprint, until, values["note"])
        return _("Ignored until %(time)s UTC.") % {"time": f"{until.astimezone(dt.UTC):%Y-%m-%d %H:%M}"}

    problem = operations.decide_problem(fingerprint)
    return refuse(request, problem, question.back) or _ask(request, question, do, IgnoreForm)


def ask_to_assign(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """Ask who takes care of a group, then assign it."""
    group = operations.get_error_group(fingerprint, ErrorGroup.objects.select_related("assignee"))
    question = _question(
        fingerprint,
        title=_("Who takes care of this error?"),
        text=_("Their name is shown with the error, and the list of errors can be filtered by it."),
        button=_("Assign"),
        icon="people",
    )

    def do(actor: Actor, values: dict[str, Any]) -> str:
        name = values["assignee"]
        operations.assign_errors(actor, fingerprint, name)
        return _("Assigned to %(person)s.") % {"person": name} if name else _("Assigned to nobody.")

    # Most people take an error themselves.
    initial = group.assignee.get_username() if group.assignee else request.user.get_username()
    return _ask(request, question, do, AssignForm, initial={"assignee": initial})


def ask_for_note(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """Ask for a note, then add it to a group's thread."""
    question = _question(
        fingerprint,
        title=_("Add a note"),
        text=_("Everybody who sees this error sees the note. It can't be changed later."),
        button=_("Add note"),
        icon="plus",
    )

    def do(actor: Actor, values: dict[str, Any]) -> str:
        operations.add_error_note(actor, fingerprint, values["note"])
        return _("Note added.")

    return _ask(request, question, do, NewNoteForm)


def ask_to_reopen(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """Confirm, then undo what somebody decided about a group."""
    question = _question(
        fingerprint,
        title=_("Reopen this error?"),
        text=_("It is to do again. Its notes stay."),
        button=_("Reopen"),
        icon="unlock",
    )

    def do(actor: Actor, _values: dict[str, Any]) -> str:
        operations.reopen_errors(actor, fingerprint)
        return _("Reopened.")

    problem = operations.reopen_problem(fingerprint)
    return refuse(request, problem, question.back) or ask(request, question, do)


def ask_to_retry(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """Say how many of the group's failed jobs haven't been retried yet, then retry them.

    If the error is permanent, offer first what removes its cause.
    """
    group = operations.get_error_group(fingerprint)
    failed = operations.unretried_jobs(fingerprint=fingerprint)
    jobs = list(failed.values_list("pk", "band", "band_name"))
    count = len(jobs)
    named = list({pk: name for _job, pk, name in jobs if pk}.items())
    left = error_help.affected(fingerprint, group.reason, named)
    warns = count > 0 and group.is_permanent and bool(left or not named)
    question = _question(
        fingerprint,
        title=_("Retry the failed jobs of this error?"),
        text=_what_is_queued(count, *job_operations.new_retries(failed))
        if count
        else _(
            "There is nothing to retry: every job with this error completed in the end, runs again by itself,"
            " or was retried or deleted."
        ),
        button=_("Retry anyway") if warns else _("Retry"),
        is_possible=count > 0,
        icon="retry",
        warning=advice.group_warning(request, group.reason) if warns else "",
        offers=fixes.of(request, group.reason, left[: fixes.MOST_BANDS]) if warns else (),
        more=[
            error_help.since([each for each in named if each not in left][: fixes.MOST_BANDS]),
            pauses_of_retries([job_id for job_id, _band, _name in jobs]),
        ],
    )
    return ask(request, question, lambda actor, _values: _summary(bulk.retry_group(actor, fingerprint)))


def _what_is_queued(count: int, new: int, active: int) -> str:
    """Say how many jobs can be retried, how many `new` ones that queues, and how many `active` ones do the same as some."""
    values = {"count": number(count), "new": number(new), "active": number(active)}
    if new == count:
        text = ngettext(
            "%(count)s failed job can be retried: a new job is queued in its place.",
            "%(count)s failed jobs can be retried: a new job is queued in place of each.",
            count,
        )
        return text % values
    if not new and not active:
        text = ngettext(
            "The failed job can't be retried: its band is inactive, deleted, or has no channel.",
            "None of the %(count)s failed jobs can be retried: their bands are inactive, deleted, or have no channel.",
            count,
        )
        return text % values
    texts = [
        ngettext("%(count)s failed job can be retried.", "%(count)s failed jobs can be retried.", count),
        ngettext(
            "This queues %(new)s new job: one for each band and type.",
            "This queues %(new)s new jobs: one for each band and type.",
            new,
        )
        if new
        else _("This queues no new job."),
    ]
    if active:
        text = ngettext(
            "%(active)s job that is queued or running already does the same as some of them.",
            "%(active)s jobs that are queued or running already do the same as some of them.",
            active,
        )
        texts.append(text)
    return " ".join(texts) % values


def _ask(
    request: HttpRequest,
    question: Question,
    do: Callable[[Actor, dict[str, Any]], str],
    form_class: type[forms.Form],
    **options: Any,
) -> HttpResponse:
    form = form_class(request.POST if request.method == "POST" else None, **options)
    return ask(request, question, do, form=style(form))


def _question(fingerprint: str, *, more: Sequence[str] = (), **fields: Any) -> Question:
    """Return a question about a group, with `more` to know. Raises NotFound."""
    group = operations.get_error_group(fingerprint)
    details = [(group.sample or group.message)[:300], *filter(None, more)]
    parent = str(error_reasons.explain(group.reason).title)
    return Question(back=links.error(group.pk), parent=parent, details=details, **fields)


def _summary(outcome: bulk.BulkResult | BulkAction) -> str:
    """Return a sentence that says how many jobs were retried, and why others were not."""
    if isinstance(outcome, BulkAction):
        return _("%(count)s jobs are being retried in the background.") % {"count": number(outcome.total)}
    return bulk.summary(BulkAction.Action.RETRY, outcome)
