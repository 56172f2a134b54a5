"""The only file that touches Celery's app: ring, terminate, look."""

from __future__ import annotations

import logging

import redis
from celery import current_app
from celery.exceptions import CeleryError
from django.conf import settings
from django.db import transaction
from kombu.exceptions import KombuError

logger = logging.getLogger(__name__)

DRAIN_TASK = "syncjobs.drain"
BULK_TASK = "syncjobs.bulk"
BULK_QUEUE = "maintenance"
MAX_WAKE_UPS = 8
"""Bells rung at once for one queue. Each drains several jobs, so more would only find nothing."""

_BROKER_ERRORS = (CeleryError, KombuError, redis.RedisError, OSError)


def notify(queue: str, wake_ups: int = 1) -> None:
    """Tell the workers that the queue has work. A bell that can't be rung is no loss: the reconciler rings again."""
    try:
        for _ in range(min(wake_ups, MAX_WAKE_UPS)):
            current_app.send_task(DRAIN_TASK, args=[queue], queue=queue, retry=False)
    except _BROKER_ERRORS as error:
        logger.warning("Could not ring the bell of %s: %s", queue, type(error).__name__)


def notify_on_commit(queue: str, wake_ups: int = 1) -> None:
    """Ring once what this transaction did can be seen by the workers."""
    transaction.on_commit(lambda: notify(queue, wake_ups))


def notify_bulk_on_commit() -> None:
    """Tell a worker that a bulk action waits. If that gets lost, the reconciler takes it up."""

    def notify_bulk() -> None:
        try:
            current_app.send_task(BULK_TASK, queue=BULK_QUEUE, retry=False)
        except _BROKER_ERRORS as error:
            logger.warning("Could not ring for a bulk action: %s", type(error).__name__)

    transaction.on_commit(notify_bulk)


def pending_wake_ups(queue: str) -> int | None:
    """Messages lying in the broker for the queue; None while the broker can't be asked."""
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as broker:
            return int(broker.llen(queue))
    except (redis.RedisError, OSError) as error:
        logger.warning("Could not ask the broker for the bells of %s: %s", queue, type(error).__name__)
        return None


def terminate(task_id: str) -> None:
    """Kill the process that executes the task. Its job must have been taken from it in the database before."""
    try:
        current_app.control.revoke(task_id, terminate=True, signal="SIGKILL")
    except _BROKER_ERRORS as error:
        logger.warning("Could not tell a worker to kill task %s: %s", task_id, type(error).__name__)
