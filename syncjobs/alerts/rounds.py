"""Rounds: one process after the other evaluates the rules every 15 seconds.

The row of AlertRound elects the process. Whoever finds that a round is due tries to claim it with one statement, and one
of them succeeds. The worker that reconciles the site looks every second, so it is usually the one. The scheduler and the
web processes claim only rounds that are late, so that alerts are opened even when no worker is alive. A round costs the
same however many of them there are.

Rounds with an odd number evaluate all rules but the forecast of the quota, which has rounds of its own in between.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from dataclasses import dataclass

from django.db import connection
from django.db.models import F, Subquery, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Least, Now

from ..choices import AlertRuleName
from ..engine import database
from ..exceptions import is_away
from ..live import health
from ..models import AlertRound, Worker
from ..models.workers import WORKER_SILENCE_SECONDS
from . import conditions, transitions
from .findings import Known
from .notify import Transition
from .rules import Rules

logger = logging.getLogger(__name__)
_outage = database.OutageLog(logger)

ROUND_SECONDS = 15.0
FORECAST_AFTER_SECONDS = 1.0
A_LITTLE = dt.timedelta(milliseconds=200)
SCHEDULER_LATE_SECONDS = 2.0
"""The scheduler claims rounds that are later than this."""
LATE_SECONDS = 3.0
"""A web process claims rounds that are later than this. It looks when the next one would be."""

# A process that is frozen within its round keeps the lock of the row for a few seconds. The others don't wait for it.
_CLAIM = """
    UPDATE syncjobs_alertround AS round
       SET number = number + 1, began_at = statement_timestamp(),
           due_at = statement_timestamp() + make_interval(secs => %(pause)s)
      FROM (SELECT id, due_at FROM syncjobs_alertround WHERE due_at <= statement_timestamp() - make_interval(secs => %(late)s)
             LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) AS due
     WHERE round.id = due.id
    RETURNING number, began_at, extract(epoch FROM began_at - due.due_at)::float8,
              (SELECT coalesce(jsonb_object_agg(name, jsonb_build_array(is_enabled, threshold, resolve_after)),
                               '{}') FROM syncjobs_alertrule)::text,
              (SELECT coalesce(jsonb_agg(jsonb_build_array(id, rule, subject_type, subject_id, severity, facts, last_seen_at)),
                               '[]') FROM syncjobs_alert WHERE resolved_at IS NULL)::text"""


@dataclass(frozen=True, slots=True)
class Round:
    """A claimed round: its number, when it began by the database's clock, and its delay in seconds.

    The rules are those in effect. The alerts are all unresolved ones: only a later round can change what is known of them.
    """

    number: int
    now: dt.datetime
    delay: float
    rules: Rules
    alerts: list[Known]

    @property
    def is_forecast(self) -> bool:
        """Whether it evaluates only the forecast. A round that is late never does: whoever ran the last one may have died."""
        is_its_turn = self.number % 2 == 0 and self.rules.is_enabled(AlertRuleName.QUOTA_FORECAST)
        return is_its_turn and self.delay < LATE_SECONDS

    def concerns(self, rule: str) -> bool:
        """Whether this round finds out whether the rule's conditions hold. A rule that is off is the others' concern."""
        is_forecast = rule == AlertRuleName.QUOTA_FORECAST and self.rules.is_enabled(rule)
        return is_forecast == self.is_forecast


def run_if_due(late: float = 0.0) -> list[Transition] | None:
    """Run a round if one has been due for `late` seconds and nobody else runs it. Return its transitions, or None."""
    claimed = _claim(late)
    if claimed is None:
        return None
    try:
        return _run(claimed)
    except transitions.Superseded:
        logger.warning("Round %s of the alerts took so long that another process ran the next one", claimed.number)
        return None


def _claim(late: float) -> Round | None:
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"pause": ROUND_SECONDS, "late": late})
        row = cursor.fetchone()
    return None if row is None else Round(row[0], row[1], row[2], Rules.parse(row[3]), Known.parse(row[4]))


def _run(claimed: Round) -> list[Transition]:
    rules = claimed.rules
    next_round: dict[str, Combinable] = {}
    if claimed.is_forecast:
        found = conditions.forecast(rules, claimed.now)
        # The rules come at once if a worker has fallen silent since they were evaluated last.
        due_at = _due_in(ROUND_SECONDS - FORECAST_AFTER_SECONDS, passed=FORECAST_AFTER_SECONDS + LATE_SECONDS)
    else:
        known = health.current()
        found = conditions.most(rules, claimed.now, known)
        due_at = _due_in(FORECAST_AFTER_SECONDS if rules.is_enabled(AlertRuleName.QUOTA_FORECAST) else ROUND_SECONDS)
        silent_at = known.youtube_silent_at
        if silent_at and claimed.now < silent_at < claimed.now + dt.timedelta(seconds=ROUND_SECONDS):
            # YouTube may count as silent before the next round: look then, and leave out the forecast.
            due_at = Least(_due_in(ROUND_SECONDS), Value(silent_at + A_LITTLE))
            next_round["number"] = F("number") + 1

    written = transitions.apply(
        claimed.number,
        claimed.now,
        [finding for finding in found if rules.is_enabled(finding.rule)],
        [alert for alert in claimed.alerts if claimed.concerns(alert.rule)],
        rules.resolve_after,
        next_round=next_round | {"due_at": due_at},
    )
    for each in written:
        logger.info("Alert %s %s: %s", each.alert.pk, each.step.value, each.alert.sentence)
    return written


def _due_in(seconds: float, passed: float = 0.0) -> Least:
    """Return when the next round is due: in so many seconds, or when a worker that stopped reporting counts as silent.

    That moment may have `passed` so many seconds ago.
    """
    silence = dt.timedelta(seconds=WORKER_SILENCE_SECONDS)
    reporting = Worker.objects.filter(heartbeat_at__gt=Now() - silence - dt.timedelta(seconds=passed)).order_by(
        "heartbeat_at"
    )
    silent_at = reporting.values(at=F("heartbeat_at") + silence + A_LITTLE)[:1]
    return Least(Now() + dt.timedelta(seconds=seconds), Subquery(silent_at))


def look(late: float = 0.0) -> None:
    """Run a round if one has been due for `late` seconds. Errors are logged, because the next round may succeed."""
    try:
        run_if_due(late)
        _outage.end()
    except Exception as error:
        if is_away(error):
            _outage.warn("The alerts wait for the database: %s", database.first_line(error))
        else:
            logger.exception("A round of the alerts failed")
        if isinstance(error, database.ERRORS):
            connection.close()


def watch_in_background() -> None:
    """Run rounds that are late, in a thread of a web process: perhaps no worker and no scheduler is left to do it."""
    threading.Thread(target=_watch, name="alerts", daemon=True).start()


def _watch() -> None:
    while True:
        time.sleep(seconds_until_late())
        look(LATE_SECONDS)
        connection.close()


def seconds_until_late() -> float:
    """Return in how many seconds a web process should look: when the next round is late, within 3 to 18 seconds.

    It is 3 while a round is running or the database is away, because the time of the next round is not known yet.
    """
    try:
        ended = AlertRound.objects.filter(ended_at__gte=F("began_at"))
        due_in = ended.values_list(F("due_at") - Now(), flat=True).first()
    except database.ERRORS:
        connection.close()
        return LATE_SECONDS
    seconds = due_in.total_seconds() if due_in else 0.0
    return LATE_SECONDS + min(max(seconds, 0.0), ROUND_SECONDS)
