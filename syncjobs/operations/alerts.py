"""What people do to alerts: acknowledge them, snooze them, and change the rules."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from ..audit.actors import Actor
from ..audit.record import audited, details
from ..choices import AlertRuleName
from ..engine import clock
from ..exceptions import Conflict, InvalidInput, NotFound
from ..models import Alert, AlertRound, AlertRule
from .texts import check_text

MAX_NOTE = 2000
MAX_ALERTS = 1000
"""So many alerts may be acknowledged or snoozed at once."""
SHORTEST_SNOOZE, LONGEST_SNOOZE = dt.timedelta(minutes=1), dt.timedelta(days=30)
MAX_THRESHOLD = 1_000_000
MAX_RESOLVE_AFTER = 86_400


def get(alert_id: int) -> Alert:
    """Return the alert with this id. Raises NotFound."""
    alert = Alert.objects.filter(pk=alert_id).first()
    if alert is None:
        raise NotFound(_("There is no alert %(id)s.") % {"id": alert_id}, field="id")
    return alert


def acknowledge(actor: Actor, alert_ids: Collection[int], note: str | None = None) -> int:
    """Mark unresolved alerts as acknowledged by the actor; None keeps their notes. Return their number.

    An alert that becomes critical afterwards needs attention again. Raises NotFound, InvalidInput, and Conflict if none of
    the alerts is unresolved.
    """
    if note is not None:
        if len(note) > MAX_NOTE:
            raise InvalidInput(_("A note has at most %(most)s characters.") % {"most": MAX_NOTE}, field="note")
        check_text(note, "note", is_one_line=False)
    changes: dict[str, Any] = {} if note is None else {"note": note}
    changes |= {"acknowledged_at": Now(), "acknowledged_by": actor.label[:200]}
    return _change(actor, "acknowledge_alert", alert_ids, changes, message=note or "")


def reopen(actor: Actor, alert_ids: Collection[int]) -> int:
    """Undo the acknowledgement of unresolved alerts, and keep their notes. Return the number of those that had one.

    Raises NotFound and Conflict.
    """
    changes = {"acknowledged_at": None, "acknowledged_by": ""}
    return _change(actor, "reopen_alert", alert_ids, changes, only=~Q(acknowledged_at=None))


def snooze(actor: Actor, alert_ids: Collection[int], until: dt.datetime) -> int:
    """Keep unresolved alerts out of sight until then. Return their number. Raises NotFound, InvalidInput and Conflict."""
    length = until - clock.now()
    if not SHORTEST_SNOOZE <= length <= LONGEST_SNOOZE:
        raise InvalidInput(_("Must be a time from one minute to 30 days from now."), field="until")
    data = {"until": until.isoformat()}
    return _change(actor, "snooze_alert", alert_ids, {"snoozed_until": until}, data=data)


def unsnooze(actor: Actor, alert_ids: Collection[int]) -> int:
    """End the snooze of unresolved alerts. Return the number of those that had one. Raises NotFound and Conflict."""
    return _change(actor, "unsnooze_alert", alert_ids, {"snoozed_until": None}, only=Q(snoozed_until__isnull=False))


def _change(
    actor: Actor,
    action: str,
    alert_ids: Collection[int],
    changes: Mapping[str, Any],
    *,
    only: Q | None = None,
    message: str = "",
    data: Mapping[str, Any] | None = None,
) -> int:
    """Change those of the alerts that are unresolved, in one transaction with its audit entry."""
    ids = sorted(set(alert_ids))
    if not ids or len(ids) > MAX_ALERTS:
        message = _("Give from 1 to %(most)s alerts.") % {"most": MAX_ALERTS}
        raise InvalidInput(message, field="ids")
    single = ids[0] if len(ids) == 1 else None
    with audited(actor, action, "alert" if single else "alerts", single) as span:
        # In the order in which a round locks them.
        alerts = Alert.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True)
        found = list(alerts.values_list("pk", "resolved_at"))
        if not found:
            get(ids[0])
        unresolved = Alert.objects.unresolved().filter(pk__in=ids)
        if not unresolved.exists():
            raise Conflict(_("This alert is already over."))
        if only is not None:
            unresolved = unresolved.filter(only)
        count = unresolved.update(**changes, changed_at=Now())
        span.message = message
        span.data = {"alerts": [pk for pk, resolved_at in found if resolved_at is None]} | details(data or {})
    return count


def set_rule(
    actor: Actor,
    name: str,
    values: Mapping[str, Any],
    *,
    check: Callable[[AlertRule], None] = lambda rule: None,
) -> AlertRule:
    """Change the given settings of a rule that passes `check`: is_enabled, threshold and resolve_after.

    None restores the default of the last two. The next round begins at once. Raises NotFound and InvalidInput.
    """
    if name not in AlertRuleName.values:
        raise NotFound(_("There is no rule “%(name)s”.") % {"name": name[:40]}, field="rule")
    _check_number(values.get("threshold"), "threshold", 0, MAX_THRESHOLD)
    _check_number(values.get("resolve_after"), "resolve_after", 0, MAX_RESOLVE_AFTER)
    with audited(actor, "change_alert_rule", "alert_rule", name) as span:
        AlertRule.objects.bulk_create([AlertRule(name=name)], ignore_conflicts=True)
        rule = AlertRule.objects.select_for_update().get(pk=name)
        check(rule)
        for column, value in values.items():
            setattr(rule, column, value)
        rule.save(update_fields=list(values))
        span.data = details(values)
        AlertRound.objects.request()
    return rule


def _check_number(value: float | None, field: str, least: float, most: float) -> None:
    if value is not None and not (math.isfinite(value) and least <= value <= most):
        message = _("Must be a number from %(least)s to %(most)s.")
        raise InvalidInput(message % {"least": least, "most": most}, field=field)
