"""The audit log: who did what, when, from where, and with what result."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_celery_beat.models import PeriodicTask

from bands.models import Band
from bands.text import parse_number

from ..alerts import words
from ..audit.labels import ACTIONS, RESULTS, TARGETS
from ..choices import QueueName
from ..exceptions import NotFound
from ..listing import export as listing_export
from ..listing.export import file_of
from ..models import Alert, AlertChannel, AuditEntry
from ..operations.queues import ALL_QUEUES
from .core import links
from .core.local_time import start_of
from .core.model_admin import PageAdmin, id_of, requires
from .core.pages import show
from .core.paging import FilterForm, paginate, search_box, show_list
from .site import site

_TARGET_HELP = gettext_lazy("Job number, band ID, queue …")


class AuditFilters(FilterForm):
    """The filters of the audit log."""

    actor = search_box(gettext_lazy("Actor"), gettext_lazy("Name"))
    action = forms.ChoiceField(
        required=False, label=gettext_lazy("Action"), choices=[("", gettext_lazy("Any")), *ACTIONS.items()]
    )
    target_type = forms.ChoiceField(
        required=False, label=gettext_lazy("Target type"), choices=[("", gettext_lazy("Any")), *TARGETS.items()]
    )
    target_id = forms.CharField(
        required=False,
        max_length=120,
        label=gettext_lazy("Target"),
        widget=forms.TextInput(attrs={"placeholder": _TARGET_HELP, "autocomplete": "off"}),
    )
    result = forms.ChoiceField(
        required=False, label=gettext_lazy("Result"), choices=[("", gettext_lazy("Any")), *RESULTS.items()]
    )
    start_date = forms.DateField(
        required=False, label=gettext_lazy("From"), widget=forms.DateInput(attrs={"type": "date"})
    )
    end_date = forms.DateField(
        required=False, label=gettext_lazy("To, inclusive"), widget=forms.DateInput(attrs={"type": "date"})
    )

    def clean(self) -> dict[str, Any]:
        """Check that the first day is not after the last one."""
        data = super().clean() or self.cleaned_data
        start, end = data.get("start_date"), data.get("end_date")
        if start and end and end < start:
            self.add_error("end_date", _("Must not be before the start date."))
        return data


@admin.register(AuditEntry, site=site)
class AuditAdmin(PageAdmin):
    """Audit entries are append-only: they are listed, shown and exported."""

    def get_urls(self) -> list[URLPattern]:
        return [self.page("export/", self.export_view, "export"), *super().get_urls()]

    @requires("view")
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """List the entries, newest first."""
        filters = AuditFilters(request.GET)
        page = paginate(request, _entries(filters.values()), 50)
        context = {"page": page, "rows": _rows(list(page.object_list))}
        return show_list(request, "audit", filters, context, title=_("Audit log"))

    @requires("view")
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show everything recorded about one action."""
        entry = AuditEntry.objects.filter(pk=id_of(object_id)).first()
        if entry is None:
            raise NotFound(_("There is no audit entry %(id)s.") % {"id": object_id})
        context = {
            **_rows([entry])[0],
            "data": json.dumps(entry.data, indent=2, ensure_ascii=False) if entry.data else "",
        }
        crumbs = ((reverse("admin:syncjobs_auditentry_changelist"), _("Audit log")),)
        return show(request, "syncjobs/audit/entry.html", context, title=str(context["action"]), crumbs=crumbs)

    @requires("view")
    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Stream the filtered entries as a CSV file."""
        filters = AuditFilters(request.GET)
        wanted = filters.values()
        if filters.errors:
            return HttpResponse("\n".join(filters.problems), status=400, content_type="text/plain; charset=utf-8")
        return file_of(
            listing_export.audit(_entries(wanted), "csv", person=request.user.pk), "csv", listing_export.dated("audit")
        )


def _entries(wanted: dict[str, Any]) -> QuerySet[AuditEntry]:
    entries = AuditEntry.objects.order_by("-pk")
    if wanted["actor"]:
        entries = entries.filter(actor_label__icontains=wanted["actor"])
    for name in ("action", "target_type", "target_id", "result"):
        if wanted[name]:
            entries = entries.filter(**{name: wanted[name].lstrip("#") if name == "target_id" else wanted[name]})
    if wanted["start_date"]:
        entries = entries.filter(at__gte=_midnight(wanted["start_date"]))
    if wanted["end_date"] and wanted["end_date"] < dt.date.max:
        entries = entries.filter(at__lt=_midnight(wanted["end_date"] + dt.timedelta(days=1)))
    return entries


def _midnight(day: dt.date) -> dt.datetime:
    return start_of(day, timezone.get_current_timezone())


def _rows(entries: Sequence[AuditEntry]) -> list[dict[str, Any]]:
    names = _names(entries)
    return [_row(entry, names.get((entry.target_type, entry.target_id), "")) for entry in entries]


def _row(entry: AuditEntry, name: str) -> dict[str, Any]:
    """Return the labels of an entry and the URL of its target, which has this name now."""
    job = entry.data.get("job") if isinstance(entry.data, dict) else None
    return {
        "entry": entry,
        "action": ACTIONS.get(entry.action, entry.action),
        "target": _target(entry, name),
        "url": _url(entry.target_type, entry.target_id),
        "result": _("Nothing to do") if _did_nothing(entry) else RESULTS.get(entry.result, entry.result),
        "job": job if isinstance(job, int) and str(job) != entry.target_id else None,
    }


def _did_nothing(entry: AuditEntry) -> bool:
    """Whether the data say that an action was done without effect, because somebody had done the same before."""
    data = entry.data if entry.result == "ok" and isinstance(entry.data, dict) else {}
    return any(data.get(name, True) in (False, []) for name in ("new", "paused", "resumed"))


def _names(entries: Iterable[AuditEntry]) -> dict[tuple[str, str], str]:
    """Return the names of the targets by type and id, with one query for each type. What has been deleted has none."""
    ids: dict[str, set[int]] = {}
    for entry in entries:
        if (number := parse_number(entry.target_id)) is not None:
            ids.setdefault(entry.target_type, set()).add(number)
    names = {("queue", each.value): str(each.label) for each in QueueName}
    for kind, (model, column) in _NAMED.items():
        if kind in ids:
            rows = model._default_manager.filter(pk__in=ids[kind]).values_list("pk", column)
            names |= {(kind, str(pk)): name for pk, name in rows}
    for alert in Alert.objects.filter(pk__in=ids.get("alert", ())):
        names["alert", str(alert.pk)] = ": ".join(
            filter(None, [str(alert.get_rule_display()), words.subject_of(alert)])
        )
    return names


_NAMED: dict[str, tuple[type[Model], str]] = {
    "band": (Band, "name"),
    "user": (get_user_model(), "username"),
    "schedule": (PeriodicTask, "name"),
    "channel": (AlertChannel, "name"),
}


def _target(entry: AuditEntry, name: str) -> str:
    kind = str(TARGETS.get(entry.target_type, entry.target_type))
    if not entry.target_id:
        count = entry.data.get("count") if isinstance(entry.data, dict) else None
        return f"{kind} {count}" if kind and count is not None else ""
    if entry.target_id == ALL_QUEUES:
        return _("%(kind)s: all") % {"kind": kind}
    if name or parse_number(entry.target_id) is None:
        return f"{kind}: {name or Truncator(entry.target_id).chars(40)}"
    return f"{kind} #{entry.target_id}" if entry.target_type == "job" else f"{kind} {entry.target_id}"


def _url(kind: str, target: str) -> str:
    """Return the URL of the target's page, or "" if it has none."""
    number = parse_number(target)
    if kind == "job" and number is not None:
        return links.job(number)
    if kind == "band" and number is not None:
        return links.band(number)
    if kind == "queue" and target in QueueName.values:
        return links.jobs(queue=target)
    if kind == "schedule" and number is not None:
        return reverse("admin:django_celery_beat_periodictask_changelist") + f"#schedule-{target}"
    if kind == "error" and target.isalnum():
        return links.error(target)
    return ""
