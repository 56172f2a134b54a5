"""What our logs leave out."""

from __future__ import annotations

import logging

import redis
from billiard.exceptions import WorkerLostError
from kombu.exceptions import KombuError

_OUTAGES = (redis.RedisError, KombuError, ConnectionError, WorkerLostError)


class OutagesInOneLine(logging.Filter):
    """Leaves out Celery's tracebacks of a Redis that went away and of a pool's process that was killed.

    Its messages name the error, and it goes on by itself. A Redis that is away for an hour would fill the log.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record, perhaps without its traceback."""
        error = record.exc_info[1] if record.exc_info else None
        # Billiard wraps an error of another process.
        if record.name.startswith("celery.") and isinstance(getattr(error, "exc", error), _OUTAGES):
            record.exc_info = record.exc_text = None
        return True
