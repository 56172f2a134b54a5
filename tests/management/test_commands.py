"""The management commands: output, refusals and exit codes."""

from __future__ import annotations

import io
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command, load_command_class
from django.core.management.base import CommandError
from django.db import connections

from bands.models import Band
from bands.text import camel_case, respell_keys
from syncjobs.choices import QueueName
from syncjobs.engine import outcomes
from syncjobs.engine.claim import claim_next
from syncjobs.models import AuditEntry, Queue, SyncJob
from syncjobs.operations import bulk
from syncjobs.sync.run import run_attempt
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import Fault
from tests.clients import command_error, run_command
from tests.factories import PERSON, band_with_videos, break_videos, claim, make_band, queue_job, worker

pytestmark = pytest.mark.django_db
COMMANDS = sorted(p.stem for p in (Path(__file__).parents[2] / "syncjobs/management/commands").glob("[!_]*.py"))


@pytest.fixture
def background_worker() -> Iterator[None]:
    """Execute jobs in this process, like a worker, until the test ends."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.02):
            for queue in QueueName.values:
                if (attempt := claim_next(queue, worker())) is not None:
                    run_attempt(attempt)
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join(30)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    command = load_command_class("syncjobs", name)
    text = command.create_parser("manage.py", name).format_help()
    assert len(command.help) > 20
    assert command.help[:20] in " ".join(text.split())


@pytest.mark.parametrize("spell", [str, camel_case])
def test_import_bands_twice_changes_nothing(tmp_path: Path, spell: Callable[[str], str]) -> None:
    """Files may still name the columns in camelCase."""
    values = {"founded": 1900, "search_keywords": ["x", "y"], "youtube_channel": "@aaaa"}
    rows = [
        respell_keys({"name": "A", "slug": "a", "is_active": True, **values}, spell),
        respell_keys({"name": "B", "slug": "b", "primary_color": "#660000", "playlists": ["PLabcdefghijkl"]}, spell),
    ]
    path = tmp_path / "bands.json"
    path.write_text(json.dumps(rows))
    assert json.loads(run_command("import_bands", str(path), "--json"))["created"] == 2
    before = list(Band.objects.values())
    assert json.loads(run_command("import_bands", str(path), "--json"))["unchanged"] == 2
    assert list(Band.objects.values()) == before
    csv = tmp_path / "bands.csv"
    names = map(spell, ("slug", "city", "search_keywords", "is_featured", "youtube_channel"))
    csv.write_text(f"{','.join(names)}\na,Ribe,x;y,yes,https://youtube.com/@aaaa\n")
    assert "1 updated" in run_command("import_bands", str(csv))
    band = Band.objects.get(slug="a")
    assert (band.city, band.search_keywords, band.is_featured, band.name) == ("Ribe", ["x", "y"], True, "A")
    assert "1 unchanged" in run_command("import_bands", str(csv))


def test_import_bands_refuses_single_rows_and_imports_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"slug": "good", "name": "Good"},
        {"name": "No slug"},
        {"slug": "bad", "name": "Bad", "founded": "long ago", "primaryColor": "red", "youtubeChannel": "nonsense here"},
        {"slug": "odd", "name": "Odd", "instruments": 7},
        "text",
        {"slug": "good", "name": "Twice"},
        {"slug": "nameless"},
    ]
    path = tmp_path / "bands.json"
    path.write_text(json.dumps(rows))
    out = io.StringIO()
    with pytest.raises(CommandError, match="6 of 7"):
        call_command("import_bands", str(path), stdout=out)
    text = out.getvalue()
    for expected in (
        "Row 2 refused: slug:",
        "founded: must be a year",
        "not a YouTube channel",
        "instruments: is not a column",
        "not an object",
        "earlier row",
        "name:",
    ):
        assert expected in text
    assert list(Band.objects.values_list("slug", flat=True)) == ["good"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("half.json", b'[{"slug": "a", "name": "A"}, {"slu', "line 1"),
        ("latin.csv", "slug,name\na,Café\n".encode("latin-1"), "line 2 has the byte 0xE9"),
        ("object.json", b"{}", "JSON list"),
        ("noslug.csv", b"name\nA\n", "slug"),
        ("bands.xls", b"", "must end with .json or .csv"),
    ],
)
def test_import_bands_refuses_unreadable_files(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert expected in command_error("import_bands", str(path))
    assert "can't be read" in command_error("import_bands", str(tmp_path / "none.json"))
    assert Band.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_sync_bands_waits_and_prints_every_result(youtube: Simulator, background_worker: None) -> None:
    for number in range(3):
        band_with_videos(youtube.world, 70, f"band{number}")
    result = json.loads(run_command("sync_bands", "--all", "--full", "--wait", "--timeout", "60", "--json"))
    assert (result["videosFound"], result["videosAdded"], result["videosUpdated"]) == (210, 210, 0)
    assert result["units"] == {"main": 12, "search": 0, "stats": 0} | {"main": youtube.units()}
    assert {job["status"] for job in result["jobs"]} == {"COMPLETED"}
    assert len(result["jobs"]) == 4
    text = run_command("sync_bands", "--band", "band0", "--band", "band1", "--force", "--wait", "--timeout", "60")
    assert "0 added" in text


@pytest.mark.django_db(transaction=True)
def test_sync_bands_exits_with_1_after_a_failure(youtube: Simulator, background_worker: None) -> None:
    band_with_videos(youtube.world, 70)
    break_videos(youtube.world, 0.1)
    assert "1 of 1 jobs" in command_error(
        "sync_bands", "--band", "herons", "--full", "--wait", "--timeout", "60", "--json"
    )
    youtube.faults.add(Fault("unavailable"))
    assert "have not ended" in command_error("sync_bands", "--band", "herons", "--force", "--wait", "--timeout", "0.5")


def test_invalid_arguments_show_an_error_and_change_nothing() -> None:
    Band.objects.create(name="A", slug="a")
    assert (
        command_error("sync_bands", "--band", "nonsense") == "band: There is no band “nonsense”. Give its slug or id."
    )
    assert "has no YouTube channel" in command_error("sync_bands", "--band", "a")
    assert "not allowed with" in command_error("sync_bands", "--band", "a", "--all")
    assert command_error("sync_video", "nonsense").startswith("video: “nonsense” is not a video.")
    assert command_error("pause_queue", "nonsense").startswith("queue: There is no queue “nonsense”")
    assert command_error("resume_queue", "nonsense").startswith("queue:")
    assert command_error("clear_failed", "nonsense", "--yes").startswith("queue:")
    assert command_error("cancel_job", "42") == "job: There is no job #42."
    assert command_error("resolve_channel", "nonsense").startswith("channel:")
    assert SyncJob.objects.count() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["retry_jobs", "1", "--queue", "all"], "Use --queue with --failed or --error, not with job numbers."),
        (["reconcile", "--rebuild"], "Use --rebuild only with --counts."),
        (["reconcile", "--counts", "--json"], "Use --json without --counts."),
        (["sync_bands", "--all", "--timeout", "5"], "Use --timeout only with --wait."),
    ],
)
def test_an_option_without_effect_is_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError) as error:
        run_command(*arguments)
    assert (str(error.value), error.value.returncode) == (message, 2)
    assert SyncJob.objects.count() == 0


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_sync_bands_reports_the_jobs_of_other_bands_if_one_is_refused(options: list[str]) -> None:
    make_band("a", "@a")
    make_band("b")
    make_band("c", "@c")
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(CommandError, match=r"\ARefused: 1 of 3 bands\.\Z"):
        call_command("sync_bands", "--band", "a", "--band", "b", "--band", "c", *options, stdout=out, stderr=err)
    assert list(SyncJob.objects.order_by("pk").values_list("band__slug", flat=True)) == ["a", "c"]
    for pk in SyncJob.objects.values_list("pk", flat=True):
        assert str(pk) in out.getvalue()
    assert err.getvalue().startswith("b: ")
    assert "has no YouTube channel" in err.getvalue()


def test_resolve_channel_saves_the_channel_with_the_band(youtube: Simulator) -> None:
    channel = youtube.world.add_channel("@brassline", "Brass Line")
    Band.objects.create(name="A", slug="a")
    assert (
        json.loads(run_command("resolve_channel", "youtube.com/@brassline", "--band", "a", "--json"))["id"]
        == channel.id
    )
    band = Band.objects.get()
    assert (band.channel_id, band.channel_title, youtube.units()) == (channel.id, "Brass Line", 1)
    assert "Channel not found: @nobodyhere" in command_error("resolve_channel", "@nobodyhere")
    youtube.faults.add(Fault("apiKeyInvalid"))
    assert command_error("resolve_channel", "@brassline").startswith("YouTube: API key not valid")


def test_sync_video_pause_resume_cancel(youtube: Simulator) -> None:
    result = json.loads(run_command("sync_video", "dQw4w9WgXcQ", "--json"))
    assert result["new"] is True
    assert "already" in run_command("sync_video", "https://youtu.be/dQw4w9WgXcQ")
    assert "is cancelled" in run_command("cancel_job", result["jobId"])
    assert "already ended" in command_error("cancel_job", result["jobId"])
    assert "Paused: video-sync." in run_command("pause_queue", "video-sync", "--reason", "test")
    assert "already paused" in run_command("pause_queue", "video-sync")
    assert Queue.objects.get(pk="video-sync").pause_reason == "test"
    assert "Resumed: video-sync." in run_command("resume_queue", "all")


def test_retry_jobs_and_clear_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        queue_job("STATS_REFRESH", dedupe_key=f"k{number}")  # type: ignore[arg-type]
        outcomes.fail(claim("maintenance"), "It broke.", reason="broken")
    waiting = queue_job("PRUNE")  # type: ignore[arg-type]
    assert "1 job could not be retried" in command_error("retry_jobs", str(waiting.pk))
    assert len(json.loads(run_command("retry_jobs", "--failed", "--json"))["retried"]) == 2
    assert "0 retried" in run_command("retry_jobs", "--failed", "--queue", "maintenance")
    questions: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: questions.append(question) or "n")
    assert command_error("clear_failed", "maintenance") == "Nothing was deleted."
    assert questions == ["Delete 2 failed jobs of maintenance, 2 of which have been retried? [y/N] "]
    assert "2 failed jobs deleted" in run_command("clear_failed", "maintenance", "--yes")
    monkeypatch.setattr(bulk, "MAX_FOREGROUND_CLEAR", 0)
    outcomes.fail(claim("maintenance"), "It broke.", reason="broken")
    assert "1 failed job in the background" in run_command("clear_failed", "maintenance", "--yes")
    assert bulk.run_pending() == 1
    assert "0 failed jobs deleted" in run_command("clear_failed", "maintenance")


def test_status_quota_and_reconcile_print_text_or_json() -> None:
    queue_job()
    claim()
    run_command("pause_queue", "maintenance", "--reason", "cleaning")
    assert "paused by" in run_command("sync_status")
    status = json.loads(run_command("sync_status", "--json"))
    assert {q["name"]: q["active"] for q in status["queues"]} == {
        "maintenance": 0,
        "video-processing": 0,
        "video-sync": 1,
    }
    assert status["active"][0]["jobType"] == "FULL_SYNC"
    assert "main: 0 of 10000" in run_command("quota")
    assert json.loads(run_command("quota", "--day", "2026-01-02", "--json"))["day"] == "2026-01-02"
    assert "is not a date" in command_error("quota", "--day", "yesterday")
    assert "0 lost" in run_command("reconcile")
    assert json.loads(run_command("reconcile", "--json"))["lost"] == 0
    assert "queued" in run_command("prune_jobs")
    assert re.fullmatch(r"Deleted: ([a-z ]+ 0, )+sessions 0(, [a-z ]+ 0)*\.\n", run_command("cleanup"))


def test_people_and_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "MODERATOR" in run_command("setup_roles")

    def create(name: str, password: str, role: str = "MODERATOR") -> str:
        monkeypatch.setattr(sys, "stdin", io.StringIO(password + "\n"))
        return run_command("create_user", name, "--role", role, "--password-stdin")

    assert "created" in create("mo", "correct horse battery")
    user: Any = get_user_model().objects.get(username="mo")
    assert user.check_password("correct horse battery")
    assert user.has_perm("syncjobs.retry_job")
    assert not user.has_perm("syncjobs.pause_queue")
    assert not user.has_perm("syncjobs.view_auditentry")
    assert "updated" in create("mo", "another long password", "ADMIN")
    user = get_user_model().objects.get(username="mo")
    assert user.has_perm("syncjobs.pause_queue")
    assert not user.has_perm("auth.add_user")
    actions = AuditEntry.objects.order_by("pk").filter(target_type="user").values_list("action", flat=True)
    assert list(actions) == ["add_person", "save_user"]
    with pytest.raises(CommandError, match="password"):
        create("new", "123")
    with pytest.raises(CommandError, match="invalid choice"):
        create("new", "correct horse battery", "BOSS")
    assert get_user_model().objects.count() == 1


def test_run_simulator_refuses_a_bad_file_and_a_taken_port(tmp_path: Path, youtube: Simulator) -> None:
    assert "can't be used" in command_error("run_simulator", "--videos", str(tmp_path / "none.json"))
    assert "Can't listen" in command_error("run_simulator", "--port", youtube.url.rpartition(":")[2])


def test_the_actor_of_a_command_is_the_user_who_runs_it() -> None:
    assert "@" in load_command_class("syncjobs", "sync_status").actor.label
    assert PERSON.is_personal


DASH_IDS = ["-wvzLrvMZzo", "--zLrvMZzo_", "-vzzLrvMZzo", "-hzzLrvMZzo", "-----------"]


@pytest.mark.parametrize("video", DASH_IDS)
def test_ids_and_slugs_that_begin_with_a_dash_are_taken(video: str) -> None:
    slug = "-band"
    Band.objects.create(name="A", slug=slug, channel_reference="@a")
    for arguments in (
        (video, "--band", slug),
        ("--band", slug, video),
        (f"--band={slug}", "--", video),
        ("--json", "--band", slug, "--", video),
        ("-v", "1", video, "--band", slug),
    ):
        SyncJob.objects.all().delete()
        assert run_command("sync_video", *arguments)
        job = SyncJob.objects.get()
        assert (job.params["video_id"], job.band) == (video, Band.objects.get())
    assert run_command("sync_bands", "--band", slug, "--band", slug, "--full")
    assert "There is no band “-none”" in command_error("sync_bands", "--band", "-none")
    run_command("pause_queue", "all", "--reason", "-v is slow")
    assert set(Queue.objects.values_list("pause_reason", flat=True)) == {"-v is slow"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("sync_video", "--jsom", "x"),
        ("sync_video", "-wvzLrvMZzo", "--band"),
        ("sync_video", "--band", "--json", "-wvzLrvMZzo"),
        ("sync_video", "--traceback"),
        ("sync_bands", "-wvzLrvMZzo"),
    ],
)
def test_misspelled_options_are_refused(arguments: tuple[str, ...]) -> None:
    assert command_error(*arguments).startswith("Error: ")


@pytest.mark.parametrize("reference", ["@李", "https://www.youtube.com/c/%E6%9D%8E"])
def test_a_handle_in_another_script_can_be_imported_and_resolved(
    youtube: Simulator, tmp_path: Path, reference: str
) -> None:
    channel = youtube.world.add_channel("@李")
    path = tmp_path / "bands.json"
    path.write_text(json.dumps([{"slug": "li", "name": "Li", "youtube_channel": reference}]))
    assert json.loads(run_command("import_bands", str(path), "--json"))["created"] == 1
    found = json.loads(run_command("resolve_channel", reference, "--band", "li", "--json"))
    assert (found["id"], found["handle"]) == (channel.id, "@李")
    assert Band.objects.get().channel_handle == "@李"
