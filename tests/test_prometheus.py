"""The rules for Prometheus and the dashboard for Grafana ask for metrics that there are, in words that Prometheus reads."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from syncjobs import counters
from syncjobs.engine.clock import now
from syncjobs.models import MetricDelta, Worker
from syncjobs.operations import queues
from tests.factories import PERSON, failed_job, make_band
from tests.processes import ROOT

RULES = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/dashboard.json"
PROMTOOL = shutil.which("promtool") or shutil.which("promtool", path=str(Path(sys.executable).parent))
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed.")


def _panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def _queries() -> list[str]:
    """Return the queries of the dashboard, and the text of the rules."""
    return [target["expr"] for panel in _panels() for target in panel["targets"]] + [RULES.read_text()]


@pytest.fixture
def samples(settings: LazySettings) -> dict[str, set[str]]:
    """Return the labels of each sample that is served on a site in use."""
    settings.METRICS_ALLOWED_ADDRESSES = ["127.0.0.1"]
    Worker.objects.create(name="beat", is_scheduler=True, process_id=1, queues=[], concurrency=0, clock_skew=0.1)
    make_band(last_full_sync_at=now())
    failed_job()
    queues.pause_queue(PERSON, "all")
    MetricDelta.objects.create(name="job", label="PRUNE", second_label="COMPLETED", value=1)
    MetricDelta.objects.create(name="alert", label="no_worker", second_label="CRITICAL")
    counters.fold()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(Client().get("/metrics").content.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.django_db
def test_every_query_asks_for_metrics_and_labels_that_there_are(samples: dict[str, set[str]]) -> None:
    text = "\n".join(_queries())
    asked = set(re.findall(r"syncmonitor_\w+", text))
    assert len(asked) > 25
    assert asked - set(samples) == set()
    for name, selector in re.findall(r"(syncmonitor_\w+)\{([^}]*)\}", text):
        assert set(re.findall(r"(\w+)\s*=", selector)) <= samples[name], name
    every_label = set().union(*samples.values())
    grouped = {label.strip() for labels in re.findall(r"(?:by|on) \(([^)]*)\)", text) for label in labels.split(",")}
    assert grouped - {""} <= every_label


@pytest.mark.django_db
def test_the_legends_name_labels_that_the_query_returns(samples: dict[str, set[str]]) -> None:
    for panel in _panels():
        for target in panel["targets"]:
            grouped = re.search(r"by \(([^)]*)\)", target["expr"])
            of_metric = samples[re.findall(r"syncmonitor_\w+", target["expr"])[0]]
            labels = {label.strip() for label in grouped[1].split(",")} if grouped else of_metric
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= labels, panel["title"]


def test_the_dashboard_has_a_place_for_every_panel() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _y in places) < 24


def _promtool(*arguments: str) -> str:
    assert PROMTOOL
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_promtool
def test_promtool_accepts_the_rules() -> None:
    assert "23 rules found" in _promtool("check", "rules", str(RULES))


@needs_promtool
def test_promtool_accepts_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    queries = [query.replace("$__rate_interval", "5m") for query in _queries()[:-1]]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yml"
    # JSON is YAML.
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    _promtool("check", "rules", str(file))


def _times(source: str, soon: str, all_of_them: str) -> dict[str, str]:
    """Return the series of videos that were stored within half an hour, and of all."""
    name = "video_freshness_seconds"
    buckets = {"1800.0": soon, "3600.0": all_of_them, "+Inf": all_of_them}
    series = {f'{name}_bucket{{source="{source}",le="{bound}"}}': values for bound, values in buckets.items()}
    return series | {f'{name}_count{{source="{source}"}}': all_of_them}


@needs_promtool
@pytest.mark.parametrize(
    ("rule", "minute", "series", "fires"),
    [
        ("SyncMonitorNoWorker", 2, {'workers{queue="a"}': "0x9", 'jobs{queue="a",state="waiting"}': "1x9"}, True),
        ("SyncMonitorNoWorker", 2, {'workers{queue="a"}': "0x9", 'jobs{queue="a",state="waiting"}': "0x9"}, False),
        ("SyncMonitorSchedulerDown", 2, {"scheduler_alive": "0x9"}, True),
        ("SyncMonitorSchedulerDown", 2, {"scheduler_alive": "1x9"}, False),
        ("SyncMonitorNoMetrics", 5, {}, True),
        ("SyncMonitorNoMetrics", 5, {"scheduler_alive": "0x9"}, False),
        ("SyncMonitorApiKeyRefused", 1, {'queue_paused_cause{queue="a",cause="api_key"}': "1x9"}, True),
        ("SyncMonitorApiKeyRefused", 1, {'queue_paused_cause{queue="a",cause="person"}': "1x9"}, False),
        ("SyncMonitorAttemptsLost", 60, {'attempts_lost_total{type="PRUNE"}': "0+1x60"}, True),
        ("SyncMonitorAttemptsLost", 60, {'attempts_lost_total{type="PRUNE"}': "7x60"}, False),
        (
            "SyncMonitorJobsFail",
            60,
            {'jobs_ended_total{status="FAILED"}': "0+1x60", 'jobs_ended_total{status="COMPLETED"}': "0+1x60"},
            True,
        ),
        (
            "SyncMonitorJobsFail",
            60,
            {'jobs_ended_total{status="FAILED"}': "0+1x60", 'jobs_ended_total{status="COMPLETED"}': "0+9x60"},
            False,
        ),
        ("SyncMonitorQuotaUsedUp", 1, {'quota_used_units{bucket="a"}': "5x9", 'quota_limit_units{bucket="a"}': "5x9"}, True),
        ("SyncMonitorQuotaUsedUp", 1, {'quota_used_units{bucket="a"}': "0x9", 'quota_limit_units{bucket="a"}': "0x9"}, False),
        ("SyncMonitorQuotaUsedUp", 1, {'quota_closed{bucket="a"}': "1x9"}, True),
        ("SyncMonitorFoldStopped", 9, {"deltas": "5000x9", "fold_timestamp_seconds": "0x9"}, True),
        ("SyncMonitorFoldStopped", 9, {"deltas": "5000x9", "fold_timestamp_seconds": "0+60x9"}, False),
        ("SyncMonitorPushOff", 70, {'subscriptions{state="lapsed"}': "6x70", 'subscriptions{state="trusted"}': "5x70"}, True),
        ("SyncMonitorPushOff", 70, {'subscriptions{state="lapsed"}': "5x70", 'subscriptions{state="trusted"}': "6x70"}, False),
        ("SyncMonitorPushOff", 70, {'subscriptions{state="off"}': "9x70"}, False),
        ("SyncMonitorVideosLate", 90, _times("feed", "0x90", "0+1x90"), True),
        ("SyncMonitorVideosLate", 90, _times("feed", "0+1x90", "0+1x90"), False),
        ("SyncMonitorVideosLate", 90, _times("person", "0x90", "0+1x90"), False),
        ("SyncMonitorVideosLate", 90, _times("feed", "0x90", "0x88 4x2"), False),
        ("SyncMonitorDeliveriesRejected", 60, {'push_deliveries_total{outcome="bad_signature"}': "0+1x60"}, True),
        ("SyncMonitorDeliveriesRejected", 60, {'push_deliveries_total{outcome="accepted"}': "0+1x60"}, False),
    ],
)  # fmt: skip
def test_a_rule_fires_on_its_condition_and_not_without_it(
    rule: str, minute: int, series: dict[str, str], fires: bool, tmp_path: Path
) -> None:
    values = [{"series": f"syncmonitor_{name}", "values": value.replace("x", "+0x") if "+" not in value else value}
              for name, value in series.items()]  # fmt: skip
    expression = f'count(ALERTS{{alertname="{rule}",alertstate="firing"}}) or vector(0)'
    sample = [{"labels": "{}", "value": int(fires)}]
    check = {"expr": expression, "eval_time": f"{minute}m", "exp_samples": sample}
    test = {"interval": "1m", "input_series": values, "promql_expr_test": [check]}
    file = tmp_path / "test.yml"
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    _promtool("test", "rules", str(file))
