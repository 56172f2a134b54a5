"""Audit: who did what, when, from where, and how it went."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bands.text import parse_number

from ..audit.labels import ACTIONS, RESULTS, TARGETS
from ..choices import QueueName
from ..exceptions import NotFound
from ..listing import export as listing_export
from ..listing.export import file_of
from ..models import AuditEntry
from ..operations.queues import ALL_QUEUES
from .core import links
from .core.pages import is_part, page, show, style
from .core.paging import paginate, search_box, values_of

_TARGET_HELP = gettext_lazy("Job number, band id, queue …")


class AuditFilters(forms.Form):
    """What the audit is narrowed by."""

    actor = search_box(gettext_lazy("Who"), gettext_lazy("Name"))
    action = forms.ChoiceField(
        required=False, label=gettext_lazy("What"), choices=[("", gettext_lazy("Anything")), *ACTIONS.items()]
    )
    targetType = forms.ChoiceField(
        required=False, label=gettext_lazy("Of"), choices=[("", gettext_lazy("Anything")), *TARGETS.items()]
    )
    targetId = forms.CharField(
        required=False,
        max_length=120,
        label=gettext_lazy("Which"),
        widget=forms.TextInput(attrs={"placeholder": _TARGET_HELP, "autocomplete": "off"}),
    )
    result = forms.ChoiceField(
        required=False, label=gettext_lazy("Result"), choices=[("", gettext_lazy("Any")), *RESULTS.items()]
    )
    startDate = forms.DateField(
        required=False, label=gettext_lazy("From (UTC)"), widget=forms.DateInput(attrs={"type": "date"})
    )
    endDate = forms.DateField(
        required=False, label=gettext_lazy("To, inclusive (UTC)"), widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("action", "targetType", "result"):
            self.fields[name].widget.attrs["data-submits"] = ""

    def clean(self) -> dict[str, Any]:
        """The dates are in order."""
        data = super().clean() or self.cleaned_data
        start, end = data.get("startDate"), data.get("endDate")
        if start and end and end < start:
            self.add_error("endDate", _("Must not be before the first day."))
        return data


def _found(wanted: dict[str, Any]) -> QuerySet[AuditEntry]:
    entries = AuditEntry.objects.order_by("-pk")
    if wanted["actor"]:
        entries = entries.filter(actor_label__icontains=wanted["actor"])
    columns = {"action": "action", "targetType": "target_type", "targetId": "target_id", "result": "result"}
    for name, column in columns.items():
        if wanted[name]:
            entries = entries.filter(**{column: wanted[name].lstrip("#") if name == "targetId" else wanted[name]})
    if wanted["startDate"]:
        entries = entries.filter(at__gte=_midnight(wanted["startDate"]))
    if wanted["endDate"] and wanted["endDate"] < dt.date.max:
        entries = entries.filter(at__lt=_midnight(wanted["endDate"] + dt.timedelta(days=1)))
    return entries


def _midnight(day: dt.date) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(day, dt.time()), dt.UTC)


@page("syncjobs.view_auditentry")
def audit(request: HttpRequest) -> HttpResponse:
    """What was done, the newest first."""
    filters = AuditFilters(request.GET)
    wanted = values_of(filters)
    found = paginate(request, _found(wanted), 50)
    context = {"page": found, "rows": [_told(entry) for entry in found.rows], "is_filtered": any(wanted.values())}
    if is_part(request):
        return render(request, "syncjobs/audit/rows.html", context)
    context["filters"] = style(filters)
    return show(request, "syncjobs/audit/list.html", context, title=_("Audit"), is_live=True)


@page("syncjobs.view_auditentry")
def entry(request: HttpRequest, entry_id: int) -> HttpResponse:
    """All that was recorded of one action."""
    found = AuditEntry.objects.filter(pk=entry_id).first()
    if found is None:
        raise NotFound(_("There is no such entry."))
    context = {**_told(found), "data": json.dumps(found.data, indent=2, ensure_ascii=False) if found.data else ""}
    crumbs = ((reverse("admin:syncjobs_auditentry_changelist"), _("Audit")),)
    return show(request, "syncjobs/audit/entry.html", context, title=str(context["action"]), crumbs=crumbs)


def _told(entry: AuditEntry) -> dict[str, Any]:
    """An entry in words, with the way to what it is about."""
    job = entry.data.get("job") if isinstance(entry.data, dict) else None
    return {
        "entry": entry,
        "action": ACTIONS.get(entry.action, entry.action),
        "target": _target(entry),
        "url": _url(entry.target_type, entry.target_id),
        "result": RESULTS.get(entry.result, entry.result),
        "job": job if isinstance(job, int) and str(job) != entry.target_id else None,
    }


def _target(entry: AuditEntry) -> str:
    kind = str(TARGETS.get(entry.target_type, entry.target_type))
    if not entry.target_id:
        count = entry.data.get("count") if isinstance(entry.data, dict) else None
        return f"{kind} {count}" if kind and count is not None else ""
    if entry.target_id == ALL_QUEUES:
        return _("%(kind)s: all") % {"kind": kind}
    number = f"#{entry.target_id}" if entry.target_type == "job" else entry.target_id[:40]
    return f"{kind} {number}"


def _url(kind: str, target: str) -> str:
    """Where what was acted on is shown; "" when nowhere."""
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


@page("syncjobs.view_auditentry")
def export(request: HttpRequest) -> HttpResponseBase:
    """What the filters leave of the audit, as a CSV file."""
    filters = AuditFilters(request.GET)
    wanted = values_of(filters)
    if filters.errors:
        said = "\n".join(f"{name}: {' '.join(map(str, why))}" for name, why in filters.errors.items())
        return HttpResponse(said, status=400, content_type="text/plain; charset=utf-8")
    return file_of(listing_export.audit(_found(wanted), "csv"), "csv", "audit")


PAGES = (
    ("audit/", audit, "syncjobs_auditentry_changelist"),
    ("audit/export/", export, "syncjobs_auditentry_export"),
    ("audit/<id:entry_id>/", entry, "syncjobs_auditentry_change"),
)
