"""Exports of jobs, errors and the audit log."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import io
import json
import re
from typing import Any

import pytest
from django.db import connection

from bands.models import Band
from syncjobs.choices import Role
from syncjobs.engine import outcomes
from syncjobs.listing import export
from syncjobs.models import AuditEntry, ErrorGroup, JobError, SyncJob
from tests.clients import Api, exported
from tests.factories import claim, failed_job, failed_jobs, make_band, queue_job

# Exports read committed rows through separate connections.
pytestmark = pytest.mark.django_db(transaction=True)


def _as_instants(job: dict[str, Any], without: str = "") -> dict[str, Any]:
    """Parse the times, which all end in Z, because trailing zeros of a fraction may differ."""
    return {
        name: dt.datetime.fromisoformat(value) if value and name.endswith("At") and value.endswith("Z") else value
        for name, value in job.items()
        if name != without
    }


def test_the_end_of_an_export_is_included(moderator: Api) -> None:
    first, second = queue_job(), queue_job("PRUNE")  # type: ignore[arg-type]
    second.refresh_from_db()
    exact = second.created_at.isoformat()
    for dates, expected in (({"endDate": exact}, 2), ({"startDate": exact, "endDate": exact}, 1)):
        assert exported(moderator.get("admin/sync-jobs/export", format="json", **dates)).count("\n") == expected
    assert first.pk < second.pk
    entries = exported(Api(Role.ADMIN).get("admin/audit/export", format="json", endDate="2020-01-01T00:00:00"))
    assert entries == ""


def test_exports_hold_the_listed_jobs_and_no_formulas(moderator: Api) -> None:
    Band.objects.create(name='=HYPERLINK("http://evil")', slug="evil")
    job = queue_job(band=Band.objects.get())
    outcomes.fail(claim(), '@SUM(1)\n"quoted", \\ and', reason="broken")
    failed_jobs(2, "- minus")
    queue_job("PRUNE")  # type: ignore[arg-type]
    rows = list(
        csv.DictReader(io.StringIO(exported(moderator.get("admin/sync-jobs/export", format="csv", status="FAILED"))))
    )
    assert [row["id"] for row in rows] == [
        row["id"] for row in moderator.get("admin/sync-jobs", status="FAILED").json()["data"]
    ]
    evil = next(row for row in rows if row["id"] == str(job.pk))
    assert evil["bandName"] == '\'=HYPERLINK("http://evil")'
    assert evil["errors"] == '\'@SUM(1)\n"quoted", \\ and'
    assert re.fullmatch(r"[0-9-]{10}T[0-9:.]{8,15}Z", evil["createdAt"])
    assert {row["errors"] for row in rows if row is not evil} == {"'- minus"}
    lines = [json.loads(line) for line in exported(moderator.get("admin/sync-jobs/export", format="json")).splitlines()]
    listed = {row["id"]: row for row in moderator.get("admin/sync-jobs").json()["data"]}
    assert len(lines) == len(listed) == 4
    for line in lines:
        assert _as_instants(line) == _as_instants(listed[line["id"]], without="queuePosition")
    for row in rows:
        listed_job = _as_instants(listed[row["id"]])
        assert row["duration"] == str(listed_job["duration"])
        assert (row["progressDone"], row["progressTotal"]) == (str(listed_job["progress"]["done"]), "")
        assert _as_instants(row)["runAt"] == listed_job["runAt"]
        assert (row["videosUnavailable"], row["delayReason"], row["cancelRequestedAt"]) == ("0", "", "")
    log = list(csv.DictReader(io.StringIO(exported(moderator.get("admin/sync/errors/export", format="csv")))))
    assert {row["willRetry"] for row in log} == {"false"}
    assert [row["jobId"] for row in log] == [str(e.job_id) for e in JobError.objects.order_by("-created_at", "-pk")]
    assert moderator.get("admin/sync-jobs/export", format="xml").json()["errors"][0]["field"] == "format"
    assert moderator.get("admin/sync-jobs/export", format="csv", status="X").status_code == 400


def test_the_error_export_is_filtered_by_acknowledgement(moderator: Api) -> None:
    (seen,), (new,) = failed_jobs(1, "It broke."), failed_jobs(1, "It burned.")
    group = JobError.objects.get(job=seen).group_id
    moderator.post(f"admin/sync/errors/{group}/acknowledge", {"note": "seen"})
    for asked, expected in (("true", {seen.pk}), ("false", {new.pk}), ("", {seen.pk, new.pk})):
        answer = moderator.get("admin/sync/errors/export", format="json", acknowledged=asked)
        lines = [json.loads(line) for line in exported(answer).splitlines()]
        assert {int(line["jobId"]) for line in lines} == expected
        assert all(line["at"].endswith("Z") for line in lines)
    assert moderator.get("admin/sync/errors/export", acknowledged="maybe").status_code == 400


@pytest.mark.parametrize("sign", "=+-@\t＝＋－＠")
def test_no_cell_is_a_formula_in_any_export(sign: str) -> None:
    text = f"{sign}1+1"
    make_band("evil")
    Band.objects.update(name=text)
    job = failed_job(text, band=Band.objects.get())
    SyncJob.objects.filter(pk=job.pk).update(requested_by_label=text)
    admin = Api(Role.ADMIN)
    AuditEntry.objects.create(
        action="pause_queue", actor_label=text, origin="API", address=text, target_id=text, result="ok", message=text
    )
    for path in ("admin/sync-jobs/export", "admin/sync/errors/export", "admin/audit/export"):
        rows = list(csv.reader(io.StringIO(exported(admin.get(path)))))
        cells = [cell for row in rows for cell in row if "1+1" in cell]
        assert cells, path
        assert {cell[0] for cell in cells} == {"'"}, path


def test_an_empty_export_has_its_header() -> None:
    async def whole() -> bytes:
        return b"".join([part async for part in export.jobs(SyncJob.objects.none(), "csv", person=1)])

    head, *rows = asyncio.run(whole()).decode().splitlines()
    assert head.startswith("id,bandId")
    assert rows == []


def test_the_audit_is_exported() -> None:
    admin = Api(Role.ADMIN)
    admin.post("admin/queue/pause", {"reason": "=1+1"})
    admin.post("admin/queue/resume")
    (row,) = csv.DictReader(io.StringIO(exported(admin.get("admin/audit/export", action="pause_queue"))))
    assert (row["actor"], row["message"], json.loads(row["data"])) == ("ADMIN", "'=1+1", {"paused": ["video-sync"]})
    lines = exported(admin.get("admin/audit/export", format="json")).splitlines()
    listed = admin.get("admin/audit", limit="100").json()["data"]
    assert [json.loads(line) | {"at": None} for line in lines] == [entry | {"at": None} for entry in listed]
    assert all(json.loads(line)["at"].endswith("Z") for line in lines)


def test_a_disconnecting_client_stops_the_query() -> None:
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
        stream = export.errors(JobError.objects.all(), "csv", person=1)
        assert await anext(stream)  # type: ignore[arg-type]
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(leave_early())
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY%%' AND datname = current_database()"
        )
        assert cursor.fetchone()[0] == 0
