"""manage.py errors"""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any

import pytest
from django.core.management.base import CommandError
from django.utils import timezone

from bands.models import Band
from syncjobs.choices import Role
from syncjobs.engine import outcomes
from syncjobs.models import AuditEntry, ErrorGroup, ErrorNote, JobError
from syncjobs.operations import errors, people
from tests.clients import PASSWORD, Api, command_error, run_command
from tests.factories import HOSTILE, PERSON, claim, failed_jobs, make_band, queue_job

pytestmark = pytest.mark.django_db


def make_group(message: str = "It broke.", count: int = 1) -> str:
    """Return the fingerprint of a group with so many more errors."""
    return str(JobError.objects.filter(job=failed_jobs(count, message)[-1]).get().group_id)


def fail(band: Band, *, permanent: bool) -> str:
    """Return the fingerprint of the error of a job that fails."""
    queue_job(band=band)
    outcomes.fail(claim(), f"Playlist 5 of {HOSTILE} not found.", reason="playlistNotFound", permanent=permanent)
    return str(ErrorGroup.objects.get(reason="playlistNotFound").pk)


def without_microseconds(value: Any) -> Any:
    """Return the value with times as JSON of commands has them."""
    return json.loads(re.sub(r"(:\d\d\.\d{3})\d{3}Z", r"\1Z", json.dumps(value)))


def last_line(*arguments: str) -> str:
    return run_command("errors", *arguments).splitlines()[-1]


def test_the_groups_to_do_are_listed_with_their_figures() -> None:
    assert run_command("errors") == "There are no error groups in the last 24 hours. --window all looks further back.\n"
    assert run_command("errors", "--window", "all") == "There are no error groups.\n"
    temporary, permanent = fail(make_band("herons"), permanent=False), make_group(count=3)
    heading, first, reason, second, hostile, summary = run_command("errors").splitlines()
    assert heading == "Error groups with their occurrences in the last 24 hours:"
    assert first.startswith(f"{permanent}  new  permanent  3 occurrences, 0 bands  first seen 20")
    assert reason == "    broken: It broke."
    assert second.startswith(f"{temporary}  new  temporary  1 occurrence, Herons  first seen 20")
    assert ", last seen 20" in second
    assert hostile.startswith("    playlistNotFound: Playlist 5 of ")
    assert summary == "Error groups in the last 24 hours: 2 open."
    assert last_line("--limit", "1") == "Error groups in the last 24 hours: 2 open."
    assert "1 more is not listed; see --limit." in run_command("errors", "--limit", "1")
    people.save_user(PERSON, "mo", PASSWORD, Role.MODERATOR)
    errors.assign_errors(PERSON, permanent, "mo")
    errors.resolve_errors(PERSON, permanent, "Fixed.\nReally.")
    assert last_line() == "Error groups in the last 24 hours: 1 open, 1 resolved. Use --all to list all of them."
    every = run_command("errors", "--all", "--window", "all")
    assert every.startswith("Error groups with their occurrences since the beginning:\n")
    assert f"{permanent}  resolved by {PERSON.label}" in every
    assert "  assigned to mo\n" in every
    assert "    Note: Fixed.\n" in every
    assert every.endswith("\nError groups: 1 open, 1 resolved.\n")
    make_group()
    assert f"{permanent}  regressed after {PERSON.label} resolved it" in run_command("errors")


def test_the_list_has_the_filters_of_the_other_lists() -> None:
    people.save_user(PERSON, "mo", PASSWORD, Role.MODERATOR)
    old, other, resolved = make_group("Old."), make_group("Other."), make_group("Resolved.")
    errors.resolve_errors(PERSON, resolved)
    errors.assign_errors(PERSON, other, "mo")
    long_ago = timezone.now() - dt.timedelta(days=3)
    ErrorGroup.objects.filter(pk=old).update(first_seen_at=long_ago, last_seen_at=long_ago, last_final_at=long_ago)
    JobError.objects.filter(group_id=old).update(created_at=long_ago)

    def listed(*arguments: str) -> set[str]:
        return {each["fingerprint"] for each in json.loads(run_command("errors", "--json", *arguments))["errors"]}

    assert listed() == {other}
    assert listed("--window", "4d") == listed("--window", "73h") == {old, other}
    assert listed("--all") == {other, resolved}
    assert listed("--state", "open", "--state", "resolved", "--window", "all") == {old, other, resolved}
    assert listed("--window", "all", "--new") == {other}
    assert listed("--window", "all", "--assignee", "nobody") == {old}
    assert listed("--assignee", "mo") == {other}
    assert listed("--reason", "broken", "--limit", "1") == {other}
    assert listed("--reason", "odd") == set()
    assert run_command("errors", "--state", "ignored", "--assignee", "mo", "--reason", "broken").splitlines() == [
        "No error group is listed.",
        "Error groups in the last 24 hours, assigned to mo, with the reason broken: 1 open.",
    ]


def test_a_group_is_shown_with_what_to_do_and_its_notes() -> None:
    key = fail(make_band("herons"), permanent=True)
    errors.add_error_note(PERSON, key, f"First {HOSTILE}\nSecond")
    errors.resolve_errors(PERSON, key)
    lines = run_command("errors", key).splitlines()
    figures = "permanent  1 occurrence since the beginning, Herons  first seen 20"
    assert lines[0].startswith(f"{key}  resolved by {PERSON.label}  {figures}")
    assert "    Pattern: Playlist <n> of " in "\n".join(lines)
    assert any(line.startswith("    What to do: ") for line in lines)
    assert "    Bands: Herons" in lines
    assert f"    Newest jobs: #{JobError.objects.get().job_id}" in lines
    assert f"    To retry its failed jobs once its cause is removed: manage.py retry_jobs --error {key}" in lines
    assert lines[-4].endswith(f" UTC  {PERSON.label} resolved it")
    assert lines[-3].endswith(f" UTC  {PERSON.label} wrote")
    assert (lines[-2].startswith("    First "), lines[-1]) == (True, "    Second")
    assert "\x1b" not in "".join(lines)


def test_json_has_the_keys_and_values_of_the_api() -> None:
    key, api = make_group(count=2), Api(Role.MODERATOR)
    errors.acknowledge_errors(PERSON, key, "Seen")
    of_api = api.get(f"admin/sync/errors/{key}").json()
    # perHour is for a chart, and sample is a former name.
    del of_api["perHour"], of_api["sample"]
    assert without_microseconds(json.loads(run_command("errors", key, "--json"))) == without_microseconds(of_api)
    of_api, listed = api.get("admin/sync/errors").json(), json.loads(run_command("errors", "--all", "--json"))
    assert listed.keys() == of_api.keys()
    assert (listed["totalErrors"], listed["states"]) == (2, of_api["states"])


def test_groups_are_decided_about_by_the_operator() -> None:
    people.save_user(PERSON, "mo", PASSWORD, Role.MODERATOR)
    keys = [make_group(), make_group("Other.")]

    def states() -> list[str]:
        found = json.loads(run_command("errors", "--all", "--json"))["errors"]
        return [each["state"] for each in found]

    assert run_command("errors", *keys, keys[0], "--acknowledge", "--note", "I'm on it.") == "Acknowledged: 2.\n"
    assert (states(), set(ErrorGroup.objects.values_list("note", flat=True))) == (["acknowledged"] * 2, {"I'm on it."})
    assert run_command("errors", *keys, "--reopen") == "Reopened: 2.\n"
    nothing = f"Reopened: 0.\n{keys[0]}: There is nothing to reopen.\n"
    assert (run_command("errors", keys[0], "--reopen"), states()) == (nothing, ["open"] * 2)
    assert run_command("errors", *keys, "--ignore", "2d", "--note", "Later") != ""
    until = ErrorGroup.objects.values_list("ignored_until", flat=True)[0]
    assert until is not None
    assert dt.timedelta(hours=47) < until - timezone.now() <= dt.timedelta(hours=48)
    day = timezone.now().date() + dt.timedelta(days=9)
    assert run_command("errors", *keys, "--ignore", str(day)) == f"Ignored until {day} 00:00 UTC: 2.\n"
    assert states() == ["ignored"] * 2
    assert run_command("errors", *keys, "--assign", "mo") == "Assigned to mo: 2.\n"
    assert run_command("errors", keys[0], "--assign", "mo").endswith(": It is assigned to mo already.\n")
    assert run_command("errors", *keys, "--unassign") == "Assigned to nobody: 2.\n"
    assert run_command("errors", *keys, "--note", "-x") == "Note added: 2.\n"
    assert run_command("errors", *keys, "--resolve") == "Resolved: 2.\n"
    assert states() == ["resolved"] * 2
    done = list(ErrorNote.objects.filter(group=keys[0]).order_by("pk").values_list("action", "text"))
    expected = [("acknowledged", "I'm on it."), ("reopened", ""), ("ignored", "Later"), ("ignored", "")]
    assert done == [*expected, ("assigned", ""), ("unassigned", ""), ("", "-x"), ("resolved", "")]
    assert set(AuditEntry.objects.filter(target_type="error").values_list("origin", flat=True)) == {"COMMAND"}


def test_the_other_groups_are_changed_if_some_can_not_be() -> None:
    first, resolved = make_group(), make_group("Resolved.")
    errors.resolve_errors(PERSON, resolved)
    with pytest.raises(CommandError) as error:
        run_command("errors", resolved, "none", first, "--acknowledge")
    assert (str(error.value), error.value.returncode) == ("2 of 3 error groups could not be changed.", 1)
    assert ErrorGroup.objects.get(pk=first).acknowledged_at is not None
    assert command_error("errors", resolved, "--ignore", "8h") == f"{PERSON.label} has already resolved this error."
    assert command_error("errors", "none", "--resolve") == "fingerprint: There is no error group none."
    assert command_error("errors", "none") == "fingerprint: There is no error group none."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--assign", "who"], "assignee: Nobody who may handle errors has this name."),
        (["--note", " "], "note: Write something."),
        (["--resolve", "--note", "x" * 2001], "note: A note has at most 2000 characters."),
        (["--ignore", "2020-01-01"], "until: Must be in the future, and at most one year from now."),
        (["--ignore", "9999d"], "until: Must be in the future, and at most one year from now."),
    ],
)
def test_what_is_wrong_for_all_groups_changes_none(arguments: list[str], message: str) -> None:
    assert command_error("errors", make_group(), make_group("Other."), *arguments) == message
    assert ErrorNote.objects.count() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resolve"], "Give the fingerprints of the groups together with what to do with them."),
        (["--note", "x"], "Give the fingerprints of the groups together with what to do with them."),
        (["a", "b"], "Give one fingerprint to show its group, or say what to do with the groups."),
        (["a", "--all"], "Use --all for lists only."),
        (["a", "--resolve", "--window", "24h"], "Use --window for lists only."),
        (["a", "--resolve", "--json"], "Use --json for lists and for showing a group."),
        (["a", "--reopen", "--note", "x"], "Use --note alone, or with --acknowledge, --resolve or --ignore."),
        (["a", "--unassign", "--note", "x"], "Use --note alone, or with --acknowledge, --resolve or --ignore."),
        (["a", "--assign", ""], "Give --assign a username. To assign them to nobody, use --unassign."),
    ],
)
def test_arguments_that_make_no_sense_together_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError) as error:
        run_command("errors", *arguments)
    assert (str(error.value), error.value.returncode) == (message, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--assignee", "who"], "assignee: There is no user “who”."),
        (["--assignee", ""], "assignee: There is no user “”."),
        (["--window", "0d"], "Error: argument --window: Must be a number of hours (24h) or days (7d)"),
        (["--limit", "0"], "Error: argument --limit: '0' is not a number from 1 to 10000."),
        (["--state", "todo"], "Error: argument --state: invalid choice: 'todo'"),
        (["--state", "open", "--all"], "Error: argument --all: not allowed with argument --state"),
        (["a", "--acknowledge", "--resolve"], "Error: argument --resolve: not allowed with argument --acknowledge"),
        (["a", "--ignore", "soon"], "Error: argument --ignore: 'soon' is neither a length of time (8h, 7d) nor"),
    ],
)
def test_values_that_are_not_valid_are_refused(arguments: list[str], message: str) -> None:
    assert command_error("errors", *arguments).startswith(message)


def test_acknowledging_again_changes_nothing_without_a_note() -> None:
    key = make_group()
    assert run_command("errors", key, "--acknowledge") == "Acknowledged: 1.\n"
    before = ErrorGroup.objects.get()
    assert run_command("errors", key, "--acknowledge") == f"Acknowledged: 0.\n{key}: It is acknowledged already.\n"
    after = ErrorGroup.objects.get()
    assert (after.acknowledged_at, after.notes.count()) == (before.acknowledged_at, 1)
    assert run_command("errors", key, "--acknowledge", "--note", "Asked them.") == "Acknowledged: 1.\n"
    assert [each.text for each in after.notes.all()] == ["", "Asked them."]
    make_group()
    assert run_command("errors", key, "--acknowledge") == "Acknowledged: 1.\n"
    assert after.notes.count() == 3
