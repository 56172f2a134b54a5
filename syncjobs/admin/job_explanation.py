"""What a person should know about a job first: why it failed or waits, since when, how often, and what helps."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Sequence

from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .. import counters
from ..choices import ACTIVE_STATUSES, BAND_SYNC_TYPES, AttemptOutcome, DelayReason, EventKind, JobStatus, JobType
from ..engine import error_reasons
from ..models import JobError, SyncJob
from ..operations.jobs import retry_problem
from ..templatetags.monitor import job_link, number, status_badge, when
from . import job_buttons as buttons
from . import job_waits
from .core import advice, links
from .job_buttons import Button, Explanation, Facts, Text, has_other_channel


def explain(facts: Facts) -> list[Explanation]:
    """Return the boxes of a job, the most important first; none if there is nothing to explain."""
    match facts.job.status:
        case JobStatus.FAILED:
            return [_failed(facts)]
        case JobStatus.CANCELLED:
            return [_cancelled(facts)]
        case JobStatus.QUEUED:
            return _queued(facts)
        case JobStatus.IN_PROGRESS:
            return [*_running(facts), *_failed_children(facts), *job_waits.of_children(facts)]
    return [*(_failed_children(facts) or _with_errors(facts)), *job_waits.of_children(facts)]


def relation(job: SyncJob, now: dt.datetime) -> SafeString:
    """Link to another job, with its status and, if it waits, until when."""
    text = format_html("{} {}", job_link(job.pk), status_badge(job, now))
    if job.status == JobStatus.QUEUED and job.run_at > now:
        return format_html("{} {} {}", text, _("until"), when(job.run_at))
    if job.status in ACTIVE_STATUSES:
        return text
    return format_html("{} {}", text, when(job.completed_at))


# ---- Jobs that ended


def _failed(facts: Facts) -> Explanation:
    error = _decisive(facts.errors)
    reason = error.reason if error else next((each.error_reason for each in facts.attempts if each.error), "")
    meaning = error_reasons.explain(reason)
    text = next((each.error for each in facts.attempts if each.error), "")
    look, helps = "bad", advice.for_user(facts.request.user, str(meaning.advice), meaning.needs)
    if error is not None and not error.group.is_permanent and meaning.needs == buttons.PAUSE:
        helps = _("Retry the job. If YouTube stays busy for hours, an admin can pause the queue until it is over.")
    if done := _done_since(facts):
        look, helps = done
    same = counters.jobs_of_group(error.group_id) if error else 0
    return Explanation(
        look=look,
        icon="cross",
        title=str(meaning.title) if reason else _("Failed"),
        text=str(meaning.text) if reason else "",
        message=error.message if error else text,
        facts=[*_when_failed(facts), *_how_often(facts, error, same), *_successor(facts), *_obstacle(facts)],
        advice=helps,
        buttons=buttons.for_error(facts, reason, error, same, is_open=look == "bad", is_over=_is_over(facts, look)),
    )


def _decisive(errors: Sequence[JobError]) -> JobError | None:
    """Return the error that ended the job, else its newest one."""
    return next((error for error in errors if not error.will_retry), errors[0] if errors else None)


def _done_since(facts: Facts) -> tuple[str, str] | None:
    """Return look and advice if another job does, or has done, what this one could not."""
    job, again = facts.job, facts.successor
    if again is not None and again.status == JobStatus.COMPLETED:
        return "off", _("Nothing: job #%s has done this since.") % again.pk
    if again is not None and again.status in ACTIVE_STATUSES:
        return "warn", _("Nothing for now: job #%s does this again.") % again.pk
    if job.band is not None and job.job_type in BAND_SYNC_TYPES and job.completed_at:
        synced = job.band.synced_at(full=job.job_type == JobType.FULL_SYNC)
        if synced is not None and synced > job.completed_at:
            return "off", _("Nothing: a later sync of the band succeeded.")
    if has_other_channel(job):
        return "warn", _("The channel of %(band)s was changed since. Retry the job to see whether this one works.") % {
            "band": job.band_name
        }
    return None


def _is_over(facts: Facts, look: str) -> bool:
    """Return whether the cause of a failure is removed, as far as known."""
    return look == "off" or has_other_channel(facts.job)


def _when_failed(facts: Facts) -> list[tuple[str, Text]]:
    job = facts.job
    attempts = ngettext("after %s attempt", "after %s attempts", job.attempts_made) % job.attempts_made
    if job.failures_in_a_row or job.attempts_made > 1:
        attempts = format_html("{} · {}", attempts, _("not retried automatically any more"))
    return [(_("Failed"), format_html("{} · {}", when(job.completed_at, "ago"), attempts))]


def _how_often(facts: Facts, error: JobError | None, same: int) -> list[tuple[str, Text]]:
    lines: list[tuple[str, Text]] = []
    if error is not None:
        jobs = ngettext("%s job", "%s jobs", same) % number(same) if same > 1 else _("Only this job")
        first, last = when(error.group.first_seen_at), when(error.group.last_seen_at, "ago")
        seen = format_html("{} · {} {} · {} {}", jobs, _("first seen"), first, _("last seen"), last)
        lines.append((_("How often"), seen))
    band = facts.job.band
    if band is not None and band.consecutive_failures > 1:
        in_a_row = _("%s syncs in a row have failed") % number(band.consecutive_failures)
        if band.channel_problem_since:
            in_a_row = format_html("{} · {} {}", in_a_row, _("channel problem since"), when(band.channel_problem_since))
        lines.append((_("This band"), in_a_row))
    return lines


def _obstacle(facts: Facts) -> list[tuple[str, Text]]:
    """Return why the job can't be retried as it is, if so."""
    problem = retry_problem(facts.job)
    return [(_("Retry"), _("Not possible: %s") % problem.message)] if problem is not None else []


def _successor(facts: Facts) -> list[tuple[str, Text]]:
    again = facts.successor
    if again is None:
        return []
    label = _("Retried as") if again.retry_of_id == facts.job.pk else _("Covered by")
    return [(label, relation(again, facts.now))]


def _cancelled(facts: Facts) -> Explanation:
    job = facts.job
    if facts.attempts and facts.attempts[0].outcome == AttemptOutcome.KILLED:
        how = _("It did not stop by itself, so its worker process was ended. What it had saved stays.")
    elif facts.attempts:
        how = _("It stopped where it was. What it had saved stays.")
    else:
        how = _("No worker had started it.")
    by = job.cancel_requested_by
    lines = [(_("Cancelled"), format_html("{} · {}", by, when(job.completed_at)) if by else when(job.completed_at))]
    return Explanation(
        look="off",
        icon="stop",
        title=_("Cancelled by %s") % by if by else _("Cancelled"),
        text=how,
        facts=[*lines, *_successor(facts), *_obstacle(facts)],
        buttons=buttons.retry(facts, is_primary=False),
    )


def _with_errors(facts: Facts) -> list[Explanation]:
    """Explain a completed job that has skipped something."""
    errors = [error for error in facts.errors if not error.will_retry]
    if not facts.job.error_count or not errors:
        return []
    reasons = Counter(error.reason for error in errors)
    first = error_reasons.explain(errors[0].reason)
    title = _("Completed, but %(n)s could not be synced") % {"n": _items(facts.job.error_count)}
    kinds = [(str(error_reasons.explain(reason).title), number(n)) for reason, n in reasons.most_common()]
    same = counters.jobs_of_group(errors[0].group_id)
    return [
        Explanation(
            look="warn",
            icon="alert",
            title=str(first.title) if len(reasons) == 1 and facts.job.error_count == 1 else title,
            text=str(first.text) if len(reasons) == 1 else "",
            message=errors[0].message if len(errors) == 1 else "",
            facts=[*(kinds if len(kinds) > 1 else []), *_how_often(facts, errors[0], same)],
            advice=advice.for_user(facts.request.user, str(first.advice), first.needs) if len(reasons) == 1 else "",
            buttons=buttons.for_error(facts, errors[0].reason, errors[0], same, is_open=True),
        )
    ]


def _items(count: int) -> str:
    return ngettext("%s item", "%s items", count) % number(count)


def _failed_children(facts: Facts) -> list[Explanation]:
    """Explain an all-bands job of which some child jobs failed."""
    failed, total = facts.children.get(JobStatus.FAILED, 0), sum(facts.children.values())
    if not failed:
        return []
    of_parent = {"parent_id": facts.job.pk, "status": JobStatus.FAILED.value}
    shown = [Button(_("Show the failed jobs"), links.jobs(**of_parent), "list", is_primary=True)]
    if facts.may("syncjobs.retry_job"):
        url = links.page("syncjobs_bulkaction_add") + links.query(action="retry", all=1, **of_parent)
        shown.append(Button(_("Retry them"), url, "retry", is_dialog=True))
    text = ngettext("%(failed)s of %(total)s child job failed", "%(failed)s of %(total)s child jobs failed", total)
    return [
        Explanation(
            look="bad",
            icon="cross",
            title=text % {"failed": number(failed), "total": number(total)},
            text=_("The other bands are not affected. Each failed job says why it failed and what helps."),
            buttons=shown,
        )
    ]


# ---- Jobs that wait or run


def _queued(facts: Facts) -> list[Explanation]:
    boxes = []
    if facts.job.run_at > facts.now:
        boxes.append(_delayed(facts))
    if facts.paused_band:
        boxes.append(job_waits.for_band(facts, facts.paused_band, _("The job starts once the band is resumed.")))
    if facts.queue and facts.queue.paused_at:
        helps = _("The job starts once the queue is resumed.")
        boxes.append(job_waits.for_queue(facts, facts.job.queue_id, facts.queue, helps))
    if facts.queue and not facts.queue.has_worker:
        boxes.append(job_waits.for_worker(facts, _("The job waits until one starts.")))
    return boxes


def _delayed(facts: Facts) -> Explanation:
    job, until = facts.job, facts.job.run_at
    goes_on = [(_("Goes on"), format_html("{} · {} {}", when(until), _("in"), when(until, "countdown")))]
    if job.delay_reason == DelayReason.RETRY:
        return _retrying(facts, goes_on)
    if job.delay_reason in (DelayReason.QUOTA_MAIN, DelayReason.QUOTA_SEARCH, DelayReason.QUOTA_STATS):
        quota = links.page("quota")
        return Explanation(
            look="off",
            icon="clock",
            title=str(DelayReason(job.delay_reason).label),
            text=_("YouTube's quota of today is used up. The job has not failed: it goes on where it stopped."),
            facts=goes_on,
            advice=_("Nothing, unless it is urgent. Quota shows what used the units."),
            buttons=[Button(_("Quota"), quota, "gauge")] if facts.may("syncjobs.view_quotaday") else (),
        )
    event = job.events.filter(kind=EventKind.DELAYED).order_by("-pk").first()
    return Explanation(
        look="off",
        icon="clock",
        title=_("Scheduled for later"),
        message=event.message if event else "",
        facts=goes_on,
    )


def _retrying(facts: Facts, goes_on: Sequence[tuple[str, Text]]) -> Explanation:
    error = facts.errors[0] if facts.errors else None
    meaning = error_reasons.explain(error.reason) if error else None
    same = counters.jobs_of_group(error.group_id) if error else 0
    failures = {"n": facts.job.failures_in_a_row, "max": settings.SYNC_MAX_ATTEMPTS}
    return Explanation(
        look="warn",
        icon="retry",
        title=str(meaning.title) if meaning else _("Waiting to retry"),
        text=str(meaning.text) if meaning else "",
        message=error.message if error else "",
        facts=[
            *goes_on,
            (_("So far"), _("%(n)s of at most %(max)s attempts in a row failed") % failures),
            *_how_often(facts, error, same),
        ],
        advice=_("Nothing: the next attempt starts by itself. “Run now” starts it at once."),
        buttons=buttons.for_error(facts, "", error, same, is_open=False),
    )


def _running(facts: Facts) -> list[Explanation]:
    job = facts.job
    if facts.is_silent:
        worker = facts.attempts[0].worker if facts.attempts else ""
        return [
            Explanation(
                look="bad",
                icon="alert",
                title=_("Worker not responding"),
                text=_("%s has stopped reporting. The job goes back to its queue, and another worker continues it.")
                % worker,
                advice=_("Nothing, unless it happens again. Workers shows which are silent."),
                buttons=buttons.workers(facts),
            )
        ]
    if job.cancel_requested_at:
        return [
            Explanation(
                look="warn",
                icon="stop",
                title=_("Cancelling"),
                text=_("It stops before its next call to YouTube, at the latest %s s after the request.")
                % settings.SYNC_CANCEL_GRACE_SECONDS,
                facts=[
                    (_("Requested"), format_html("{} · {}", job.cancel_requested_by, when(job.cancel_requested_at)))
                ],
            )
        ]
    return []


def is_shown(boxes: Collection[Explanation], text: str) -> bool:
    """Return whether one of the boxes already has the message."""
    return any(box.message == text for box in boxes)
