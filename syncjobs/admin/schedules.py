"""Schedules: what is triggered when, in plain words."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_celery_beat.models import PeriodicTask

from ..audit.actors import Actor
from ..choices import JobType
from ..exceptions import DomainError, InvalidInput
from ..operations import schedules
from .core import recurrence as core_recurrence
from .core.pages import Question, ask, is_part, page, show, style
from .core.recurrence import CRON_FIELDS, WEEKDAYS, Kind, Recurrence

_LAST_RUNS = 5
_NEXT_RUNS = 3
_BEAT = "django_celery_beat"
_TIMED = (Kind.DAILY, Kind.WEEKLY, Kind.MONTHLY)
_DEFAULT_ZONE = "America/Los_Angeles"


class ScheduleForm(forms.Form):
    """What a schedule triggers, and when."""

    name = forms.CharField(max_length=200, label=gettext_lazy("Name"))
    job_type = forms.ChoiceField(
        label=gettext_lazy("What it does"), choices=[(kind.value, kind.label) for kind in schedules.TRIGGERABLE]
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("When"), choices=Kind.choices, widget=forms.RadioSelect, initial=Kind.DAILY
    )
    time = forms.TimeField(
        required=False,
        label=gettext_lazy("At"),
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    weekdays = forms.TypedMultipleChoiceField(
        required=False,
        coerce=int,
        label=gettext_lazy("On"),
        choices=list(WEEKDAYS.items()),
        widget=forms.CheckboxSelectMultiple,
    )
    day = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=31,
        label=gettext_lazy("Day of the month"),
        help_text=gettext_lazy("Months that don't have the day are left out."),
    )
    minute = forms.IntegerField(required=False, min_value=0, max_value=59, label=gettext_lazy("Minute of the hour"))
    every = forms.IntegerField(required=False, min_value=1, max_value=10_000, label=gettext_lazy("Every"))
    period = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Unit"),
        choices=[
            ("minutes", gettext_lazy("minutes")),
            ("hours", gettext_lazy("hours")),
            ("days", gettext_lazy("days")),
            ("seconds", gettext_lazy("seconds")),
        ],
    )
    cron = forms.CharField(
        required=False,
        max_length=300,
        label=gettext_lazy("Cron expression"),
        help_text=gettext_lazy("Five fields: minute, hour, day of the month, month, weekday (0 is Sunday)."),
        widget=forms.TextInput(attrs={"placeholder": "30 6 * * 1,4", "spellcheck": "false", "autocapitalize": "off"}),
    )
    zone = forms.CharField(
        required=False,
        max_length=64,
        label=gettext_lazy("Time zone"),
        help_text=gettext_lazy("Type a city. The quota's day is that of America/Los_Angeles."),
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off", "spellcheck": "false"}),
    )
    enabled = forms.BooleanField(required=False, initial=True, label=gettext_lazy("Enabled"))

    def clean_zone(self) -> str:
        """One that the system knows."""
        zone = str(self.cleaned_data["zone"]).strip() or _DEFAULT_ZONE
        if zone not in zoneinfo.available_timezones():
            raise ValidationError(_("There is no such time zone. Choose one from the list, like America/New_York."))
        return zone

    def clean(self) -> dict[str, Any]:
        """What the chosen kind of times needs must be there."""
        data = super().clean() or self.cleaned_data
        needed = {
            Kind.DAILY: ("time",),
            Kind.WEEKLY: ("time", "weekdays"),
            Kind.MONTHLY: ("time", "day"),
            Kind.HOURLY: ("minute",),
            Kind.INTERVAL: ("every", "period"),
            Kind.CRON: ("cron",),
        }
        for name in needed.get(Kind(data["kind"]), ()) if "kind" in data else ():
            if name not in self.errors and data.get(name) in (None, "", []):
                self.add_error(name, _("Say when: this is needed."))
        if data.get("kind") == Kind.CRON and data.get("cron") and len(data["cron"].split()) != len(CRON_FIELDS):
            self.add_error("cron", _("Must be five fields with spaces between them, like 30 6 * * 1,4."))
        return data


def _recurrence(values: dict[str, Any]) -> Recurrence:
    """Of a form that is valid."""
    kind = Kind(values["kind"])
    if kind == Kind.INTERVAL:
        return Recurrence(kind, every=values["every"], period=values["period"])
    return Recurrence(
        kind,
        values["zone"],
        times=(values["time"],) if kind in _TIMED else (),
        weekdays=tuple(day for day in WEEKDAYS if day in values["weekdays"]) if kind == Kind.WEEKLY else (),
        days=(values["day"],) if kind == Kind.MONTHLY else (),
        minute=values["minute"] if kind == Kind.HOURLY else 0,
        cron=tuple(values["cron"].split()) if kind == Kind.CRON else (),
    )


def _initial(schedule: PeriodicTask) -> dict[str, Any]:
    """What the form shows of a schedule; as cron where its fields can't say it."""
    said = core_recurrence.of_schedule(schedule)
    kind = said.kind
    if kind == Kind.INTERVAL:
        is_simple = not said.cron
    elif kind == Kind.HOURLY:
        is_simple = said.every == 1
    else:
        is_simple = len(said.times) == 1 and (kind != Kind.MONTHLY or len(said.days) == 1)
    return {
        "name": schedule.name,
        "job_type": schedules.job_type_of(schedule),
        "enabled": schedule.enabled,
        "kind": kind if is_simple else Kind.CRON,
        "time": said.times[0] if said.times else None,
        "weekdays": list(said.weekdays),
        "day": said.days[0] if said.days else None,
        "minute": said.minute,
        "every": said.every,
        "period": said.period or "minutes",
        "cron": " ".join(said.cron),
        "zone": said.zone or _DEFAULT_ZONE,
    }


@page(f"{_BEAT}.view_periodictask")
def schedule_list(request: HttpRequest) -> HttpResponse:
    """All schedules, with when they run next and what became of the last runs."""
    found = list(schedules.list_schedules())
    runs = schedules.last_runs(found, _LAST_RUNS)
    rows = [
        {
            "schedule": each,
            "words": core_recurrence.sentence(core_recurrence.of_schedule(each)),
            "job_type": _label(schedules.job_type_of(each)),
            "next": _next_run(each),
            "runs": runs[each.pk],
        }
        for each in found
    ]
    context = {"rows": rows, "now": timezone.now()}
    if is_part(request):
        return render(request, "syncjobs/schedules/rows.html", context)
    return show(request, "syncjobs/schedules/list.html", context, title=_("Schedules"), is_live=True)


def _label(job_type: str) -> str:
    return str(JobType(job_type).label) if job_type in JobType.values else job_type


def _next_run(schedule: PeriodicTask) -> dict[str, Any] | None:
    """The moment, and how it is called where the schedule counts its hours."""
    at = schedules.next_run(schedule)
    if at is None:
        return None
    zone = None if schedule.crontab is None else schedule.crontab.timezone
    return {"at": at, "there": _there(at, zone)}


def _there(at: dt.datetime, zone: Any) -> str:
    return "" if zone is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M} {zone}"


@page(f"{_BEAT}.add_periodictask", posts=True)
def add(request: HttpRequest) -> HttpResponse:
    """A new schedule."""
    initial = {"zone": _DEFAULT_ZONE, "time": dt.time(3), "every": 15, "minute": 0, "day": 1}
    form = ScheduleForm(request.POST or None, initial=initial)
    return _edit(request, None, form, _("Add a schedule"))


@page(f"{_BEAT}.change_periodictask", posts=True)
def change(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Change a schedule."""
    schedule = schedules.get(schedule_id)
    form = ScheduleForm(request.POST or None, initial=_initial(schedule))
    return _edit(request, schedule, form, _("Change “%(name)s”") % {"name": schedule.name})


def _edit(request: HttpRequest, schedule: PeriodicTask | None, form: ScheduleForm, title: str) -> HttpResponse:
    question = Question(
        title=title,
        text="",
        button=_("Save"),
        back=reverse("admin:django_celery_beat_periodictask_changelist"),
        above=_("Schedules"),
    )

    def do(actor: Actor, values: dict[str, Any]) -> str:
        told = {"name": values["name"], "jobType": values["job_type"], "enabled": values["enabled"]}
        saved = schedules.save(actor, schedule, {**told, **core_recurrence.values(_recurrence(values))})
        words = core_recurrence.sentence(core_recurrence.of_schedule(saved))
        return _("“%(name)s” is saved: %(words)s.") % {"name": saved.name, "words": words}

    def attempt(actor: Actor, values: dict[str, Any]) -> str:
        try:
            return do(actor, values)
        except InvalidInput as error:
            # The operation names cron's fields; the form has one for all of them.
            field = "cron" if (error.field or "").startswith("cron") else error.field
            raise InvalidInput(error.message, field=field) from None

    return ask(
        request,
        question,
        attempt,
        form=style(form),
        template="syncjobs/schedules/form.html",
        extra={"zones": sorted(zoneinfo.available_timezones()), "preview": _preview(form)},
    )


@page(f"{_BEAT}.view_periodictask", posts=True)
def preview(request: HttpRequest) -> HttpResponse:
    """What the form says so far, in words, and when that would be."""
    return render(request, "syncjobs/schedules/preview.html", {"preview": _preview(ScheduleForm(request.POST))})


def _preview(form: ScheduleForm) -> dict[str, Any] | None:
    """None while the form says no times yet."""
    if form.is_bound:
        form.is_valid()
        if set(form.errors) - {"name"}:
            return None
        values = form.cleaned_data
    elif form.initial.get("kind"):
        values = {"weekdays": [], **form.initial}
    else:
        return None
    try:
        recurrence = _recurrence(values)
        schedule = schedules.preview(core_recurrence.values(recurrence))
        said = core_recurrence.of_schedule(schedule)
        zone = None if schedule.crontab is None else schedule.crontab.timezone
        coming = [{"at": at, "there": _there(at, zone)} for at in schedules.next_runs(schedule, _NEXT_RUNS)]
    except DomainError:
        return None
    return {"words": core_recurrence.sentence(said), "coming": coming}


@page(f"{_BEAT}.change_periodictask", posts=True)
def switch(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Enable a schedule that is disabled, and the other way round."""
    schedule = schedules.get(schedule_id)
    enable = request.POST.get("enable", "0" if schedule.enabled else "1") == "1"
    question = Question(
        title=_("Enable “%(name)s”?") % {"name": schedule.name}
        if enable
        else _("Disable “%(name)s”?") % {"name": schedule.name},
        text=_("It triggers jobs again from its next time on.")
        if enable
        else _("It triggers nothing until someone enables it again. Jobs that are under way go on."),
        button=_("Enable") if enable else _("Disable"),
        back=reverse("admin:django_celery_beat_periodictask_changelist"),
        above=_("Schedules"),
        icon="play" if enable else "pause",
    )

    def do(actor: Actor, _values: dict[str, Any]) -> str:
        schedules.save(actor, schedule, {"enabled": enable})
        return (_("“%(name)s” is enabled.") if enable else _("“%(name)s” is disabled.")) % {"name": schedule.name}

    return ask(request, question, do)


@page(f"{_BEAT}.change_periodictask", posts=True)
def run(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Do at once what it does when it is due."""
    schedule = schedules.get(schedule_id)
    question = Question(
        title=_("Run “%(name)s” now?") % {"name": schedule.name},
        text=_("This queues a job at once: %(what)s. Its next time stays as it is.")
        % {"what": _label(schedules.job_type_of(schedule))},
        button=_("Run now"),
        back=reverse("admin:django_celery_beat_periodictask_changelist"),
        above=_("Schedules"),
        icon="play",
    )

    def do(actor: Actor, _values: dict[str, Any]) -> str:
        created = schedules.run_now(actor, schedule_id)
        if created.is_new:
            return _("Job #%(job)s is queued.") % {"job": created.job.pk}
        return _("Job #%(job)s does the same and is under way already.") % {"job": created.job.pk}

    return ask(request, question, do)


@page(f"{_BEAT}.delete_periodictask", posts=True)
def delete(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Take a schedule away."""
    schedule = schedules.get(schedule_id)
    question = Question(
        title=_("Delete “%(name)s”?") % {"name": schedule.name},
        text=_("It triggers nothing any more. Its jobs stay. To stop it for a while, disable it instead."),
        button=_("Delete the schedule"),
        back=reverse("admin:django_celery_beat_periodictask_changelist"),
        above=_("Schedules"),
        icon="trash",
        is_danger=True,
    )

    def do(actor: Actor, _values: dict[str, Any]) -> str:
        schedules.delete(actor, schedule_id)
        return _("“%(name)s” is deleted.") % {"name": schedule.name}

    return ask(request, question, do)


PAGES = (
    ("schedules/", schedule_list, "django_celery_beat_periodictask_changelist"),
    ("schedules/add/", add, "django_celery_beat_periodictask_add"),
    ("schedules/preview/", preview, "django_celery_beat_periodictask_preview"),
    ("schedules/<id:schedule_id>/", change, "django_celery_beat_periodictask_change"),
    ("schedules/<id:schedule_id>/switch/", switch, "django_celery_beat_periodictask_switch"),
    ("schedules/<id:schedule_id>/run/", run, "django_celery_beat_periodictask_run"),
    ("schedules/<id:schedule_id>/delete/", delete, "django_celery_beat_periodictask_delete"),
)
