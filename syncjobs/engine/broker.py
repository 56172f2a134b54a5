"""The only file that touches Celery's app: wake workers up, count pending wake-ups, kill tasks.

Messages carry no jobs. A lost message costs nothing, because the reconciler sends another.
"""

from __future__ import annotations

import logging
import time

import redis
from celery import current_app
from celery.exceptions import CeleryError
from django.conf import settings
from django.db import transaction
from kombu.exceptions import KombuError
from redis.backoff import NoBackoff
from redis.retry import Retry

from . import database

logger = logging.getLogger(__name__)

DRAIN_TASK = "syncjobs.drain"
BULK_TASK = "syncjobs.bulk"
DELIVER_TASK = "syncjobs.deliver"
TRIGGER_TASK = "syncjobs.trigger"
"""Stored in the schedules. The scheduler runs it itself."""
ALERTS_TASK = "syncjobs.alerts"
"""Is never sent. The scheduler runs it itself."""
BULK_QUEUE = "maintenance"
MAX_WAKE_UPS = 8
"""Wake-ups sent to one queue at once. Each one makes a worker run several jobs, so more would find nothing to do."""
AWAY_SECONDS = 5.0
"""How long this process sends nothing after the broker failed: an action on many jobs must not wait for it many times."""
_away_until = 0.0
_send_outage = database.OutageLog(logger)
_count_outage = database.OutageLog(logger)

_BROKER_ERRORS = (CeleryError, KombuError, redis.RedisError, OSError)


def notify(queue: str, wake_ups: int = 1) -> int:
    """Tell the workers that the queue has work. Return how many wake-ups the broker accepted."""
    most = min(wake_ups, MAX_WAKE_UPS)
    return next((sent for sent in range(most) if not _send(DRAIN_TASK, queue, queue)), most)


def notify_on_commit(queue: str, wake_ups: int = 1) -> None:
    """Notify the queue once the workers can see what this transaction changed."""
    transaction.on_commit(lambda: notify(queue, wake_ups))


def notify_bulk() -> bool:
    """Tell a worker about a waiting bulk action. Return whether the broker accepted the message."""
    return _send(BULK_TASK, BULK_QUEUE)


def notify_bulk_on_commit() -> None:
    """Tell a worker about a waiting bulk action once this transaction is committed."""
    transaction.on_commit(notify_bulk)


def notify_deliveries() -> bool:
    """Tell a worker that messages are to be sent. Return whether the broker accepted the message."""
    return _send(DELIVER_TASK, BULK_QUEUE)


def notify_deliveries_on_commit() -> None:
    """Tell a worker that messages are to be sent once this transaction is committed."""
    transaction.on_commit(notify_deliveries)


def _send(task: str, queue: str, *arguments: str) -> bool:
    """Send a message, unless Redis has failed just now. Return whether it was sent."""
    global _away_until
    if time.monotonic() < _away_until:
        return False
    try:
        current_app.send_task(task, args=arguments, queue=queue, retry=False)
    except _BROKER_ERRORS as error:
        _send_outage.warn("Could not send %s to queue %s: %s", task, queue, type(error).__name__)
        _away_until = time.monotonic() + AWAY_SECONDS
        return False
    _send_outage.end()
    return True


def redis_client() -> redis.Redis:
    """Return a client that gives up within seconds. It raises redis.RedisError and OSError."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
    )


def problem() -> str:
    """Write a key that expires to Redis. Return what is wrong, or an empty string."""
    try:
        with redis_client() as client:
            client.set("syncmonitor:readyz", 1, ex=60)
    except redis.ResponseError as error:
        return f"Redis refuses writes: {error}"
    except (redis.RedisError, OSError) as error:
        return f"Redis does not answer ({type(error).__name__})."
    return ""


def pending_wake_ups(queue: str) -> int | None:
    """Return the number of the queue's messages in the broker, or None if the broker doesn't answer."""
    global _away_until
    try:
        with redis_client() as client:
            pending = int(client.llen(queue))
    except (redis.RedisError, OSError) as error:
        _count_outage.warn("Could not count the wake-ups of queue %s: %s", queue, type(error).__name__)
        return None
    _count_outage.end()
    _away_until = 0.0
    return pending


def terminate(task_id: str) -> None:
    """Kill the process that runs the task, unless Redis has failed just now.

    The caller must have ended its attempt in the database before. A process that isn't killed stops at its next write.
    """
    global _away_until
    if time.monotonic() < _away_until:
        logger.warning("Could not kill task %s: Redis is away", task_id)
        return
    try:
        current_app.control.revoke(task_id, terminate=True, signal="SIGKILL")
    except _BROKER_ERRORS as error:
        logger.warning("Could not kill task %s: %s", task_id, type(error).__name__)
        _away_until = time.monotonic() + AWAY_SECONDS
