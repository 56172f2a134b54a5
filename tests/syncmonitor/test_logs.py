from __future__ import annotations

import logging

import psycopg
import pytest
import redis
from billiard.einfo import ExceptionWithTraceback
from billiard.exceptions import WorkerLostError

from syncmonitor.logs import OutagesInOneLine


def _error(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


@pytest.mark.parametrize(
    ("logger", "error", "has_traceback"),
    [
        ("celery.worker.request", redis.ReadOnlyError("no writes"), False),
        ("celery.worker.request", redis.OutOfMemoryError("full"), False),
        ("celery.worker.request", ExceptionWithTraceback(WorkerLostError("signal 9"), ""), False),
        ("celery.app.trace", KeyError("a bug"), True),
        ("uvicorn.error", psycopg.OperationalError("the system is shutting down"), False),
        ("uvicorn.error", KeyError("a bug"), True),
        ("syncjobs.tasks", redis.ReadOnlyError("ours"), True),
    ],
)
def test_an_outage_is_logged_without_a_traceback(logger: str, error: Exception, has_traceback: bool) -> None:
    error = _error(error)
    record = logging.LogRecord(logger, logging.ERROR, "", 1, "It failed: %r", (error,), (type(error), error, None))
    assert OutagesInOneLine().filter(record)
    assert bool(record.exc_info) == has_traceback
    assert not record.name.startswith("uvicorn") or has_traceback or str(error) in record.getMessage()


def test_uvicorn_uses_the_filter() -> None:
    assert any(isinstance(each, OutagesInOneLine) for each in logging.getLogger("uvicorn.error").filters)
