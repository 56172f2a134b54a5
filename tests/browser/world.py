"""A site on an ordinary day: bands, videos, a day and a night of jobs, errors, quota and workers.

The figures add up: units and errors belong to jobs, jobs are numbered in the order of their creation, and the day's usage is
the sum of its calls. `add_markup` puts markup into the texts, for the tests of escaping.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Case, F, Max, Min, When
from django.db.models.functions import Now
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from bands.models import Availability, Band, ChannelProblem, Video
from syncjobs.alerts import rounds
from syncjobs.audit.actors import Actor, for_schedule
from syncjobs.choices import EventKind, JobStatus, JobType, Origin, QueueName, Role, SubscriptionState
from syncjobs.engine import outcomes
from syncjobs.engine.claim import WorkerIdentity, claim_next
from syncjobs.engine.enqueue import create_job
from syncjobs.engine.errors import ErrorReport, record
from syncjobs.freshness import feeds
from syncjobs.models import (
    Alert,
    AlertChannel,
    AlertDelivery,
    AlertRound,
    Attempt,
    ChannelFeed,
    ErrorGroup,
    JobError,
    Queue,
    QuotaCall,
    QuotaDay,
    Subscription,
    SyncJob,
    Worker,
)
from syncjobs.operations import alert_channels, errors, jobs, people, queues, schedules, suggestions
from syncjobs.youtube.costs import QUOTA_TIMEZONE, Operation, bucket_of, quota_day
from syncjobs.youtube.simulator import demo
from syncjobs.youtube.simulator.world import made_up_id
from syncjobs.youtube.types import Channel

LONG_WORD = "Donaudampfschifffahrt" * 3
MARKUP = f'<img src=x onerror="alert(1)"><b>bold</b>{LONG_WORD}'
ROBIN, KIM = Actor("robin", Origin.ADMIN), Actor("kim", Origin.ADMIN)
NIGHTLY, CHECK, STATISTICS = "Nightly full sync", "Check for new videos", "Statistics at noon"
BANDS = 16
LONG_NAME = "Thistledown Brass & Percussion Ensemble of the Greater Northern Valley"
_RENAMED, _INACTIVE, _NEVER_SYNCED = 7, 13, 15
_SHOWS = (
    "Halftime Show",
    "Homecoming Parade",
    "Fifth Quarter",
    "Drumline Feature",
    "Spring Concert",
    "Battle of the Bands",
)
_NOT_FOUND = ErrorReport("channelNotFound", "Channel not found: @NoSuchBandAnywhere", True)
_BUSY = ErrorReport("backendError", "YouTube answered 503: The service is currently unavailable.", False)
_SECOND = dt.timedelta(seconds=1)
_MINUTE = dt.timedelta(minutes=1)
_HOUR = dt.timedelta(hours=1)


@dataclass(slots=True)
class _Event:
    """A job that was created at a time, with its result, or an all-bands job with its children."""

    at: dt.datetime
    actor: Actor
    job_type: JobType
    bands: list[int]
    error: ErrorReport | None = None
    is_parent: bool = False


def fill(seed: int = 1) -> None:
    """Add everything to a database that has only the roles."""
    _Site(random.Random(seed)).fill()
    _suggest_channels()
    _add_channels()
    _add_freshness(random.Random(seed))


def _suggest_channels() -> None:
    """Suggest two channels for the band whose channel is gone; one is declined."""
    gone = Band.objects.get(channel_problem=ChannelProblem.NOT_FOUND)
    wrong, _is_new = suggestions.suggest(ROBIN, gone.pk, "@NoSuchBandFans", "Found by their name")
    suggestions.decline(KIM, wrong.pk, "A fan's channel, not the band's")
    found = Channel("UC" + "m" * 22, "@NowElsewhere", LONG_NAME, "UU" + "m" * 22, 117)
    suggestions.suggest(ROBIN, gone.pk, "https://www.youtube.com/@NowElsewhere", "Their own page links to it", found)


def _add_freshness(chance: random.Random) -> None:
    """Watch the channels: most bands are pushed, some are not, and each has new videos of the last days."""
    feeds.match_bands()
    now = timezone.now()
    watched = {"watched_since": now - 90 * 24 * _HOUR, "probed_at": now - 9 * _HOUR, "status": 304}
    ChannelFeed.objects.update(**watched, read_at=now - 7 * _MINUTE, next_read_at=now + 8 * _MINUTE, trusted_at=now)
    works = {
        "state": SubscriptionState.VERIFIED,
        "lease_ends_at": now + 96 * _HOUR,
        "next_request_at": now + 36 * _HOUR,
    }
    trusted = works | {"trusted_at": now - 200 * _HOUR, "delivered_at": now - 5 * _HOUR}
    refused = {"problem": "The receiver answered 503: Try again later", "next_request_at": now + 11 * _MINUTE}
    kinds = {1: works, 2: works | {"trust_lost_at": now - 3 * _HOUR}, 3: refused, 4: {}}
    for number, feed in enumerate(ChannelFeed.objects.select_related("band").order_by("band__pk")):
        Subscription.objects.create(
            band=feed.band, channel_id=feed.channel_id, topic=f"https://www.youtube.com/feed?channel_id={feed.channel_id}",
            **kinds.get(number, trusted),
        )  # fmt: skip
        source, seconds = ("feed", 700) if number in kinds else ("push", 9)
        if number == 2:
            ChannelFeed.objects.filter(pk=feed.pk).update(failures=4, problem="YouTube answered 404.", trusted_at=None)
        newest = feed.band.videos.filter(channel_id=feed.channel_id).order_by("-published_at")[:5]
        for place, video in enumerate(newest):
            is_late = (number, place) == (2, 4)
            late = 3000 * _SECOND if is_late else seconds * chance.uniform(0.5, 1.5) * _SECOND
            stored = now - chance.random() * 160 * _HOUR
            Video.objects.filter(pk=video.pk).update(
                created_at=stored, published_at=stored - late, noticed_by="probe" if is_late else source
            )


def _add_channels() -> None:
    """Add channels of alerts and some messages. None of them is told of the alerts of this day."""
    Alert.objects.update(needs_routing=False)
    ops = {
        "name": "Operators",
        "kind": "WEBHOOK",
        "address": "https://hooks.example.org/T0/B0/x",
        "rules": ["key_refused"],
    }
    alert_channels.save(KIM, None, ops | {"quiet_from": dt.time(22), "quiet_until": dt.time(7)})
    channel = alert_channels.save(
        KIM, None, {"name": "Directors", "kind": "EMAIL", "address": "mo@example.org", "severities": ["CRITICAL"]}
    ).channel
    switch = {"name": "healthchecks.io", "kind": "PING", "address": "https://hc-ping.com/x-y-z", "is_enabled": False}
    alert_channels.save(KIM, None, switch)
    now = timezone.now()
    fields = {"channel": channel, "kind": "ALERTS", "deadline_at": now + 20 * _HOUR, "attempts_made": 2}
    title = "Critical: No worker is running for the queue Video sync, so its jobs wait."
    text = f"{title}\nWhat to do: Start a worker for this queue, or find out why it stopped."
    sent = AlertDelivery.objects.create(
        title=title, text=text, state="DELIVERED", created_at=now - 3 * _HOUR, ended_at=now - 3 * _HOUR, **fields
    )
    for number, result in ((1, "LOST"), (2, "DELIVERED")):
        sent.attempts.create(number=number, process="celery@north-1/17", result=result, started_at=now - 3 * _HOUR)
    AlertDelivery.objects.create(
        title="Warning: Band failing (12)", text="Warning: Band failing (12)", created_at=now - _MINUTE,
        next_attempt_at=now + 10 * _HOUR, problem="The mail server answered 451: Greylisted", **fields,
    )  # fmt: skip


def add_markup() -> None:
    """Put markup, and a word too long for a phone, into texts that come from outside: a band, a video, an error, a reason."""
    band = Band.objects.earliest("pk")
    Band.objects.filter(pk=band.pk).update(name=f"{MARKUP} Band", channel_title=MARKUP)
    Band.objects.exclude(channel_problem="").update(name=f"{LONG_WORD} Band")
    SyncJob.objects.filter(band=band).update(band_name=f"{MARKUP} Band")
    Video.objects.filter(pk=Video.objects.earliest("pk").pk).update(title=MARKUP)
    group = ErrorGroup.objects.get(reason="internalError")
    ErrorGroup.objects.filter(pk=group.pk).update(message=MARKUP, sample=MARKUP)
    errors.add_error_note(Actor(MARKUP, Origin.ADMIN), group.pk, MARKUP)
    JobError.objects.filter(group=group).update(message=MARKUP)
    Queue.objects.filter(paused_at__isnull=False).update(pause_reason=MARKUP)
    Alert.objects.update(subject_label=MARKUP)
    AlertChannel.objects.filter(name="Directors").update(name=f"{LONG_WORD} Directors")
    AlertDelivery.objects.update(title=MARKUP, text=MARKUP, problem=MARKUP)
    queues.pause_queue(Actor(MARKUP, Origin.ADMIN), QueueName.VIDEO_PROCESSING, MARKUP)
    PeriodicTask.objects.filter(name=CHECK).update(name=f"{MARKUP} check")
    Worker.objects.filter(name="celery@north-2").update(name=f"celery@{LONG_WORD}")
    people.save_user(KIM, LONG_WORD, "correct horse battery", Role.MODERATOR)


class _Site:
    """Writes the day in the order of events."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.now = timezone.now()
        self.bands: list[Band] = []
        self.sizes: list[int] = []
        self.calls: list[QuotaCall] = []

    def fill(self) -> None:
        self._add_bands()
        self._add_videos()
        self._add_schedules()
        for event in sorted(self._day(), key=lambda event: event.at):
            self._replay(event)
        self._add_open_jobs()
        QuotaCall.objects.bulk_create(self.calls)
        self._sum_quota()
        self._date_errors()
        self._update_bands()
        self._add_workers()
        # What the rules find: nothing has been evaluated yet, so that both kinds of rounds are due.
        for _ in range(2):
            AlertRound.objects.update(due_at=self.now)
            rounds.run_if_due()

    # ---- Bands, videos, schedules

    def _add_bands(self) -> None:
        for number, fields in enumerate(demo.bands()[:BANDS]):
            name = LONG_NAME if number == 9 else fields["name"]
            handle = "@NoSuchBandAnywhere" if number == _RENAMED else f"@{fields['city'].replace(' ', '')}Band"
            channel = "UC" + made_up_id(handle, 22)
            band = Band.objects.create(
                name=name, slug=fields["slug"], school_name=fields["school_name"], nickname=fields["nickname"], city=fields["city"],
                state=fields["state"], conference=fields["conference"], founded=fields["founded"], band_type=fields["band_type"],
                primary_color=fields["primary_color"], secondary_color=fields["secondary_color"], channel_reference=handle,
                channel_id="" if number == _RENAMED else channel, channel_handle=handle, channel_title=name[:80],
                uploads_playlist_id="" if number == _RENAMED else "UU" + channel[2:], is_active=number != _INACTIVE,
            )  # fmt: skip
            self.bands.append(band)
            self.sizes.append(0 if number in (_RENAMED, _NEVER_SYNCED) else self.chance.randrange(40, 200))

    def _add_videos(self) -> None:
        Video.objects.bulk_create(
            self._video(band, number)
            for band, size in zip(self.bands, self.sizes, strict=True)
            for number in range(size)
        )

    def _video(self, band: Band, number: int) -> Video:
        views = None if number == 11 else int(self.chance.lognormvariate(7.5, 1.4))
        published = self.now - dt.timedelta(days=5 * number, minutes=self.chance.randrange(1600, 2800))
        youtube_id = made_up_id(f"{band.slug}{number}", 11)
        return Video(
            youtube_id=youtube_id, band=band, channel_id=band.channel_id, channel_title=band.channel_title,
            title=f"{band.name[:40]} – {self.chance.choice(_SHOWS)} {published.year}", published_at=published,
            duration_seconds=self.chance.randrange(30, 1500), view_count=views,
            like_count=None if number % 9 == 4 or views is None else views // 40,
            comment_count=None if number % 9 == 4 or views is None else views // 300,
            availability=Availability.UNAVAILABLE if number == 17 else Availability.AVAILABLE,
            thumbnails={"medium": {"url": f"https://i.ytimg.com/vi/{youtube_id}/mqdefault.jpg", "width": 320, "height": 180}},
        )  # fmt: skip

    def _add_schedules(self) -> None:
        for name, kind, cron in (
            (NIGHTLY, JobType.FULL_SYNC, {"hour": "0", "minute": "5"}),
            (CHECK, JobType.INCREMENTAL_SYNC, {"hour": "*/4", "minute": "30"}),
            (STATISTICS, JobType.STATS_REFRESH, {"hour": "12", "minute": "30"}),
        ):
            cron = cron | {"timezone": QUOTA_TIMEZONE.key}
            schedules.save(ROBIN, None, {"name": name, "job_type": kind, "cron": cron})
        # No schedule is overdue.
        PeriodicTask.objects.filter(name__in=(NIGHTLY, CHECK, STATISTICS)).update(last_run_at=self.now)

    # ---- Jobs and their results

    def _last(self, hour: int, minute: int) -> dt.datetime:
        """Return the latest moment, at least an hour ago, with that time of day in California."""
        latest = self.now - dt.timedelta(hours=1)
        time = latest.astimezone(QUOTA_TIMEZONE).replace(hour=hour, minute=minute, second=0, microsecond=0)
        return (time if time <= latest else time - dt.timedelta(days=1)).astimezone(dt.UTC)

    def _day(self) -> Iterator[_Event]:
        syncable = [n for n in range(BANDS) if n not in (_INACTIVE, _NEVER_SYNCED)]
        yield _Event(self._last(0, 5), for_schedule(NIGHTLY), JobType.FULL_SYNC, syncable, is_parent=True)
        for hour in range(0, 24, 4):
            changed = sorted(self.chance.sample([n for n in syncable if n != _RENAMED], 3))
            yield _Event(self._last(hour, 30), for_schedule(CHECK), JobType.INCREMENTAL_SYNC, changed, is_parent=True)
        yield _Event(self._last(12, 30), for_schedule(STATISTICS), JobType.STATS_REFRESH, [])
        failures = [
            (_BUSY, 4), (_BUSY, 5), (_BUSY, 10), (_BUSY, 12), (_NOT_FOUND, _RENAMED), (_NOT_FOUND, _RENAMED),
            (ErrorReport("playlistNotFound", "The playlist identified with PLmarchingcontest2019 cannot be found.", True), 2),
            (ErrorReport("forbidden", "The request is not properly authorized to access this resource.", True), 8),
            (ErrorReport("internalError", "ValueError: “P1W2X” is not a duration", False), 6),
        ]  # fmt: skip
        for number, (error, band) in enumerate(failures):
            at = self.now - dt.timedelta(hours=2 + 1.9 * number, minutes=self.chance.randrange(60))
            yield _Event(at, self.chance.choice((ROBIN, KIM)), JobType.FULL_SYNC, [band], error)
        for hour in range(1, 20):
            at = self.now - dt.timedelta(hours=hour, minutes=self.chance.randrange(6, 55))
            kind = self.chance.choice((JobType.FULL_SYNC, JobType.INCREMENTAL_SYNC, JobType.INCREMENTAL_SYNC))
            band = self.chance.choice([n for n in syncable if n != _RENAMED])
            yield _Event(at, self.chance.choice((ROBIN, KIM)), kind, [band])

    def _replay(self, event: _Event) -> None:
        if event.is_parent:
            self._replay_parent(event)
        else:
            band = self.bands[event.bands[0]] if event.bands else None
            job = create_job(event.actor, event.job_type, band=band).job
            self._end(job, event, event.bands, event.at + self.chance.randrange(1, 20) * _SECOND)

    def _replay_parent(self, event: _Event) -> None:
        parent = create_job(event.actor, event.job_type, fans_out=True).job
        claimed = self._claim(parent)
        for number in event.bands:
            create_job(event.actor, event.job_type, band=self.bands[number], parent=parent)
        SyncJob.objects.filter(pk=parent.pk).update(checkpoint={"fanned_out": True}, progress_total=len(event.bands))
        outcomes.wait_for_children(claimed)
        used = 1 if event.job_type == JobType.INCREMENTAL_SYNC else 0
        self._charge(parent, [Operation.CHANNELS_LIST] * used, event.at, event.at + 2 * _SECOND)
        started = event.at + 2 * _SECOND
        ended = started
        for number, child in zip(event.bands, parent.children.order_by("pk"), strict=True):
            own = _Event(event.at + 2 * _SECOND, event.actor, event.job_type, [number])
            own.error = _NOT_FOUND if number == _RENAMED else None
            ended = self._end(child, own, [number], started)
            # Two at a time.
            started += (ended - started) / 2
        outcomes.complete_parents(parent.pk)
        self._date(parent, event.at, event.at + _SECOND, ended)

    def _end(self, job: SyncJob, event: _Event, numbers: list[int], started: dt.datetime) -> dt.datetime:
        """Run the job to its end and return the end time."""
        attempt = self._claim(job)
        size = self.sizes[numbers[0]] if numbers else sum(self.sizes)
        if event.error:
            operations = [Operation.CHANNELS_LIST if event.error is _NOT_FOUND else Operation.PLAYLIST_ITEMS_LIST]
            has_trace = event.error.reason == "internalError"
            trace = f"Traceback (most recent call last):\n{event.error.message}" if has_trace else ""
            outcomes.fail(
                attempt, event.error.message, reason=event.error.reason, trace=trace, permanent=event.error.is_permanent
            )
        else:
            operations = self._work(attempt, event.job_type, size)
            outcomes.complete(attempt)
        ended = started + (2 + len(operations) * self.chance.uniform(0.6, 3.5)) * _SECOND
        self._charge(job, operations, started, ended, event.error)
        self._date(job, event.at, started, ended)
        return ended

    def _work(self, attempt: Attempt, job_type: str, size: int) -> list[Operation]:
        """Write the results of the job and return its calls."""
        pages = -(-size // 50)
        if job_type == JobType.STATS_REFRESH:
            result = {"videos_updated": size, "progress_done": size, "progress_total": size}
            operations = [Operation.VIDEOS_BATCH_GET_STATS] * pages
        elif job_type == JobType.FULL_SYNC:
            updated = self.chance.randrange(size // 3)
            result = {"videos_found": size, "videos_updated": updated, "progress_done": size, "progress_total": size}
            operations = [Operation.PLAYLIST_ITEMS_LIST, Operation.VIDEOS_LIST] * pages
        else:
            # It finds nothing new: all videos are older than the day.
            read = min(size, 50)
            result = {"videos_found": read, "progress_done": read, "progress_total": read}
            operations = [Operation.PLAYLIST_ITEMS_LIST]
        SyncJob.objects.filter(pk=attempt.job_id).update(**result)
        if job_type == JobType.FULL_SYNC and self.chance.random() < 0.15:
            video = made_up_id(f"unreadable{attempt.pk}", 11)
            record(attempt, [ErrorReport("unreadableItem", f"Video {video} has no title.", False, item_id=video)])
        return operations

    def _add_open_jobs(self) -> None:
        """Add jobs that are running, waiting or delayed, and one that was cancelled."""
        cancelled = create_job(KIM, JobType.FULL_SYNC, band=self.bands[0]).job
        jobs.cancel_job(KIM, cancelled.pk)
        self._date(cancelled, self.now - 26 * _MINUTE, None, self.now - 24 * _MINUTE)
        weekly = for_schedule("Weekly availability check")
        estimate = -(-sum(self.sizes) // 50)
        availability = create_job(weekly, JobType.AVAILABILITY_CHECK, quota_estimated=estimate).job
        self._date(availability, self.now - 12 * _MINUTE, None, None)
        self._run(3, 340, is_cancelled=True)
        delayed = create_job(ROBIN, JobType.FULL_SYNC, band=self.bands[5]).job
        outcomes.retry_later(self._claim(delayed), _BUSY.message, reason=_BUSY.reason)
        self._date(delayed, self.now - 3 * _MINUTE, self.now - 3 * _MINUTE + _SECOND, None)
        SyncJob.objects.filter(pk=delayed.pk).update(run_at=self.now + 9 * _MINUTE)
        self._charge(delayed, [Operation.PLAYLIST_ITEMS_LIST], self.now - 3 * _MINUTE, self.now - 2 * _MINUTE, _BUSY)
        self._run(6, 31)
        self._run(11, 14)
        queues.pause_queue(ROBIN, QueueName.MAINTENANCE, "database backup until 3 p.m.")
        Queue.objects.filter(pk=QueueName.MAINTENANCE).update(paused_at=self.now - 40 * _MINUTE)
        for number, seconds in ((1, 8), (10, 6), (14, 5)):
            waiting = create_job(ROBIN, JobType.INCREMENTAL_SYNC, band=self.bands[number]).job
            self._date(waiting, self.now - seconds * _SECOND, None, None)

    def _run(self, number: int, seconds: int, *, is_cancelled: bool = False) -> None:
        pages = max(1, self.sizes[number] // 100)
        job = create_job(ROBIN, JobType.FULL_SYNC, band=self.bands[number]).job
        attempt = self._claim(job, "celery@north-1")
        started = self.now - seconds * _SECOND
        self._charge(job, [Operation.PLAYLIST_ITEMS_LIST, Operation.VIDEOS_LIST] * pages, started, self.now)
        SyncJob.objects.filter(pk=job.pk).update(
            progress_done=50 * pages, progress_total=max(self.sizes[number], 50 * pages), videos_found=50 * pages
        )
        if is_cancelled:
            asked = self.now - 5 * _SECOND
            SyncJob.objects.filter(pk=job.pk).update(cancel_requested_at=asked, cancel_requested_by="kim")
        self._date(job, started - _SECOND, started, None)
        # No worker renews this lease; it must last while the pages are looked at.
        Attempt.objects.filter(pk=attempt.pk).update(lease_expires_at=Now() + dt.timedelta(hours=9))

    # ---- Helpers

    def _claim(self, job: SyncJob, name: str = "") -> Attempt:
        name = name or self.chance.choice(("celery@north-1", "celery@north-1", "celery@north-2"))
        attempt = claim_next(job.queue_id, WorkerIdentity(name, 411 if name.endswith("1") else 902))
        assert attempt is not None
        assert attempt.job_id == job.pk
        return attempt

    def _charge(
        self,
        job: SyncJob,
        operations: Iterable[Operation],
        start: dt.datetime,
        end: dt.datetime,
        error: ErrorReport | None = None,
    ) -> None:
        """Record calls of one unit each, spread over the time. The last one has the error."""
        operations = list(operations)
        for number, operation in enumerate(operations):
            at = start + (end - start) * (number + 0.5) / len(operations)
            reason = error.reason if error and number == len(operations) - 1 else ""
            status = {"backendError": 503, "forbidden": 403, "playlistNotFound": 404}.get(reason, 200)
            self.calls.append(
                QuotaCall(
                    bucket=bucket_of(operation), day=quota_day(at), operation=operation, units=1, job=job, job_type=job.job_type,
                    band_id=job.band_id, is_personal=job.origin == Origin.ADMIN, at=at, seconds=self.chance.uniform(0.08, 0.6),
                    http_status=status, reason=reason if status != 200 else "",
                )
            )  # fmt: skip
        SyncJob.objects.filter(pk=job.pk).update(quota_used=F("quota_used") + len(operations))

    def _date(self, job: SyncJob, created: dt.datetime, started: dt.datetime | None, ended: dt.datetime | None) -> None:
        """Set the times of the job, its attempts, errors and events."""
        times = {"created_at": created, "run_at": created, "started_at": started, "completed_at": ended}
        SyncJob.objects.filter(pk=job.pk).update(**times)
        last = ended or self.now - 2 * _MINUTE
        job.attempts.update(started_at=started or created, ended_at=Case(When(ended_at=None, then=None), default=last))
        job.job_errors.update(created_at=last)
        kinds = (When(kind=EventKind.QUEUED, then=created), When(kind=EventKind.STARTED, then=started or created))
        job.events.update(at=Case(*kinds, default=last))

    def _sum_quota(self) -> None:
        """Write the usage of 30 days. Today's is the sum of its calls."""
        spent = Counter((call.bucket, call.day) for call in self.calls)
        today = quota_day(self.now)
        usual = {"main": (160, 420), "stats": (sum(self.sizes) // 50 - 3, sum(self.sizes) // 50 + 1)}
        for bucket, back in itertools.product(usual, range(30)):
            day = today - dt.timedelta(days=back)
            used = spent[bucket, day] if back == 0 else max(spent[bucket, day], self.chance.randrange(*usual[bucket]))
            limit = settings.YOUTUBE_QUOTA_MAIN if bucket == "main" else settings.YOUTUBE_QUOTA_STATS
            reserved = settings.YOUTUBE_QUOTA_RESERVED if bucket == "main" else 0
            QuotaDay.objects.create(bucket=bucket, day=day, limit=limit, reserved=reserved, used=used)

    def _date_errors(self) -> None:
        for group in ErrorGroup.objects.annotate(first=Min("errors__created_at"), last=Max("errors__created_at")):
            ErrorGroup.objects.filter(pk=group.pk).update(first_seen_at=group.first, last_seen_at=group.last)
        known, unknown = (ErrorGroup.objects.get(reason=reason) for reason in ("channelNotFound", "backendError"))
        errors.resolve_errors(KIM, known.pk, "The school has a new channel; I have entered its address.")
        errors.add_error_note(ROBIN, known.pk, "They have moved again. I have asked the band's director.")
        ErrorGroup.objects.filter(pk=known.pk).update(resolved_at=known.last_seen_at - 5 * _HOUR)
        errors.acknowledge_errors(ROBIN, unknown.pk, "YouTube's status page says they are on it.")

    def _update_bands(self) -> None:
        """Derive what the bands know about their syncs from the jobs."""
        completed = SyncJob.objects.filter(status=JobStatus.COMPLETED)
        for band in self.bands:
            own = completed.filter(band=band)
            full = own.filter(job_type=JobType.FULL_SYNC).aggregate(last=Max("completed_at"))["last"]
            incremental = own.filter(job_type=JobType.INCREMENTAL_SYNC).aggregate(last=Max("completed_at"))["last"]
            Band.objects.filter(pk=band.pk).update(last_full_sync_at=full, last_incremental_sync_at=incremental or full)
        renamed = self.bands[_RENAMED]
        since = JobError.objects.filter(band=renamed).aggregate(first=Min("created_at"))["first"]
        Band.objects.filter(pk=renamed.pk).update(channel_problem=ChannelProblem.NOT_FOUND, channel_problem_since=since)

    def _add_workers(self) -> None:
        Worker.objects.create(
            name="celery@north-1", process_id=411, queues=list(QueueName.values), concurrency=4,
            started_at=self.now - dt.timedelta(hours=31),
        )  # fmt: skip
        Worker.objects.create(
            name="beat@north-1", process_id=380, queues=[], concurrency=0, is_scheduler=True,
            started_at=self.now - dt.timedelta(hours=31),
        )  # fmt: skip
        Worker.objects.create(
            name="celery@north-2", process_id=902, queues=["video-sync"], concurrency=2,
            started_at=self.now - dt.timedelta(hours=26), heartbeat_at=self.now - 9 * _MINUTE,
        )  # fmt: skip
