"""The list of alerts: its query parameters."""

from __future__ import annotations

from django.db.models import QuerySet
from django.db.models.functions import Now

from ..choices import AlertRuleName, AlertSubject, Severity
from ..models import Alert
from ..models.alerts import AlertQuerySet
from .base_filters import Choice, Choices, Instant, Paged, Text

STATES = ("unresolved", "attention", "acknowledged", "snoozed", "resolved")


class AlertList(Paged):
    """The query parameters of the alerts."""

    state = Choice(
        method="in_state",
        choices=STATES,
        help_text="unresolved: the condition lasts; attention: unresolved, and neither acknowledged nor snoozed.",
    )
    rule = Choices("rule", choices=AlertRuleName.values)
    severity = Choice("severity", choices=Severity.values)
    subject_type = Choice("subject_type", choices=AlertSubject.values)
    subject_id = Text("subject_id", help_text="The id of the band, job and so on, or the name of the queue or worker.")
    start_date = Instant("opened_at", "gte", help_text="Opened at this time or later.")
    end_date = Instant(
        "opened_at", "lt", is_end=True, help_text="Opened at this time or earlier; a date includes its whole day."
    )

    def in_state(self, alerts: AlertQuerySet, _name: str, state: str) -> QuerySet[Alert]:
        """Return the alerts in this state."""
        if state == "attention":
            return alerts.needing_attention()
        if state == "acknowledged":
            return alerts.unresolved().exclude(acknowledged_at=None)
        if state == "snoozed":
            return alerts.unresolved().filter(snoozed_until__gt=Now())
        return alerts.unresolved() if state == "unresolved" else alerts.resolved()
