"""What Prometheus reads. docs/operations.md lists the metrics."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from django.db.models import Count, Max, Min, Q
from django.db.models.functions import Greatest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from bands.models import Band, NoticedBy

from .. import counters
from ..audit.actors import SYSTEM
from ..choices import (
    QUEUE_OF_TYPE,
    TERMINAL_STATUSES,
    AttemptOutcome,
    ChannelKind,
    DeliveryState,
    FeedState,
    JobStatus,
    JobType,
    PushState,
    Severity,
)
from ..counters.metrics import BOUNDS, Event, Series
from ..engine import clock, quota
from ..models import Alert, AlertChannel, AlertDelivery, Worker
from ..operations import schedules
from ..stats import errors, freshness
from ..stats import queues as queue_status
from ..youtube.costs import Operation, bucket_of

_STATES = ("waiting", "active", "delayed", "completed", "failed", "cancelled")
_ENDED_OUTCOMES = [outcome for outcome in AttemptOutcome if outcome is not AttemptOutcome.RUNNING]
_CALL_OUTCOMES = ("success", "no_answer", "client_error", "server_error", "bad_answer")
_PUSH_OUTCOMES = ("accepted", "bad_signature", "malformed", "limited")
_FEED_OUTCOMES = ("changed", "unchanged", "no_answer", "not_found", "client_error", "server_error", "bad_answer")
_MESSAGE_KINDS = [kind for kind in ChannelKind if kind is not ChannelKind.PING]
_FAILURES = 3
"""A band counts as failing after so many failed syncs in a row."""


class Figures(Collector):
    """Figures read from the database on request, because each web process would count only its own."""

    def collect(self) -> Iterator[Metric]:
        yield from _queues()
        yield from _types()
        yield from _buckets()
        yield from _processes()
        yield from _bands()
        yield from _freshness()
        yield from _events()
        help_text = "Error groups that are open or regressed."
        yield GaugeMetricFamily("syncmonitor_error_groups_open", help_text, errors.to_do())


def _queues() -> Iterator[Metric]:
    jobs = GaugeMetricFamily("syncmonitor_jobs", "Jobs by queue and state.", labels=["queue", "state"])
    age = GaugeMetricFamily(
        "syncmonitor_queue_oldest_runnable_seconds", "Age of the oldest runnable job; 0: none.", labels=["queue"]
    )
    paused = GaugeMetricFamily("syncmonitor_queue_paused", "1 while the queue is paused.", labels=["queue"])
    cause = GaugeMetricFamily(
        "syncmonitor_queue_paused_cause", "1 for the cause of a pause.", labels=["queue", "cause"]
    )
    since = GaugeMetricFamily(
        "syncmonitor_queue_paused_timestamp_seconds", "When the queue was paused.", labels=["queue"]
    )
    workers = GaugeMetricFamily("syncmonitor_workers", "Workers alive that consume the queue.", labels=["queue"])
    for queue in queue_status.queues():
        for state in _STATES:
            jobs.add_metric([queue.name, state], getattr(queue, state))
        age.add_metric([queue.name], queue.oldest_waiting_age or 0)
        paused.add_metric([queue.name], queue.is_paused)
        is_by_key = queue.paused_by == SYSTEM.label
        cause.add_metric([queue.name, "api_key"], queue.is_paused and is_by_key)
        cause.add_metric([queue.name, "person"], queue.is_paused and not is_by_key)
        if queue.paused_at:
            since.add_metric([queue.name], queue.paused_at.timestamp())
        workers.add_metric([queue.name], queue.workers)
    yield from (jobs, age, paused, cause, since, workers)


def _processes() -> Iterator[Metric]:
    skew = GaugeMetricFamily(
        "syncmonitor_clock_skew_seconds", "How far the host's clock is ahead of the database's.", labels=["process"]
    )
    skew.add_metric(["web"], clock.skew())
    for worker in Worker.objects.exclude(clock_skew=None):
        skew.add_metric([worker.name], worker.clock_skew or 0)
    alive = queue_status.scheduler_is_alive()
    now = clock.now()
    overdue = sum(schedules.is_overdue(schedule, now) for schedule in schedules.list_schedules())
    yield skew
    yield GaugeMetricFamily("syncmonitor_scheduler_alive", "1 while a scheduler (beat) reports.", alive)
    if newest := Worker.objects.schedulers().aggregate(newest=Max("heartbeat_at"))["newest"]:
        yield GaugeMetricFamily(
            "syncmonitor_scheduler_heartbeat_timestamp_seconds",
            "When a scheduler (beat) reported last.",
            newest.timestamp(),
        )
    silent = Worker.objects.workers().silent().count()
    yield GaugeMetricFamily("syncmonitor_workers_silent", "Workers that stopped reporting.", silent)
    yield GaugeMetricFamily("syncmonitor_schedules_overdue", "Schedules that were due but did not run.", overdue)


def _types() -> Iterator[Metric]:
    family = GaugeMetricFamily("syncmonitor_jobs_by_type", "Jobs by type and status.", labels=["type", "status"])
    for cell in counters.cells(counters.Selection()):
        family.add_metric([cell.job_type, cell.status], cell.n)
    yield family


def _buckets() -> Iterator[Metric]:
    def family(name: str, help_text: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"syncmonitor_quota_{name}", help_text, labels=["bucket"])

    used, limit = family("used_units", "Units used today."), family("limit_units", "Units per day.")
    reserved = family("reserved_units", "Units of the limit reserved for manual syncs.")
    closed = family("closed", "1 if YouTube said that the bucket is used up.")
    resets = family("reset_timestamp_seconds", "Time of the next reset.")
    for state in quota.today():
        used.add_metric([state.bucket], state.used)
        limit.add_metric([state.bucket], state.limit)
        reserved.add_metric([state.bucket], state.reserved)
        closed.add_metric([state.bucket], state.closed_at is not None)
        resets.add_metric([state.bucket], state.resets_at.timestamp())
    yield from (used, limit, reserved, closed, resets)


def _bands() -> Iterator[Metric]:
    active = Band.objects.filter(is_active=True)
    figures = active.aggregate(
        total=Count("pk"),
        failing=Count("pk", filter=Q(consecutive_failures__gte=_FAILURES)),
        never=Count("pk", filter=Q(last_full_sync_at=None, last_incremental_sync_at=None)),
        oldest=Min(Greatest("last_full_sync_at", "last_incremental_sync_at")),
    )
    bands = GaugeMetricFamily("syncmonitor_bands", "Active bands by state.", labels=["state"])
    bands.add_metric(["active"], figures["total"])
    bands.add_metric(["failing"], figures["failing"])
    bands.add_metric(["never_synced"], figures["never"])
    yield bands
    if figures["oldest"]:
        yield GaugeMetricFamily(
            "syncmonitor_bands_oldest_sync_timestamp_seconds",
            "The last sync of the active band whose last sync is the oldest.",
            figures["oldest"].timestamp(),
        )


def _freshness() -> Iterator[Metric]:
    push, feeds, is_push_on, hub = freshness.states_now()
    bands = GaugeMetricFamily("syncmonitor_subscriptions", "Active bands by what push is worth.", labels=["state"])
    for state in PushState:
        bands.add_metric([state.value], push[state])
    yield bands
    family = GaugeMetricFamily("syncmonitor_feeds", "Active bands by what their feed is worth.", labels=["state"])
    for feed_state in FeedState:
        family.add_metric([feed_state.value], feeds[feed_state])
    yield family
    yield GaugeMetricFamily("syncmonitor_push_on", "1 if PUBLIC_URL is set.", is_push_on)
    failures = hub.failures if hub else 0
    yield GaugeMetricFamily("syncmonitor_hub_failures", "Requests in a row that the hub did not take.", failures)
    yield GaugeMetricFamily(
        "syncmonitor_quota_saved_units",
        "Estimate of the units of main that push and feeds saved today against hourly probes.",
        freshness.saved(clock.now()).units,
    )


def _events() -> Iterator[Metric]:
    """Counters and histograms. Combinations that have not occurred are 0, so that their first event is an increase."""
    series = {(each.name, *each.labels): each for each in counters.metrics.read()}
    types = list(JobType.values)
    yield _counter(
        "jobs_ended", "Jobs that ended.", ("type", "status"), series, Event.JOB,
        itertools.product(types, TERMINAL_STATUSES),
    )  # fmt: skip
    yield _attempts(series, types)
    yield _counter(
        "attempts_lost", "Attempts whose worker died or froze.", ("type",), series, Event.ATTEMPT,
        ((kind, AttemptOutcome.LOST) for kind in types),
    )  # fmt: skip
    yield _counter(
        "retries", "Attempts after a failure, and jobs that people retried.", ("type", "kind"), series, Event.RETRY,
        itertools.product(types, ("automatic", "manual")),
    )  # fmt: skip
    yield _counter(
        "youtube_units", "Units used.", ("bucket", "operation"), series, Event.UNITS,
        ((bucket_of(operation), operation) for operation in Operation),
    )  # fmt: skip
    yield _counter(
        "youtube_calls", "HTTP calls of YouTube.", ("operation", "outcome"), series, Event.CALL,
        itertools.product(Operation, _CALL_OUTCOMES),
    )  # fmt: skip
    rules = {each.labels for each in series.values() if each.name == Event.ALERT}
    yield _counter("alerts_opened", "Alerts opened.", ("rule", "severity"), series, Event.ALERT, sorted(rules))
    yield _counter(
        "alert_deliveries", "Messages of alerts that ended.", ("channel", "state"), series, Event.DELIVERY,
        itertools.product(_MESSAGE_KINDS, (DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.CANCELLED)),
    )  # fmt: skip
    yield from _noticed(series)
    yield from _alerts()
    yield from _histograms(series)
    yield from _times(series)


_All = dict[tuple[str, str, str], Series]


def _noticed(series: _All) -> Iterator[Metric]:
    """What push and feeds have reported."""
    yield _counter(
        "push_deliveries", "What the hub delivered.", ("outcome",), series, Event.PUSH,
        ((outcome, "") for outcome in _PUSH_OUTCOMES),
    )  # fmt: skip
    yield _counter(
        "videos_noticed", "New videos by how they were first noticed.", ("source",), series, Event.NOTICED,
        ((source, "") for source in NoticedBy.values),
    )  # fmt: skip
    yield _counter(
        "video_changes_noticed", "Changes and deletions of known videos that push or feeds reported.", (), series,
        Event.CHANGE, [("", "")],
    )  # fmt: skip
    yield _counter(
        "feed_reads", "Feeds that were read.", ("outcome",), series, Event.FEED,
        ((outcome, "") for outcome in _FEED_OUTCOMES),
    )  # fmt: skip


def _counter(
    name: str, help_text: str, labels: tuple[str, ...], series: _All, event: Event, cells: Iterable[tuple[str, str]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(f"syncmonitor_{name}", help_text, labels=labels)
    for cell in cells:
        first, second = str(cell[0]), str(cell[1])
        found = series.get((event, first, second))
        family.add_metric([first, second][: len(labels)], found.count if found else 0)
    return family


def _attempts(series: _All, types: Iterable[str]) -> CounterMetricFamily:
    family = CounterMetricFamily("syncmonitor_attempts_ended", "Attempts that ended.", labels=["type", "outcome"])
    for kind, outcome in itertools.product(types, _ENDED_OUTCOMES):
        found = series.get((Event.ATTEMPT, kind, outcome.value))
        family.add_metric([kind, outcome.name], found.count if found else 0)
    return family


def _alerts() -> Iterator[Metric]:
    family = GaugeMetricFamily("syncmonitor_alerts_open", "Alerts that are not resolved.", labels=["severity"])
    open_now = dict(Alert.objects.unresolved().order_by().values_list("severity").annotate(n=Count("pk")))
    for severity in Severity.values:
        family.add_metric([severity], open_now.get(severity, 0))
    yield family
    pending = AlertDelivery.objects.pending().count()
    yield GaugeMetricFamily("syncmonitor_alert_deliveries_pending", "Messages of alerts to be sent.", pending)
    if pinged := AlertChannel.objects.aggregate(newest=Max("pinged_at"))["newest"]:
        yield GaugeMetricFamily(
            "syncmonitor_ping_timestamp_seconds", "When the dead man's switch was reached last.", pinged.timestamp()
        )


def _histograms(series: _All) -> Iterator[Metric]:
    duration = HistogramMetricFamily(
        "syncmonitor_job_duration_seconds", "From the start of completed jobs to their end.", labels=["type"]
    )
    wait = HistogramMetricFamily(
        "syncmonitor_queue_wait_seconds",
        "For how long a job was due when its attempt started.",
        labels=["queue", "type"],
    )
    latency = HistogramMetricFamily(
        "syncmonitor_youtube_call_duration_seconds", "Duration of HTTP calls of YouTube.", labels=["operation"]
    )
    for kind in JobType.values:
        _add(duration, [kind], [series.get((Event.JOB, kind, JobStatus.COMPLETED))])
        queue = str(QUEUE_OF_TYPE[kind])
        _add(wait, [queue, kind], [series.get((Event.WAIT, kind, queue))])
    for operation in Operation:
        _add(latency, [operation], [series.get((Event.CALL, operation, outcome)) for outcome in _CALL_OUTCOMES])
    fresh = HistogramMetricFamily(
        "syncmonitor_video_freshness_seconds",
        "From a video's publication until it was stored, for watched channels.",
        labels=["source"],
    )
    for source in NoticedBy.values:
        _add(fresh, [source], [series.get((Event.FRESH, source, ""))])
    yield from (duration, wait, latency, fresh)


def _add(family: HistogramMetricFamily, labels: list[str], parts: Iterable[Series | None]) -> None:
    found = [part for part in parts if part]
    by_bound = [(bound, n) for part in found for bound, n in part.buckets.items()]
    # A bound that this release no longer has counts at the next one.
    cumulative = [(str(le), sum(n for bound, n in by_bound if bound <= le)) for le in BOUNDS]
    buckets = [*cumulative, ("+Inf", sum(n for _bound, n in by_bound))]
    family.add_metric(labels, buckets, sum(part.total for part in found))


def _times(series: _All) -> Iterator[Metric]:
    success = GaugeMetricFamily(
        "syncmonitor_last_success_timestamp_seconds", "When a job of the type completed last.", labels=["type"]
    )
    for kind in JobType.values:
        found = series.get((Event.JOB, kind, JobStatus.COMPLETED))
        if found and found.last_at:
            success.add_metric([kind], found.last_at.timestamp())
    yield success
    if (fold := series.get((Event.FOLD, "", ""))) and fold.last_at:
        yield GaugeMetricFamily(
            "syncmonitor_fold_timestamp_seconds", "When deltas of counts were added up last.", fold.last_at.timestamp()
        )
    yield GaugeMetricFamily(
        "syncmonitor_deltas", "Deltas of counts that wait to be added up.", counters.metrics.unfolded()
    )
