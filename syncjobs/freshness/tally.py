"""What becomes of the hub's deliveries, for Prometheus.

This process counts them and writes their numbers every few seconds: a row for each would let senders whom nobody knows fill a
table, and take time when many deliveries come at once. A process that is killed loses what it has not written yet.
"""

from __future__ import annotations

import threading
from collections import Counter

from django.db import connections

from ..counters import metrics
from ..counters.metrics import Event
from ..engine.background import Background

WRITE_SECONDS = 10.0
_counts: Counter[str] = Counter()
_lock = threading.Lock()


def note(outcome: str) -> None:
    """Count a delivery by what became of it: "accepted", "bad_signature", "malformed" or "limited"."""
    with _lock:
        _counts[outcome] += 1


def write() -> None:
    """Write what was counted, one row for each outcome. If that fails, it is written the next time."""
    with _lock:
        counts = dict(_counts)
        _counts.clear()
    try:
        metrics.add(Event.PUSH, {(outcome, ""): n for outcome, n in counts.items()})
    except Exception:
        with _lock:
            _counts.update(counts)
        raise


def start() -> None:
    """Write in the background, as long as the process lives."""
    Background("deliveries", _round, seconds=WRITE_SECONDS).start()


def _round() -> None:
    try:
        write()
    finally:
        connections.close_all()
