"""What our logs leave out."""

from __future__ import annotations

import logging

import psycopg
import redis
from billiard.exceptions import WorkerLostError
from kombu.exceptions import KombuError

_OUTAGES = (redis.RedisError, KombuError, ConnectionError, WorkerLostError)


class OutagesInOneLine(logging.Filter):
    """Leaves out tracebacks of what went away: of Redis or a killed process in Celery, of the database during a download.

    The process goes on by itself. A Redis that is away for an hour would fill the log.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record, perhaps without its traceback."""
        error = record.exc_info[1] if record.exc_info else None
        # Billiard wraps an error of another process.
        if record.name.startswith("celery.") and isinstance(getattr(error, "exc", error), _OUTAGES):
            record.exc_info = record.exc_text = None
        if record.name == "uvicorn.error" and isinstance(error, psycopg.OperationalError):
            # The client has status 200 already. It sees that the connection closes before the end.
            record.msg, record.args = "A download ended early: %s", (str(error).partition("\n")[0],)
            record.exc_info = record.exc_text = None
        return True
