"""The words of a message about alerts, in the language of its channel, and the same for programs."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bands.text import camel_case, respell_keys

from ..choices import AlertRuleName, ChannelKind, Severity
from ..choices import AlertStep as Step
from ..models import Alert, AlertChannel
from ..senders.messages import Message
from . import words

Steps = Sequence[tuple[Step, Alert]]
_MAX_TITLE = 150
_LINES = {ChannelKind.EMAIL: 500}
_FEW_LINES = 20
"""Chat services refuse or cut long messages."""
_MAX_LISTED = 1000


def compose(channel: AlertChannel, steps: Steps, now: dt.datetime) -> Message:
    """Return the message that tells a channel about these steps. Several alerts of one rule are one list."""
    with translation.override(channel.language):
        key = str(uuid.uuid4())
        title = _title(steps)
        text = _text(steps, _LINES.get(ChannelKind(channel.kind), _FEW_LINES))
        payload = {
            "type": "alerts",
            "key": key,
            "site": settings.SITE_URL,
            "channel": channel.name,
            "created_at": now.isoformat(),
            "title": title,
            "total": len(steps),
            "alerts": [_described(step, alert) for step, alert in steps[:_MAX_LISTED]],
        }
    severity = worst(alert.severity for step, alert in steps if step != Step.RESOLVED)
    return Message(key, title, text, severity, respell_keys(payload, camel_case))


def worst(severities: Iterable[str]) -> str:
    """Return the worst of the severities; empty if there is none."""
    found = set(severities)
    return next((each.value for each in (Severity.CRITICAL, Severity.WARNING) if each in found), "")


def _title(steps: Steps) -> str:
    bad = [alert for step, alert in steps if step != Step.RESOLVED]
    over = len(steps) - len(bad)
    rules = {alert.rule for _step, alert in steps}
    if len(steps) == 1:
        text = words.of(steps[0][1]).sentence
        title = _("Over: %(problem)s") % {"problem": text} if over else f"{_severity(bad)}: {text}"
    elif len(rules) == 1:
        name = _("%(rule)s (%(n)s)") % {"rule": _rule(steps[0][1]), "n": len(bad) or over}
        title = f"{_severity(bad)}: {name}" if bad else _("Over: %(problem)s") % {"problem": name}
        if bad and over:
            title += ", " + ngettext("%(n)s is over", "%(n)s are over", over) % {"n": over}
    else:
        parts = []
        if bad:
            parts.append(ngettext("%(n)s alert", "%(n)s alerts", len(bad)) % {"n": len(bad)})
        if over:
            parts.append(ngettext("%(n)s is over", "%(n)s are over", over) % {"n": over})
        title = f"{_severity(bad)}: {', '.join(parts)}" if bad else ", ".join(parts)
    title = " ".join(title.split())  # An e-mail's subject is one line.
    return title if len(title) <= _MAX_TITLE else f"{title[: _MAX_TITLE - 1]}…"


def _severity(alerts: Sequence[Alert]) -> str:
    value = worst(alert.severity for alert in alerts)
    return str(Severity(value).label) if value else ""


def _rule(alert: Alert) -> str:
    return str(AlertRuleName(alert.rule).label) if alert.rule in AlertRuleName.values else alert.rule


def _text(steps: Steps, most: int) -> str:
    def order(pair: tuple[Step, Alert]) -> tuple[bool, str, str]:
        step, alert = pair
        return (step == Step.RESOLVED, alert.severity, alert.rule)

    blocks = [
        _block(is_over, [alert for _step, alert in group], most)
        for (is_over, _severity, _rule), group in groupby(sorted(steps, key=order), key=order)
    ]
    return "\n\n".join(blocks)


def _block(is_over: bool, alerts: list[Alert], most: int) -> str:
    """Return the part of a text about alerts of one rule and severity."""
    said = words.of(alerts[0])
    if len(alerts) == 1:
        head = _over(alerts[0]) if is_over else f"{_severity(alerts)}: {said.sentence}"
        lines = [head]
    else:
        name = _("%(rule)s (%(n)s)") % {"rule": _rule(alerts[0]), "n": len(alerts)}
        lines = [_("Over: %(problem)s") % {"problem": name} if is_over else f"{_severity(alerts)}: {name}"]
        lines += [f"- {words.of(alert).sentence}" for alert in alerts[:most]]
        if len(alerts) > most:
            rest = len(alerts) - most
            lines.append("- " + ngettext("and %(n)s more", "and %(n)s more", rest) % {"n": rest})
    if not is_over:
        if said.advice:
            lines.append(_("What to do: %(advice)s") % {"advice": said.advice})
        if len(alerts) == 1 and (url := _url(said.link)):
            lines.append(url)
    return "\n".join(lines)


def _over(alert: Alert) -> str:
    text = _("Over: %(problem)s") % {"problem": words.of(alert).sentence}
    if alert.resolved_at is None:
        return text
    minutes = max(1, round((alert.resolved_at - words.since(alert)).total_seconds() / 60))
    lasted = ngettext("It lasted %(n)s minute.", "It lasted %(n)s minutes.", minutes) % {"n": minutes}
    return f"{text} {lasted}"


def _url(link: str) -> str:
    return f"{settings.SITE_URL}{link}" if link and settings.SITE_URL else ""


def _described(step: Step, alert: Alert) -> dict[str, Any]:
    said = words.of(alert)
    return {
        "id": str(alert.pk),
        "step": step.value,
        "rule": alert.rule,
        "severity": alert.severity,
        "subject_type": alert.subject_type,
        "subject_id": alert.subject_id,
        "subject_name": words.subject_of(alert),
        "problem": said.sentence,
        "advice": said.advice,
        "url": _url(said.link),
        "opened_at": alert.opened_at.isoformat(),
        "resolved_at": alert.resolved_at.isoformat() if alert.resolved_at else None,
    }
