from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from syncjobs.alerts import words
from syncjobs.engine import clock
from syncjobs.management import base
from syncjobs.models import Alert
from syncjobs.operations import alerts

MAX_HOURS = 10_000.0


class Command(base.Command):
    help = (
        "List the alerts that are not over, the worst first. With --acknowledge, --reopen, --snooze or --unsnooze, change the "
        "given alerts."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="*", type=int, metavar="ID", help="ids of alerts")
        action = parser.add_mutually_exclusive_group()
        action.add_argument("--acknowledge", action="store_true", help="say that somebody takes care of them")
        action.add_argument("--reopen", action="store_true", help="undo that")
        action.add_argument("--snooze", type=float, metavar="HOURS", help="keep them out of sight for so many hours")
        action.add_argument("--unsnooze", action="store_true", help="undo that")
        parser.add_argument("--note", help="with --acknowledge: a note for others")
        parser.add_argument("--all", action="store_true", help="list those that are over, too, the newest first")
        parser.add_argument("--limit", type=base.how_many, default=100, help="list so many at most; default: 100")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        is_change = options["acknowledge"] or options["reopen"] or options["unsnooze"] or options["snooze"] is not None
        if is_change != bool(options["ids"]):
            self.refuse_arguments("Give the ids of alerts together with what to do with them.")
        if options["note"] is not None and not options["acknowledge"]:
            self.refuse_arguments("--note needs --acknowledge.")
        if is_change:
            self._change(options)
        else:
            self._list(options)

    def _change(self, options: dict[str, Any]) -> None:
        ids = options["ids"]
        if options["acknowledge"]:
            done, changed = "Acknowledged", alerts.acknowledge(self.actor, ids, options["note"])
        elif options["reopen"]:
            done, changed = "Reopened", alerts.reopen(self.actor, ids)
        elif options["unsnooze"]:
            done, changed = "No longer snoozed", alerts.unsnooze(self.actor, ids)
        else:
            hours = options["snooze"]
            # What is no length at all, such as NaN, is refused as one that is too short.
            length = dt.timedelta(hours=hours if 0 < hours < MAX_HOURS else 0)
            changed, until = alerts.snooze(self.actor, ids, length)
            done = f"Snoozed until {until:%Y-%m-%d %H:%M} UTC"
        self.print(f"{done}: {len(changed.ids)}.")
        for alert_id, reason in changed.refused.items():
            self.print(f"{alert_id}: {reason}")

    def _list(self, options: dict[str, Any]) -> None:
        rows = Alert.objects.all() if options["all"] else Alert.objects.unresolved().worst_first()
        found = list(rows[: options["limit"]])
        if options["json"]:
            self.print_json({"alerts": [_as_json(alert) for alert in found], "as_of": clock.now()})
            return
        for alert in found:
            said = words.of(alert)
            self.print(f"{alert.pk}  {_state(alert)}  since {words.since(alert):%Y-%m-%d %H:%M} UTC  {said.sentence}")
            if alert.resolved_at is None and said.advice:
                self.print(f"    {said.advice}")
        if not found:
            self.print("There are no alerts.")


def _state(alert: Alert) -> str:
    if alert.resolved_at:
        return f"over since {alert.resolved_at:%Y-%m-%d %H:%M} UTC"
    state = alert.severity
    if alert.acknowledged_at:
        state += f", acknowledged by {alert.acknowledged_by}"
    if alert.snoozed_until and alert.snoozed_until > clock.approximate():
        state += f", snoozed until {alert.snoozed_until:%Y-%m-%d %H:%M} UTC"
    return state


def _as_json(alert: Alert) -> dict[str, Any]:
    said = words.of(alert)
    return {
        "id": str(alert.pk),
        "rule": alert.rule,
        "severity": alert.severity,
        "subject_type": alert.subject_type,
        "subject_id": alert.subject_id,
        "subject_name": words.subject_of(alert),
        "problem": said.sentence,
        "advice": said.advice,
        "link": said.link,
        "opened_at": alert.opened_at,
        "last_seen_at": alert.last_seen_at,
        "escalated_at": alert.escalated_at,
        "resolved_at": alert.resolved_at,
        "acknowledged_at": alert.acknowledged_at,
        "acknowledged_by": alert.acknowledged_by,
        "note": alert.note,
        "snoozed_until": alert.snoozed_until,
    }
