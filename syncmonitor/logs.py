"""The format of our logs, and what they leave out."""

from __future__ import annotations

import logging
import sys
from typing import Any

import psycopg
import redis
from billiard.exceptions import WorkerLostError
from kombu.exceptions import KombuError

_OUTAGES = (redis.RedisError, KombuError, ConnectionError, WorkerLostError)
FORMATS = ("text", "json")


def configuration(level: str, format_name: str) -> dict[str, Any]:
    """Return Django's LOGGING: all lines go to standard error, those of uvicorn and Celery too."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": _json() if format_name == "json" else _TEXT},
        "filters": {
            "outages": {"()": "syncmonitor.logs.OutagesInOneLine"},
            "context": {"()": "syncmonitor.access.Context"},
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["outages", "context"],
                "stream": sys.stderr,
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "googleapiclient": {"level": "ERROR"},
            "google": {"level": "ERROR"},
            "urllib3": {"level": "ERROR"},  # Its warnings have URLs, which may be secrets.
            "uvicorn": {"propagate": True},
            "uvicorn.error": {"filters": ["outages"]},
            # Ours has times and durations: see access.py. Without a handler, uvicorn writes none.
            "uvicorn.access": {"propagate": False},
            # The logger of billiard passes nothing on.
            "multiprocessing": {"handlers": ["stderr"], "level": "WARNING"},
            # With DEBUG, Django's own handler would write lines again, without our filters.
            "django": {"handlers": []},
            # Errors of clients are in their responses.
            "django.request": {"level": "ERROR"},
        },
    }


_TEXT = {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}


def _json() -> dict[str, Any]:
    """Return a formatter that writes one JSON object on a line. Its library is imported only if it is used."""
    from pythonjsonlogger.core import RESERVED_ATTRS

    return {
        "()": "pythonjsonlogger.json.JsonFormatter",
        "fmt": ["levelname", "name", "message"],
        "rename_fields": {"levelname": "level", "name": "logger", "exc_info": "traceback"},
        "timestamp": "time",
        # Objects and colors that Django and uvicorn attach.
        "reserved_attrs": [*RESERVED_ATTRS, "request", "status_code", "server_time", "color_message", "data"],
    }


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
