"""Bulk actions, estimates, files and the figures of error groups."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import io
import json
import re
import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from bands.models import Band
from syncjobs import counters
from syncjobs.choices import DelayReason, JobStatus, Role
from syncjobs.engine import outcomes
from syncjobs.listing import export
from syncjobs.models import AuditEntry, BulkAction, ErrorGroup, JobError, SyncJob
from syncjobs.operations import bulk
from syncjobs.operations import jobs as job_operations
from syncjobs.youtube.simulator import Simulator
from tests.clients import Api, exported
from tests.factories import PERSON, band_with_videos, claim, queue_job, run_all

pytestmark = pytest.mark.django_db(transaction=True)


def _failed(count: int, message: str = "It broke.") -> list[SyncJob]:
    jobs = []
    for _ in range(count):
        jobs.append(queue_job("PRUNE"))  # type: ignore[arg-type]
        outcomes.fail(claim("maintenance"), message, reason="broken")
    return jobs


def _three_work_off() -> None:
    """Three workers come upon the same bulk actions."""

    def work() -> None:
        try:
            bulk.run_pending()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _queued_retry(jobs: list[SyncJob]) -> BulkAction:
    ids = [job.pk for job in jobs]
    return BulkAction.objects.create(action="retry", job_ids=ids, total=len(ids), actor_label="pat", origin="API")


def test_bulk_tells_of_each_job_what_became_of_it(moderator: Api) -> None:
    failed, queued = _failed(1)[0], queue_job("PRUNE")  # type: ignore[arg-type]
    ids = [str(failed.pk), str(queued.pk), "999999"]
    told = moderator.post("admin/sync-jobs/bulk", {"action": "retry", "ids": ids}).json()
    assert list(told["retried"]) == [str(failed.pk)]
    assert set(told["refused"]) == {str(queued.pk), "999999"}
    assert "queued" in told["refused"][str(queued.pk)]
    told = moderator.post("admin/sync-jobs/bulk", {"action": "cancel", "filter": {"status": ["QUEUED"]}}).json()
    assert len(told["cancelled"]) == 2
    assert SyncJob.objects.filter(status=JobStatus.CANCELLED).count() == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "retry"}, "ids"),
        ({"action": "retry", "ids": ["1"], "filter": {}}, "ids"),
        ({"action": "explode", "ids": ["1"]}, "action"),
        ({"action": "retry", "ids": ["x"]}, "ids.0"),
        ({"action": "retry", "filter": {"colour": "red"}}, "filter.colour"),
        ({"action": "retry", "filter": {"status": "DONE"}}, "filter.status"),
        ({"action": "retry", "filter": {"page": "2"}}, "filter.page"),
        ({"action": "retry", "filter": {"search": ""}}, "filter.search"),
        ({"action": "retry", "filter": {"requestedBy": " "}}, "filter.requestedBy"),
        ({"action": "retry", "filter": {"status": ""}}, "filter.status"),
        ({"action": "retry", "filter": {"status": "FAILED,"}}, "filter.status"),
        ({"action": "retry", "filter": {"jobType": []}}, "filter.jobType"),
        ({"action": "retry", "filter": {"jobType": [""]}}, "filter.jobType"),
        ({"action": "retry", "filter": {"startDate": ""}}, "filter.startDate"),
    ],
)
def test_a_bulk_that_can_not_be_right_changes_nothing(moderator: Api, body: dict[str, Any], field: str) -> None:
    _failed(1)
    answer = moderator.post("admin/sync-jobs/bulk", body)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert SyncJob.objects.count() == 1


def test_list_file_and_bulk_mean_the_same_jobs_by_a_filter(moderator: Api) -> None:
    broken, other = _failed(3), _failed(2, "Another thing.")
    parent = queue_job(fans_out=True)
    children = [queue_job(parent=parent) for _ in range(2)]
    SyncJob.objects.filter(pk=broken[0].pk).update(status=JobStatus.CANCELLED, requested_by_label="ann")
    fingerprint = JobError.objects.filter(job=broken[0]).values_list("group_id", flat=True).get()
    for filters, expected in (
        ({"error": fingerprint}, broken),
        ({"error": fingerprint, "status": "FAILED"}, broken[1:]),
        ({"search": "another"}, other),
        ({"search": "it broke", "status": "CANCELLED"}, broken[:1]),
        ({"requestedBy": "ann"}, broken[:1]),
        ({"parentId": str(parent.pk)}, children),
        ({"due": "now"}, [parent, *children]),
        ({"status": ["FAILED", "CANCELLED"], "jobType": "PRUNE"}, broken + other),
    ):
        ids = [str(job.pk) for job in expected]
        query = {name: ",".join(value) if isinstance(value, list) else value for name, value in filters.items()}
        pages = [
            moderator.get("admin/sync-jobs", **query, limit=2, page=page, sortOrder="asc").json() for page in (1, 2, 3)
        ]
        assert ([job["id"] for page in pages for job in page["data"]], pages[0]["total"]) == (ids, len(ids)), filters
        lines = exported(moderator.get("admin/sync-jobs/export", format="json", **query)).splitlines()
        assert sorted(json.loads(line)["id"] for line in lines) == ids, filters
        with transaction.atomic():
            told = moderator.post("admin/sync-jobs/bulk", {"action": "retry", "filter": filters}).json()
            assert sorted({*told["retried"], *told["refused"]}) == sorted(ids), filters
            transaction.set_rollback(True)


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"search": ""}, "Must not be empty. Leave the key out to not filter by it."),
        ({"limit": 1}, "There is no such filter. Filters: status, jobType,"),
        ({"foo": 1}, "There is no such filter. Filters: status, jobType,"),
    ],
)
def test_a_filter_in_a_body_says_what_is_wrong(moderator: Api, filters: dict[str, Any], message: str) -> None:
    answer = moderator.post("admin/sync-jobs/bulk", {"action": "retry", "filter": filters})
    assert answer.json()["errors"][0]["message"].startswith(message)


def test_a_large_bulk_goes_to_the_background_and_two_workers_do_each_job_once(
    moderator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MAX_FOREGROUND", 10)
    monkeypatch.setattr(bulk, "_CHUNK", 7)
    jobs = _failed(60)
    answer = moderator.post("admin/sync-jobs/bulk", {"action": "retry", "filter": {"status": "FAILED"}})
    assert (answer.status_code, answer.json()["total"], answer.json()["done"]) == (202, 60, 0)
    _failed(1)  # Comes later, so it is not among the set that was counted.
    _three_work_off()
    bulk.run_pending()
    told = moderator.get(f"admin/sync-jobs/bulk/{answer.json()['id']}").json()
    assert (told["done"], told["succeeded"], told["refused"]) == (60, 60, {})
    assert told["endedAt"] is not None
    retried = SyncJob.objects.filter(retry_of__in=jobs)
    assert retried.count() == retried.values("retry_of").distinct().count() == 60
    assert {entry.actor_label for entry in AuditEntry.objects.filter(action="retry_job")} == {"MODERATOR"}


def test_a_crash_in_a_chunk_repeats_nothing_and_leaves_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = _failed(6)
    _queued_retry(jobs)
    monkeypatch.setattr(bulk, "_CHUNK", 3)
    real, calls = job_operations.retry_jobs, []

    def dies_after_the_second_chunk(*args: Any) -> Any:
        calls.append(args)
        done = real(*args)
        if len(calls) == 2:
            raise SystemExit
        return done

    monkeypatch.setattr(job_operations, "retry_jobs", dies_after_the_second_chunk)
    with pytest.raises(SystemExit):
        bulk.run_pending()
    assert (BulkAction.objects.get().done, SyncJob.objects.filter(retry_of__isnull=False).count()) == (3, 3)
    bulk.run_pending()
    assert SyncJob.objects.filter(retry_of__in=jobs).values("retry_of").distinct().count() == 6
    assert SyncJob.objects.filter(retry_of__isnull=False).count() == 6


def test_estimate_is_what_the_sync_costs(moderator: Api, youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 120)
    Band.objects.filter(pk=band.pk).update(channel_video_count=120)
    body = {"bandId": str(band.pk), "syncType": "FULL"}
    told = moderator.post("admin/sync-jobs/estimate", body).json()
    assert (told["units"], told["bands"], told["fitsQuota"], told["secondsP50"]) == ({"main": 6}, 1, True, None)
    job_id = moderator.post("admin/sync-jobs/trigger", body).json()["jobId"]
    run_all()
    assert SyncJob.objects.get(pk=job_id).quota_used == 6
    told = moderator.post("admin/sync-jobs/estimate", body).json()
    assert (told["bands"], told["skippedAsJustSynced"], told["units"]) == (0, 1, {"main": 0})
    told = moderator.post("admin/sync-jobs/estimate", body | {"forceSync": True}).json()
    assert told["secondsP50"] > 0


def _as_instants(job: dict[str, Any], without: str = "") -> dict[str, Any]:
    """With times, which all end in Z, as what they mean: how many zeros end a fraction of a second means nothing."""
    return {
        name: dt.datetime.fromisoformat(value) if value and name.endswith("At") and value.endswith("Z") else value
        for name, value in job.items()
        if name != without
    }


def test_files_hold_what_the_list_shows_and_no_formulas(moderator: Api) -> None:
    Band.objects.create(name='=HYPERLINK("http://evil")', slug="evil")
    job = queue_job(band=Band.objects.get())
    outcomes.fail(claim(), '@SUM(1)\n"quoted", \\ and \x7f', reason="broken")
    _failed(2, "- minus")
    queue_job("PRUNE")  # type: ignore[arg-type]
    rows = list(
        csv.DictReader(io.StringIO(exported(moderator.get("admin/sync-jobs/export", format="csv", status="FAILED"))))
    )
    assert [row["id"] for row in rows] == [
        row["id"] for row in moderator.get("admin/sync-jobs", status="FAILED").json()["data"]
    ]
    evil = next(row for row in rows if row["id"] == str(job.pk))
    assert evil["bandName"] == '\'=HYPERLINK("http://evil")'
    assert evil["errors"] == '\'@SUM(1)\n"quoted", \\ and \x7f'
    assert re.fullmatch(r"[0-9-]{10}T[0-9:.]{8,15}Z", evil["createdAt"])
    assert {row["errors"] for row in rows if row is not evil} == {"'- minus"}
    lines = [json.loads(line) for line in exported(moderator.get("admin/sync-jobs/export", format="json")).splitlines()]
    listed = {row["id"]: row for row in moderator.get("admin/sync-jobs").json()["data"]}
    assert len(lines) == len(listed) == 4
    for line in lines:
        assert _as_instants(line) == _as_instants(listed[line["id"]], without="queuePosition")
    for row in rows:
        told = _as_instants(listed[row["id"]])
        assert row["duration"] == str(told["duration"])
        assert (row["progressDone"], row["progressTotal"]) == (str(told["progress"]["done"]), "")
        assert _as_instants(row)["runAt"] == told["runAt"]
        assert (row["videosUnavailable"], row["delayReason"], row["cancelRequestedAt"]) == ("0", "", "")
    log = list(csv.DictReader(io.StringIO(exported(moderator.get("admin/sync/errors/export", format="csv")))))
    assert {row["willRetry"] for row in log} == {"false"}
    assert [row["jobId"] for row in log] == [str(e.job_id) for e in JobError.objects.order_by("-created_at", "-pk")]
    assert moderator.get("admin/sync-jobs/export", format="xml").json()["errors"][0]["field"] == "format"
    assert moderator.get("admin/sync-jobs/export", format="csv", status="X").status_code == 400


def test_the_log_of_errors_is_of_what_somebody_has_seen_to_or_not(moderator: Api) -> None:
    (seen,), (new,) = _failed(1, "It broke."), _failed(1, "It burned.")
    group = JobError.objects.get(job=seen).group_id
    moderator.post(f"admin/sync/errors/{group}/acknowledge", {"note": "seen"})
    for asked, expected in (("true", {seen.pk}), ("false", {new.pk}), ("", {seen.pk, new.pk})):
        answer = moderator.get("admin/sync/errors/export", format="json", acknowledged=asked)
        lines = [json.loads(line) for line in exported(answer).splitlines()]
        assert {int(line["jobId"]) for line in lines} == expected
        assert all(line["at"].endswith("Z") for line in lines)
    assert moderator.get("admin/sync/errors/export", acknowledged="maybe").status_code == 400


def test_a_file_of_what_can_not_be_has_its_head() -> None:
    async def whole() -> bytes:
        return b"".join([part async for part in export.jobs(SyncJob.objects.none(), "csv")])

    head, *rows = asyncio.run(whole()).decode().splitlines()
    assert head.startswith("id,bandId")
    assert rows == []


def test_the_audit_is_a_file_too() -> None:
    admin = Api(Role.ADMIN)
    admin.post("admin/queue/pause", {"reason": "=1+1"})
    admin.post("admin/queue/resume")
    (row,) = csv.DictReader(io.StringIO(exported(admin.get("admin/audit/export", action="pause_queue"))))
    assert (row["actor"], row["message"], json.loads(row["data"])) == ("ADMIN", "'=1+1", {"paused": ["video-sync"]})
    lines = exported(admin.get("admin/audit/export", format="json")).splitlines()
    listed = admin.get("admin/audit", limit="100").json()["data"]
    assert [json.loads(line) | {"at": None} for line in lines] == [entry | {"at": None} for entry in listed]
    assert all(json.loads(line)["at"].endswith("Z") for line in lines)


def test_a_client_that_goes_away_stops_the_query() -> None:
    queue_job("PRUNE")  # type: ignore[arg-type]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO syncjobs_joberror (job_id, attempt_number, group_id, reason, message, item_id, will_retry, created_at)"
            " SELECT %s, 1, %s, 'x', repeat('x', 500), '', false, now() FROM generate_series(1, 100000)",
            [
                SyncJob.objects.get().pk,
                ErrorGroup.objects.create(fingerprint="f", reason="x", message="x", sample="x", is_permanent=True).pk,
            ],
        )

    async def leave_early() -> None:
        stream = export.errors(JobError.objects.all(), "csv")
        assert await anext(stream)  # type: ignore[arg-type]
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(leave_early())
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY%%' AND datname = current_database()"
        )
        assert cursor.fetchone()[0] == 0


@pytest.mark.parametrize(("count", "jobs"), [(1, "1 failed job"), (2, "2 failed jobs"), (0, "0 failed jobs")])
def test_one_job_is_not_called_jobs(count: int, jobs: str) -> None:
    admin = Api(Role.ADMIN)
    _failed(count)
    for group in ErrorGroup.objects.all():
        retried = admin.post(f"admin/sync/errors/{group.pk}/retry").json()["message"]
        assert retried == f"{jobs.replace('failed ', '')} retried."
    assert admin.post("admin/queue/clear-failed").json()["message"] == f"{jobs} deleted."


def test_error_groups_tell_bands_jobs_and_hours(moderator: Api) -> None:
    band = Band.objects.create(name="A", slug="a")
    queue_job(band=band)
    outcomes.fail(claim(), "Odd 1.", reason="odd")
    newest = _failed(7, "It broke.")[-1]
    for window in ("24h", "all"):
        told = moderator.get("admin/sync/errors", window=window).json()
        assert told["totalErrors"] == 8
        first, second = told["errors"]
        assert (first["count"], first["affectedBands"], first["recentJobIds"][0]) == (7, 0, str(newest.pk))
        assert len(first["recentJobIds"]) == 5
        assert sum(first["perHour"].values()) == 7
        assert (second["count"], second["affectedBands"], second["errorMessage"]) == (1, 1, "Odd <n>.")


def test_the_reconcile_command_proves_the_counts() -> None:
    from django.core.management import CommandError, call_command

    _failed(3)
    out = io.StringIO()
    call_command("reconcile", "--counts", stdout=out)
    assert "equals" in out.getvalue()
    counters.fold()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE syncjobs_jobcount SET n = 99 WHERE grain = 0")
    with pytest.raises(CommandError, match="differ"):
        call_command("reconcile", "--counts")
    call_command("reconcile", "--counts", "--rebuild", stdout=out)
    assert counters.wrong_cells() == 0
    assert PERSON


def test_queued_jobs_are_told_apart_by_when_they_are_due(moderator: Api) -> None:
    now = queue_job("PRUNE")  # type: ignore[arg-type]
    later = SyncJob.objects.create(
        job_type="ENRICH",
        queue_id="video-processing",
        run_at=timezone.now() + dt.timedelta(hours=1),
        delay_reason=DelayReason.QUOTA_MAIN,
    )
    for filters, expected in (({"due": "now"}, now), ({"due": "later"}, later), ({"delayReason": "QUOTA_MAIN"}, later)):
        told = moderator.get("admin/sync-jobs", **filters).json()
        assert ([job["id"] for job in told["data"]], told["total"]) == ([str(expected.pk)], 1)
    assert moderator.get("admin/sync-jobs", due="soon").status_code == 400


def test_one_job_that_can_not_be_acted_on_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = _failed(3)
    later = _queued_retry(jobs)
    real = job_operations.retry_jobs

    def breaks_on_the_second(actor: Any, job_ids: list[int]) -> Any:
        done = real(actor, job_ids)
        if jobs[1].pk in job_ids:
            raise RuntimeError("a bug")
        return done

    monkeypatch.setattr(job_operations, "retry_jobs", breaks_on_the_second)
    bulk.run_pending()
    later.refresh_from_db()
    assert (later.done, later.succeeded, list(later.refused)) == (3, 2, [str(jobs[1].pk)])
    assert "a bug" not in later.refused[str(jobs[1].pk)]
    assert later.ended_at is not None


def test_very_many_failed_jobs_are_deleted_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_FOREGROUND_CLEAR", 5)
    monkeypatch.setattr(bulk, "_CLEAR_BATCH", 4)
    _failed(10)
    admin = Api(Role.ADMIN)
    answer = admin.post("admin/queue/clear-failed", {"queue": "maintenance"})
    assert (answer.status_code, answer.json()["count"]) == (202, 10)
    later = _failed(1)[0]
    assert SyncJob.objects.count() == 11
    _three_work_off()
    told = admin.get(f"admin/sync-jobs/bulk/{answer.json()['bulkId']}").json()
    assert (told["action"], told["total"], told["done"], told["succeeded"]) == ("clear", 10, 10, 10)
    assert told["endedAt"] is not None
    assert SyncJob.objects.get() == later
    assert AuditEntry.objects.get(action="clear_failed").data["count"] == 10
    answer = admin.post("admin/queue/clear-failed", {"queue": "maintenance"})
    assert (answer.status_code, answer.json()["count"]) == (200, 1)


def test_a_clear_whose_jobs_others_have_deleted_ends_and_lets_the_next_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_FOREGROUND_CLEAR", 0)
    jobs = _failed(2)
    clearing = bulk.clear_failed(PERSON)
    SyncJob.objects.filter(pk=jobs[0].pk).delete()
    SyncJob.objects.filter(pk=jobs[1].pk).update(status=JobStatus.CANCELLED)
    retry = _queued_retry(jobs[1:])
    assert bulk.run_pending() == 1
    assert isinstance(clearing, BulkAction)
    assert BulkAction.objects.filter(ended_at=None).count() == 0
    retry.refresh_from_db()
    assert retry.succeeded == 1
