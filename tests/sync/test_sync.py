"""The sync against a YouTube that changes, hides things and breaks, by the server's own count of calls."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pytest
from django.db.models import Sum
from django.utils import timezone

from bands.models import Availability, Band, ChannelProblem, Video
from syncjobs.choices import JobStatus, JobType
from syncjobs.engine import attempts, outcomes
from syncjobs.models import Attempt, JobError, Queue, SeenVideo, SyncJob
from syncjobs.operations import queues, triggers
from syncjobs.sync.run import run_attempt
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import Fault
from syncjobs.youtube.simulator.world import Video as SimVideo
from syncjobs.youtube.simulator.world import uploads
from tests.factories import PERSON, band_with_videos, break_videos, claim, make_band, queue_job, run_all, run_next

pytestmark = pytest.mark.django_db(transaction=True)
MAIN = "main"


def _full(band: Band) -> SyncJob:
    queue_job(band=band)
    return run_next()


def _counts(job: SyncJob) -> tuple[int, int, int]:
    return job.videos_found, job.videos_added, job.videos_updated


@pytest.mark.parametrize("videos", [1, 49, 50, 51, 100, 537])
def test_a_full_sync_costs_what_it_must(youtube: Simulator, videos: int) -> None:
    band, _ = band_with_videos(youtube.world, videos)
    job = _full(band)
    assert (job.status, *_counts(job)) == (JobStatus.COMPLETED, videos, videos, 0)
    assert youtube.units() == job.quota_used == 2 * math.ceil(videos / 50)
    assert Video.objects.count() == videos
    assert SeenVideo.objects.count() == 0
    youtube.clear_log()
    again = _full(band)
    assert _counts(again) == (videos, 0, 0)
    assert youtube.units() == 2 * math.ceil(videos / 50)


def test_only_changed_rows_are_written_and_counted(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 120)
    _full(band)
    before = dict(Video.objects.values_list("youtube_id", "updated_at"))
    changed = list(before)[:7]
    for video_id in changed:
        youtube.world.videos[video_id].title = "A new title 🎺"
    youtube.world.upload(channel.id, 2)
    assert _counts(_full(band)) == (122, 2, 7)
    after = dict(Video.objects.values_list("youtube_id", "updated_at"))
    assert {video_id for video_id in before if after[video_id] != before[video_id]} == set(changed)


@pytest.mark.parametrize(
    "form", ["@brassline", "https://www.youtube.com/@BrassLine/videos", "youtube.com/user/brass1990"]
)
def test_a_channel_is_resolved_once_for_one_unit(youtube: Simulator, form: str) -> None:
    channel = youtube.world.add_channel("@brassline", "Brass Line", username="brass1990")
    youtube.world.upload(channel.id, 10)
    band = make_band(reference=form)
    job = _full(band)
    band.refresh_from_db()
    assert (job.status, band.channel_id, band.channel_title) == (JobStatus.COMPLETED, channel.id, "Brass Line")
    assert youtube.units() == 1 + 2
    youtube.clear_log()
    _full(band)
    assert youtube.units() == 2


def test_a_channel_that_is_not_there_fails_the_job_and_flags_the_band(youtube: Simulator) -> None:
    band = make_band(reference="@nobodyhere")
    job = _full(band)
    band.refresh_from_db()
    assert (job.status, job.error_count, band.consecutive_failures) == (JobStatus.FAILED, 1, 1)
    assert band.channel_problem == ChannelProblem.NOT_FOUND
    assert "@nobodyhere" in job.job_errors.get().message


def test_a_channel_without_videos_is_no_error(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 0)
    job = _full(band)
    assert (job.status, job.videos_found, job.error_count) == (JobStatus.COMPLETED, 0, 0)
    assert youtube.units() == 2


def test_a_channel_that_was_deleted_flags_the_band(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 5)
    del youtube.world.channels[channel.id], youtube.world.playlists[uploads(channel.id)]
    job = _full(band)
    band.refresh_from_db()
    assert (job.status, band.channel_problem) == (JobStatus.FAILED, ChannelProblem.NOT_FOUND)


def _change_when(youtube: Simulator, page: int, change: Any) -> None:
    """Change the world just before the given playlist page is answered."""
    pages = []

    def watch(operation: str, parameters: dict[str, str]) -> None:
        if operation == "playlistItems.list":
            pages.append(parameters)
            if len(pages) == page:
                change()

    youtube.before_answer = watch


def test_a_video_that_moves_to_the_front_while_we_read_is_neither_lost_nor_counted_twice(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 300)
    playlist = uploads(channel.id)
    moving = youtube.world.playlists[playlist][260]
    _change_when(youtube, 4, lambda: youtube.world.move(playlist, moving, 0))
    job = _full(band)
    assert (job.status, *_counts(job)) == (JobStatus.COMPLETED, 300, 300, 0)
    assert set(Video.objects.values_list("youtube_id", flat=True)) == set(youtube.world.videos)


def test_a_video_that_moves_back_while_we_read_loses_no_other(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 300)
    playlist = uploads(channel.id)
    moving = youtube.world.playlists[playlist][3]
    _change_when(youtube, 4, lambda: youtube.world.move(playlist, moving, 290))
    assert _counts(_full(band)) == (300, 300, 0)
    assert Video.objects.count() == 300


def test_a_video_deleted_while_we_read_loses_no_other(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 300)
    gone = youtube.world.playlists[uploads(channel.id)][3]
    _change_when(youtube, 4, lambda: youtube.world.remove(gone))
    _full(band)
    expected = set(youtube.world.videos)
    assert set(Video.objects.values_list("youtube_id", flat=True)) >= expected


def test_a_video_uploaded_while_we_read_is_found_for_one_page_more(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 300)
    _change_when(youtube, 4, lambda: youtube.world.upload(channel.id, 1, prefix="late"))
    assert _counts(_full(band)) == (301, 301, 0)
    assert len(youtube.calls("playlistItems.list")) <= 7 + 1


def test_broken_items_are_errors_of_the_job_and_not_its_end(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 400)
    broken = break_videos(youtube.world, 0.02)
    youtube.world.videos[next(i for i in youtube.world.videos if i not in broken)].broken = "entry"
    job = _full(band)
    assert job.status == JobStatus.COMPLETED
    assert job.error_count == len(broken) + 1 == JobError.objects.filter(reason="unreadableItem").count()
    assert set(JobError.objects.exclude(item_id="").values_list("item_id", flat=True)) >= set(broken)
    assert Video.objects.count() == 400 - len(broken) - 1


def test_odd_values_are_stored_as_they_are(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 0)
    odd = [
        SimVideo("aaaaaaaaaa1", "🥁🔥 <script>alert('x')</script> \"quoted\" & ampersand", channel.id, timezone.now()),
        SimVideo("aaaaaaaaaa2", "מצעד הלהקה فرقة", channel.id, timezone.now(), description="d" * 5000),
        SimVideo("aaaaaaaaaa3", "", channel.id, timezone.now(), views=5_234_567_890, likes=None, comments=None),
        SimVideo(
            "aaaaaaaaaa4", "nul\x00inside", channel.id, timezone.now(), hides_statistics=True, duration="P1DT2H3M4S"
        ),
        SimVideo(
            "aaaaaaaaaa5",
            "zero",
            channel.id,
            timezone.now(),
            views=0,
            likes=0,
            comments=0,
            duration="P0D",
            live="upcoming",
        ),
    ]
    youtube.world.add_videos(channel.id, odd)
    job = _full(band)
    assert (job.status, job.error_count, job.videos_added) == (JobStatus.COMPLETED, 0, 5)
    rows = {video.youtube_id[-1]: video for video in Video.objects.all()}
    assert rows["1"].title == odd[0].title
    assert (rows["2"].title, len(rows["2"].description)) == (odd[1].title, 5000)
    assert (rows["3"].view_count, rows["3"].like_count, rows["3"].comment_count) == (5_234_567_890, None, None)
    assert (rows["4"].title, rows["4"].view_count, rows["4"].duration_seconds) == ("nulinside", None, 93_784)
    assert (rows["5"].view_count, rows["5"].like_count, rows["5"].duration_seconds) == (0, 0, 0)
    assert (rows["5"].live_state, rows["5"].scheduled_start_at is not None) == ("upcoming", True)


def test_a_video_is_unavailable_only_after_two_calls_left_it_out(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 60)
    _full(band)
    video_id = next(iter(youtube.world.videos))
    youtube.world.videos[video_id].privacy = "private"
    states = []
    for _ in range(3):
        job = _full(band)
        states.append((Video.objects.get(youtube_id=video_id).availability, job.videos_unavailable))
    assert states == [(Availability.MISSING, 1), (Availability.UNAVAILABLE, 1), (Availability.UNAVAILABLE, 1)]
    youtube.world.videos[video_id].privacy = "public"
    assert _counts(_full(band)) == (60, 0, 1)
    assert Video.objects.get(youtube_id=video_id).availability == Availability.AVAILABLE


def test_a_deleted_video_is_suspected_by_the_sync_and_settled_by_the_check(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 60)
    _full(band)
    gone = next(iter(youtube.world.videos))
    youtube.world.remove(gone)
    _full(band)
    assert Video.objects.get(youtube_id=gone).availability == Availability.MISSING
    triggers.trigger_maintenance(PERSON, JobType.AVAILABILITY_CHECK)
    youtube.clear_log()
    run_all()
    assert Video.objects.get(youtube_id=gone).availability == Availability.UNAVAILABLE
    assert youtube.units() == 1


def test_an_invalid_page_token_restarts_the_playlist_once(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 200)
    youtube.faults.add(Fault("invalidPageToken", operation="playlistItems.list", after=2, times=1))
    job = _full(band)
    assert (job.status, *_counts(job)) == (JobStatus.COMPLETED, 200, 200, 0)
    assert len(youtube.calls("videos.list")) == 4


@pytest.mark.parametrize(
    "fault",
    ["backendError", "unavailable", "drop", "truncate", "garbage", "perMinute429", "rateLimitExceeded", "redirect"],
)
def test_a_passing_fault_is_ridden_out(youtube: Simulator, fault: str) -> None:
    band, _ = band_with_videos(youtube.world, 120)
    youtube.faults.add(Fault(fault, after=2, times=2))
    job = _full(band)
    assert (job.status, job.error_count, *_counts(job)) == (JobStatus.COMPLETED, 0, 120, 120, 0)
    assert job.attempts_made == 1


def test_a_lasting_fault_is_tried_again_later_and_goes_on_where_it_stopped(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 300)
    youtube.faults.add(Fault("unavailable", after=6))
    job = _full(band)
    assert (job.status, job.failures_in_a_row) == (JobStatus.QUEUED, 1)
    assert job.attempts.get().error_reason == "backendError"
    done = job.videos_found
    assert done >= 100
    youtube.faults.clear()
    youtube.clear_log()
    SyncJob.objects.update(run_at=timezone.now())
    job = run_next()
    assert (job.status, job.error_count, *_counts(job)) == (JobStatus.COMPLETED, 0, 300, 300, 0)
    assert youtube.units() <= 2 * (300 - done) // 50 + 1


def test_a_killed_attempt_is_continued_from_its_checkpoint_rereading_one_page_at_most(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 300)
    job = queue_job(band=band)
    attempt = claim()

    class Killed(BaseException):
        """Like SIGKILL, it runs no handler of ours."""

    original = attempts.save_progress
    saves = []

    def die_at_third_page(*args: Any, **kwargs: Any) -> None:
        saves.append(1)
        if len(saves) == 3:
            raise Killed
        original(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("syncjobs.engine.attempts.save_progress", die_at_third_page)
        with pytest.raises(Killed):
            run_attempt(attempt)
    Attempt.objects.update(lease_expires_at=timezone.now() - dt.timedelta(seconds=1))
    assert outcomes.mark_lost(attempt.pk)
    run_all()
    job.refresh_from_db()
    assert (job.status, *_counts(job)) == (JobStatus.COMPLETED, 300, 300, 0)
    assert len(youtube.calls("playlistItems.list")) <= 6 + 2  # the page being stored, and the one under way


def test_a_refused_key_pauses_the_queues_and_loses_no_job(youtube: Simulator) -> None:
    for number in range(3):
        band, _ = band_with_videos(youtube.world, 60, f"band{number}")
        queue_job(band=band)
    youtube.faults.add(Fault("apiKeyInvalid", echo_key=True))
    run_all()
    assert len(youtube.calls()) == 1
    assert set(SyncJob.objects.values_list("status", flat=True)) == {JobStatus.QUEUED}
    assert Queue.objects.filter(paused_at=None).count() == 0
    assert "API key" in Queue.objects.all()[0].pause_reason
    youtube.faults.clear()
    queues.resume_queue(PERSON, "all")
    run_all()
    assert set(SyncJob.objects.values_list("status", "videos_found", "error_count")) == {(JobStatus.COMPLETED, 60, 0)}


def test_an_incremental_pass_over_100_bands_costs_13_units(youtube: Simulator) -> None:
    channels = []
    for number in range(100):
        _, channel = band_with_videos(youtube.world, 8, f"band{number}")
        channels.append(channel)
    triggers.trigger_sync(PERSON, None, full=True)
    run_all()
    youtube.clear_log()
    for number, channel in enumerate(channels[:10]):
        youtube.world.upload(channel.id, 2 if number < 5 else 1)
    parent = triggers.trigger_sync(PERSON, None, full=False).job
    run_all()
    parent.refresh_from_db()
    assert parent.status == JobStatus.COMPLETED
    assert youtube.units() <= 13
    assert parent.checkpoint["unchanged"] == 90
    assert Video.objects.count() == 815
    assert Video.objects.filter(details_pending=True).count() == 0
    assert Video.objects.filter(duration_seconds=None).count() == 0
    added = parent.children.filter(job_type=JobType.INCREMENTAL_SYNC).aggregate(Sum("videos_added"))
    assert added == {"videos_added__sum": 15}
    youtube.clear_log()
    triggers.trigger_sync(PERSON, None, full=False)
    run_all()
    assert youtube.units() == 2


def test_rotation_reads_a_band_whose_count_did_not_change(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 30)
    _full(band)
    youtube.world.remove(youtube.world.playlists[uploads(channel.id)][5])
    youtube.world.upload(channel.id, 1, prefix="swap")
    triggers.trigger_sync(PERSON, None, full=False)
    run_all()
    assert Video.objects.count() == 30
    Band.objects.update(last_page_read_at=timezone.now() - dt.timedelta(days=2))
    triggers.trigger_sync(PERSON, None, full=False)
    run_all()
    assert Video.objects.count() == 31


def test_an_incremental_sync_of_one_band_reads_until_a_page_is_wholly_known(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 200)
    _full(band)
    youtube.world.upload(channel.id, 60)
    youtube.clear_log()
    triggers.trigger_sync(PERSON, band, full=False, force=True)
    run_all()
    assert Video.objects.filter(details_pending=False).count() == 260
    assert len(youtube.calls("playlistItems.list")) == 3
    assert len(youtube.calls("videos.list")) == 2


@pytest.mark.parametrize(("switch", "bucket"), [(True, "stats"), (False, "main")])
def test_statistics_of_m_videos_cost_m_fiftieths_of_their_bucket(
    youtube: Simulator, settings: Any, switch: bool, bucket: str
) -> None:
    band, _ = band_with_videos(youtube.world, 237)
    _full(band)
    for video in list(youtube.world.videos.values())[:11]:
        video.views = 6_000_000_000
    youtube.clear_log()
    settings.YOUTUBE_USE_BATCH_STATS = switch
    job = triggers.trigger_maintenance(PERSON, JobType.STATS_REFRESH).job
    run_all()
    job.refresh_from_db()
    assert (job.status, job.videos_found, job.videos_updated) == (JobStatus.COMPLETED, 237, 11)
    assert {name: youtube.units(name) for name in ("main", "stats")} == {"main": 0, "stats": 0} | {bucket: 5}  # type: ignore[arg-type]
    assert Video.objects.filter(view_count=6_000_000_000).count() == 11


def test_a_single_video_is_synced_to_the_band_of_its_channel(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 5)
    video_id = youtube.world.playlists[uploads(channel.id)][2]
    triggers.trigger_video(PERSON, f"https://youtu.be/{video_id}?t=3")
    job = run_next("video-processing")
    assert (job.status, job.videos_added, Video.objects.get().band_id) == (JobStatus.COMPLETED, 1, band.pk)
    triggers.trigger_video(PERSON, "zzzzzzzzzzz")
    assert run_next("video-processing").status == JobStatus.FAILED
    stranger = youtube.world.add_channel("@stranger")
    triggers.trigger_video(PERSON, youtube.world.upload(stranger.id)[0].id)
    assert "Choose the band" in run_next("video-processing").job_errors.get().message


def test_extra_playlists_are_read_too_and_a_video_in_both_counts_once(youtube: Simulator) -> None:
    _, channel = band_with_videos(youtube.world, 70)
    guest = youtube.world.add_channel("@guest")
    guests = [video.id for video in youtube.world.upload(guest.id, 20)]
    mine = youtube.world.playlists[uploads(channel.id)][:10]
    youtube.world.playlists["PLextra0123456789"] = guests + mine
    Band.objects.update(extra_playlists=["PLextra0123456789", "PLmissing0123456789"])
    job = _full(Band.objects.get())
    assert (job.status, *_counts(job), job.error_count) == (JobStatus.COMPLETED, 90, 90, 0, 1)
    assert "PLmissing0123456789" in job.job_errors.get().message


def test_prune_deletes_what_ended_long_ago_and_nothing_else(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 5)
    old, new = _full(band), _full(band)
    SyncJob.objects.filter(pk=old.pk).update(completed_at=timezone.now() - dt.timedelta(days=91))
    job = triggers.trigger_maintenance(PERSON, JobType.PRUNE).job
    run_all()
    assert set(SyncJob.objects.values_list("pk", flat=True)) == {new.pk, job.pk}


def test_deleting_a_band_keeps_its_jobs(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 5)
    job = _full(band)
    waiting = queue_job(band=band)
    band.delete()
    job.refresh_from_db()
    assert (job.band, job.band_name, Video.objects.count()) == (None, "Herons", 0)
    assert run_next().pk == waiting.pk
    waiting.refresh_from_db()
    assert (waiting.status, waiting.job_errors.get().reason) == (JobStatus.FAILED, "bandDeleted")


def test_videos_that_go_missing_while_all_are_checked_are_checked_too(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 60)
    _full(band)
    ids = list(Video.objects.order_by("pk").values_list("youtube_id", flat=True))
    Video.objects.filter(youtube_id__in=ids[:50]).update(availability=Availability.MISSING)

    def more_go(operation: str, parameters: dict[str, str]) -> None:
        Video.objects.filter(youtube_id__in=ids[50:]).update(availability=Availability.MISSING)

    youtube.before_answer = more_go
    triggers.trigger_maintenance(PERSON, JobType.AVAILABILITY_CHECK)
    job = run_next("maintenance")
    assert (job.status, job.videos_found) == (JobStatus.COMPLETED, 60)
    assert not Video.objects.exclude(availability=Availability.AVAILABLE).exists()


def test_a_band_deleted_while_youtube_is_asked_keeps_none_of_the_others_from_being_synced(youtube: Simulator) -> None:
    gone, _ = band_with_videos(youtube.world, 1, "gone")
    band_with_videos(youtube.world, 1, "there")
    triggers.trigger_sync(PERSON, None, full=False)

    def delete(operation: str, parameters: dict[str, str]) -> None:
        Band.objects.filter(pk=gone.pk).delete()

    youtube.before_answer = delete
    parent = run_next()
    youtube.before_answer = None
    assert (parent.status, parent.attempts_made) == (JobStatus.IN_PROGRESS, 1)
    assert [job.band_name for job in parent.children.all()] == ["There"]
