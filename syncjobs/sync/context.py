"""What every job type uses while it runs: the attempt, a metered YouTube client, and threads that fetch ahead."""

from __future__ import annotations

import contextlib
import contextvars
import datetime as dt
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import connections, transaction
from django.db.models import F

from bands.models import Band
from bands.videos import NO_CHANGES, UpsertCounts

from ..choices import PERSONAL_ORIGINS, EventKind, Origin
from ..engine import clock, database, errors, lease, quota, timeline, tracing
from ..engine.errors import ErrorReport
from ..engine.meter import Meter
from ..models import Attempt, SyncJob
from ..youtube.client import YouTubeClient
from ..youtube.costs import Operation, quota_day, units_of
from ..youtube.types import Unreadable

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)

MAX_FETCH_THREADS = 32
CHECK_AFTER_SECONDS = 1.0


class SyncFailed(Exception):
    """The job can't be done, and another attempt would not help."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class JobMeter(Meter):
    """The YouTube client's meter for a running job, which also checks whether the job should stop."""

    def __init__(self, attempt: Attempt) -> None:
        job = attempt.job
        super().__init__(
            quota.Spender(
                is_personal=Origin(job.origin) in PERSONAL_ORIGINS,
                job_id=job.pk,
                job_type=job.job_type,
                band_id=job.band_id,
            )
        )
        self._attempt = attempt
        self._day: dt.date | None = None
        self._successes: deque[quota.Success] = deque()

    def reserve(self, operation: Operation) -> quota.Receipt:
        """Reserve the units of one HTTP attempt, for the job and in the ledger.

        Raises Fenced, CancelRequested, ReleaseRequested or QuotaExhausted. Then nothing is reserved or sent.
        """
        self._day = self._day or quota_day(clock.now())
        successes = self._take_successes()
        try:
            receipt = quota.reserve_at_once(operation, self._spender, self._attempt, self._day, successes)
        except BaseException:
            self._successes.extend(successes)
            raise
        if receipt is None:
            with transaction.atomic():
                lease.write_fenced(self._attempt, quota_used=F("quota_used") + units_of(operation))
                lease.check_interrupts(self._attempt.job_id)
                receipt = super().reserve(operation)
            self._day = receipt.day
        return receipt

    def record_result(
        self, receipt: object, *, status: int | None, reason: str, seconds: float, is_accepted: bool
    ) -> None:
        """Record the result of the attempt with this receipt. Successes are recorded with the next reservation."""
        assert isinstance(receipt, quota.Receipt)
        if reason or receipt.is_probe:
            super().record_result(receipt, status=status, reason=reason, seconds=seconds, is_accepted=is_accepted)
        else:
            tracing.call(receipt.operation, status=status, reason=reason, seconds=seconds)
            self._successes.append(quota.Success(receipt.call_id, seconds))

    def record_successes(self) -> None:
        """Record the calls that succeeded since the last one was reserved."""
        successes = self._take_successes()
        try:
            if successes:
                quota.record_successes(successes)
        except BaseException:
            self._successes.extend(successes)
            raise

    def _take_successes(self) -> list[quota.Success]:
        """Return the successes that are to be recorded, each to one caller only: several threads make calls."""
        taken = []
        with contextlib.suppress(IndexError):
            while True:
                taken.append(self._successes.popleft())
        return taken


class LeaseRenewal:
    """Renews an attempt's lease in a thread of its own, however long a call or query of the job takes.

    It also records the calls that succeeded, so that no job which makes no further call for a while seems to wait for YouTube.
    """

    def __init__(self, attempt: Attempt, meter: JobMeter) -> None:
        self._attempt = attempt
        self._meter = meter
        self._stop = threading.Event()
        # The log lines of the thread name the job too.
        renew = partial(contextvars.copy_context().run, self._renew)
        self._thread = threading.Thread(target=renew, name=f"lease-{attempt.pk}", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _renew(self) -> None:
        """Renew the lease until the attempt ends or the database says that the lease has expired."""
        outage = database.OutageLog(logger)
        usual = pause = settings.SYNC_LEASE_SECONDS / 4
        try:
            while not self._stop.wait(pause):
                try:
                    if not database.on_live_connection(lease.renew_lease, self._attempt):
                        return
                    self._meter.record_successes()
                    pause = usual
                    outage.end()
                except database.ERRORS as error:
                    outage.warn(
                        "Could not renew the lease of job #%s: %s", self._attempt.job_id, database.first_line(error)
                    )
                    connections.close_all()
                    pause = min(usual, database.RETRY_SECONDS)
        finally:
            # Django closes only the connections of threads that serve requests.
            connections.close_all()


_thread = threading.local()
_fetch_threads: dict[int, ThreadPoolExecutor] = {}
_fetch_threads_lock = threading.Lock()


def _executor() -> ThreadPoolExecutor:
    """Return this process's executor. It is created after the fork and kept, because each thread has its own client."""
    with _fetch_threads_lock:
        return _fetch_threads.setdefault(os.getpid(), ThreadPoolExecutor(MAX_FETCH_THREADS, "fetch-ahead"))


class JobContext:
    """One attempt being executed."""

    def __init__(self, attempt: Attempt, meter: JobMeter) -> None:
        self.attempt = attempt
        self.job: SyncJob = attempt.job
        self.checkpoint: dict[str, Any] = dict(attempt.job.checkpoint)
        self.progress_total: int | None = attempt.job.progress_total
        self._fetches: set[Future[Any]] = set()
        self._meter = meter
        self.client = YouTubeClient(
            api_key=settings.YOUTUBE_API_KEY,
            endpoint=settings.YOUTUBE_API_ENDPOINT,
            timeout=settings.YOUTUBE_TIMEOUT_SECONDS,
            meter=self._meter,
        )

    @property
    def band(self) -> Band:
        """The job's band. Raises SyncFailed if it was deleted."""
        if self.job.band is None:
            raise SyncFailed("bandDeleted", "The band was deleted before its job ran.")
        return self.job.band

    def fetch_ahead(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start a call in another thread."""
        call = partial(self._fetch, function, *args, **kwargs)
        future = _executor().submit(contextvars.copy_context().run, call)
        self._fetches.add(future)
        # One that is done is not kept: it has a page's videos.
        future.add_done_callback(self._fetches.discard)
        return future

    def _fetch(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function in a thread, whose connection is checked unless this attempt used it a moment ago.

        The check takes a round trip, for which each page of a sync would wait.
        """
        attempt, used_at = getattr(_thread, "last_use", (0, 0.0))
        try:
            if attempt == self.attempt.pk and time.monotonic() - used_at < CHECK_AFTER_SECONDS:
                return function(*args, **kwargs)
            return database.on_live_connection(function, *args, **kwargs)
        finally:
            _thread.last_use = (self.attempt.pk, time.monotonic())

    def end_calls(self) -> None:
        """Wait for the calls of `fetch_ahead`, so that an attempt makes none after its end, and record their results."""
        for future in list(self._fetches):
            future.exception()
        self._meter.record_successes()

    def save(
        self,
        written: UpsertCounts = NO_CHANGES,
        unreadable: Iterable[Unreadable] = (),
        *,
        reports: Iterable[ErrorReport] = (),
        **counts: int,
    ) -> None:
        """Save the checkpoint, add to the job's counts and record unreadable items and other errors.

        The caller has begun a transaction.

        Raises Fenced.
        """
        totals = {"videos_added": written.added, "videos_updated": written.updated, **counts}
        lease.save_progress(
            self.attempt,
            checkpoint=self.checkpoint,
            progress_total=self.progress_total,
            **{name: F(name) + number for name, number in totals.items() if number},
        )
        items = (
            ErrorReport("unreadableItem", i.message, is_permanent=False, item_id=i.item_id or "") for i in unreadable
        )
        errors.record(self.attempt, [*items, *reports])

    def check_interrupts(self) -> None:
        """Raise CancelRequested or ReleaseRequested if the job should stop. For work without HTTP calls."""
        lease.check_interrupts(self.job.pk)

    def note(self, message: str, **data: Any) -> None:
        """Add a note to the job's timeline."""
        timeline.note(self.job.pk, EventKind.NOTE, message, attempt=self.attempt.number, **data)
