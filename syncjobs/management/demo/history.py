"""The story of the demonstration: 30 days of syncs of its bands, and what people did about those that failed.

All of it ends before now. What the simulator answers from now on goes on where the story ends.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django_celery_beat.models import PeriodicTask

from bands.models import Band, ChannelProblem, NoticedBy
from syncjobs.audit.actors import SYSTEM, Actor, for_schedule, for_user
from syncjobs.choices import EventKind, JobStatus, JobType, Origin, Role
from syncjobs.engine.enqueue import band_key
from syncjobs.engine.errors import ErrorReport
from syncjobs.models import ErrorNote, SyncJob
from syncjobs.operations import schedules
from syncjobs.youtube.costs import QUOTA_TIMEZONE, Operation
from syncjobs.youtube.simulator import demo
from syncjobs.youtube.simulator.world import uploads

from . import news
from .members import Member, save
from .recorder import Recorder

DAYS = 30
PAUSE = dt.timedelta(hours=4)
"""Between two checks for new videos."""
_QUIET = dt.timedelta(minutes=25)
"""Nothing begins in this time before now, so that all of it has ended: an attempt may wait minutes for the next one."""
SOON = dt.timedelta(minutes=4)
"""When the next check is due."""
INCREMENTAL, FULL = "Incremental sync of all bands", "Full sync of all bands"
_DAILY = (("Statistics of all videos", JobType.STATS_REFRESH, 4), ("Availability check", JobType.AVAILABILITY_CHECK, 5),
          ("Prune old jobs", JobType.PRUNE, 2))  # fmt: skip
_WORKER = "celery@band-room"
_LANES = 4
_BUSY = ErrorReport("backendError", "The service is currently unavailable.", is_permanent=False, will_retry=True)
_GAVE_UP = 4.2
"""So many days before now, a sync failed in its last attempt too, so that the resolved error has come back."""
_DENIED = "The request is not properly authorized to access this resource."
_PRIVATE = "The request is not properly authorized to retrieve the specified playlist."
_SECOND, _DAY = dt.timedelta(seconds=1), dt.timedelta(days=1)


class History:
    """Writes the story."""

    def __init__(self, now: dt.datetime) -> None:
        self.now, self.start = now, now - DAYS * _DAY
        self.chance = random.Random(7)  # noqa: S311 - the same demonstration every time
        self.rows = Recorder()
        self.watched_since = self.probed_at = now - news.DAYS * _DAY
        # The first four weeks of a channel that has moved, and when another one was closed to us.
        self.moved_at, self.forbidden_at, self.private_at = now - 2.3 * _DAY, now - 1.2 * _DAY, now - 9.4 * _DAY

    def write(self) -> None:
        """Write everything, in the caller's transaction."""
        self.world = demo.demo_world(self.now)
        demo.add_old_channel(self.world, self.moved_at)
        self.robin, self.kim = self._person("robin", Role.MODERATOR), self._person("kim", Role.ADMIN)
        self.members = [self._member(number, row) for number, row in enumerate(demo.bands())]
        for at, event, arguments in sorted(self._story(), key=lambda each: each[0]):
            if at < self.now - _QUIET:
                event(at, *arguments)
        self.rows.save()
        self._save_notes()
        self._save_bands()
        news.save(self.members, self.watched_since, self.now, self.probed_at)
        self._save_schedules()

    # ---- Who and what

    def _person(self, name: str, role: Role) -> Actor:
        """Create a person with a role who can't log in."""
        user = User(username=name, email=f"{name}@example.org", is_staff=True, date_joined=self.start)
        user.set_unusable_password()
        user.save()
        user.groups.add(Group.objects.get(name=role))
        data = {"role": role.value}
        self.rows.audit(SYSTEM, "add_person", ("user", user.pk), self.start - dt.timedelta(hours=2), name, **data)
        return for_user(user, Origin.ADMIN, "192.0.2.17")

    def _member(self, number: int, row: dict[str, Any]) -> Member:
        """Create a band as an import and its first sync leave it."""
        fields = {name: value for name, value in row.items() if name not in ("youtube_channel", "playlists")}
        handle = demo.OLD_HANDLE if number == demo.MOVED else demo.handle(number)
        channel = next(channel for channel in self.world.channels.values() if channel.handle == handle)
        band = Band.objects.create(
            **fields, channel_reference=row["youtube_channel"], extra_playlists=row["playlists"], channel_id=channel.id,
            channel_handle=channel.handle, channel_title=channel.title, uploads_playlist_id=uploads(channel.id),
            created_at=self.start - dt.timedelta(hours=1),
        )  # fmt: skip
        videos = [self.world.videos[video_id] for video_id in self.world.playlists[uploads(channel.id)]]
        return Member(number, band, videos)

    def _story(self) -> Iterator[tuple[dt.datetime, Any, tuple[Any, ...]]]:
        """Yield all that happens: the time, a method, and its further arguments."""
        yield self.start - dt.timedelta(hours=1), self._import, ()
        yield self.start, self._sync_all, (JobType.FULL_SYNC, self.kim)
        check = self.now + SOON - PAUSE
        while check > self.start + PAUSE:
            yield check, self._sync_all, (JobType.INCREMENTAL_SYNC, for_schedule(INCREMENTAL))
            check -= PAUSE
        for day in range(DAYS):
            for name, job_type, hour in _DAILY:
                yield self._at(day, hour), self._maintain, (job_type, for_schedule(name))
            if self._at(day, 3).astimezone(QUOTA_TIMEZONE).isoweekday() == 7:
                yield self._at(day, 3), self._sync_all, (JobType.FULL_SYNC, for_schedule(FULL))
            for _ in range(self.chance.choice((0, 1, 1, 2, 3))):
                at = self._at(day, 0) + dt.timedelta(hours=self.chance.uniform(8, 18))
                yield at, self._sync_one, (self.chance.randrange(24), self.chance.choice((self.robin, self.kim)))
        for member, ago in ((demo.MOVED, 1.9), (demo.MOVED, 0.8), (demo.FORBIDDEN, 0.3), (demo.INTERMITTENT, _GAVE_UP)):
            yield self.now - ago * _DAY, self._sync_one, (member, self.robin)
        yield self.now - 6.4 * _DAY, self._cancel_one, (5, self.robin)
        yield self.now - 0.6 * _DAY, self._cancel_one, (0, self.kim)
        yield self.private_at, self._audit_playlist, ()
        yield self.now - 12.4 * _DAY, self._pause_for_backup, ()
        for due, batch in news.batches(news.list_notices(self.members, self.watched_since, self.chance)):
            # What is reported shortly before now is left to the feeds.
            if due < self.now - _QUIET:
                for notice in batch:
                    yield notice.at, self._notice, (notice,)
                yield due, self._fetch_details, (batch,)

    def _at(self, day: int, hour: int) -> dt.datetime:
        """Return the latest moment before now with that hour in California, `day` days earlier."""
        local = self.now.astimezone(QUOTA_TIMEZONE).replace(minute=0, second=0, microsecond=0, hour=hour)
        latest = local if local < self.now - dt.timedelta(minutes=5) else local - _DAY
        return (latest - day * _DAY).astimezone(dt.UTC)

    # ---- What happens

    def _import(self, at: dt.datetime) -> None:
        data: dict[str, Any] = {
            "created": len(self.members),
            "updated": 0,
            "unchanged": 0,
            "refused": 0,
            "dry_run": False,
        }
        self.rows.audit(self.kim, "import_bands", ("band", None), at, **data)

    def _audit_playlist(self, at: dt.datetime) -> None:
        band = self.members[demo.PRIVATE_PLAYLIST].band
        self.rows.audit(self.kim, "change_band", ("band", band.pk), at, fields=["playlists"])

    def _pause_for_backup(self, at: dt.datetime) -> None:
        self.rows.audit(
            self.kim, "pause_queue", ("queue", "maintenance"), at, "Database backup", paused=["maintenance"]
        )
        later = at + dt.timedelta(minutes=48)
        self.rows.audit(self.kim, "resume_queue", ("queue", "maintenance"), later, resumed=["maintenance"])

    def _sync_all(self, at: dt.datetime, job_type: JobType, actor: Actor) -> None:
        parent = self.rows.queue(actor, job_type, at, fans_out=True, dedupe_key=f"{job_type}:all")
        if actor.is_personal:
            self._audit_trigger(actor, parent, "all", at)
        attempt = self.rows.start(parent, at + self._seconds(0.05, 0.6), _WORKER)
        clock = at + _SECOND
        if job_type == JobType.INCREMENTAL_SYNC:
            clock = self._calls(parent, clock, Operation.CHANNELS_LIST, 1)
            self.probed_at = clock
        due = [m for m in self.members if job_type == JobType.FULL_SYNC or self._needs_sync(m, at)]
        for member in self.members:
            if member not in due and not member.failures:
                member.checked_at = clock
        summary = {"queued": len(due), "unchanged": len(self.members) - len(due), "already_active": 0}
        children = [self._queue_child(parent, actor, member, clock) for member in due]
        parent.progress_total = len(due)
        self.rows.leave_to_children(attempt, clock, summary)
        lanes, added = [clock] * _LANES, 0
        for member, child in zip(due, children, strict=True):
            lane = lanes.index(min(lanes))
            lanes[lane] = self._sync(member, child, lanes[lane] + self._seconds(0.02, 0.2))
            added += child.videos_added
        ended = max(lanes)
        if added and job_type == JobType.INCREMENTAL_SYNC:
            ended = self._enrich(parent, actor, added, ended)
        self.rows.close(parent, JobStatus.COMPLETED, ended)

    def _queue_child(self, parent: SyncJob, actor: Actor, member: Member, at: dt.datetime) -> SyncJob:
        key, kind = band_key(parent.job_type, member.band.pk), JobType(parent.job_type)
        return self.rows.queue(actor, kind, at, band=member.band, parent=parent, dedupe_key=key)

    def _needs_sync(self, member: Member, at: dt.datetime) -> bool:
        """Decide as an incremental pass does: the channel has changed, or it is the band's turn."""
        rotation = at - dt.timedelta(hours=settings.SYNC_ROTATION_HOURS)
        is_shown = at > self.watched_since and news.is_shown(member)
        is_due = member.read_at is None or (member.read_at < rotation and not is_shown)
        if member.number == demo.MOVED and at > self.moved_at:
            return is_due or not member.problem_since
        return is_due or bool(member.new(at))

    def _sync_one(self, at: dt.datetime, number: int, actor: Actor) -> None:
        """Let a person sync a band, and sync it again if that failed although it could have succeeded."""
        member, kind = self.members[number], self.chance.choice((JobType.FULL_SYNC, JobType.INCREMENTAL_SYNC))
        job = self.rows.queue(actor, kind, at, band=member.band, dedupe_key=band_key(kind, member.band.pk))
        self._audit_trigger(actor, job, member.band.pk, at)
        ended = self._sync(member, job, at + self._seconds(0.05, 2))
        again = ended + dt.timedelta(minutes=21)
        if job.status == JobStatus.FAILED and number == demo.INTERMITTENT and again < self.now - _QUIET:
            retry = self.rows.queue(
                self.robin, kind, again, band=member.band, retry_of=job, dedupe_key=band_key(kind, member.band.pk)
            )
            self.rows.audit(self.robin, "retry_job", ("job", job), again, job=retry, new=True)
            self._sync(member, retry, again + self._seconds(0.05, 2))

    def _audit_trigger(self, actor: Actor, job: SyncJob, target: object, at: dt.datetime) -> None:
        data: dict[str, Any] = {"job": job, "new": True, "type": job.job_type, "force": False}
        self.rows.audit(actor, "trigger_sync", ("band", target), at, **data)

    def _cancel_one(self, at: dt.datetime, number: int, actor: Actor) -> None:
        """Let a person trigger the sync of a band, and cancel it before a worker has started it."""
        band, asked = self.members[number].band, at + self._seconds(0.4, 0.9)
        job = self.rows.queue(actor, JobType.FULL_SYNC, at, band=band, dedupe_key=band_key(JobType.FULL_SYNC, band.pk))
        self._audit_trigger(actor, job, band.pk, at)
        job.cancel_requested_at = job.cancel_acknowledged_at = asked
        job.cancel_requested_by = actor.label
        self.rows.audit(actor, "cancel_job", ("job", job), asked)
        self.rows.note(job, EventKind.CANCEL_REQUESTED, asked, actor.label)
        self.rows.close(job, JobStatus.CANCELLED, asked)

    # ---- One job

    def _sync(self, member: Member, job: SyncJob, at: dt.datetime) -> dt.datetime:
        """Run the sync of a band to its end, and return when it ended."""
        attempt = self.rows.start(job, at, _WORKER)
        failed = self._fail_for_good(member, job, at)
        if failed is not None:
            clock, report = failed
            self.rows.end(attempt, JobStatus.FAILED, clock, report)
            member.fail(clock)
            member.problem_since = member.problem_since or clock
            return clock
        clock = at
        while self._is_busy(member, at) and attempt.number < settings.SYNC_MAX_ATTEMPTS:
            clock = self._calls(job, clock, Operation.PLAYLIST_ITEMS_LIST, 3, 503, _BUSY.reason)
            wait = self._seconds(15, 30) * 2 ** (attempt.number - 1)
            self.rows.retry_later(attempt, _BUSY, clock, wait)
            clock += wait + self._seconds(0.1, 1)
            attempt = self.rows.start(job, clock, _WORKER)
        if attempt.number == settings.SYNC_MAX_ATTEMPTS:
            clock = self._calls(job, clock, Operation.PLAYLIST_ITEMS_LIST, 3, 503, _BUSY.reason)
            final = ErrorReport(_BUSY.reason, _BUSY.message, is_permanent=False)
            job.failures_in_a_row += 1
            self.rows.end(attempt, JobStatus.FAILED, clock, final)
            member.fail(clock)
            return clock
        clock = self._read(member, job, clock)
        if member.number == demo.PRIVATE_PLAYLIST and at > self.private_at:
            reason = "playlistItemsNotAccessible"
            clock = self._calls(job, clock, Operation.PLAYLIST_ITEMS_LIST, 1, 403, reason)
            message = f"The playlist {demo.PLAYLIST} can't be read: {_PRIVATE}"
            report = ErrorReport("playlistUnreadable", message, is_permanent=True, item_id=demo.PLAYLIST)
            self.rows.report(attempt, report, clock)
        self.rows.end(attempt, JobStatus.COMPLETED, clock)
        member.failures, member.failing_since, member.problem_since = 0, None, None
        return clock

    def _fail_for_good(self, member: Member, job: SyncJob, at: dt.datetime) -> tuple[dt.datetime, ErrorReport] | None:
        """Return when and why the sync fails for good, if it does."""
        pages, channels = Operation.PLAYLIST_ITEMS_LIST, Operation.CHANNELS_LIST
        if member.number == demo.MOVED and at > self.moved_at:
            clock = self._calls(job, at, pages, 1, 404, "playlistNotFound")
            clock = self._calls(job, clock, channels, 1)
            return clock, ErrorReport("channelNotFound", f"Channel not found: {member.band.channel_id}", True)
        if member.number == demo.FORBIDDEN and at > self.forbidden_at:
            clock = self._calls(job, at, pages, 1, 403, "forbidden")
            clock = self._calls(job, clock, channels, 1)
            clock = self._calls(job, clock, pages, 1, 403, "forbidden")
            return clock, ErrorReport("forbidden", _DENIED, True)
        return None

    def _is_busy(self, member: Member, at: dt.datetime) -> bool:
        """Whether YouTube answers this attempt with 503: often for one band, and for all in an hour of the twelfth day."""
        if member.number == demo.INTERMITTENT:
            gave_up = abs(self.now - _GAVE_UP * _DAY - at) < _QUIET
            return self.chance.random() < (0.9 if self.now - at < _DAY / 5 else 0.45) or gave_up
        return abs(self.now - 11.6 * _DAY - at) < PAUSE / 2 and self.chance.random() < 0.6

    def _read(self, member: Member, job: SyncJob, at: dt.datetime) -> dt.datetime:
        """Read the band's playlist and store what is new."""
        count, new = member.count(at), member.new(at)
        pages, is_full = -(-count // 50), job.job_type == JobType.FULL_SYNC
        if not count:
            clock = self._calls(job, at, Operation.PLAYLIST_ITEMS_LIST, 1, 404, "playlistNotFound")
            clock = self._calls(job, clock, Operation.CHANNELS_LIST, 1)
        elif is_full:
            clock = at
            for _ in range(pages):
                clock = self._calls(job, clock, Operation.PLAYLIST_ITEMS_LIST, 1)
                clock = self._calls(job, clock, Operation.VIDEOS_LIST, 1)
        else:
            clock = self._calls(job, at, Operation.PLAYLIST_ITEMS_LIST, 1)
        job.videos_found = count if is_full else min(count, 50)
        job.progress_done, job.progress_total = job.videos_found, job.videos_found
        job.videos_added = len(new)
        if is_full:
            job.videos_unavailable = count - len(new) - len(member.known)
            job.videos_updated = self.chance.randrange(len(member.known) // 4 + 1)
            member.full_at = clock
        member.add(new, clock, NoticedBy.FULL_SYNC if is_full else NoticedBy.PROBE)
        member.read_at = clock
        return clock

    def _enrich(self, parent: SyncJob, actor: Actor, added: int, at: dt.datetime) -> dt.datetime:
        """Fetch the details of the new videos, as the last child of an incremental pass."""
        job = self.rows.queue(actor, JobType.ENRICH, at, parent=parent, priority=parent.priority)
        assert parent.progress_total is not None
        parent.progress_total += 1
        attempt = self.rows.start(job, at + self._seconds(0.05, 0.4), _WORKER)
        clock = self._calls(job, at + _SECOND / 2, Operation.VIDEOS_LIST, -(-added // 50))
        job.videos_updated = job.progress_done = added
        self.rows.end(attempt, JobStatus.COMPLETED, clock)
        return clock

    def _notice(self, at: dt.datetime, notice: news.Notice) -> None:
        if notice.video.id not in notice.member.known:
            notice.member.add([notice.video], at, notice.noticed_by)

    def _fetch_details(self, at: dt.datetime, batch: list[news.Notice]) -> None:
        """Fetch the details of videos that push and feeds reported."""
        job = self.rows.queue(SYSTEM, JobType.ENRICH, at, dedupe_key="ENRICH")
        attempt = self.rows.start(job, at + self._seconds(0.05, 0.6), _WORKER)
        clock = self._calls(job, at + _SECOND, Operation.VIDEOS_LIST, 1)
        job.videos_updated = job.progress_done = len(batch)
        self.rows.end(attempt, JobStatus.COMPLETED, clock)
        for notice in batch:
            notice.member.details_at[notice.video.id] = clock

    def _maintain(self, at: dt.datetime, job_type: JobType, actor: Actor) -> None:
        if at < self.start:
            return
        job = self.rows.queue(actor, job_type, at, dedupe_key=job_type.value)
        attempt = self.rows.start(job, at + self._seconds(0.05, 0.6), _WORKER)
        clock = at + _SECOND
        if job_type == JobType.STATS_REFRESH:
            known = sum(len(member.known) for member in self.members)
            gone = len(self.members[demo.MOVED].known) if at > self.moved_at else 0
            clock = self._calls(job, clock, Operation.VIDEOS_BATCH_GET_STATS, -(-known // 50))
            job.videos_found, job.videos_unavailable = known - gone, gone
            job.videos_updated = round((known - gone) * self.chance.uniform(0.3, 0.5))
            job.progress_done, job.progress_total = known, known
            self.stats_at = clock
        self.rows.end(attempt, JobStatus.COMPLETED, clock + self._seconds(0.02, 0.2))

    def _calls(
        self, job: SyncJob, at: dt.datetime, operation: Operation, number: int, status: int = 200, reason: str = ""
    ) -> dt.datetime:
        """Make calls one after the other, and return when the last one has been answered."""
        for _ in range(number):
            seconds = self.chance.uniform(0.12, 0.7)
            self.rows.call(job, operation, at, seconds, status, reason)
            at += (seconds + 0.05) * _SECOND
        return at

    def _seconds(self, low: float, high: float) -> dt.timedelta:
        return self.chance.uniform(low, high) * _SECOND

    # ---- What is left of it

    def _save_notes(self) -> None:
        """Let people deal with some errors: the busy hour is resolved and has come back, one is acknowledged."""
        by_reason = {group.reason: group for group in self.rows.groups.values()}
        busy, playlist = by_reason["backendError"], by_reason["playlistUnreadable"]
        resolved, asked = self.now - 11.2 * _DAY, max(self.now - 3600 * _SECOND, playlist.last_seen_at + _SECOND)
        texts = (
            (busy, ErrorNote.Action.RESOLVED, self.kim, resolved, "YouTube had an outage; its status page is green again."),
            (busy, ErrorNote.Action.NONE, self.robin, self.now - 0.4 * _DAY, "Only Copper Landing has it now. Let's watch it."),
            (playlist, ErrorNote.Action.ACKNOWLEDGED, self.robin, asked, "I have asked them."),
        )  # fmt: skip
        for group, action, actor, at, text in texts:
            ErrorNote.objects.create(group=group, action=action, author=actor.label, created_at=at, text=text)
            group.note = text
        busy.resolved_at, busy.resolved_by = resolved, self.kim.label
        playlist.acknowledged_at, playlist.acknowledged_by = asked, self.robin.label
        for group in (busy, playlist):
            group.save(update_fields=["note", "resolved_at", "resolved_by", "acknowledged_at", "acknowledged_by"])

    def _save_bands(self) -> None:
        for member in self.members:
            problem = ChannelProblem.NOT_FOUND if member.number == demo.MOVED else ChannelProblem.FORBIDDEN
            save(member, self.world, stats_at=self.stats_at, problem=problem)

    def _save_schedules(self) -> None:
        """Let the next check for new videos be due soon, and no schedule be overdue."""
        due = (self.now + SOON).astimezone(QUOTA_TIMEZONE)
        schedule = schedules.list_schedules().filter(name=INCREMENTAL).first()
        hours = int(PAUSE.total_seconds() // 3600)
        cron = {"minute": str(due.minute), "hour": f"{due.hour % hours}-23/{hours}", "timezone": QUOTA_TIMEZONE.key}
        values = {"name": INCREMENTAL, "job_type": JobType.INCREMENTAL_SYNC, "cron": cron}
        schedules.save(SYSTEM, schedule, values)
        PeriodicTask.objects.filter(last_run_at=None).update(last_run_at=self.now)
