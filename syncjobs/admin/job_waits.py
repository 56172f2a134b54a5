"""What keeps jobs waiting: a paused queue or band, a missing worker, or a time; also of the child jobs of an all-bands job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bands.models import Band

from ..choices import DelayReason, JobStatus, QueuedPart
from ..models import SyncJob
from ..stats import queues as stats_queues
from ..stats.queues import Readiness, Wait
from ..templatetags.monitor import number, when
from . import job_buttons as buttons
from .core import advice, links
from .job_buttons import Button, Explanation, Facts

_NAMED = 3
_QUOTA = (DelayReason.QUOTA_MAIN, DelayReason.QUOTA_SEARCH, DelayReason.QUOTA_STATS)


def for_queue(
    facts: Facts, name: str, queue: Readiness, helps: str, text: str = "", more: Sequence[Button] = ()
) -> Explanation:
    """Explain that jobs wait for a paused queue; `helps` is the advice."""
    url = links.object_page("syncjobs_queue_resume", name)
    whom = advice.for_user(facts.request.user, _("Resume the queue."), buttons.PAUSE)
    resume = [Button(_("Resume the queue"), url, "play", is_dialog=True)] if facts.may(buttons.PAUSE) else []
    return Explanation(
        look="warn",
        icon="pause",
        title=_("Queue paused by %s") % queue.paused_by,
        text=text,
        message=queue.pause_reason,
        facts=[(_("Since"), when(queue.paused_at))],
        advice=helps if resume else f"{whom} {helps}",
        buttons=[*resume, *more],
    )


def for_band(facts: Facts, band: Band, helps: str, text: str = "", more: Sequence[Button] = ()) -> Explanation:
    """Explain that jobs wait for a paused band; `helps` is the advice. A text says more, and names the band."""
    url = links.object_page("bands_band_resume", band.pk)
    may = facts.may("syncjobs.trigger_sync")
    return Explanation(
        look="warn",
        icon="pause",
        title=_("The band was paused by %(who)s") % {"who": band.paused_by},
        text=text,
        message=band.pause_reason,
        facts=[(_("Since"), when(band.paused_at))],
        advice=helps,
        buttons=[*([Button(_("Resume the band"), url, "play", is_dialog=True)] if may else []), *more],
    )


def for_worker(facts: Facts, text: str, more: Sequence[Button] = ()) -> Explanation:
    """Explain that jobs wait for a worker."""
    return Explanation(
        look="bad",
        icon="alert",
        title=_("No worker is running for this queue"),
        text=text,
        advice=_("Start a worker for this queue, or find out why it stopped."),
        buttons=[*buttons.workers(facts), *more],
    )


# ---- Child jobs of an all-bands job


def of_children(facts: Facts) -> list[Explanation]:
    """Explain what keeps child jobs waiting; empty if they only wait for their turn."""
    if not facts.waits:
        return []
    queues, boxes = stats_queues.readiness(), []
    if of_bands := sum(wait.jobs for wait in facts.waits if wait.is_of_bands):
        boxes.append(_for_bands(facts, of_bands))
    for wait in facts.waits:
        if wait.is_of_bands:
            continue
        if wait.is_for_time:
            boxes.append(_for_time(facts, wait))
        elif queues[wait.queue].paused_at:
            helps = _("They start once the queue is resumed.")
            shown = [_shown(facts, QueuedPart.WAITING)]
            boxes.append(for_queue(facts, wait.queue, queues[wait.queue], helps, _how_many(facts, wait.jobs), shown))
        elif not queues[wait.queue].has_worker:
            boxes.append(for_worker(facts, _how_many(facts, wait.jobs), [_shown(facts, QueuedPart.WAITING)]))
    return boxes


def note_of_children(waits: Sequence[Wait], queues: Mapping[str, Readiness]) -> str:
    """Return what most of the waiting child jobs wait for, in a few words; empty if they only wait for their turn."""
    held = [(wait.jobs, why) for wait in waits if (why := _why(wait, queues[wait.queue]))]
    if not held:
        return ""
    jobs, why = max(held)
    text = ngettext("%(n)s job waits: %(why)s", "%(n)s jobs wait: %(why)s", jobs)
    return text % {"n": number(jobs), "why": why}


def _why(wait: Wait, queue: Readiness) -> str:
    if wait.is_of_bands:
        return _("band paused")
    if wait.is_for_time:
        label = _label(wait)
        return label[:1].lower() + label[1:]
    if queue.paused_at:
        return _("queue paused by %s") % queue.paused_by
    return "" if queue.has_worker else _("no worker is running")


def _label(wait: Wait) -> str:
    return str(DelayReason(wait.delay_reason or DelayReason.SCHEDULED).label)


def _how_many(facts: Facts, jobs: int) -> str:
    total = sum(facts.children.values())
    text = ngettext("%(n)s of %(total)s child jobs waits for it.", "%(n)s of %(total)s child jobs wait for it.", jobs)
    return text % {"n": number(jobs), "total": number(total)}


def _shown(facts: Facts, part: QueuedPart | JobStatus, **filters: str) -> Button:
    return Button(_("Show the waiting jobs"), links.jobs(parent_id=facts.job.pk, status=part.value, **filters), "list")


def _for_bands(facts: Facts, jobs: int) -> Explanation:
    """Explain that child jobs wait for their paused bands, which the all-bands job does not."""
    queued = SyncJob.objects.of_paused_bands().filter(parent=facts.job.pk)
    bands = list(Band.objects.filter(pk__in=queued.values("band")).order_by("name", "pk")[: _NAMED + 1])
    helps = _("They start once the bands are resumed. This job completes without them.")
    shown = [_shown(facts, JobStatus.QUEUED, due="paused")]
    names = ", ".join(band.name for band in bands[:_NAMED]) + ("…" if len(bands) > _NAMED else "")
    text = format_html("{} {}", _how_many(facts, jobs), names)
    if len(bands) == 1:
        return for_band(facts, bands[0], helps, text, shown)
    return Explanation(look="warn", icon="pause", title=_("Bands paused"), text=text, advice=helps, buttons=shown)


def _for_time(facts: Facts, wait: Wait) -> Explanation:
    """Explain that child jobs are delayed."""
    first = format_html("{} · {} {}", when(wait.until), _("in"), when(wait.until, "countdown"))
    is_retry, is_quota = wait.delay_reason == DelayReason.RETRY, wait.delay_reason in _QUOTA
    helps = _("Nothing: they start by themselves. “Run now” starts them at once.")
    if is_quota:
        helps = _("Nothing, unless it is urgent. Quota shows what used the units.")
    reason = {"delay_reason": wait.delay_reason} if wait.delay_reason else {}
    shown = [_shown(facts, QueuedPart.DELAYED, **reason)]
    if is_quota and facts.may("syncjobs.view_quotaday"):
        shown.insert(0, Button(_("Quota"), links.page("quota"), "gauge"))
    return Explanation(
        look="warn" if is_retry else "off",
        icon="retry" if is_retry else "clock",
        title=_label(wait),
        text=_how_many(facts, wait.jobs),
        facts=[(_("The first goes on"), first)],
        advice=helps,
        buttons=shown,
    )
