"""The words of each rule: what is wrong, what to do about it, and the page that shows more."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..choices import AlertRuleName as Rule
from ..choices import AlertSubject, JobStatus, QueueName
from ..models import Alert
from .findings import Finding

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Words:
    """What is wrong, what to do, and a path on this site; the last two may be empty."""

    sentence: str
    advice: str
    link: str


def for_site(finding: Finding) -> Words:
    """Return the words for a finding in the language of the site."""
    with translation.override(settings.LANGUAGE_CODE):
        return _words(finding.rule, finding.subject_type, finding.subject_id, finding.label, finding.facts)


def of(alert: Alert) -> Words:
    """Return the words of an alert in the active language, or as they are stored if its rule no longer exists."""
    if alert.rule not in Rule.values:
        return Words(alert.sentence, alert.advice, alert.link)
    return _words(Rule(alert.rule), alert.subject_type, alert.subject_id, alert.subject_label, alert.facts)


def since(alert: Alert) -> dt.datetime:
    """Return when what the alert is about began, as far as that is known: else when a round first found it."""
    known = next(filter(None, (alert.facts.get(name) for name in _BEGINNINGS)), None)
    return dt.datetime.fromisoformat(known) if known else alert.opened_at


_BEGINNINGS = ("since", "due", "channel_since", "added_at")


def subject_of(alert: Alert) -> str:
    """Return the name of what the alert is about in the active language; empty for the site."""
    return _subject(alert.subject_type, alert.subject_id, alert.subject_label)


def _subject(subject_type: str, subject_id: str, label: str) -> str:
    if subject_type == AlertSubject.QUEUE and subject_id in QueueName.values:
        return str(QueueName(subject_id).label)
    return label


def _words(rule: Rule, subject_type: str, subject_id: str, label: str, facts: Facts) -> Words:
    sentence, advice = _TEXTS[rule](_subject(subject_type, subject_id, label), facts)
    return Words(sentence, advice, _link(rule, subject_type, subject_id))


def _link(rule: Rule, subject_type: str, subject_id: str) -> str:
    if rule == Rule.FAILURE_RATE:
        return f"{reverse('admin:syncjobs_syncjob_changelist')}?{urlencode({'status': JobStatus.FAILED.value})}"
    if rule in (Rule.PUSH_OFF, Rule.VIDEOS_LATE):
        return f"{reverse('admin:index')}?part=freshness#part-freshness"
    if rule == Rule.YOUTUBE_SILENT:
        return reverse("admin:syncjobs_errorgroup_changelist")
    if subject_type in _LISTS:
        return reverse(f"admin:{_LISTS[AlertSubject(subject_type)]}")
    if subject_type in _PAGES:
        return reverse(f"admin:{_PAGES[AlertSubject(subject_type)]}", args=[subject_id])
    return reverse("admin:index")


_LISTS = {
    AlertSubject.CHANNEL: "syncjobs_alertchannel_changelist",
    AlertSubject.WORKER: "syncjobs_worker_changelist",
    AlertSubject.BUCKET: "quota",
    AlertSubject.SCHEDULE: "django_celery_beat_periodictask_changelist",
}
_PAGES = {
    AlertSubject.BAND: "bands_band_change",
    AlertSubject.JOB: "syncjobs_syncjob_change",
    AlertSubject.ERROR: "syncjobs_errorgroup_change",
}


def _time(facts: Facts, name: str, pattern: str = "%Y-%m-%d %H:%M") -> str:
    value = facts.get(name)
    return f"{dt.datetime.fromisoformat(value).astimezone(dt.UTC):{pattern}} UTC" if value else _("an unknown time")


def _duration(seconds: float) -> str:
    """Return a duration in its largest unit, rounded down."""
    if seconds >= 7200:
        return ngettext("%(n)s hour", "%(n)s hours", int(seconds // 3600)) % {"n": int(seconds // 3600)}
    if seconds >= 120:
        return ngettext("%(n)s minute", "%(n)s minutes", int(seconds // 60)) % {"n": int(seconds // 60)}
    return ngettext("%(n)s second", "%(n)s seconds", int(seconds)) % {"n": int(seconds)}


def _no_worker(subject: str, facts: Facts) -> tuple[str, str]:
    return (
        _("No worker is running for the queue %(queue)s, so its jobs wait.") % {"queue": subject},
        _("Start a worker for this queue, or find out why it stopped. The jobs then start by themselves."),
    )


def _worker_silent(subject: str, facts: Facts) -> tuple[str, str]:
    sentence = _("Worker %(worker)s has not responded since %(time)s.") % {
        "worker": subject,
        "time": _time(facts, "since"),
    }
    if facts.get("others"):
        sentence += " " + _("Other workers serve the same queues.")
    return sentence, _("Restart it. If it is not to come back, remove it from the list of workers.")


def _worker_failing(subject: str, facts: Facts) -> tuple[str, str]:
    sentence = _("Worker %(worker)s reports, but its tasks fail since %(time)s.") % {
        "worker": subject,
        "time": _time(facts, "since"),
    }
    if facts.get("others"):
        sentence += " " + _("Other workers serve the same queues.")
    return sentence, _("Read the worker's log, then restart it.")


def _clock_skew(subject: str, facts: Facts) -> tuple[str, str]:
    seconds = float(facts.get("seconds") or 0)
    pattern = (
        _("The clock of %(process)s is %(seconds)s s ahead of the database's.")
        if seconds > 0
        else _("The clock of %(process)s is %(seconds)s s behind the database's.")
    )
    return pattern % {"process": subject, "seconds": f"{abs(seconds):.0f}"}, _("Synchronize the hosts' clocks (NTP).")


def _no_scheduler(subject: str, facts: Facts) -> tuple[str, str]:
    return _("No scheduler is running, so schedules trigger nothing."), _("Start the scheduler (celery beat).")


def _schedule_overdue(subject: str, facts: Facts) -> tuple[str, str]:
    return (
        _("The schedule “%(schedule)s” was due at %(time)s and has not run.")
        % {"schedule": subject, "time": _time(facts, "due")},
        _("Check that the scheduler runs and read its log. You can also run the schedule manually."),
    )


def _queue_paused(subject: str, facts: Facts) -> tuple[str, str]:
    sentence = _("The queue %(queue)s has been paused since %(time)s by %(person)s.") % {
        "queue": subject,
        "time": _time(facts, "since"),
        "person": facts.get("by") or "?",
    }
    if facts.get("reason"):
        sentence += " " + _("Reason: %(reason)s") % {"reason": facts["reason"]}
    return sentence, _("Resume the queue once the reason is gone.")


def _band_paused(subject: str, facts: Facts) -> tuple[str, str]:
    sentence = _("%(band)s has been paused since %(time)s by %(person)s.") % {
        "band": subject,
        "time": _time(facts, "since"),
        "person": facts.get("by") or "?",
    }
    if facts.get("reason"):
        sentence += " " + _("Reason: %(reason)s") % {"reason": facts["reason"]}
    return sentence, _("Resume the band once the reason is gone.")


def _old_job(subject: str, facts: Facts) -> tuple[str, str]:
    return (
        _("A job in the queue %(queue)s has waited since %(time)s.")
        % {"queue": subject, "time": _time(facts, "since")},
        _("If the workers are busy, start more of them; if not, read their logs."),
    )


def _stuck_job(subject: str, facts: Facts) -> tuple[str, str]:
    usual = facts.get("usual_seconds")
    sentence = _("Job %(job)s has run since %(time)s on worker %(worker)s.") % {
        "job": subject,
        "time": _time(facts, "since"),
        "worker": facts.get("worker") or "?",
    }
    if usual:
        sentence += " " + _("Most jobs like it take less than %(duration)s.") % {"duration": _duration(float(usual))}
    return sentence, _("Look at its progress. If it has none, cancel the job and retry it.")


def _band_failing(subject: str, facts: Facts) -> tuple[str, str]:
    n = int(facts.get("failures") or 1)
    pattern = ngettext("The last sync of %(band)s has failed.", "The last %(n)s syncs of %(band)s have failed.", n)
    if facts.get("since") and n > 1:
        pattern = _("The last %(n)s syncs of %(band)s have failed, the first at %(time)s.")
    sentence = pattern % {"n": n, "band": subject, "time": _time(facts, "since")}
    if facts.get("error"):
        sentence += " " + _("Last error: %(error)s") % {"error": facts["error"]}
    return sentence, _("See the band's last job for the reason. Correct the band's channel if it is wrong.")


def _band_stale(subject: str, facts: Facts) -> tuple[str, str]:
    if facts.get("since"):
        sentence = _("%(band)s has not been synced since %(time)s.")
    elif facts.get("channel_since"):
        sentence = _("%(band)s got another channel at %(changed)s, and has not been synced since.")
    else:
        sentence = _("%(band)s has never been synced.")
    values = {"band": subject, "time": _time(facts, "since"), "changed": _time(facts, "channel_since")}
    return sentence % values, _(
        "Check that a schedule syncs all bands, and see the band's last jobs. Or deactivate the band."
    )


def _failure_rate(subject: str, facts: Facts) -> tuple[str, str]:
    return (
        _("%(percent)s%% or more of the jobs that ended in the last hour have failed.")
        % {"percent": facts.get("percent")},
        _("See the most frequent errors. Retry the failed jobs once the cause is gone."),
    )


def _new_error(subject: str, facts: Facts) -> tuple[str, str]:
    return (
        _of_error(
            subject,
            facts,
            _("A new error has occurred (%(where)s): %(error)s"),
            _("A new error has occurred: %(error)s"),
        ),
        _("Read what the error means and what to do. Then resolve the error."),
    )


def _error_back(subject: str, facts: Facts) -> tuple[str, str]:
    return (
        _of_error(
            subject, facts, _("An error has come back (%(where)s): %(error)s"), _("An error has come back: %(error)s")
        ),
        _("Read the note from the last time. Resolve the error again once its cause is gone.")
        if facts.get("was_resolved")
        else _("Read its notes. Resolve the error once its cause is gone."),
    )


def _of_error(error: str, facts: Facts, pattern: str, without_band: str) -> str:
    """Name the band that has the error, how many others do, and whether the text stands for others like it."""
    others = max(0, int(facts.get("bands") or 0) - 1)
    where = facts.get("band") or ""
    if where and others:
        where = ngettext("%(band)s and %(n)s other band", "%(band)s and %(n)s other bands", others)
        where %= {"band": facts["band"], "n": others}
    sentence = (pattern if where else without_band) % {"where": where, "error": error}
    return _("%(sentence)s (and others like it)") % {"sentence": sentence} if facts.get("alike") else sentence


def _quota_forecast(subject: str, facts: Facts) -> tuple[str, str]:
    return (
        _("The %(bucket)s quota will not last until it resets: about %(units)s of %(limit)s units will be needed.")
        % {"bucket": subject, "units": facts.get("units"), "limit": facts.get("limit")},
        _("Let schedules run less often, or cancel full syncs that can wait."),
    )


def _quota_exhausted(subject: str, facts: Facts) -> tuple[str, str]:
    jobs = int(facts.get("jobs") or 0)
    sentence = _("The %(bucket)s quota is used up until %(time)s.") % {
        "bucket": subject,
        "time": _time(facts, "until"),
    }
    if jobs:
        sentence += " " + ngettext("%(n)s job waits for it.", "%(n)s jobs wait for it.", jobs) % {"n": jobs}
    return sentence, _("Nothing is lost: the jobs continue after the reset. See Quota for what used it.")


def _key_refused(subject: str, facts: Facts) -> tuple[str, str]:
    return (
        _("The queues are paused. %(reason)s") % {"reason": facts.get("reason") or ""},
        _("Correct YOUTUBE_API_KEY on the server, or its restrictions in the Google console. Then resume the queues."),
    )


def _youtube_silent(subject: str, facts: Facts) -> tuple[str, str]:
    # With seconds, so that it agrees with the bar on the pages, which says how long ago that was.
    since = _time(facts, "since", "%Y-%m-%d %H:%M:%S")
    return (
        _("YouTube has not answered since %(time)s. Jobs retry automatically.") % {"time": since},
        _("Check the server's network and YouTube's status. Pause the queues if it lasts for hours."),
    )


def _redis_degraded(subject: str, facts: Facts) -> tuple[str, str]:
    return (
        _("%(problem)s Jobs start late.") % {"problem": facts.get("problem") or ""},
        _("Check that Redis runs, that it is not full, and REDIS_URL. Nothing is lost meanwhile."),
    )


def _database_degraded(subject: str, facts: Facts) -> tuple[str, str]:
    return (
        _("PostgreSQL is degraded: %(problem)s") % {"problem": _database_problem(facts)},
        _("End the transaction, or find out what holds it open. If connections run out, raise max_connections."),
    )


def _database_problem(facts: Facts) -> str:
    if facts.get("problem") == "connections":
        return _("more than %(percent)s%% of its %(limit)s connections are in use.") % {
            "percent": facts.get("percent"),
            "limit": facts.get("limit"),
        }
    return _("a transaction has been open since %(time)s.") % {"time": _time(facts, "since")}


def _deliveries_failing(subject: str, facts: Facts) -> tuple[str, str]:
    return (
        _("Messages to the channel %(channel)s are not delivered.") % {"channel": subject},
        _("See the last attempts of the channel, correct its address, and send a test message."),
    )


def _push_off(subject: str, facts: Facts) -> tuple[str, str]:
    sentence = _(
        "%(percent)s%% or more of the subscriptions at YouTube's hub don't work. Feeds are read often instead."
    ) % {"percent": facts.get("percent")}
    if facts.get("problem"):
        sentence += " " + _("The hub takes no requests: %(problem)s") % {"problem": facts["problem"]}
    return sentence, _(
        "Check that the internet reaches PUBLIC_URL, and run manage.py doctor. See Freshness for the states."
    )


def _videos_late(subject: str, facts: Facts) -> tuple[str, str]:
    return (
        _("New videos come late: one in twenty is stored %(minutes)s minutes or more after its publication.")
        % {"minutes": facts.get("minutes")},
        _("See Freshness for what is slow: push, feeds or probes. Check that a worker runs and reaches YouTube."),
    )


_TEXTS: dict[Rule, Callable[[str, Facts], tuple[str, str]]] = {
    Rule.NO_WORKER: _no_worker,
    Rule.WORKER_SILENT: _worker_silent,
    Rule.WORKER_FAILING: _worker_failing,
    Rule.CLOCK_SKEW: _clock_skew,
    Rule.NO_SCHEDULER: _no_scheduler,
    Rule.SCHEDULE_OVERDUE: _schedule_overdue,
    Rule.QUEUE_PAUSED: _queue_paused,
    Rule.BAND_PAUSED: _band_paused,
    Rule.OLD_JOB: _old_job,
    Rule.STUCK_JOB: _stuck_job,
    Rule.BAND_FAILING: _band_failing,
    Rule.BAND_STALE: _band_stale,
    Rule.FAILURE_RATE: _failure_rate,
    Rule.NEW_ERROR: _new_error,
    Rule.ERROR_BACK: _error_back,
    Rule.QUOTA_FORECAST: _quota_forecast,
    Rule.QUOTA_EXHAUSTED: _quota_exhausted,
    Rule.KEY_REFUSED: _key_refused,
    Rule.YOUTUBE_SILENT: _youtube_silent,
    Rule.REDIS_DEGRADED: _redis_degraded,
    Rule.DATABASE_DEGRADED: _database_degraded,
    Rule.DELIVERIES_FAILING: _deliveries_failing,
    Rule.PUSH_OFF: _push_off,
    Rule.VIDEOS_LATE: _videos_late,
}
