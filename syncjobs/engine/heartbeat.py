"""The thread in each worker's main process that reports the worker alive and repairs what crashes leave behind.

It is not a Celery task: a task would wait for a free process of the pool, and all of them may be busy or hung.
"""

from __future__ import annotations

import logging
import os
import threading

from django.db import DatabaseError, close_old_connections, connections
from django.db.models.functions import Now

from ..models import Worker
from . import outcomes
from .reconcile import reconcile

logger = logging.getLogger(__name__)

RECONCILE_SECONDS = 1.0
ROUNDS_PER_HEARTBEAT = 5


class Heartbeat(threading.Thread):
    """Runs until `stop()`. Survives a database that is down for a while."""

    def __init__(self, worker: str, queues: list[str], concurrency: int) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._worker = worker
        self._queues = queues
        self._concurrency = concurrency
        self._stopped = threading.Event()

    def run(self) -> None:
        rounds = 0
        try:
            while not self._stopped.wait(RECONCILE_SECONDS if rounds else 0):
                self._run_round(with_heartbeat=rounds % ROUNDS_PER_HEARTBEAT == 0)
                rounds += 1
        finally:
            connections.close_all()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopped.set()
        self.join(timeout=10)

    def _run_round(self, *, with_heartbeat: bool) -> None:
        close_old_connections()
        try:
            if with_heartbeat:
                self._report_alive()
            if report := reconcile():
                logger.info("Reconciled: %s", report)
        except DatabaseError as error:
            logger.warning("The heartbeat could not reach the database: %s", type(error).__name__)
            connections.close_all()

    def _report_alive(self) -> None:
        new = {"process_id": os.getpid(), "queues": self._queues, "concurrency": self._concurrency}
        Worker.objects.update_or_create(name=self._worker, defaults={"heartbeat_at": Now()}, create_defaults=new)


_heartbeat: Heartbeat | None = None


def start(worker: str, queues: list[str], concurrency: int) -> None:
    """Start this process's heartbeat. A row left by an earlier worker of the same name is deleted first."""
    global _heartbeat
    Worker.objects.filter(name=worker).delete()
    connections.close_all()
    _heartbeat = Heartbeat(worker, queues, concurrency)
    _heartbeat.start()


def release_jobs(worker: str) -> None:
    """Mark the worker as stopping. Its running jobs stop within one HTTP call and continue on other workers."""
    try:
        Worker.objects.filter(name=worker).update(stopping_at=Now())
        outcomes.request_release(worker)
    except DatabaseError as error:
        logger.warning("Could not release the jobs of %s: %s", worker, type(error).__name__)


def is_stopping(worker: str) -> bool:
    """Return True if the worker has been asked to stop."""
    return Worker.objects.filter(name=worker, stopping_at__isnull=False).exists()


def stop(worker: str) -> None:
    """Stop this process's heartbeat and delete the worker's row."""
    if _heartbeat is None:
        return
    _heartbeat.stop()
    try:
        Worker.objects.filter(name=worker).delete()
    except DatabaseError as error:
        logger.warning("Could not delete the row of worker %s: %s", worker, type(error).__name__)
