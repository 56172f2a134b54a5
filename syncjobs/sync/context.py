"""What every kind of job has at hand while it runs: its attempt, a metered YouTube client, and a second pair of hands."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import close_old_connections, connections, transaction
from django.db.models import F
from django.utils import timezone

from bands import channels
from bands.channels import uploads_playlist_id
from bands.models import Band, ChannelProblem, Video
from bands.videos import NO_CHANGES, UpsertCounts, upsert_details

from ..choices import PERSONAL_ORIGINS, EventKind, Origin
from ..engine import attempts, errors, quota, timeline
from ..engine.errors import ErrorReport
from ..models import Attempt, SyncJob
from ..youtube.client import YouTubeClient
from ..youtube.costs import Operation, units_of
from ..youtube.errors import YouTubeError
from ..youtube.references import MalformedReference, parse_channel
from ..youtube.types import Unreadable, VideoDetails

P = ParamSpec("P")
T = TypeVar("T")


class SyncFailed(Exception):
    """The job can't be done, and trying again would not help."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class JobMeter:
    """Reserves each HTTP attempt for a running job, in one transaction with a look at whether it should stop."""

    def __init__(self, attempt: Attempt) -> None:
        job = attempt.job
        self._attempt = attempt
        self._spender = quota.Spender(
            is_personal=Origin(job.origin) in PERSONAL_ORIGINS,
            job_id=job.pk,
            job_type=job.job_type,
            band_id=job.band_id,
        )

    def reserve(self, operation: Operation) -> int:
        """Raises Fenced, CancelRequested, ReleaseRequested or QuotaExhausted; then nothing was spent or sent."""
        with transaction.atomic():
            attempts.write_fenced(self._attempt, quota_used=F("quota_used") + units_of(operation))
            attempts.check_interrupts(self._attempt.job_id)
            return quota.reserve(operation, self._spender)

    def record_result(self, receipt: object, *, status: int | None, reason: str, seconds: float) -> None:
        assert isinstance(receipt, int)
        quota.record_result(receipt, status=status, reason=reason, seconds=seconds)


class LeaseRenewal:
    """Renews an attempt's lease from a thread of its own, however long one call or query of the job takes."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease-{attempt.pk}", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _renew(self) -> None:
        try:
            while not self._stop.wait(settings.SYNC_LEASE_SECONDS / 4):
                if not in_fresh_connection(attempts.renew_lease, self._attempt):
                    return
        finally:
            close_thread_connections()


def in_fresh_connection(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call with a database connection that works: one that broke since the thread last used it is replaced."""
    close_old_connections()
    return function(*args, **kwargs)


def close_thread_connections() -> None:
    """Close this thread's database connections: nobody else will when it ends."""
    connections.close_all()


_helpers: dict[int, ThreadPoolExecutor] = {}
_helpers_lock = threading.Lock()


def _helper() -> ThreadPoolExecutor:
    """This process's threads for fetching ahead; made after the fork, and kept because each has its own client."""
    with _helpers_lock:
        return _helpers.setdefault(os.getpid(), ThreadPoolExecutor(32, thread_name_prefix="fetch-ahead"))


class Work:
    """One attempt being executed."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.job: SyncJob = attempt.job
        self.checkpoint: dict[str, Any] = dict(attempt.job.checkpoint)
        self.progress_total: int | None = attempt.job.progress_total
        self._ahead: list[Future[Any]] = []
        self.client = YouTubeClient(
            api_key=settings.YOUTUBE_API_KEY,
            endpoint=settings.YOUTUBE_API_ENDPOINT,
            timeout=settings.YOUTUBE_TIMEOUT_SECONDS,
            meter=JobMeter(attempt),
        )

    @property
    def band(self) -> Band:
        """The job's band. Raises SyncFailed if it was deleted meanwhile."""
        if self.job.band is None:
            raise SyncFailed("bandDeleted", "The band was deleted before its job ran.")
        return self.job.band

    def fetch_ahead(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start a call in another thread while this one goes on; `wait_for_fetches` waits for it in any case."""
        future = _helper().submit(lambda: in_fresh_connection(function, *args, **kwargs))
        self._ahead.append(future)
        return future

    def wait_for_fetches(self) -> None:
        """Wait for calls started ahead, so that an attempt that has ended makes none."""
        for future in self._ahead:
            future.exception()
        self._ahead.clear()

    def save(self, written: UpsertCounts = NO_CHANGES, unreadable: Iterable[Unreadable] = (), **counts: int) -> None:
        """Save the checkpoint, add to the counts and record items that couldn't be read, in the caller's transaction."""
        totals = {"videos_added": written.added, "videos_updated": written.updated, **counts}
        attempts.save_progress(
            self.attempt,
            checkpoint=self.checkpoint,
            progress_total=self.progress_total,
            **{name: F(name) + number for name, number in totals.items() if number},
        )
        errors.record(self.attempt, [_report(item) for item in unreadable])

    def check_interrupts(self) -> None:
        """For work without HTTP calls: raise CancelRequested or ReleaseRequested if it should stop."""
        attempts.check_interrupts(self.job.pk)

    def note(self, message: str, **data: Any) -> None:
        """Add a remark to the job's timeline."""
        timeline.note(self.job.pk, EventKind.NOTE, message, attempt=self.attempt.number, **data)

    def ensure_channel(self) -> int | None:
        """Make sure the band's uploads playlist is known, for at most one unit; the channel's videoCount if it was asked."""
        band = self.band
        if band.uploads_playlist_id:
            return None
        if band.channel_id:
            band.uploads_playlist_id = uploads_playlist_id(band.channel_id)
            self._save_channel(band)
            return None
        return self._resolve(band)

    def _resolve(self, band: Band) -> int | None:
        try:
            reference = parse_channel(band.channel_reference)
        except MalformedReference as error:
            raise SyncFailed("malformedChannel", str(error)) from None
        channel_id, video_count = reference.value, None
        if reference.kind != "id":
            channel = self.client.find_channel(reference)
            if channel is None:
                self.flag_channel(ChannelProblem.NOT_FOUND)
                raise SyncFailed("channelNotFound", f"YouTube knows no channel {band.channel_reference}.")
            channel_id, video_count = channel.id, channel.video_count
            band.channel_handle, band.channel_title = channel.handle or "", channel.title[:200]
        band.channel_id, band.uploads_playlist_id = channel_id, uploads_playlist_id(channel_id)
        self._save_channel(band)
        return video_count

    def _save_channel(self, band: Band) -> None:
        with transaction.atomic():
            self.save()
            channels.lock_channels()
            holder = channels.other_band_with_channel(band.channel_id, exclude=band)
            if holder is None:
                band.save(
                    update_fields=["channel_id", "channel_handle", "channel_title", "uploads_playlist_id", "updated_at"]
                )
        if holder is not None:
            self.flag_channel(ChannelProblem.TAKEN)
            raise SyncFailed("channelTaken", f"{holder.name} has the channel {band.channel_id} already.")

    def flag_channel(self, problem: ChannelProblem) -> None:
        """Say on the band what is wrong with its channel."""
        with transaction.atomic():
            self.save()
            Band.objects.filter(pk=self.band.pk).exclude(channel_problem=problem).update(
                channel_problem=problem, channel_problem_since=timezone.now()
            )

    def store(self, details: Iterable[VideoDetails], band_of: Callable[[VideoDetails], int]) -> UpsertCounts:
        """Upsert videos in the caller's transaction."""
        return upsert_details(as_video(item, band_of(item)) for item in details)


def _report(item: Unreadable) -> ErrorReport:
    return ErrorReport("unreadableItem", item.message, is_permanent=False, item_id=item.item_id or "")


def as_video(details: VideoDetails, band_id: int) -> Video:
    """The row for what videos.list told."""
    return Video(
        band_id=band_id,
        youtube_id=details.video_id,
        channel_id=details.channel_id,
        channel_title=details.channel_title,
        title=details.title,
        description=details.description,
        published_at=details.published_at,
        duration_seconds=details.duration_seconds,
        live_state=details.live_state,
        scheduled_start_at=details.scheduled_start_at,
        thumbnails=details.thumbnails,
        tags=list(details.tags),
        category_id=details.category_id or "",
        default_language=details.default_language or "",
        definition=details.definition or "",
        privacy_status=details.privacy_status or "",
        embeddable=details.embeddable,
        made_for_kids=details.made_for_kids,
        view_count=details.view_count,
        like_count=details.like_count,
        comment_count=details.comment_count,
    )


def explain(error: YouTubeError) -> str:
    """The sentence a moderator reads: what YouTube said, without anything secret."""
    return errors.without_secrets(error.message or error.reason)
