"""Schedules: their list with each recurrence in words, their form, and their actions."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_celery_beat.models import PeriodicTask

from ..audit.actors import Actor
from ..choices import QUEUE_OF_TYPE, JobType
from ..engine import clock
from ..exceptions import DomainError, InvalidInput
from ..operations import schedules, time_zones, triggers
from ..operations.waiting import pauses_of_new
from ..stats.queues import lacks_scheduler
from . import recurrence
from .core.model_admin import PageAdmin, id_of, requires
from .core.pages import Question, ask, is_part, show, style
from .schedule_form import DEFAULT_ZONE, ScheduleForm, initial_of, recurrence_of
from .site import site

_LAST_RUNS = 5
_NEXT_RUNS = 3


@admin.register(PeriodicTask, site=site)
class ScheduleAdmin(PageAdmin):
    """Schedules are edited, enabled, run and deleted through `operations.schedules`."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("preview/", self.preview_view, "preview"),
            self.page("<id:schedule_id>/switch/", self.switch_view, "switch"),
            self.page("<id:schedule_id>/run/", self.run_view, "run"),
            *super().get_urls(),
        ]

    @requires("view")
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """List schedules with their next run and recent jobs."""
        tasks = list(schedules.list_schedules())
        runs, now = schedules.last_runs(tasks, _LAST_RUNS), clock.now()
        rows = [
            {
                "schedule": each,
                "words": recurrence.sentence(recurrence.of_schedule(each)),
                "job_type": _label(schedules.job_type_of(each)),
                "next": _next_run(each),
                "is_overdue": schedules.is_overdue(each, now),
                "runs": runs[each.pk],
            }
            for each in tasks
        ]
        context = {"rows": rows, "now": now, "no_scheduler": lacks_scheduler(tasks)}
        if is_part(request):
            return render(request, "syncjobs/schedules/rows.html", context)
        return show(request, "syncjobs/schedules/list.html", context, title=_("Schedules"), is_live=True)

    @requires("add", post=True)
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        initial = {"zone": DEFAULT_ZONE, "time": dt.time(3), "every": 15, "minute": 0, "day": 1}
        form = ScheduleForm(request.POST or None, initial=initial, is_new=True)
        return _edit(request, None, form, _("Add a schedule"))

    @requires("change", post=True)
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        schedule = schedules.get(id_of(object_id))
        form = ScheduleForm(request.POST or None, initial=initial_of(schedule))
        return _edit(request, schedule, form, _("Edit “%(name)s”") % {"name": schedule.name})

    @requires("view", post=True)
    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """Describe the form's recurrence in words, with the next runs."""
        return render(request, "syncjobs/schedules/preview.html", {"preview": _preview(ScheduleForm(request.POST))})

    @requires("change", post=True)
    def switch_view(self, request: HttpRequest, schedule_id: int) -> HttpResponse:
        """Enable or disable a schedule."""
        schedule = schedules.get(schedule_id)
        enable = request.POST.get("enable", "0" if schedule.enabled else "1") == "1"
        title = _("Enable “%(name)s”?") if enable else _("Disable “%(name)s”?")
        question = _question(
            title=title % {"name": schedule.name},
            text=_("It triggers jobs again, starting with its next run.")
            if enable
            else _("It triggers nothing until someone enables it again. Running jobs continue."),
            button=_("Enable") if enable else _("Disable"),
            icon="power",
        )

        def do(actor: Actor, _values: dict[str, Any]) -> str:
            schedules.save(actor, schedule, {"enabled": enable})
            return (_("“%(name)s” is enabled.") if enable else _("“%(name)s” is disabled.")) % {"name": schedule.name}

        return ask(request, question, do)

    @requires("change", post=True)
    def run_view(self, request: HttpRequest, schedule_id: int) -> HttpResponse:
        """Trigger a schedule's job now."""
        schedule = schedules.get(schedule_id)
        question = _question(
            title=_("Run “%(name)s” now?") % {"name": schedule.name},
            text=_("This queues a job now: %(job_type)s. The schedule's next run does not change.")
            % {"job_type": _label(schedules.job_type_of(schedule))},
            button=_("Run now"),
            icon="play",
            details=[*filter(None, [pauses_of_new(QUEUE_OF_TYPE.get(schedules.job_type_of(schedule), ""))])],
        )

        def do(actor: Actor, _values: dict[str, Any]) -> str:
            created = schedules.run_now(actor, schedule_id)
            return triggers.describe(created)

        return ask(request, question, do)

    @requires("delete", post=True)
    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        schedule = schedules.get(id_of(object_id))
        question = _question(
            title=_("Delete “%(name)s”?") % {"name": schedule.name},
            text=_("It no longer triggers jobs. Its existing jobs stay. To pause it for a while, disable it instead."),
            button=_("Delete the schedule"),
            icon="trash",
            is_danger=True,
        )

        def do(actor: Actor, _values: dict[str, Any]) -> str:
            schedules.delete(actor, schedule.pk)
            return _("“%(name)s” is deleted.") % {"name": schedule.name}

        return ask(request, question, do)


def _question(**fields: Any) -> Question:
    back = reverse("admin:django_celery_beat_periodictask_changelist")
    return Question(back=back, **fields)


_FIELDS = {
    "minute": gettext_lazy("Minute"),
    "hour": gettext_lazy("Hour"),
    "day_of_month": gettext_lazy("Day of the month"),
    "month_of_year": gettext_lazy("Month"),
    "day_of_week": gettext_lazy("Weekday"),
}


def _problem(error: InvalidInput) -> str:
    """Return the message, with the name of the cron field that it is about."""
    field = _FIELDS.get((error.field or "").removeprefix("cron."))
    return f"{field}: {error.message}" if field else error.message


def _label(job_type: str) -> str:
    return str(JobType(job_type).label) if job_type in JobType.values else job_type


def _next_run(schedule: PeriodicTask) -> dict[str, Any] | None:
    """Return the next run, also in the schedule's time zone; None if there is none."""
    at = schedules.next_run(schedule)
    return None if at is None else {"at": at, "local": _local_time(at, schedule)}


def _local_time(at: dt.datetime, schedule: PeriodicTask) -> str:
    """Return the time in a cron schedule's zone; an interval has none."""
    if schedule.crontab is None:
        return ""
    zone = schedule.crontab.timezone
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M} {zone}"


def _edit(request: HttpRequest, schedule: PeriodicTask | None, form: ScheduleForm, title: str) -> HttpResponse:
    def check(task: PeriodicTask) -> None:
        if schedule is not None:
            form.check(initial_of(task))

    def do(actor: Actor, values: dict[str, Any]) -> str:
        changed = form.changed()
        fields = {name: values[name] for name in ("name", "job_type", "enabled") if name in changed}
        times = recurrence.values(recurrence_of(values)) if "kind" in changed else {}
        try:
            saved = schedules.save(actor, schedule, fields | times, check=check)
        except InvalidInput as error:
            # The operation names cron's fields; the form has one field for all of them.
            field = "cron" if (error.field or "").startswith("cron") else error.field
            raise InvalidInput(_problem(error), field=field) from None
        words = recurrence.sentence(recurrence.of_schedule(saved))
        return _("“%(name)s” is saved: %(words)s.") % {"name": saved.name, "words": words}

    return ask(
        request,
        _question(title=title, text="", button=_("Save")),
        do,
        form=style(form),
        template="syncjobs/schedules/form.html",
        extra={"zones": time_zones.listed(), "preview": _preview(form)},
    )


def _preview(form: ScheduleForm) -> dict[str, Any] | None:
    """Return the recurrence in words and its next runs, or its `problem`; None if something is still missing."""
    if form.is_bound:
        form.is_valid()
        if set(form.errors) - {"name"}:
            problems = form.errors.get("cron", ()) if form.data.get("cron") else ()
            return {"problem": " ".join(map(str, problems))} if problems else None
        values = form.cleaned_data
    elif form.initial.get("kind"):
        values = {"weekdays": [], **form.initial}
    else:
        return None
    try:
        schedule = schedules.preview(recurrence.values(recurrence_of(values)))
        next_runs = [{"at": at, "local": _local_time(at, schedule)} for at in schedules.next_runs(schedule, _NEXT_RUNS)]
    except InvalidInput as error:
        return {"problem": _problem(error)}
    except DomainError:
        return None
    return {"words": recurrence.sentence(recurrence.of_schedule(schedule)), "next_runs": next_runs}
