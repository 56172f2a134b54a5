"""Alerts: their list with its history, what people do to them, and the rules that open them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bands.text import parse_numbers

from ..alerts import rules, words
from ..audit.actors import Actor
from ..audit.labels import ACTIONS
from ..choices import AlertRuleName, Severity
from ..engine import clock
from ..exceptions import NotFound
from ..listing.alerts import AlertList
from ..models import Alert, AlertRule, AuditEntry
from ..operations import alert_rules
from ..operations import alerts as operations
from .core import attention
from .core.edits import EditForm
from .core.model_admin import PageAdmin, id_of, requires
from .core.pages import Question, ask, refuse, report, show, style
from .core.paging import FilterForm, paginate, show_list
from .site import site

_LISTED = 5
_STATES = (
    ("unresolved", gettext_lazy("Not over")),
    ("attention", gettext_lazy("Needs attention")),
    ("acknowledged", gettext_lazy("Acknowledged")),
    ("snoozed", gettext_lazy("Snoozed")),
    ("resolved", gettext_lazy("Over")),
)
_ACT = "syncjobs.acknowledge_alert"


class AlertFilters(FilterForm):
    """The filters of the list of alerts."""

    state = forms.ChoiceField(
        required=False, label=gettext_lazy("State"), choices=[("", gettext_lazy("Any")), *_STATES]
    )
    severity = forms.ChoiceField(
        required=False, label=gettext_lazy("Severity"), choices=[("", gettext_lazy("Any")), *Severity.choices]
    )
    rule = forms.ChoiceField(
        required=False, label=gettext_lazy("Rule"), choices=[("", gettext_lazy("Any")), *AlertRuleName.choices]
    )


class SelectionForm(forms.Form):
    """The alerts that the question was about: those that are opened later stay as they are."""

    ids = forms.CharField(widget=forms.HiddenInput, max_length=20 * operations.MAX_ALERTS)

    def alert_ids(self) -> list[int]:
        """Return the ids of the alerts."""
        return parse_numbers(self.cleaned_data["ids"].split(","))


class AcknowledgeForm(SelectionForm):
    """A note for the next person."""

    note = forms.CharField(
        required=False,
        max_length=operations.MAX_NOTE,
        label=gettext_lazy("Note (optional)"),
        help_text=gettext_lazy("What you found out and what was done about it. Shown with your name."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class SnoozeForm(SelectionForm):
    """For how long."""

    hours = forms.TypedChoiceField(
        label=gettext_lazy("For how long"),
        coerce=int,
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


@admin.register(Alert, site=site)
class AlertAdmin(PageAdmin):
    """Alerts are listed, shown, acknowledged and snoozed. Rounds alone open and end them."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("acknowledge/", self.acknowledge_view, "acknowledge"),
            self.page("reopen/", self.reopen_view, "reopen"),
            self.page("snooze/", self.snooze_view, "snooze"),
            self.page("unsnooze/", self.unsnooze_view, "unsnooze"),
            *super().get_urls(),
        ]

    @requires("view")
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """List the alerts: those that are not over by severity, then the others, newest first."""
        filters = AlertFilters(request.GET)
        page = paginate(request, _alerts(filters.values()), 50)
        rows = [_row(request, alert) for alert in page.object_list]
        has_boxes = request.user.has_perm(_ACT) and any(row["has_box"] for row in rows)
        context = {
            "page": page,
            "rows": rows,
            "has_boxes": has_boxes,
            "all_count": _not_over(filters).count() if has_boxes and page.has_other_pages() else 0,
            "filter_values": {name: value for name, value in filters.values().items() if value},
        }
        return show_list(request, "alerts", filters, context, title=_("Alerts"))

    @requires("view")
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show an alert, and what people did about it."""
        alert = operations.get(id_of(object_id))
        alone = Q(target_type="alert", target_id=str(alert.pk))
        with_others = Q(target_type="alerts", target_id="", data__alerts__contains=[alert.pk])
        done = AuditEntry.objects.filter(alone | with_others, result="ok").order_by("-pk")
        entries = [{"entry": entry, "action": ACTIONS.get(entry.action, entry.action)} for entry in done[:20]]
        row = _row(request, alert)
        context: dict[str, Any] = {"row": row, "entries": entries}
        crumbs = ((reverse("admin:syncjobs_alert_changelist"), _("Alerts")),)
        return show(request, "syncjobs/alerts/alert.html", context, title=str(row["rule"]), crumbs=crumbs)

    @requires(_ACT, post=True)
    def acknowledge_view(self, request: HttpRequest) -> HttpResponse:
        """Mark the selected alerts as acknowledged, with a note."""
        text = _("You take care of it. It stays in the list, and needs attention again if it becomes critical.")

        def do(actor: Actor, ids: list[int], values: dict[str, Any]) -> str:
            return operations.summary("acknowledge", operations.acknowledge(actor, ids, values["note"] or None))

        return _ask(request, "acknowledge", AcknowledgeForm, (_("Acknowledge?"), text, _("Acknowledge"), "check"), do)

    @requires(_ACT, post=True)
    def reopen_view(self, request: HttpRequest) -> HttpResponse:
        """Undo the acknowledgement of the selected alerts."""
        text = _("It needs attention again. Its note stays.")

        def do(actor: Actor, ids: list[int], _values: dict[str, Any]) -> str:
            return operations.summary("reopen", operations.reopen(actor, ids))

        return _ask(request, "reopen", SelectionForm, (_("Reopen?"), text, _("Reopen"), "unlock"), do)

    @requires(_ACT, post=True)
    def snooze_view(self, request: HttpRequest) -> HttpResponse:
        """Keep the selected alerts out of sight for a while."""
        text = _("It needs no attention until then. If it is over before, nobody has to do anything.")

        def do(actor: Actor, ids: list[int], values: dict[str, Any]) -> str:
            changed, until = operations.snooze(actor, ids, dt.timedelta(hours=values["hours"]))
            end = _("Snoozed until %(time)s UTC.") % {"time": f"{until:%Y-%m-%d %H:%M}"}
            return end if len(ids) == 1 else f"{operations.summary('snooze', changed)} {end}"

        return _ask(request, "snooze", SnoozeForm, (_("Snooze?"), text, _("Snooze"), "clock"), do)

    @requires(_ACT, post=True)
    def unsnooze_view(self, request: HttpRequest) -> HttpResponse:
        """End the snooze of the selected alerts."""
        text = _("It needs attention again.")

        def do(actor: Actor, ids: list[int], _values: dict[str, Any]) -> str:
            return operations.summary("unsnooze", operations.unsnooze(actor, ids))

        return _ask(request, "unsnooze", SelectionForm, (_("End the snooze?"), text, _("End the snooze"), "bell"), do)


def _alerts(wanted: dict[str, Any]) -> QuerySet[Alert]:
    values = {name: wanted[name] for name in ("state", "severity")} | {
        "rule": [wanted["rule"]] if wanted["rule"] else []
    }
    found: QuerySet[Alert] = AlertList.narrow(Alert.objects.all(), values)
    return found.order_by("-opened_at", "-pk") if wanted["state"] == "resolved" else found.unresolved_first()  # type: ignore[attr-defined]


def _not_over(filters: AlertFilters) -> QuerySet[Alert]:
    """Return the alerts that the filters match and that people can act on."""
    return _alerts(filters.values()).filter(resolved_at=None)


def _row(request: HttpRequest, alert: Alert) -> dict[str, Any]:
    said, now = words.of(alert), clock.approximate()
    is_snoozed = alert.snoozed_until is not None and alert.snoozed_until > now
    is_acknowledged = alert.acknowledged_at is not None and (
        alert.escalated_at is None or alert.acknowledged_at >= alert.escalated_at
    )
    return {
        "alert": alert,
        "said": said,
        "rule": AlertRuleName(alert.rule).label if alert.rule in AlertRuleName.values else alert.rule,
        "is_critical": alert.severity == Severity.CRITICAL,
        "is_snoozed": is_snoozed,
        "is_acknowledged": is_acknowledged,
        "buttons": () if alert.resolved_at else attention.buttons_of(request, alert, said),
        "has_box": alert.resolved_at is None,
        "selection": f"id={alert.pk}",
    }


def _selected(request: HttpRequest) -> list[Alert]:
    """Return the alerts that the query string selects.

    They are those with an `id`; or, with `all`, those that the list's filters match and that are not over; or those of a
    `rule`, and a `severity`, that need attention.
    """
    found: QuerySet[Alert] = Alert.objects.none()
    if request.GET.get("all"):
        found = _not_over(AlertFilters(request.GET))
    elif "id" in request.GET:
        found = Alert.objects.filter(pk__in=parse_numbers(request.GET.getlist("id"))[: operations.MAX_ALERTS])
    elif rule := request.GET.get("rule"):
        found = Alert.objects.needing_attention().filter(rule=rule[:40])
        if severity := request.GET.get("severity"):
            found = found.filter(severity=severity[:8])
    return list(found.order_by("pk")[: operations.MAX_ALERTS])


def _ask(
    request: HttpRequest,
    action: str,
    form_class: type[SelectionForm],
    words_of_question: tuple[str, str, str, str],
    do: Callable[[Actor, list[int], dict[str, Any]], str],
) -> HttpResponse:
    """Ask about the selected alerts, with this title, text, button and icon, then do it to those that the question named."""
    back = reverse("admin:syncjobs_alert_changelist")
    chosen = _selected(request)
    if not chosen and request.method != "POST":
        if "id" in request.GET:
            raise NotFound(_("There is no such alert."))
        return report(request, _("No alert is selected. Select at least one."), back, level="error")
    if refusal := refuse(request, operations.problem(action, chosen), back):
        return refusal
    is_sent = request.method == "POST"
    ids = ",".join(str(alert.pk) for alert in chosen)
    form = form_class(request.POST) if is_sent else form_class(initial={"ids": ids})
    details = [words.of(alert).sentence for alert in chosen[:_LISTED]]
    if len(chosen) > _LISTED:
        more = len(chosen) - _LISTED
        details.append(ngettext("and %(n)s more", "and %(n)s more", more) % {"n": more})
    title, text, button, icon = words_of_question
    question = Question(title=title, text=text, button=button, icon=icon, back=back, details=details)
    return ask(request, question, lambda actor, values: do(actor, form.alert_ids(), values), form=style(form))


class RuleForm(EditForm):
    """The settings of a rule. An empty number is the default."""

    is_enabled = forms.BooleanField(required=False, label=gettext_lazy("Open alerts"))
    threshold = forms.FloatField(required=False, label=gettext_lazy("Threshold"))
    resolve_after = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=alert_rules.MAX_RESOLVE_AFTER,
        label=gettext_lazy("Ends once gone for (seconds)"),
    )

    def __init__(self, rule: rules.Effective, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        default = _("Default: %(value)s")
        self.fields["resolve_after"].help_text = _("How long the condition must have been gone.") + " "
        self.fields["resolve_after"].help_text += default % {"value": rule.default.resolve_after}
        if rule.default.threshold is None:
            del self.fields["threshold"]
        else:
            help_text = f"{rule.default.meaning}, {rule.default.limits}. "
            help_text += default % {"value": f"{rule.default.threshold:g}"}
            self.fields["threshold"].help_text = help_text[:1].upper() + help_text[1:]


@admin.register(AlertRule, site=site)
class AlertRuleAdmin(PageAdmin):
    """The rules are listed with what is in effect, and changed."""

    @requires("view")
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """List the rules."""
        crumbs = ((reverse("admin:syncjobs_alert_changelist"), _("Alerts")),)
        context = {"rules": rules.in_effect()}
        return show(request, "syncjobs/alerts/rules.html", context, title=_("Alert rules"), crumbs=crumbs)

    @requires("change", post=True)
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Change a rule."""
        rule = next((each for each in rules.in_effect() if each.rule == object_id), None)
        if rule is None:
            raise NotFound(_("There is no rule “%(name)s”.") % {"name": object_id[:40]})
        stored = AlertRule.objects.filter(pk=object_id).first() or AlertRule(name=object_id)
        form = RuleForm(rule, request.POST if request.method == "POST" else None, initial=_settings(stored))
        question = Question(
            title=str(AlertRuleName(object_id).label),
            text=_("Empty numbers restore the default. The next round uses the change."),
            button=_("Save"),
            back=reverse("admin:syncjobs_alertrule_changelist"),
            parent=_("Alert rules"),
        )

        def do(actor: Actor, values: dict[str, Any]) -> str:
            changed = {name: values[name] for name in form.changed()}
            alert_rules.set_rule(actor, object_id, changed, check=lambda row: form.check(_settings(row)))
            return _("Saved.")

        return ask(request, question, do, form=style(form), then=question.back)


def _settings(rule: AlertRule) -> dict[str, Any]:
    return {"is_enabled": rule.is_enabled, "threshold": rule.threshold, "resolve_after": rule.resolve_after}
