"""The numbers in what the admin, the API and the commands say after an action are those of the rows in the database."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from html import unescape
from io import StringIO
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.test import Client

from syncjobs.admin.core import id_sets
from syncjobs.choices import JobStatus, JobType, Role
from syncjobs.models import ErrorGroup, JobError, SyncJob
from syncjobs.operations import bulk
from syncjobs.operations import jobs as job_operations
from tests.clients import DIALOG, Api, logged_in
from tests.factories import PERSON, claim, failed_jobs, fanned_out, make_band, queue_job

pytestmark = pytest.mark.django_db
BETWEEN = Callable[[], None]
FINGERPRINT = "f" * 16


def _numbers(message: str) -> dict[str, int]:
    """Return the number of each state that the message names."""
    patterns = {
        "queued": r"([\d,]+) (?:jobs? (?:is|are) )?queued",
        "covered": r"([\d,]+) (?:is|are) covered by them",
        "others": r"([\d,]+) (?:is|are) covered by (?:a job|jobs) that",
        "already": r"([\d,]+) (?:was|were) already queued",
        "cancelled": r"([\d,]+) cancelled",
        "stopping": r"([\d,]+) stopping",
        "children": r"([\d,]+) child jobs",
        "ended": r"([\d,]+) had ended",
        "refused": r"([\d,]+) refused",
        "deleted": r"([\d,]+) failed jobs? deleted",
        "deactivated": r"([\d,]+) bands? deactivated",
    }
    found = {name: re.search(pattern, message) for name, pattern in patterns.items()}
    return {name: int(match[1].replace(",", "")) for name, match in found.items() if match}


# ---- The skins: each does the action on these jobs and returns what it says


def _bulk_in_admin(action: str, ids: Sequence[int], between: BETWEEN) -> str:
    client = logged_in(Role.MODERATOR)
    url = f"/admin/syncjobs/bulkaction/add/?{urlencode({'action': action, 'job': ids}, doseq=True)}"
    page = client.get(url, headers=DIALOG).content.decode()
    asked = re.search(r'name="asked" value="([^"]+)"', page)
    assert asked is not None
    between()
    answer = client.post(url, {"asked": asked[1]}, headers=DIALOG)
    assert answer.status_code == 204, answer.content.decode()
    return _toast(answer)


def _toast(answer: Any) -> str:
    return str(json.loads(answer.headers["HX-Trigger"])["toast"]["text"])


def _bulk_in_api(action: str, ids: Sequence[int], between: BETWEEN) -> str:
    between()
    body = {"action": action, "ids": [str(job_id) for job_id in ids]}
    answer = Api(Role.MODERATOR).post("admin/sync-jobs/bulk", body).json()
    if action == "retry":
        assert answer["queued"] == SyncJob.objects.filter(retry_of__isnull=False).count()
        covering = dict(SyncJob.objects.exclude(covered_by=None).values_list("pk", "covered_by"))
        assert answer["coveredBy"] == {str(job_id): str(other) for job_id, other in covering.items()}
    return str(answer["message"])


def _run(*arguments: str) -> str:
    output = StringIO()
    try:
        call_command(*arguments, stdout=output)
    except CommandError:
        assert "refused" in output.getvalue()
    return output.getvalue()


def _bulk_in_command(action: str, ids: Sequence[int], between: BETWEEN) -> str:
    between()
    return _run(f"{action}_jobs", *map(str, ids))


def _group_in_admin(_action: str, _ids: Sequence[int], between: BETWEEN) -> str:
    between()
    return _toast(logged_in(Role.MODERATOR).post(f"/admin/syncjobs/errorgroup/{FINGERPRINT}/retry/", headers=DIALOG))


def _group_in_api(_action: str, _ids: Sequence[int], between: BETWEEN) -> str:
    between()
    answer = Api(Role.MODERATOR).post(f"admin/sync/errors/{FINGERPRINT}/retry").json()
    assert answer["queued"] == SyncJob.objects.filter(retry_of__isnull=False).count()
    assert len(answer["coveredBy"]) == SyncJob.objects.exclude(covered_by=None).count()
    return str(answer["message"])


def _group_in_command(_action: str, _ids: Sequence[int], between: BETWEEN) -> str:
    between()
    return _run("retry_jobs", "--error", FINGERPRINT)


RETRIES = [_bulk_in_admin, _bulk_in_api, _bulk_in_command, _group_in_admin, _group_in_api, _group_in_command]


def _failed_syncs() -> list[int]:
    """Return 29 failed syncs of 7 bands, two of which belong to a band that is being synced again already."""
    ErrorGroup.objects.create(fingerprint=FINGERPRINT, reason="internalError", message="It broke.", is_permanent=False)
    ids = []
    bands = [make_band(f"b{number}", f"UC{number:022d}") for number in range(8)]
    for number in range(29):
        band = bands[number % 7] if number < 27 else bands[7]
        key = f"FULL_SYNC:band:{band.pk}"
        job = queue_job(band=band, dedupe_key=key)
        SyncJob.objects.filter(pk=job.pk).update(status=JobStatus.FAILED)
        JobError.objects.create(
            job=job, attempt_number=1, group_id=FINGERPRINT, band=band, reason="internalError", message="It broke."
        )
        ids.append(job.pk)
    queue_job(band=bands[7], dedupe_key=f"FULL_SYNC:band:{bands[7].pk}")
    return ids


@pytest.mark.parametrize("skin", RETRIES)
def test_a_retry_says_how_many_jobs_are_queued_and_how_many_others_cover(
    skin: Callable[[str, Sequence[int], BETWEEN], str],
) -> None:
    ids = _failed_syncs()
    numbers = _numbers(skin("retry", ids, lambda: None))
    new = SyncJob.objects.filter(retry_of__in=ids)
    covered = SyncJob.objects.filter(pk__in=ids).exclude(covered_by=None)
    by_new = covered.filter(covered_by__in=new).count()
    assert (new.count(), by_new, covered.count() - by_new) == (7, 20, 2)
    assert numbers == {"queued": new.count(), "covered": by_new, "others": covered.count() - by_new}
    for job in covered.select_related("covered_by"):
        assert job.covered_by is not None
        assert (job.covered_by.dedupe_key, job.covered_by.status) == (job.dedupe_key, JobStatus.QUEUED)
    # A second look at the group finds nothing that nobody has retried.
    assert not SyncJob.objects.failed().not_retried().exists()
    page = logged_in(Role.ADMIN).get(f"/admin/syncjobs/syncjob/{covered[0].pk}/change/").content.decode()
    assert f"#job-{covered[0].covered_by_id}" in page or f">#{covered[0].covered_by_id}<" in page


@pytest.mark.parametrize("skin", [_bulk_in_admin, _bulk_in_api])
def test_a_cancellation_says_how_many_jobs_were_cancelled_stop_or_had_ended(
    skin: Callable[[str, Sequence[int], BETWEEN], str],
) -> None:
    parent, children = fanned_out(3)
    claim()
    waiting = [queue_job(JobType.ENRICH) for _ in range(60)]
    done = [queue_job(JobType.PRUNE) for _ in range(9)]
    ids = [job.pk for job in (parent, children[1], *waiting, *done)]

    def end() -> None:
        SyncJob.objects.filter(pk__in=[job.pk for job in done]).update(status=JobStatus.COMPLETED)

    numbers = _numbers(skin("cancel", ids, end))
    selected = SyncJob.objects.filter(pk__in=ids)
    others = SyncJob.objects.exclude(pk__in=ids).exclude(cancel_requested_at=None)
    requested = selected.exclude(cancel_requested_at=None)
    assert numbers == {
        "cancelled": requested.filter(status=JobStatus.CANCELLED).count(),
        "children": others.count(),
        "ended": 9,
    } | ({"stopping": stopping} if (stopping := requested.filter(status=JobStatus.IN_PROGRESS).count()) else {})
    assert numbers["cancelled"] >= 61
    assert numbers["children"] == 2


def _cleared_in_admin(client: Client) -> str:
    page = client.get("/admin/syncjobs/queue/all/clear-failed/").content.decode()
    until = re.search(r'name="until" value="([^"]+)"', page)
    assert until is not None
    return _toast(client.post("/admin/syncjobs/queue/all/clear-failed/", {"until": unescape(until[1])}, headers=DIALOG))


@pytest.mark.parametrize(
    "clear",
    [
        lambda: _cleared_in_admin(logged_in(Role.ADMIN)),
        lambda: Api(Role.ADMIN).post("admin/queue/clear-failed", {"queue": "all"}).json()["message"],
        lambda: _run("clear_failed", "--yes"),
    ],
    ids=["admin", "api", "command"],
)
def test_clearing_says_how_many_jobs_are_deleted(clear: Callable[[], str]) -> None:
    failed_jobs(5)
    before = SyncJob.objects.count()
    assert _numbers(clear()) == {"deleted": before - SyncJob.objects.count()}


def test_triggering_several_bands_says_how_many_jobs_are_queued() -> None:
    bands = [make_band(f"b{number}", f"UC{number:022d}") for number in range(5)]
    for band in bands[:2]:
        queue_job(JobType.INCREMENTAL_SYNC, band=band, dedupe_key=f"INCREMENTAL_SYNC:band:{band.pk}")
    before = SyncJob.objects.count()
    form = {"scope": "some", "band": [band.pk for band in bands], "type": "INCREMENTAL_SYNC", "do": "trigger"}
    page = logged_in(Role.MODERATOR).post("/admin/syncjobs/syncjob/add/", form, follow=True).content.decode()
    message = re.search(r'<ul class="messagelist">(.*?)</ul>', page, re.DOTALL)
    assert message is not None
    assert _numbers(unescape(message[1])) == {"queued": SyncJob.objects.count() - before, "already": 2}


def test_the_set_is_asked_about_again_only_if_it_has_grown() -> None:
    jobs = [queue_job(JobType.PRUNE) for _ in range(21)]
    client = logged_in(Role.MODERATOR)
    url = "/admin/syncjobs/bulkaction/add/?action=cancel&all=1&status=QUEUED"
    asked = re.search(r'name="asked" value="([^"]+)"', client.get(url, headers=DIALOG).content.decode())
    assert asked is not None
    SyncJob.objects.filter(pk__in=[job.pk for job in jobs[:9]]).update(status=JobStatus.COMPLETED)
    late = queue_job(JobType.PRUNE)
    answer = client.post(url, {"asked": asked[1]}, headers=DIALOG)
    assert answer.status_code == 422
    assert "1 more job is selected since you were asked" in answer.content.decode()
    assert not SyncJob.objects.filter(status=JobStatus.CANCELLED).exists()
    job_operations.cancel_job(PERSON, late.pk)
    answer = client.post(url, {"asked": asked[1]}, headers=DIALOG)
    assert _toast(answer) == "12 cancelled; 9 had ended."
    assert SyncJob.objects.filter(cancel_requested_at__isnull=False).exclude(pk=late.pk).count() == 12
    assert SyncJob.objects.filter(status=JobStatus.CANCELLED).exclude(pk=F("pk") * 0 + late.pk).count() == 12


@pytest.mark.parametrize("asked", ["", "x", "AAAA", "eJwDAAAAAAE=", "é"])
def test_an_unreadable_set_is_asked_about_again(asked: str) -> None:
    job = queue_job(JobType.PRUNE)
    url = f"/admin/syncjobs/bulkaction/add/?action=cancel&job={job.pk}"
    assert logged_in(Role.MODERATOR).post(url, {"asked": asked}, headers=DIALOG).status_code == 422
    job.refresh_from_db()
    assert job.status == JobStatus.QUEUED


def test_a_hundred_thousand_ids_fit_into_the_form() -> None:
    ids = sorted(random.Random(1).sample(range(1, 50_000_000), bulk.MAX_JOBS))
    packed = id_sets.pack(ids)
    assert id_sets.unpack(packed) == ids
    assert len(packed) < 300_000
