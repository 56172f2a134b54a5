"""manage.py alerts"""

from __future__ import annotations

import json

import pytest

from syncjobs.engine import clock
from syncjobs.models import Alert
from tests.clients import command_error, run_command
from tests.factories import HOSTILE, make_alert

pytestmark = pytest.mark.django_db


def test_alerts_are_listed_worst_first_with_what_to_do() -> None:
    assert run_command("alerts") == "There are no alerts.\n"
    make_alert()
    worst = make_alert(subject_id="other@a", severity="CRITICAL")
    make_alert(subject_id="over@a", resolved_at=clock.now())
    lines = run_command("alerts").splitlines()
    assert lines[0].startswith(f"{worst.pk}  CRITICAL  since ")
    assert lines[0].endswith("UTC  The clock of other@a is 7 s ahead of the database's.")
    assert lines[1] == "    Synchronize the hosts' clocks (NTP)."
    assert len(lines) == 4
    assert "over since" in run_command("alerts", "--all")


def test_json_has_every_column_of_an_alert() -> None:
    alert = make_alert(subject_id=HOSTILE)
    (listed,) = json.loads(run_command("alerts", "--json"))["alerts"]
    assert (listed["id"], listed["subjectName"], listed["severity"]) == (str(alert.pk), HOSTILE, "WARNING")
    assert listed["advice"] == "Synchronize the hosts' clocks (NTP)."


def test_alerts_are_acknowledged_and_snoozed() -> None:
    ids = [str(make_alert().pk), str(make_alert(subject_id="other@a").pk)]
    assert run_command("alerts", *ids, "--acknowledge", "--note", "Mine") == "Acknowledged: 2.\n"
    assert set(Alert.objects.values_list("note", flat=True)) == {"Mine"}
    assert ", acknowledged by " in run_command("alerts")
    assert run_command("alerts", *ids, "--reopen") == "Reopened: 2.\n"
    assert "UTC: 1." in run_command("alerts", ids[0], "--snooze", "8")
    assert ", snoozed until " in run_command("alerts")
    assert run_command("alerts", ids[0], "--unsnooze") == "No longer snoozed: 1.\n"
    assert "UTC: 1." in run_command("alerts", ids[0], "--snooze", str(1 / 60))
    for hours in ("0", "-1", "nan", "inf", "721"):
        assert "from one minute to 30 days" in command_error("alerts", ids[0], f"--snooze={hours}")
    assert run_command("alerts", *ids, "999", "--reopen") == "Reopened: 0.\n999: There is no alert 999.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--acknowledge"], ["5"], ["--note", "x"], ["5", "--snooze", "1", "--note", "x"]),
        *(["--limit", limit] for limit in ("0", "-1", "x", "10001")),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments: list[str]) -> None:
    assert command_error("alerts", *arguments)


def test_an_alert_that_does_not_exist_is_an_error() -> None:
    assert "There is no alert 7." in command_error("alerts", "7", "--acknowledge")
