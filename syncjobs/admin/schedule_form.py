"""The form of a schedule."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_celery_beat.models import PeriodicTask

from ..operations import schedules, time_zones
from .core.edits import EditForm
from .recurrence import CRON_FIELDS, WEEKDAYS, Kind, Recurrence, of_schedule

DEFAULT_ZONE = "America/Los_Angeles"
_TIMED = (Kind.DAILY, Kind.WEEKLY, Kind.MONTHLY)


class ScheduleForm(EditForm):
    """The fields of a schedule: its job type and when it runs."""

    units = (frozenset({"kind", "time", "weekdays", "day", "minute", "every", "period", "cron", "zone"}),)

    name = forms.CharField(max_length=200, label=gettext_lazy("Name"))
    job_type = forms.ChoiceField(
        label=gettext_lazy("Job type"), choices=[(kind.value, kind.label) for kind in schedules.TRIGGERABLE]
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("When"), choices=Kind.choices, widget=forms.RadioSelect, initial=Kind.DAILY
    )
    time = forms.TimeField(
        required=False, label=gettext_lazy("At"), widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
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
        help_text=gettext_lazy("Months without this day are skipped."),
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
        help_text=gettext_lazy("Type a city. The quota resets at midnight in America/Los_Angeles."),
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off", "spellcheck": "false"}),
    )
    enabled = forms.BooleanField(required=False, initial=True, label=gettext_lazy("Enabled"))

    def clean_zone(self) -> str:
        """Check that the system knows the time zone."""
        zone = str(self.cleaned_data["zone"]).strip() or DEFAULT_ZONE
        time_zones.check(zone)
        return zone

    def clean(self) -> dict[str, Any]:
        """Require the fields of the selected kind."""
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
                self.add_error(name, _("This field is required."))
        if data.get("kind") == Kind.CRON and data.get("cron") and len(data["cron"].split()) != len(CRON_FIELDS):
            self.add_error("cron", _("Must have five fields separated by spaces, for example 30 6 * * 1,4."))
        return data


def recurrence_of(values: dict[str, Any]) -> Recurrence:
    """Return the recurrence a valid form describes."""
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


def initial_of(schedule: PeriodicTask) -> dict[str, Any]:
    """Return the form's initial values; a schedule its fields can't express is shown as cron."""
    recurrence = of_schedule(schedule)
    kind = recurrence.kind
    if kind == Kind.INTERVAL:
        is_simple = not recurrence.cron
    elif kind == Kind.HOURLY:
        is_simple = recurrence.every == 1
    else:
        is_simple = len(recurrence.times) == 1 and (kind != Kind.MONTHLY or len(recurrence.days) == 1)
    return {
        "name": schedule.name,
        "job_type": schedules.job_type_of(schedule),
        "enabled": schedule.enabled,
        "kind": kind if is_simple else Kind.CRON,
        "time": recurrence.times[0] if recurrence.times else None,
        "weekdays": list(recurrence.weekdays),
        "day": recurrence.days[0] if recurrence.days else None,
        "minute": recurrence.minute,
        "every": recurrence.every,
        "period": recurrence.period or "minutes",
        "cron": " ".join(recurrence.cron),
        "zone": recurrence.zone or DEFAULT_ZONE,
    }
