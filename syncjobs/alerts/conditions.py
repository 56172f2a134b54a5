"""Find the conditions of the rules. Each function returns the findings of some rules, in one statement."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connection
from django_celery_beat.models import PeriodicTask

from ..audit.actors import SYSTEM
from ..choices import BAND_SYNC_TYPES, AlertSubject, JobType, Severity
from ..choices import AlertRuleName as Rule
from ..engine import broker, quota
from ..freshness import subscriptions
from ..live.health import Health
from ..models.workers import WORKER_SILENCE_SECONDS
from ..operations import schedules
from ..operations.queues import KEY_REFUSED
from ..sql import query
from ..stats import jobs as stats_jobs
from ..stats import quota as stats_quota
from ..youtube.costs import next_reset, quota_day
from .findings import Finding
from .rules import Rules

MOST = 1000
"""The findings of a rule about bands or errors in one round."""
LEAST_ENDED = 10
"""Fewer jobs than this in the last hour say nothing about how many fail."""
LEAST_FRESH, MOST_FRESH = 5, 40
"""How many of the newest videos say how late new videos come: at least, and at most."""
STUCK_SECONDS, STUCK_UNKNOWN_SECONDS = 600, 7200
"""A job is not stuck before the first; before the second, if no job of its type has been completed."""
_IN_ONE_STATEMENT = (
    Rule.QUEUE_PAUSED, Rule.BAND_PAUSED, Rule.OLD_JOB, Rule.CLOCK_SKEW, Rule.BAND_FAILING, Rule.BAND_STALE, Rule.FAILURE_RATE,
    Rule.NEW_ERROR, Rule.ERROR_BACK, Rule.DATABASE_DEGRADED, Rule.DELIVERIES_FAILING, Rule.PUSH_OFF,
    Rule.VIDEOS_LATE,
)  # fmt: skip
RULE_OF_PROBLEM = {
    "no_worker": (Rule.NO_WORKER, AlertSubject.QUEUE),
    "worker_silent": (Rule.WORKER_SILENT, AlertSubject.WORKER),
    "worker_failing": (Rule.WORKER_FAILING, AlertSubject.WORKER),
    "no_scheduler": (Rule.NO_SCHEDULER, AlertSubject.SITE),
    "youtube_silent": (Rule.YOUTUBE_SILENT, AlertSubject.SITE),
}


def most(rules: Rules, now: dt.datetime, known: Health) -> Iterator[Finding]:
    """Yield the findings of all rules but the forecast, those that are switched off included."""
    yield from _silent(known)
    yield from _in_one_statement(rules, now)
    if "no_scheduler" not in {problem.code for problem in known.problems}:
        yield from _overdue(rules, now)
    yield from _stuck(rules)
    yield from _redis(rules)


def forecast(rules: Rules, now: dt.datetime) -> Iterator[Finding]:
    """Yield the buckets that will not last until they are reset."""
    threshold = rules.threshold(Rule.QUOTA_FORECAST)
    if threshold is None:
        return
    for state, needed in stats_quota.forecasts(now):
        if needed.at_least * 100 > threshold * state.limit and state.closed_at is None and state.used < state.limit:
            # In steps of a hundredth, so that the fact does not change with every call.
            step = max(1, state.limit // 100)
            facts = {"units": needed.at_least // step * step, "limit": state.limit}
            yield Finding(Rule.QUOTA_FORECAST, AlertSubject.BUCKET, state.bucket, state.bucket, Severity.WARNING, facts)


def _silent(known: Health) -> Iterator[Finding]:
    """Yield what does not answer, as live pages show it."""
    for problem in known.problems:
        if problem.code not in RULE_OF_PROBLEM:
            continue
        rule, subject_type = RULE_OF_PROBLEM[problem.code]
        is_worker = subject_type == AlertSubject.WORKER
        facts: dict[str, str | bool | None] = {"since": problem.since.isoformat() if problem.since else None}
        if is_worker:
            facts["others"] = not problem.urgent
        severity = Severity.CRITICAL if problem.urgent else Severity.WARNING
        yield Finding(rule, subject_type, problem.name, problem.name, severity, facts)


def _in_one_statement(rules: Rules, now: dt.datetime) -> Iterator[Finding]:
    values: dict[str, Any] = {str(rule.value): rules.threshold(rule) for rule in _IN_ONE_STATEMENT}
    values |= {
        "quota_exhausted": rules.is_enabled(Rule.QUOTA_EXHAUSTED),
        "key_refused": f"{KEY_REFUSED}%",
        "system": SYSTEM.label,
        "silence": WORKER_SILENCE_SECONDS,
        "job_types": JobType.values,
        "band_types": list(BAND_SYNC_TYPES),
        "least_ended": LEAST_ENDED,
        "push_is_on": subscriptions.is_push_on(),
        "least_fresh": LEAST_FRESH,
        "most_fresh": MOST_FRESH,
        "most": MOST,
        "buckets": [str(bucket) for bucket in quota.DELAY_REASONS],
        "quotas": [quota.limit_of(bucket) for bucket in quota.DELAY_REASONS],
        "quota_reasons": [str(reason) for reason in quota.DELAY_REASONS.values()],
        "day": quota_day(now),
        "resets_at": next_reset(now),
    }
    with connection.cursor() as cursor:
        cursor.execute(query("alert_findings"), values)
        rows = cursor.fetchall()
    for rule, subject_type, subject_id, label, severity, facts in rows:
        found = facts if isinstance(facts, dict) else json.loads(facts)
        yield Finding(Rule(rule), AlertSubject(subject_type), subject_id, label, Severity(severity), found)


def _overdue(rules: Rules, now: dt.datetime) -> Iterator[Finding]:
    threshold = rules.threshold(Rule.SCHEDULE_OVERDUE)
    if threshold is None:
        return
    latest = now - dt.timedelta(minutes=threshold)
    for schedule in schedules.list_schedules().filter(enabled=True):
        due = _due(schedule)
        if due is not None and due < latest:
            facts = {"due": due.isoformat()}
            yield Finding(
                Rule.SCHEDULE_OVERDUE,
                AlertSubject.SCHEDULE,
                str(schedule.pk),
                schedule.name,
                Severity.WARNING,
                facts,
            )


def _due(schedule: PeriodicTask) -> dt.datetime | None:
    try:
        return schedules.next_run(schedule)
    except ValueError:  # It is never due.
        return None


def _stuck(rules: Rules) -> Iterator[Finding]:
    factor = rules.threshold(Rule.STUCK_JOB)
    if factor is None:
        return
    for row in stats_jobs.stuck():
        usual = row["usual_seconds"]
        if row["running_seconds"] < (STUCK_UNKNOWN_SECONDS if usual is None else max(STUCK_SECONDS, factor * usual)):
            continue
        facts = {
            "since": row["started_at"].isoformat(),
            "worker": row["worker"],
            "usual_seconds": None if usual is None else round(usual),
        }
        label = f"#{row['job_id']}" + (f" ({row['band_name']})" if row["band_name"] else "")
        yield Finding(Rule.STUCK_JOB, AlertSubject.JOB, str(row["job_id"]), label, Severity.WARNING, facts)


def _redis(rules: Rules) -> Sequence[Finding]:
    if not rules.is_enabled(Rule.REDIS_DEGRADED) or not (problem := broker.problem()):
        return ()
    facts = {"problem": problem}
    return [Finding(Rule.REDIS_DEGRADED, AlertSubject.SERVICE, "redis", "Redis", Severity.CRITICAL, facts)]
