"""The numbers that are shown after actions on bands and files, and of actions in the background, are those of the rows."""

from __future__ import annotations

import io
import json
import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.test import Client

from bands.models import Band
from syncjobs.choices import ACTIVE_STATUSES, RETRYABLE_STATUSES, JobStatus, JobType, Role
from syncjobs.engine import clock
from syncjobs.models import BandImport, BulkAction, ErrorGroup, JobError, SyncJob, Worker
from syncjobs.operations import bulk, imports
from syncjobs.tasks import run_bulk_actions
from tests.clients import DIALOG, PART, Api, logged_in, run_command
from tests.factories import claim, failed_jobs, fanned_out, make_band, queue_job

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((bulk, "MAX_FOREGROUND"), (bulk, "MAX_FOREGROUND_CLEAR"), (imports, "MAX_FOREGROUND")):
        monkeypatch.setattr(module, name, 3)
    monkeypatch.setattr(bulk, "_CHUNK", 4)


def _number(message: str) -> int:
    """Return the only number in the message."""
    (number,) = re.findall(r"[\d,]+", message)
    return int(number.replace(",", ""))


def _figures(page: str) -> dict[str, int]:
    """Return the figures of a page about progress by their label."""
    found = re.findall(r"<dt>([^<]+)</dt><dd>([\d,]+)</dd>", page)
    return {unescape(label): int(number.replace(",", "")) for label, number in found}


def _toast(answer: Any) -> str:
    return str(json.loads(answer.headers["HX-Trigger"])["toast"]["text"])


def _message(client: Client, answer: Any) -> str:
    """Return the message on the page to which the answer goes."""
    page = client.get(answer.headers["HX-Redirect"]).content.decode()
    (message,) = re.findall(r'<ul class="messagelist">(.*?)</ul>', page, re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", "", message)).strip()


# ---- Bands


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("meanwhile", [0, 1, 3])
def test_activating_bands_says_how_many_changed(active: bool, meanwhile: int) -> None:
    bands = [make_band(f"b{number}", is_active=active if number < 2 else not active) for number in range(5)]
    client = logged_in(Role.ADMIN)
    url = f"/admin/bands/band/switch/?active={int(active)}&" + "&".join(f"band={band.pk}" for band in bands)
    assert client.get(url, headers=DIALOG).status_code == 200
    Band.objects.filter(pk__in=[band.pk for band in bands[2 : 2 + meanwhile]]).update(is_active=active)
    before = Band.objects.filter(is_active=active).count()
    message = _toast(client.post(url, headers=DIALOG))
    assert _number(message) == Band.objects.filter(is_active=active).count() - before == 3 - meanwhile
    assert ("band activated" if active else "band deactivated") in message.replace("bands", "band")
    assert Band.objects.filter(is_active=active).count() == 5


# ---- Jobs in the background


def _start_in_admin(action: str, ids: list[int]) -> tuple[str, BulkAction]:
    client = logged_in(Role.MODERATOR)
    statuses = ",".join(RETRYABLE_STATUSES if action == "retry" else ACTIVE_STATUSES)
    url = f"/admin/syncjobs/bulkaction/add/?action={action}&all=1&status={statuses}"
    asked = re.search(r'name="asked" value="([^"]+)"', client.get(url, headers=DIALOG).content.decode())
    assert asked is not None
    answer = client.post(url, {"asked": asked[1]}, headers=DIALOG)
    return _message(client, answer), BulkAction.objects.get()


def _start_in_api(action: str, ids: list[int]) -> tuple[str, BulkAction]:
    answer = Api(Role.MODERATOR).post("admin/sync-jobs/bulk", {"action": action, "ids": [str(one) for one in ids]})
    assert answer.status_code == 202
    return str(answer.json()["total"]), BulkAction.objects.get()


def _page(action: BulkAction) -> str:
    client = Client()
    client.force_login(get_user_model().objects.filter(groups__name=Role.MODERATOR)[0])
    return client.get(f"/admin/syncjobs/bulkaction/{action.pk}/change/", headers=PART).content.decode()


def _progress(action: BulkAction) -> tuple[dict[str, int], dict[str, Any]]:
    """Return what the admin and the API say about the action."""
    page = logged_in(Role.SUPER_ADMIN).get(f"/admin/syncjobs/bulkaction/{action.pk}/change/", headers=PART)
    return _figures(page.content.decode()), Api(Role.SUPER_ADMIN).get(f"admin/sync-jobs/bulk/{action.pk}").json()


@pytest.mark.parametrize("start", [_start_in_admin, _start_in_api])
def test_a_retry_in_the_background(start: Any) -> None:
    bands = [make_band(f"b{number}", f"UC{number:022d}") for number in range(3)]
    ids = []
    for number in range(10):
        band = bands[number % 3]
        ids.append(queue_job(band=band, dedupe_key=f"FULL_SYNC:band:{band.pk}").pk)
        SyncJob.objects.filter(pk=ids[-1]).update(status=JobStatus.FAILED)
    message, action = start("retry", ids)
    assert _number(message) == action.total == len(ids)
    assert "No worker is running that could do this" in _page(action)
    Worker.objects.create(name="w@a", process_id=1, queues=["maintenance"], concurrency=1, heartbeat_at=Now())
    assert "No worker" not in _page(action)
    Worker.objects.all().delete()
    SyncJob.objects.filter(pk=ids[4]).update(status=JobStatus.COMPLETED)
    run_bulk_actions()
    new = SyncJob.objects.filter(retry_of__in=ids).count()
    covered = SyncJob.objects.filter(pk__in=ids).exclude(covered_by=None).count()
    figures, answer = _progress(action)
    assert (new, covered) == (3, 6)
    assert "No worker" not in _page(action)
    assert figures == {"Jobs": 10, "Processed": 10, "Queued": new, "Covered by other jobs": covered, "Refused": 1}
    assert (answer["succeeded"], answer["covered"], list(answer["refused"])) == (new + covered, covered, [str(ids[4])])


@pytest.mark.parametrize("start", [_start_in_admin, _start_in_api])
def test_a_cancellation_in_the_background(start: Any) -> None:
    parent, children = fanned_out(9)
    claim()
    others = [queue_job(JobType.PRUNE) for _ in range(3)]
    ids = [job.pk for job in (parent, *children, *others)]
    message, action = start("cancel", ids)
    assert _number(message) == action.total == len(ids)
    SyncJob.objects.filter(pk=others[0].pk).update(status=JobStatus.COMPLETED)
    run_bulk_actions()
    requested = SyncJob.objects.filter(pk__in=ids).exclude(cancel_requested_at=None).count()
    assert requested == len(ids) - 1
    figures, answer = _progress(action)
    assert figures == {"Jobs": 13, "Processed": 13, "Cancelled or stopping": requested, "Refused": 1}
    assert (answer["succeeded"], list(answer["refused"])) == (requested, [str(others[0].pk)])


@pytest.mark.parametrize("skin", ["admin", "api", "command"])
def test_deleting_in_the_background(skin: str) -> None:
    failed_jobs(5)
    before = SyncJob.objects.count()
    if skin == "admin":
        client = logged_in(Role.ADMIN)
        url, until = "/admin/syncjobs/queue/all/clear-failed/", clock.now().isoformat()
        message = _message(client, client.post(url, {"until": until}, headers=DIALOG))
    elif skin == "api":
        message = Api(Role.ADMIN).post("admin/queue/clear-failed").json()["message"]
    else:
        message = run_command("clear_failed", "--yes").split("(")[0]
    action = BulkAction.objects.get()
    assert _number(message) == action.total == 5
    run_bulk_actions()
    figures, answer = _progress(action)
    assert figures["Deleted"] == answer["succeeded"] == before - SyncJob.objects.count() == 5
    assert "Refused" not in figures


def test_a_retry_of_an_error_group_in_the_background() -> None:
    fingerprint = "f" * 16
    ErrorGroup.objects.create(fingerprint=fingerprint, reason="internalError", message="It broke.", is_permanent=False)
    for job in failed_jobs(6):
        JobError.objects.create(job=job, attempt_number=1, group_id=fingerprint, reason="internalError", message="x")
    client = logged_in(Role.MODERATOR)
    message = _toast(client.post(f"/admin/syncjobs/errorgroup/{fingerprint}/retry/", headers=DIALOG))
    action = BulkAction.objects.get()
    assert _number(message) == action.total == 6
    run_bulk_actions()
    new = SyncJob.objects.exclude(retry_of=None).count()
    assert _progress(action)[0]["Queued"] == new


# ---- Files of bands

FILE = "slug,name\n" + "".join(f"new-{n},New {n}\n" for n in range(4)) + ",\nold,Older\nsame,Same\nbad one,Bad\n"
ROWS = {"created": 4, "updated": 1, "unchanged": 1, "refused": 1}


@pytest.mark.parametrize("skin", ["foreground", "background", "command"])
def test_an_import_says_what_became_of_the_rows(skin: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    make_band("old")
    make_band("same")
    if skin == "command":
        (tmp_path / "bands.csv").write_text(FILE)
        numbers = _import_by_command(str(tmp_path / "bands.csv"))
    else:
        numbers = _import_in_admin(monkeypatch, in_background=skin == "background")
    assert numbers == ROWS
    assert Band.objects.filter(slug__startswith="new-").count() == numbers["created"]
    assert Band.objects.count() == 2 + numbers["created"]
    assert Band.objects.get(slug="old").name == "Older"


def _import_by_command(path: str) -> dict[str, int]:
    def run(*options: str) -> dict[str, int]:
        output = io.StringIO()
        with pytest.raises(CommandError, match="1 of 7 rows"):
            call_command("import_bands", *options, path, stdout=output)
        return {
            outcome: int(number) for number, outcome in re.findall(r"(\d+) (\w+)", output.getvalue().split("\n")[-2])
        }

    assert run("--dry-run") == ROWS
    assert Band.objects.count() == 2
    return run()


def _import_in_admin(monkeypatch: pytest.MonkeyPatch, *, in_background: bool) -> dict[str, int]:
    if not in_background:
        monkeypatch.setattr(imports, "MAX_FOREGROUND", 500)
    client = logged_in(Role.ADMIN)
    preview = client.post("/admin/import/", {"file": SimpleUploadedFile("bands.csv", FILE.encode())})
    assert preview.context["counts"] == ROWS
    answer = client.post("/admin/import/", {"token": preview.context["token"]}, follow=True)
    page = answer.content.decode()
    if not in_background:
        numbers = re.search(r"(\d+) created, (\d+) updated, (\d+) unchanged. (\d+) row was refused", page)
        assert numbers is not None
        return dict(zip(ROWS, map(int, numbers.groups()), strict=True))
    run_bulk_actions()
    figures = _figures(client.get(f"/admin/import/{BandImport.objects.get().pk}/", headers=PART).content.decode())
    assert figures["Rows"] == sum(ROWS.values()) + figures["Empty"]
    return {outcome: figures[outcome.title()] for outcome in ROWS}
