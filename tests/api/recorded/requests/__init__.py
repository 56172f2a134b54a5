"""The requests whose answers are recorded: a module for each file of answers.

An entry of REQUESTS is one request, or a list of requests that follow on each other. `{hour-3}` and `{day-5}` stand for
times of the world, and `{last.jobId}` for `jobId` in the previous answer (`{last.etag}` for its ETag).
"""

from __future__ import annotations

from typing import Any

from tests.api.recorded.requests import (
    alert_channels,
    alerts,
    audit,
    bands,
    bulk,
    errors,
    exports,
    figures,
    job,
    jobs,
    presets,
    queues,
    rest,
    schedules,
    session,
    suggestions,
    triggers,
    videos,
)
from tests.api.recorded.world import BROKEN

_MODULES = (
    alert_channels, alerts, jobs, job, triggers, bulk, queues, errors, figures, audit, exports, schedules, presets, bands, suggestions, videos, session, rest,
)  # fmt: skip
RESOURCES: dict[str, list[Any]] = {module.__name__.rpartition(".")[2]: module.REQUESTS for module in _MODULES}
ADDRESSES = {
    "bulk_id": "81", "job_id": "1003", "schedule_id": "51", "preset_id": "62", "band_id": "11", "fingerprint": BROKEN, "alert_id": "91", "rule": "clock_skew", "channel_id": "95", "delivery_id": "972", "suggestion_id": "98",
    "id": "1003", "name": "celery@nowhere",
}  # fmt: skip
"""Values of path parameters for trying each method of each path as each role."""
