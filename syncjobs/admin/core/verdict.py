"""One sentence on whether the site works: the answer that the dashboard begins with.

It claims no more than is known: what is unknown, or known to be wrong, comes before what works.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ...choices import AlertRuleName as Rule
from ...choices import QueueName, Severity
from ...live.health import Health
from ...models import Alert
from ...youtube.costs import Bucket

_SYNCS = QueueName.VIDEO_SYNC.value
_HINDERING = {
    Rule.OLD_JOB,
    Rule.FAILURE_RATE,
    Rule.SCHEDULE_OVERDUE,
    Rule.QUOTA_EXHAUSTED,
    Rule.REDIS_DEGRADED,
    Rule.DATABASE_DEGRADED,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A short sentence or two. `is_good` says that nothing is left for a person to do, as far as is known."""

    text: str
    is_good: bool = False


def of(known: Health, unresolved: Sequence[Alert], paused: Collection[str], things: int) -> Verdict:
    """Return the verdict on the site. `paused` are the paused queues, and `things` is how much needs attention."""
    problems = {problem.code for problem in known.problems}
    alerts = [alert for alert in unresolved if not alert.is_gone]  # type: ignore[attr-defined]
    if obstacle := _obstacle(known, problems, alerts, paused):
        return Verdict(_("Syncs do not run: %(why)s.") % {"why": obstacle})
    if "alerts_late" in problems or not known.is_evaluated:
        return Verdict(_("It is unknown whether everything works: alerts are not evaluated."))
    rest = ngettext("%(n)s thing needs attention.", "%(n)s things need attention.", things) % {"n": things}
    if "no_scheduler" in problems:
        return Verdict(_("Only manual syncs run: no scheduler is running."))
    if any(alert.rule in _HINDERING for alert in alerts):
        said = _("Syncs run, but some are late or fail.")
        return Verdict(f"{said} {rest}" if things else said)
    if things:
        run = _("Syncs run.")
        return Verdict(f"{run} {rest}")
    if unserved := [str(queue.label) for queue in QueueName if queue not in known.served]:
        return Verdict(_("Syncs run, but no worker is running for %(queues)s.") % {"queues": ", ".join(unserved)})
    if unresolved:
        return Verdict(_("Syncs run. Known problems are acknowledged or snoozed."), is_good=True)
    return Verdict(_("Everything is working."), is_good=True)


def _obstacle(known: Health, problems: Collection[str], alerts: Sequence[Alert], paused: Collection[str]) -> str:
    """Return why no sync of a band can run, or an empty text."""
    rules = {alert.rule for alert in alerts}
    if Rule.KEY_REFUSED in rules:
        return _("YouTube refuses the API key")
    if _SYNCS in paused or any(each.rule == Rule.QUEUE_PAUSED and each.subject_id == _SYNCS for each in alerts):
        return _("their queue is paused")
    if _SYNCS not in known.served:
        return _("no worker is running for them")
    if "youtube_silent" in problems:
        return _("YouTube does not answer")
    used_up = (Rule.QUOTA_EXHAUSTED, Bucket.MAIN, Severity.CRITICAL)
    if used_up in [(each.rule, each.subject_id, each.severity) for each in alerts]:
        return _("the quota is used up")
    return ""
