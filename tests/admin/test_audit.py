"""The audit log in the admin: descriptions, filters and export."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import io
import re
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from syncjobs.audit.actors import Actor
from syncjobs.audit.labels import ACTIONS, RESULTS, TARGETS
from syncjobs.choices import AlertRuleName as Rule
from syncjobs.choices import JobType, Origin, Role
from syncjobs.exceptions import DomainError
from syncjobs.models import AuditEntry
from syncjobs.operations import bands as band_operations
from syncjobs.operations import jobs, queues, schedules, triggers
from tests.clients import logged_in
from tests.factories import PERSON, make_alert, make_band

pytestmark = pytest.mark.django_db
URL = "/admin/syncjobs/auditentry/"
ANN = Actor("ann", Origin.ADMIN, address="192.0.2.7")
BOB = Actor("bob", Origin.API, address="192.0.2.8")
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def admin() -> Client:
    return logged_in(Role.ADMIN)


def shown(client: Client, **query: Any) -> list[str]:
    """Return the listed descriptions, newest first."""
    page = client.get(URL, query).content.decode()
    return re.findall(r'data-key="open">([^<]+)</a>', page)


def entry(action: str = "pause_queue", **fields: Any) -> AuditEntry:
    values = {"actor_label": "ann", "origin": Origin.ADMIN, "result": "ok"} | fields
    return AuditEntry.objects.create(action=action, **values)


def test_every_recorded_action_has_a_description() -> None:
    root = Path(__file__).resolve().parents[2] / "syncjobs"
    code = "".join(path.read_text() for path in root.rglob("*.py"))
    recorded = set(re.findall(r'audited\(\s*\w+,\s*"(\w+)"', code)) | set(
        re.findall(r'"(create_preset|change_preset)"', code)
    )
    assert len(recorded) > 20
    assert not recorded - set(ACTIONS)
    targets = set(re.findall(r'audited\([^()]*?"\w+",\s*"(\w+)"', code))
    assert not targets - set(TARGETS)

    def codes(error: type[DomainError]) -> set[str]:
        return {error.code}.union(*(codes(each) for each in error.__subclasses__()))

    assert not codes(DomainError) - set(RESULTS)


def test_the_list_shows_actor_action_target_and_result(admin: Client) -> None:
    band = make_band(reference="@herons")
    created = triggers.trigger_sync(ANN, band, full=True)
    queues.pause_queue(BOB, "video-sync", "Too many errors")
    schedule = schedules.save(
        ANN, None, {"name": "Often", "job_type": "PRUNE", "interval": {"every": 5, "period": "hours"}}
    )
    jobs.cancel_job(ANN, created.job.pk)
    with pytest.raises(DomainError):
        jobs.cancel_job(BOB, created.job.pk)
    assert shown(admin) == [
        "Cancelled a job",
        "Cancelled a job",
        "Added a schedule",
        "Paused a queue",
        "Triggered a sync",
    ]
    page = admin.get(URL).content.decode()
    for link in (
        f'href="/admin/syncjobs/syncjob/{created.job.pk}/change/"',
        f'href="/admin/bands/band/{band.pk}/change/"',
        'href="/admin/syncjobs/syncjob/?queue=video-sync"',
        f'href="/admin/django_celery_beat/periodictask/#schedule-{schedule.pk}"',
    ):
        assert link in page, link
    for text in ("Too many errors", "Refused: wrong state", "192.0.2.7", "bob", "API"):
        assert text in page, text


def test_the_list_can_be_filtered_by_every_column(admin: Client) -> None:
    now = timezone.now()
    entry("pause_queue", target_type="queue", target_id="video-sync")
    entry("cancel_job", target_type="job", target_id="7", actor_label="bob", result="wrong_state")
    assert shown(admin) == ["Cancelled a job", "Paused a queue"]
    today, tomorrow = now.astimezone(dt.UTC).date(), now.astimezone(dt.UTC).date() + dt.timedelta(days=1)
    for query, found in (
        ({"actor": "BO"}, ["Cancelled a job"]),
        ({"action": "pause_queue"}, ["Paused a queue"]),
        ({"target_type": "job"}, ["Cancelled a job"]),
        ({"target_id": "#7"}, ["Cancelled a job"]),
        ({"target_id": "video-sync"}, ["Paused a queue"]),
        ({"result": "ok"}, ["Paused a queue"]),
        ({"start_date": today, "end_date": tomorrow}, ["Cancelled a job", "Paused a queue"]),
        ({"start_date": tomorrow + dt.timedelta(days=1)}, []),
        ({"end_date": today - dt.timedelta(days=2)}, []),
        ({"actor": "bob", "result": "ok"}, []),
    ):
        assert shown(admin, **query) == found, query


def test_an_invalid_filter_shows_an_error(admin: Client) -> None:
    entry()
    for query in (
        {"action": "dance"},
        {"target_type": "cat"},
        {"result": "meh"},
        {"start_date": "yesterday"},
        {"start_date": "2026-02-02", "end_date": "2026-02-01"},
        {"actor": "\x00"},
        {"target_id": "x" * 121},
    ):
        assert 'class="error"' in admin.get(URL, query).content.decode(), query
        assert admin.get(f"{URL}export/", query).status_code == 400, query


def test_an_action_that_found_nothing_to_do_is_not_called_done(admin: Client) -> None:
    entry("pause_queue", data={"paused": ["video-sync"]})
    entry("cancel_job")
    assert "Nothing to do" not in admin.get(URL).content.decode()
    entry("suggest_channel", data={"new": False})
    entry("pause_queue", data={"paused": []})
    entry("resume_band", data={"resumed": False})
    assert admin.get(URL).content.decode().count("Nothing to do") == 3


def test_an_entry_page_shows_every_field(admin: Client) -> None:
    one = entry("import_bands", message=HOSTILE, data={"created": 3, "text": HOSTILE}, address="192.0.2.9")
    page = admin.get(f"{URL}{one.pk}/change/").content.decode()
    for text in ("Imported bands", "import_bands", "192.0.2.9", "&quot;created&quot;: 3"):
        assert text in page, text
    assert HOSTILE not in page
    assert HOSTILE not in admin.get(URL).content.decode()
    assert admin.get(f"{URL}999999/change/").status_code == 404


def test_an_entry_for_several_targets_shows_their_number(admin: Client) -> None:
    bands = [make_band(f"band{number}", f"@band{number}") for number in range(3)]
    band_operations.set_active(ANN, [band.pk for band in bands], active=False)
    assert AuditEntry.objects.get().target_id == ""
    assert "Bands 3" in admin.get(URL).content.decode()


def test_an_action_without_a_description_is_still_shown(admin: Client) -> None:
    entry("fly_to_moon", target_type="moon", target_id="1", result="crashed")
    assert shown(admin) == ["fly_to_moon"]


@pytest.mark.django_db(transaction=True)
def test_the_export_applies_the_filter(admin: Client) -> None:
    entry("pause_queue", message="=HYPERLINK(1)", data={"paused": ["video-sync"]})
    entry("cancel_job", actor_label="bob")
    answer = admin.get(f"{URL}export/", {"actor": "ann"})
    assert answer["Content-Disposition"] == f'attachment; filename="audit-{timezone.localdate()}.csv"'
    (row,) = csv.DictReader(io.StringIO(_read(answer).decode()))
    assert (row["actor"], row["action"], row["message"]) == ("ann", "pause_queue", "'=HYPERLINK(1)")
    link = re.search(
        r'href="(/admin/syncjobs/auditentry/export/[^"]*)"',
        admin.get(URL, {"actor": "ann", "page": 1}).content.decode(),
    )
    assert link is not None
    assert link[1] == f"{URL}export/?actor=ann"


def _read(answer: Any) -> bytes:
    async def whole() -> bytes:
        return b"".join([part async for part in answer.streaming_content])

    return asyncio.run(whole())


def test_targets_have_their_names_while_they_exist(admin: Client) -> None:
    band, alert = make_band("herons", "@herons"), make_alert(Rule.QUEUE_PAUSED, "video-sync")
    for kind, target in (
        ("band", band.pk),
        ("band", 4711),
        ("alert", alert.pk),
        ("queue", "video-sync"),
        ("user", admin.session["_auth_user_id"]),
    ):
        entry(target_type=kind, target_id=str(target))
    page = admin.get(URL).content.decode()
    for expected in (f"Band: {band.name}", "Band 4711", "Queue: Video sync", "User: "):
        assert expected in page, expected
    assert f"Alert: {alert.get_rule_display()}" in page


def test_queries_do_not_grow_with_rows(admin: Client) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert admin.get(URL).status_code == 200
        return len(queries)

    entry()
    count()
    few = count()
    for number in range(49):
        entry("retry_job", target_type="job", target_id=str(number), data={"job": number})
    assert count() == few <= 12


@pytest.mark.parametrize(("role", "may"), [("", False), (Role.MODERATOR, False), (Role.ADMIN, True)])
def test_permissions(role: str, may: bool) -> None:
    client = logged_in(role)
    one = entry()
    for path in ("", f"{one.pk}/change/", "export/"):
        assert client.get(URL + path).status_code == (200 if may else 403)
        assert client.post(URL + path).status_code in (405, 403)
    if role:
        assert (URL in client.get("/admin/keys/").content.decode()) is may


def test_admin_actions_are_recorded_with_the_ip_address(admin: Client) -> None:
    band = make_band(reference="@herons")
    admin.post(f"/admin/bands/band/{band.pk}/sync/", REMOTE_ADDR="192.0.2.44")
    (one,) = AuditEntry.objects.all()
    assert (one.actor_label, one.origin, one.address) == ("ADMIN@example", Origin.ADMIN, "192.0.2.44")
    assert JobType.INCREMENTAL_SYNC in str(one.data)
    assert PERSON.label not in shown(admin)
