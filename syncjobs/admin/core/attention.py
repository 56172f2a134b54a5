"""What needs attention, worst first: the strip on top of the dashboard.

Alike alerts share a line, and so do those about one band with the error that its syncs fail with.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ...alerts import words
from ...alerts.conditions import RULE_OF_PROBLEM
from ...choices import AlertRuleName as Rule
from ...choices import AlertSubject, QueueName, Severity, SuggestionState
from ...engine import clock, error_reasons
from ...live.health import Health, Problem
from ...models import Alert, ChannelSuggestion, Queue
from ...operations.alerts import MAX_ALERTS
from ...operations.queues import ALL_QUEUES
from ...operations.suggestions import MAY_DECIDE
from . import advice, fixes, health, links, verdict

MAX_LINES = 8
_ALONE = 3
"""More alerts than this of one rule share a line."""
_NAMED, _LONGEST = 4, 60
_OF_BANDS = (Rule.BAND_FAILING, Rule.BAND_PAUSED, Rule.BAND_STALE)
"""The rules about bands. The first of them that a band breaks leads its line."""
_OF_ERRORS = (Rule.NEW_ERROR, Rule.ERROR_BACK)
_PAGES: dict[str, tuple[str | Promise, str]] = {
    # What the link of an alert shows, and the permission that it needs
    AlertSubject.WORKER: (gettext_lazy("Workers"), "syncjobs.view_worker"),
    AlertSubject.SCHEDULE: (gettext_lazy("Schedules"), "django_celery_beat.view_periodictask"),
    AlertSubject.BAND: (gettext_lazy("Show the band"), "bands.view_band"),
    AlertSubject.JOB: (gettext_lazy("Show the job"), "syncjobs.view_syncjob"),
    AlertSubject.ERROR: (gettext_lazy("Show the error"), "syncjobs.view_errorgroup"),
    AlertSubject.BUCKET: (gettext_lazy("Quota"), "syncjobs.view_quotaday"),
}


@dataclass(frozen=True, slots=True)
class Button:
    """A link to a page, or to a question in the dialog."""

    label: str
    url: str
    is_dialog: bool = False
    note: str = ""
    """A sentence to read before using a button. It replaces the advice."""


@dataclass(frozen=True, slots=True)
class Line:
    """One problem, or several of a kind. Without `selection` there is nothing to acknowledge.

    `also` are sentences about the same subject. The first of the buttons helps most.
    """

    key: str
    text: str
    is_critical: bool
    also: Sequence[str] = ()
    advice: str = ""
    since: dt.datetime | None = None
    buttons: Sequence[Button] = field(default_factory=tuple)
    selection: str = ""
    """The query string that selects its alerts for `acknowledge` and `snooze`."""


def strip(request: HttpRequest, known: Health) -> dict[str, Any]:
    """Return the context of the strip, with the alerts that need attention and what has only just stopped answering."""
    unresolved = list(Alert.objects.unresolved().with_attention().worst_first()[:MAX_ALERTS])
    alerted = {(alert.rule, alert.subject_id) for alert in unresolved}
    fresh = [each for each in known.problems if (_rule_of(each), each.name) not in alerted]
    alerts = [alert for alert in unresolved if alert.is_unseen]  # type: ignore[attr-defined]
    undecided = _undecided(request)
    of_problems, of_alerts = _lines_of_problems(request, fresh), _lines_of_alerts(request, alerts)
    lines = [*of_problems, *of_alerts, *_lines_of_suggestions(undecided)]
    lines.sort(key=lambda line: not line.is_critical)
    paused = _paused(request, alerts)
    things = len(alerts) + len(of_problems) + len(undecided) + len(paused)
    return {
        "verdict": verdict.of(known, unresolved, [each["queue"].pk for each in paused], things),
        "lines": lines[:MAX_LINES],
        "entries": len(of_alerts) if len(of_alerts) != len(alerts) else 0,
        "problems": len(of_problems),
        "suggested": len(undecided),
        "suggested_url": _url_of_suggestions(undecided),
        "paused": paused,
        "counts": known.alerts,
        "alerts": len(alerts),
        "more": max(0, len(lines) - MAX_LINES),
        "seen": len(unresolved) - len(alerts),
        "is_critical": any(line.is_critical for line in lines),
        "as_of": clock.approximate(),
    }


def _paused(request: HttpRequest, alerts: Iterable[Alert]) -> list[dict[str, Any]]:
    """Return the paused queues that no alert in the strip is about."""
    said = {alert.subject_id or ALL_QUEUES for alert in alerts if alert.rule in (Rule.QUEUE_PAUSED, Rule.KEY_REFUSED)}
    if ALL_QUEUES in said:
        return []
    paused = Queue.objects.exclude(paused_at=None).exclude(pk__in=said).order_by("pk")
    may_resume = request.user.has_perm("syncjobs.pause_queue")
    return [
        {
            "queue": queue,
            "label": QueueName(queue.name).label,
            "resume_url": links.object_page("syncjobs_queue_resume", queue.name) if may_resume else "",
        }
        for queue in paused
    ]


def _rule_of(problem: Problem) -> str:
    return RULE_OF_PROBLEM[problem.code][0] if problem.code in RULE_OF_PROBLEM else ""


def _lines_of_problems(request: HttpRequest, problems: Sequence[Problem]) -> list[Line]:
    """Return lines for problems that no round has seen yet."""
    return [
        Line(
            key=f"problem-{number}",
            text=note.text,
            is_critical=note.urgent,
            since=note.since,
            buttons=(Button(note.link, note.url),) if note.url else (),
        )
        for number, note in enumerate(health.notes_of(request, problems))
    ]


def _undecided(request: HttpRequest) -> list[ChannelSuggestion]:
    """Return the suggested channels, the oldest first, for those who decide about them."""
    if not request.user.has_perm(MAY_DECIDE):
        return []
    return list(ChannelSuggestion.objects.open().select_related("band").order_by("pk")[:MAX_ALERTS])


def _url_of_suggestions(undecided: Sequence[ChannelSuggestion]) -> str:
    """Return the URL of the band that has the only suggestion, or of the bands that have some."""
    if len(undecided) == 1:
        return links.band(undecided[0].band_id)
    return links.bands(suggestion=SuggestionState.OPEN.value)


def _lines_of_suggestions(undecided: Sequence[ChannelSuggestion]) -> list[Line]:
    """Return one line about all suggested channels."""
    if not undecided:
        return []
    bands = list(dict.fromkeys(Truncator(each.band.name).chars(_LONGEST) for each in undecided))
    names = ", ".join(bands[:_NAMED]) + (", …" if len(bands) > _NAMED else "")
    text = ngettext("A channel is suggested for %(names)s.", "%(n)s channels are suggested: %(names)s.", len(undecided))
    return [
        Line(
            key="suggestions",
            text=text % {"n": len(undecided), "names": names},
            is_critical=False,
            advice=_("Accept or decline it; its author sees what you decide."),
            since=undecided[0].created_at,
            buttons=(Button(_("Show"), _url_of_suggestions(undecided)),),
        )
    ]


def _lines_of_alerts(request: HttpRequest, alerts: Iterable[Alert]) -> list[Line]:
    kinds: dict[tuple[str, str], list[Alert]] = {}
    for alert in alerts:
        kinds.setdefault((alert.rule, alert.severity), []).append(alert)
    lines, alone = [], []
    for (rule, severity), alike in kinds.items():
        if len(alike) > _ALONE and rule in Rule.values:
            lines.append(_line_of_several(Rule(rule), severity, alike))
        else:
            alone += alike
    return lines + [_line_of_one(request, group) for group in _by_subject(alone)]


def _by_subject(alerts: Iterable[Alert]) -> list[list[Alert]]:
    """Return the alerts in groups, each with the alert that leads it first: those of a band, with the error that it has.

    An error that several bands have, or none, is a group of its own.
    """
    bands: dict[str, list[Alert]] = {}
    groups = []
    for alert in alerts:
        if alert.rule not in _OF_BANDS:
            groups.append([alert])
        elif alert.subject_id in bands:
            bands[alert.subject_id].append(alert)
        else:
            groups.append(bands.setdefault(alert.subject_id, [alert]))
    for group in bands.values():
        group.sort(key=lambda alert: _OF_BANDS.index(Rule(alert.rule)))
    having: dict[str, list[list[Alert]]] = {}
    for group in bands.values():
        having.setdefault(group[0].facts.get("group") or "", []).append(group)
    for error, *others in groups.copy():
        owners = having.get(error.subject_id, ()) if error.rule in _OF_ERRORS and not others else ()
        if len(owners) == 1:
            owners[0].append(error)
            groups.remove([error])
    return groups


def _line_of_one(request: HttpRequest, alerts: Sequence[Alert]) -> Line:
    alert, *others = alerts
    said = words.of(alert)
    is_gone = alert.is_gone  # type: ignore[attr-defined]
    gone = _("It was last found at %(time)s UTC, and is over unless it comes back.")
    buttons = buttons_of(request, alert, said)
    note = next((button.note for button in buttons if button.note), "")
    return Line(
        key=f"alert-{alert.pk}",
        text=_("Probably over: %(problem)s") % {"problem": said.sentence} if is_gone else said.sentence,
        is_critical=any(each.severity == Severity.CRITICAL for each in alerts),
        also=[words.of(each).sentence for each in others if each.rule not in _OF_ERRORS],
        advice=gone % {"time": f"{alert.last_seen_at:%Y-%m-%d %H:%M:%S}"}
        if is_gone
        else note or _advice(request, alert) or said.advice,
        since=min(words.since(each) for each in alerts),
        buttons=buttons,
        selection=urlencode([("id", each.pk) for each in alerts]),
    )


def _advice(request: HttpRequest, alert: Alert) -> str:
    """Return what helps a failing band with the error that it has, or whom to ask; empty for other alerts."""
    reason = alert.facts.get("reason") if alert.rule == Rule.BAND_FAILING else ""
    if not reason:
        return ""
    meaning = error_reasons.explain(reason)
    return advice.for_user(request.user, str(meaning.advice), meaning.needs)


def _line_of_several(rule: Rule, severity: str, alike: Sequence[Alert]) -> Line:
    names = ", ".join(Truncator(words.subject_of(alert)).chars(_LONGEST) for alert in alike[:_NAMED])
    names += ", …" if len(alike) > _NAMED else ""
    values = {"kind": rule.label, "n": len(alike), "names": names}
    query = urlencode({"rule": rule.value, "severity": severity})
    return Line(
        key=f"rule-{rule.value}-{severity}",
        text=_("%(kind)s (%(n)s): %(names)s") % values,
        is_critical=severity == Severity.CRITICAL,
        advice=words.of(alike[0]).advice,
        since=min(words.since(alert) for alert in alike),
        buttons=(Button(_("Show all"), f"{links.page('syncjobs_alert_changelist')}?{query}"),),
        selection=query,
    )


def buttons_of(request: HttpRequest, alert: Alert, said: words.Words) -> tuple[Button, ...]:
    """Return what the person can do about the alert, if anything: resume a queue, or open the page that shows more."""
    may = request.user.has_perm
    if alert.rule in (Rule.QUEUE_PAUSED, Rule.KEY_REFUSED):
        if not may("syncjobs.pause_queue"):
            return ()
        url = links.object_page("syncjobs_queue_resume", alert.subject_id or ALL_QUEUES)
        return (Button(_("Resume"), url, is_dialog=True),)
    if alert.rule == Rule.BAND_PAUSED and may("syncjobs.trigger_sync"):
        resume = Button(_("Resume"), links.object_page("bands_band_resume", alert.subject_id), is_dialog=True)
        return (resume, Button(_("Show the band"), said.link))
    if alert.rule == Rule.BAND_FAILING and alert.subject_id.isdecimal():
        helpful = fixes.of(request, alert.facts.get("reason") or "", [(int(alert.subject_id), alert.subject_label)])
        found = [Button(fix.short or fix.label, fix.url, note=fix.note) for fix in helpful]
        if found and found[0].url != said.link and may("bands.view_band"):
            found.append(Button(_("Show the band"), said.link))
        return tuple(found)
    if alert.rule == Rule.NO_WORKER:
        return (Button(_("Workers"), links.page("syncjobs_worker_changelist")),) if may("syncjobs.view_worker") else ()
    if alert.rule == Rule.NO_SCHEDULER:
        url = links.page("django_celery_beat_periodictask_changelist")
        return (Button(_("Schedules"), url),) if may("django_celery_beat.view_periodictask") else ()
    if alert.rule == Rule.OLD_JOB:
        return (Button(_("Waiting jobs"), links.jobs(queue=alert.subject_id, **links.STATES["waiting"])),)
    if alert.rule == Rule.FAILURE_RATE:
        return (Button(_("Failed jobs"), said.link),)
    if alert.rule == Rule.YOUTUBE_SILENT:
        return (Button(_("Errors"), said.link),)
    if alert.rule in (Rule.VIDEOS_LATE, Rule.PUSH_OFF):
        return _buttons_of_freshness(request, alert)
    label, permission = _PAGES.get(alert.subject_type, ("", ""))
    return (Button(str(label), said.link),) if label and may(permission) else ()


def _buttons_of_freshness(request: HttpRequest, alert: Alert) -> tuple[Button, ...]:
    """Return the figures, the bands with late videos, and what may bring videos at once or get push to work."""
    may, buttons = request.user.has_perm, []
    if may("bands.view_band"):
        buttons.append(Button(_("Freshness"), links.freshness()))
        if alert.rule == Rule.VIDEOS_LATE and (minutes := alert.facts.get("minutes")):
            buttons.append(Button(_("Late bands"), links.bands(late=minutes)))
    if alert.rule == Rule.VIDEOS_LATE and may("syncjobs.trigger_sync"):
        buttons.append(Button(_("Read all feeds now"), links.page("bands_band_read_feeds"), is_dialog=True))
    if alert.rule == Rule.PUSH_OFF and may("bands.change_band"):
        buttons.append(Button(_("Subscribe again"), links.page("bands_band_subscribe_all"), is_dialog=True))
    return tuple(buttons)
