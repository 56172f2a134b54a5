"""A channel belongs to one band, in every form and for every way of writing it."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction

from bands.models import Band, ChannelProblem, Video
from syncjobs.choices import JobStatus, Role
from syncjobs.engine import clock
from syncjobs.exceptions import Conflict
from syncjobs.operations import bands
from syncjobs.operations.channels import channel_index
from syncjobs.operations.imports import import_bands
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.types import Channel
from tests.clients import Api, command_error, logged_in
from tests.concurrency import someone_waits_for_a_lock
from tests.factories import PERSON, band_with_videos, make_band, queue_job, run_next, wait_for

pytestmark = pytest.mark.django_db
CHANNEL = "UC" + "a" * 22
OTHER = "UC" + "b" * 22
MESSAGE = "Herons already has this channel."


@pytest.mark.parametrize(
    ("existing", "new"),
    [
        ({"channel_id": CHANNEL}, CHANNEL),
        ({"channel_id": CHANNEL}, f"https://www.youtube.com/channel/{CHANNEL}/videos"),
        ({"channel_id": CHANNEL}, f"youtube.com/playlist?list=UU{CHANNEL[2:]}"),
        ({"reference": CHANNEL}, CHANNEL),
        ({"reference": "@Herons"}, "@herons"),
        ({"reference": "https://youtube.com/@herons"}, "youtube.com/c/HERONS"),
        ({"reference": "@h%C3%A9rons"}, "@Hérons"),
        ({"channel_id": CHANNEL, "channel_handle": "@herons"}, "@Herons"),
        ({"channel_id": CHANNEL, "reference": "youtube.com/user/Herons90"}, "www.youtube.com/user/herons90"),
    ],
)
def test_a_taken_channel_is_refused_by_every_way_of_writing_a_band(existing: dict[str, Any], new: str) -> None:
    make_band("herons", **existing)
    other = make_band("other", "@other")
    api = Api(Role.ADMIN)
    for answer in (
        api.post("bands", {"name": "New", "slug": "new", "youtubeChannel": new}),
        api.send("PATCH", f"bands/{other.pk}", {"youtubeChannel": new}),
    ):
        assert answer.status_code == 409
        (error,) = answer.json()["errors"]
        assert (error["field"], error["message"]) == ("youtubeChannel", MESSAGE)
    admin = logged_in(Role.ADMIN)
    for path in ("add/", f"{other.pk}/edit/"):
        page = admin.post(f"/admin/bands/band/{path}", {"name": "New", "slug": "new", "youtube_channel": new})
        assert page.status_code == 422
        assert page.context["form"].errors == {"youtube_channel": [MESSAGE]}
    rows = [{"slug": "new", "name": "New", "youtube_channel": new}, {"slug": "other", "youtube_channel": new}]
    for dry_run in (True, False):
        results = import_bands(PERSON, rows, dry_run=dry_run)
        assert [(r.outcome, r.problems) for r in results] == [("refused", [f"youtube_channel: {MESSAGE}"])] * 2
    assert list(Band.objects.order_by("pk").values_list("slug", "channel_reference")) == [
        ("herons", existing.get("reference", "")),
        ("other", "@other"),
    ]


def test_a_different_channel_is_accepted() -> None:
    make_band("herons", "@herons", channel_id=CHANNEL, channel_handle="@herons")
    bands.create(PERSON, {"name": "A", "slug": "a", "youtube_channel": "@heron"})
    bands.create(PERSON, {"name": "B", "slug": "b", "youtube_channel": OTHER})
    bands.create(PERSON, {"name": "C", "slug": "c"})
    bands.create(PERSON, {"name": "D", "slug": "d", "youtube_channel": ""})
    assert Band.objects.count() == 5


def test_a_band_keeps_its_own_channel_in_another_form() -> None:
    at = clock.now()
    known = {"channel_id": CHANNEL, "last_full_sync_at": at, "consecutive_failures": 2, "failing_since": at}
    band = make_band("herons", "@herons", channel_handle="@herons", **known)
    found = Channel(CHANNEL, "@herons90", "Herons", "UU" + CHANNEL[2:], 7)
    for reference, channel in (("youtube.com/@Herons", None), (CHANNEL, None), ("@herons90", found)):
        bands.change(PERSON, band.pk, {"youtube_channel": reference}, channel)
        band.refresh_from_db()
        assert (band.channel_reference, band.channel_changed_at) == (reference, None)
        assert {name: getattr(band, name) for name in known} == known, "what is known about its syncs stays"
    # A handle whose channel can't be found may have moved on, so its next sync looks it up.
    Band.objects.update(channel_problem=ChannelProblem.NOT_FOUND)
    bands.change(PERSON, band.pk, {"youtube_channel": "youtube.com/@herons90"})
    band.refresh_from_db()
    assert (band.channel_id, band.last_full_sync_at, band.consecutive_failures, band.failing_since) == (
        "",
        None,
        0,
        None,
    )
    assert band.channel_changed_at >= at


@pytest.mark.parametrize(
    ("color", "channel"), [("primary_color", "youtube_channel"), ("primaryColor", "youtubeChannel")]
)
def test_all_problems_of_a_row_are_reported_under_the_names_in_the_file(color: str, channel: str) -> None:
    make_band("herons", "@herons")
    (result,) = import_bands(PERSON, [{"slug": "new", "founded": "long ago", color: "red", channel: "@herons"}])
    assert [problem.partition(":")[0] for problem in result.problems] == ["founded", "name", color, channel]


def test_bands_that_already_share_a_channel_can_be_changed() -> None:
    make_band("herons", "@herons")
    band = make_band("twin", "@herons")
    bands.change(PERSON, band.pk, {"city": "Ashby", "youtube_channel": "@herons"})
    assert Band.objects.get(pk=band.pk).city == "Ashby"
    assert [r.outcome for r in import_bands(PERSON, [{"slug": "twin", "city": "Ribe"}])] == ["updated"]


def test_a_preview_takes_the_earlier_rows_into_account() -> None:
    make_band("herons", "@herons")
    rows = [
        {"slug": "herons", "youtube_channel": "@moved"},
        {"slug": "new", "name": "New", "youtube_channel": "@herons"},
        {"slug": "third", "name": "Third", "youtube_channel": "@Moved"},
    ]
    for dry_run in (True, False):
        results = import_bands(PERSON, rows, dry_run=dry_run)
        assert [r.outcome for r in results] == ["updated", "created", "refused"]
        assert Band.objects.count() == (1 if dry_run else 2)
    assert dict(Band.objects.values_list("slug", "channel_reference")) == {"herons": "@moved", "new": "@herons"}


@pytest.mark.django_db(transaction=True)
def test_only_one_of_two_simultaneous_bands_gets_the_channel() -> None:
    outcomes: list[object] = []

    def create() -> None:
        try:
            outcomes.append(bands.create(PERSON, {"name": "B", "slug": "b", "youtube_channel": "@herons"}))
        except Conflict as error:
            outcomes.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=create)
    with transaction.atomic():
        bands.create(PERSON, {"name": "Herons", "slug": "herons", "youtube_channel": "@Herons"})
        thread.start()
        wait_for(someone_waits_for_a_lock, what="the second to wait for the first")
    thread.join()
    (outcome,) = outcomes
    assert isinstance(outcome, Conflict)
    assert (outcome.field, outcome.message) == ("youtube_channel", MESSAGE)


@pytest.mark.parametrize("kind", ["FULL_SYNC", "INCREMENTAL_SYNC"])
def test_a_sync_of_a_taken_channel_fails_permanently(youtube: Simulator, kind: Any) -> None:
    band_with_videos(youtube.world, 3, "herons")
    second = make_band("second", "https://www.youtube.com/@Herons")
    queue_job(kind, band=second)
    job = run_next()
    second.refresh_from_db()
    assert (job.status, job.attempts_made, second.channel_id) == (JobStatus.FAILED, 1, "")
    assert second.channel_problem == ChannelProblem.TAKEN
    assert second.channel_problem_since is not None
    error = job.job_errors.get()
    assert error.reason == "channelTaken"
    assert error.message.startswith("Herons already has the channel UC")
    assert Video.objects.count() == 0
    assert (
        "already belongs to another band"
        in logged_in(Role.ADMIN).get(f"/admin/bands/band/{second.pk}/change/").content.decode()
    )
    Band.objects.filter(slug="herons").delete()
    queue_job(kind, band=second)
    assert run_next().status == JobStatus.COMPLETED
    second.refresh_from_db()
    assert (second.channel_problem, Video.objects.count()) == (ChannelProblem.NONE, 3)


def test_resolving_does_not_assign_a_taken_channel(youtube: Simulator) -> None:
    band_with_videos(youtube.world, 0, "herons")
    make_band("second", "@second")
    error = command_error("resolve_channel", "@herons", "--band", "second")
    assert error == f"channel: {MESSAGE}"
    assert Band.objects.get(slug="second").channel_reference == "@second"


def test_the_import_command_names_the_band(tmp_path: Path) -> None:
    make_band("herons", "@herons")
    path = tmp_path / "bands.json"
    path.write_text(json.dumps([{"slug": "new", "name": "New", "youtubeChannel": "@herons"}]))
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 of 1 rows"):
        call_command("import_bands", str(path), stdout=out)
    assert f"youtubeChannel: {MESSAGE}" in out.getvalue()
    assert Band.objects.count() == 1


def test_the_index_of_channels_follows_the_stored_bands() -> None:
    band = make_band("herons", "@herons")
    holders = channel_index()
    band.channel_reference = "@moved"
    holders.note(band)
    assert holders.others(Band(channel_reference="@herons")) == []
    assert holders.others(Band(channel_reference="@MOVED"))[0].pk == band.pk
