"""What all commands share: help, refused arguments and the actor."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import load_command_class
from django.core.management.base import CommandError

from bands.models import Band
from syncjobs.choices import JobStatus
from syncjobs.models import Queue, SyncJob
from tests.clients import command_error, run_command
from tests.factories import PERSON, queue_job

pytestmark = pytest.mark.django_db
COMMANDS = sorted(p.stem for p in (Path(__file__).parents[2] / "syncjobs/management/commands").glob("[!_]*.py"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    command = load_command_class("syncjobs", name)
    text = command.create_parser("manage.py", name).format_help()
    assert len(command.help) > 20
    assert command.help[:20] in " ".join(text.split())


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
        (["quota", "--reopen", "main", "--day", "2026-01-01"], "Use --reopen without --day, --by and --json."),
        (["quota", "--reopen", "main", "--json"], "Use --reopen without --day, --by and --json."),
    ],
)
def test_an_option_without_effect_is_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError) as error:
        run_command(*arguments)
    assert (str(error.value), error.value.returncode) == (message, 2)
    assert SyncJob.objects.count() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["retry_jobs", "--error", ""], "fingerprint: There is no error group"),
        (["retry_jobs", "--error", "0123456789abcdef"], "fingerprint: There is no error group"),
        (["retry_jobs", "--failed", "--queue", ""], "queue: There is no queue"),
        (["sync_video", "dQw4w9WgXcQ", "--band", ""], "band: There is no band"),
        (["resolve_channel", "@a", "--band", ""], "band: There is no band"),
        (["sync_bands", "--band", ""], "band: There is no band"),
        (["sync_bands", "--all", "--wait", "--timeout", "nan"], "Error: argument --timeout:"),
        (["sync_bands", "--all", "--wait", "--timeout", "-1"], "Error: argument --timeout:"),
        (["run_simulator", "--latency", "-1"], "Error: argument --latency:"),
        (["clear_failed", "", "--yes"], "queue: There is no queue"),
        (["pause_queue", ""], "queue: There is no queue"),
        (["quota", "--day", ""], "Error: argument --day:"),
        (["quota", "--day", "9999-12-31"], "Give a --day from 2005-01-01 to"),
        (["quota", "--day", "0001-01-01"], "Give a --day from 2005-01-01 to"),
        (["sync_bands", "--band", "\udcff"], "Error: '\\udcff' is not UTF-8"),
        (["create_user", "", "--role", "ADMIN"], "name: This field cannot be blank."),
    ],
)
def test_an_argument_that_names_nothing_does_not_mean_everything(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script may pass a variable that is empty."""
    monkeypatch.setattr("getpass.getpass", lambda prompt: "correct horse battery")
    queue_job()
    SyncJob.objects.update(status=JobStatus.FAILED)
    assert command_error(*arguments).startswith(message)
    assert SyncJob.objects.count() == 1


def test_a_refused_argument_does_not_change_the_terminal() -> None:
    assert command_error("sync_status", "\x1b[31m\u202ered") == "Error: unrecognized arguments: \\u001b[31m\\u202ered"


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
