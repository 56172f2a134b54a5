"""What people do to alerts: acknowledge them, and snooze them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..audit.actors import Actor
from ..audit.record import audited, details
from ..engine import clock
from ..exceptions import Conflict, InvalidInput, NotFound
from ..models import Alert
from .texts import check_text

MAX_NOTE = 2000
MAX_ALERTS = 1000
"""So many alerts may be acknowledged or snoozed at once."""
SHORTEST_SNOOZE, LONGEST_SNOOZE = dt.timedelta(minutes=1), dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Changed:
    """The ids of the alerts that were changed, and why others were refused, by id.

    An alert that was already as it should be is in neither.
    """

    ids: list[int]
    refused: dict[int, str]


def get(alert_id: int) -> Alert:
    """Return the alert with this id. Raises NotFound."""
    alert = Alert.objects.filter(pk=alert_id).first()
    if alert is None:
        raise NotFound(_("There is no alert %(id)s.") % {"id": alert_id}, field="id")
    return alert


def acknowledge(actor: Actor, alert_ids: Collection[int], note: str | None = None) -> Changed:
    """Mark unresolved alerts as acknowledged by the actor; None keeps their notes.

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


def reopen(actor: Actor, alert_ids: Collection[int]) -> Changed:
    """Undo the acknowledgement of unresolved alerts, and keep their notes. Raises NotFound, InvalidInput and Conflict."""
    changes = {"acknowledged_at": None, "acknowledged_by": ""}
    return _change(actor, "reopen_alert", alert_ids, changes, only=~Q(acknowledged_at=None))


def snooze(actor: Actor, alert_ids: Collection[int], length: dt.timedelta) -> tuple[Changed, dt.datetime]:
    """Keep unresolved alerts out of sight from now on. Return also until when.

    Raises NotFound, InvalidInput and Conflict.
    """
    if not SHORTEST_SNOOZE <= length <= LONGEST_SNOOZE:
        raise InvalidInput(_("Must be from one minute to 30 days."), field="length")
    until = clock.now() + length
    data = {"until": until.isoformat()}
    return _change(actor, "snooze_alert", alert_ids, {"snoozed_until": until}, data=data), until


def unsnooze(actor: Actor, alert_ids: Collection[int]) -> Changed:
    """End the snooze of unresolved alerts. Raises NotFound, InvalidInput and Conflict."""
    return _change(actor, "unsnooze_alert", alert_ids, {"snoozed_until": None}, only=Q(snoozed_until__isnull=False))


def problem(action: str, alerts: Collection[Alert]) -> str:
    """Return why an action would change none of the alerts, if so: they are over, or already as it would make them."""
    if all(alert.resolved_at for alert in alerts):
        return _("This alert is already over.") if len(alerts) == 1 else _("These alerts are already over.")
    now, unresolved = clock.now(), [alert for alert in alerts if not alert.resolved_at]
    if action == "reopen" and not any(alert.acknowledged_at for alert in unresolved):
        return ngettext("This alert is not acknowledged.", "None of these alerts is acknowledged.", len(alerts))
    if action == "unsnooze" and not any(alert.snoozed_until and alert.snoozed_until > now for alert in unresolved):
        return ngettext("This alert is not snoozed.", "None of these alerts is snoozed.", len(alerts))
    return ""


def summary(action: str, changed: Changed) -> str:
    """Return a sentence with the number of alerts that were changed, and the first reason of a refusal."""
    n = len(changed.ids)
    done = {
        "acknowledge": ngettext("%(n)s alert acknowledged", "%(n)s alerts acknowledged", n),
        "reopen": ngettext("%(n)s alert reopened", "%(n)s alerts reopened", n),
        "snooze": ngettext("%(n)s alert snoozed", "%(n)s alerts snoozed", n),
        "unsnooze": ngettext("%(n)s snooze ended", "%(n)s snoozes ended", n),
    }[action] % {"n": n}
    if not changed.refused:
        return f"{done}."
    count = len(changed.refused)
    refusals = ngettext("%(n)s refused: %(why)s", "%(n)s refused, the first because: %(why)s", count)
    return f"{done}; {refusals % {'n': count, 'why': next(iter(changed.refused.values()))}}"


def _change(
    actor: Actor,
    action: str,
    alert_ids: Collection[int],
    changes: Mapping[str, Any],
    *,
    only: Q | None = None,
    message: str = "",
    data: Mapping[str, Any] | None = None,
) -> Changed:
    """Change those of the alerts that are unresolved, in one transaction with its audit entry."""
    ids = sorted(set(alert_ids))
    if not ids or len(ids) > MAX_ALERTS:
        message = _("Give from 1 to %(most)s alerts.") % {"most": MAX_ALERTS}
        raise InvalidInput(message, field="ids")
    single = ids[0] if len(ids) == 1 else None
    with audited(actor, action, "alert" if single else "alerts", single) as span:
        # In the order in which a round locks them.
        alerts = Alert.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True)
        found = dict(alerts.values_list("pk", "resolved_at"))
        if not found:
            get(ids[0])
        refused = {pk: problem for pk in ids if (problem := _problem(pk, found))}
        if len(refused) == len(ids):
            raise Conflict(_("This alert is already over.") if single else _("These alerts are already over."))
        wanted = Alert.objects.filter(pk__in=found.keys() - refused.keys())
        changed = list((wanted if only is None else wanted.filter(only)).order_by("pk").values_list("pk", flat=True))
        Alert.objects.filter(pk__in=changed).update(**changes, changed_at=Now())
        span.message = message
        span.data = {"alerts": changed} | details(data or {})
    return Changed(changed, refused)


def _problem(alert_id: int, found: Mapping[int, dt.datetime | None]) -> str:
    """Return why an alert can't be changed; empty if it can."""
    if alert_id not in found:
        return _("There is no alert %(id)s.") % {"id": alert_id}
    return _("This alert is already over.") if found[alert_id] else ""
