"""The thread in each worker's main process that says the worker lives, and has crashes put right.

It is no task: when every process of the pool is busy or hung, a task would wait for them, and the hung would stay so.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from celery.signals import worker_ready, worker_shutdown, worker_shutting_down
from django.db import DatabaseError, close_old_connections, connections
from django.db.models.functions import Now

from ..choices import QueueName
from ..models import Worker
from . import outcomes
from .reconcile import reconcile

logger = logging.getLogger(__name__)

RECONCILE_SECONDS = 1.0
BEATS_BETWEEN_HEARTBEATS = 5


class Keeper(threading.Thread):
    """Runs until `stop()`; survives a database that is away for a while."""

    def __init__(self, name: str, queues: list[str], concurrency: int) -> None:
        super().__init__(name="keeper", daemon=True)
        self._worker = name
        self._queues = queues
        self._concurrency = concurrency
        self._stopped = threading.Event()

    def run(self) -> None:
        beat = 0
        try:
            while not self._stopped.wait(RECONCILE_SECONDS if beat else 0):
                self._tend(with_heartbeat=beat % BEATS_BETWEEN_HEARTBEATS == 0)
                beat += 1
        finally:
            connections.close_all()

    def stop(self) -> None:
        """End the thread, and wait for it."""
        self._stopped.set()
        self.join(timeout=10)

    def _tend(self, *, with_heartbeat: bool) -> None:
        close_old_connections()
        try:
            if with_heartbeat:
                self._say_alive()
            if report := reconcile():
                logger.info("Put right: %s", report)
        except DatabaseError as error:
            logger.warning("The keeper could not reach the database: %s", type(error).__name__)
            connections.close_all()

    def _say_alive(self) -> None:
        Worker.objects.update_or_create(
            name=self._worker,
            defaults={"heartbeat_at": Now()},
            create_defaults={
                "process_id": os.getpid(),
                "queues": self._queues,
                "concurrency": self._concurrency,
            },
        )


_keeper: Keeper | None = None


@worker_ready.connect
def start_keeper(sender: Any, **_: object) -> None:
    """`sender` is Celery's consumer."""
    global _keeper
    queues = sorted(set(sender.app.amqp.queues.consume_from) & set(QueueName.values))
    Worker.objects.filter(name=sender.hostname).delete()
    connections.close_all()
    _keeper = Keeper(sender.hostname, queues, int(sender.controller.concurrency or 1))
    _keeper.start()


@worker_shutting_down.connect
def hand_back_work(sender: str, **_: object) -> None:
    """`sender` is the worker's name. Running jobs stop within one HTTP call and go on elsewhere."""
    try:
        Worker.objects.filter(name=sender).update(stopping_at=Now())
        outcomes.request_release(sender)
    except DatabaseError as error:
        logger.warning("Could not hand back the work of %s: %s", sender, type(error).__name__)


@worker_shutdown.connect
def stop_keeper(sender: Any, **_: object) -> None:
    """The worker is gone for good, and says so."""
    if _keeper is None:
        return
    _keeper.stop()
    try:
        Worker.objects.filter(name=sender.hostname).delete()
    except DatabaseError as error:
        logger.warning("Could not sign off %s: %s", sender.hostname, type(error).__name__)
