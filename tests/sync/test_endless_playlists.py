"""Playlists whose pages do not come to an end: a pass costs what its entries are worth, whatever a server answers."""

from __future__ import annotations

import math

import pytest
from django.utils import timezone

from bands.models import Availability, Band, Video
from syncjobs.choices import JobStatus, JobType
from syncjobs.models import JobError, SyncJob
from syncjobs.sync import playlist_pass
from syncjobs.sync.playlist_pass import PlaylistPass, SeenOnPage
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import Fault
from syncjobs.youtube.simulator.parameters import token_for
from syncjobs.youtube.simulator.world import uploads
from syncjobs.youtube.types import PlaylistPage, Unreadable
from tests.factories import band_with_videos, full_sync, queue_job, run_next, video_counts

# The lease is renewed on another connection, which must see the attempt.
pytestmark = pytest.mark.django_db(transaction=True)
BOUND = 4
ENDLESS = ["sameToken", "firstToken", "endless", "emptyPage"]


@pytest.mark.parametrize("fault", ENDLESS)
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_full_sync_ends_with_an_error_and_costs_no_more(youtube: Simulator, fault: str, after: int) -> None:
    band, _ = band_with_videos(youtube.world, 120)
    youtube.faults.add(Fault(fault, after=after))
    job = full_sync(band)
    band.refresh_from_db()
    assert job.status == JobStatus.COMPLETED
    assert job.job_errors.get().reason == "playlistEndless"
    assert youtube.units() <= 2 * math.ceil(120 / 50) + BOUND
    assert band.last_full_sync_at is not None


@pytest.mark.parametrize(("fault", "pages"), [("sameToken", 3), ("firstToken", 4)])
def test_a_token_that_was_used_is_not_followed(youtube: Simulator, fault: str, pages: int) -> None:
    band, _ = band_with_videos(youtube.world, 600)
    youtube.faults.add(Fault(fault, after=2, times=1))
    full_sync(band)
    assert len(youtube.calls("playlistItems.list")) == pages


@pytest.mark.parametrize("fault", ENDLESS)
def test_an_endless_extra_playlist_keeps_none_of_the_others(youtube: Simulator, fault: str) -> None:
    band_with_videos(youtube.world, 60)
    others = youtube.world.upload(youtube.world.add_channel("@guest").id, 60)
    youtube.world.playlists |= {"PLendless": [video.id for video in others[:55]], "PLgood": [others[-1].id]}
    Band.objects.update(extra_playlists=["PLendless", "PLgood"])
    youtube.faults.add(Fault(fault, playlist="PLendless", after=1))
    job = full_sync(Band.objects.get())
    assert (job.status, *video_counts(job)) == (
        JobStatus.COMPLETED,
        *[60 + (51 if fault == "emptyPage" else 56)] * 2,
        0,
    )
    assert "PLendless" in job.job_errors.get().message
    assert youtube.units() <= 4 + 4 + 2 + BOUND


def test_a_resumed_pass_costs_no_more(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 120)
    youtube.faults.add(Fault("endless"))
    for number in range(4):
        youtube.faults.add(Fault("unavailable", operation="videos.list", after=number, times=3))
    job = queue_job(band=band)
    while job.status == JobStatus.QUEUED:
        SyncJob.objects.update(run_at=timezone.now())
        job = run_next()
    right = [call for call in youtube.calls() if call["status"] == 200]
    assert (job.status, job.job_errors.filter(will_retry=False).get().reason) == ("COMPLETED", "playlistEndless")
    assert Video.objects.count() == 120
    assert len(right) <= 2 * 3 + BOUND + job.attempts_made


@pytest.mark.parametrize("fault", ENDLESS)
@pytest.mark.parametrize("known", [False, True])
def test_an_incremental_sync_ends_too(youtube: Simulator, fault: str, known: bool) -> None:
    band, _ = band_with_videos(youtube.world, 120)
    if known:
        full_sync(band)
        youtube.clear_log()
    youtube.faults.add(Fault(fault, after=0 if fault == "emptyPage" else 1))
    queue_job(JobType.INCREMENTAL_SYNC, band=band, params={"video_count": 125})
    job = run_next()
    assert job.status == JobStatus.COMPLETED
    assert youtube.units() <= 3 + BOUND
    if known:
        assert job.job_errors.get().reason == "playlistEndless"


@pytest.mark.parametrize(
    ("fault", "after"), [("noToken", 0), ("noToken", 1), ("emptyPage", 0), ("emptyPage", 1), ("emptyPage", 2)]
)
def test_a_list_with_gaps_marks_no_video_missing(youtube: Simulator, fault: str, after: int) -> None:
    band, _ = band_with_videos(youtube.world, 120)
    full_sync(band)
    youtube.faults.add(Fault(fault, after=after, times=1))
    job = full_sync(band)
    assert job.job_errors.get().reason == "playlistEndless"
    assert not Video.objects.exclude(availability=Availability.AVAILABLE).exists()
    band.refresh_from_db()
    assert band.channel_video_count == 120


def test_the_pages_of_a_deleted_entry_are_not_taken_for_the_end(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 120)
    for number in range(100):
        youtube.world.videos[youtube.world.playlists[uploads(channel.id)][number]].broken = "entry"
    job = full_sync(band)
    assert (job.status, job.videos_found, JobError.objects.exclude(reason="unreadableItem").count()) == (
        JobStatus.COMPLETED,
        20,
        0,
    )


@pytest.mark.parametrize("total", [None, 0, 60, 10**6])
def test_the_bound_holds_for_any_page(total: int | None) -> None:
    """Every page has the same number of new entries and a new token, and after 300 pages none of them is new."""
    for entries in (0, 1, 2, 10, 25, 50):
        position = PlaylistPass(playlists=["UU"])
        for number in range(playlist_pass.MAX_PAGES):
            if position.is_done:
                break
            new = entries if number < 300 else 0
            position.observe(PlaylistPage([], [], f"token {number}", total), SeenOnPage(new=new, moved=0))
        assert position.dead_end
        bound = math.ceil(1.25 * position.entries / 50) + playlist_pass.EXTRA_PAGES
        # YouTube announces entries that it does not show, so a pass may read as many pages as those would fill.
        assert position.pages_read <= max(bound, min(math.ceil((total or 0) / 50), 301))


@pytest.mark.parametrize("shown", [1, 20, 30, 40])
def test_pages_with_hidden_entries_are_read_to_the_announced_end(shown: int) -> None:
    position = PlaylistPass(playlists=["UU"])
    for number in range(1, 21):
        assert not position.is_done
        token = f"token {number}" if number < 20 else None
        page = PlaylistPage([], [Unreadable("entry", "It stands for any entry.")], token, 1_000)
        position.observe(page, SeenOnPage(new=shown, moved=0))
    assert (position.is_done, position.dead_end, position.entries) == (True, "", 20 * shown)


@pytest.mark.parametrize("period", [1, 2, 3, 7])
@pytest.mark.parametrize("total", [None, 0, -1, 350, 10**6])
def test_tokens_that_go_round_end_the_pass(period: int, total: int | None) -> None:
    """Each page has entries that are new, so that only the tokens show where it leads."""
    position = PlaylistPass(playlists=["UU"])
    while not position.is_done:
        token = f"token {position.pages_read % period}"
        position.observe(PlaylistPage([], [], token, total), SeenOnPage(new=50, moved=0))
    assert position.pages_read == period + 1
    assert "read before" in position.dead_end


def test_a_pass_that_the_last_version_began_is_continued(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 600)
    playlist = uploads(channel.id)
    walk = {"playlist": 0, "number": 0, "pages_read": 9, "page_token": token_for(playlist, 450), "total": 600}
    walk |= {"moved_up_to": 0, "stop_after": None, "rereads": 0, "restarted": False, "uploads_total": None}
    job = queue_job(band=band)
    SyncJob.objects.update(checkpoint={"walk": walk | {"playlists": [playlist]}})
    job = run_next()
    assert (job.status, job.error_count, job.videos_found) == (JobStatus.COMPLETED, 0, 150)
