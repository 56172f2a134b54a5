"""How Celery's workers and scheduler connect to Redis again."""

from __future__ import annotations

from typing import Any

import kombu
from celery.app import amqp

_INTERVALS = {"interval_start": 1, "interval_step": 1, "interval_max": 2}
"""Seconds between two tries. By default they grow to 30, and so much later than Redis jobs would go on."""


class Connection(kombu.Connection):
    """Tries to connect at a steady pace."""

    def _ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        return super()._ensure_connection(*arguments, **_INTERVALS | options)


class AMQP(amqp.AMQP):
    """Celery's factory of connections, with ours."""

    Connection = Connection
