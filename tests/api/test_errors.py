"""Error groups: list, acknowledge and retry."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from bands.models import Band
from syncjobs import counters
from syncjobs.engine import outcomes
from syncjobs.models import JobError
from syncjobs.operations import errors as error_operations
from syncjobs.stats import errors as stats
from tests.clients import Api
from tests.factories import claim, failed_jobs, queue_job

pytestmark = pytest.mark.django_db


def test_errors_are_grouped_acknowledged_and_retried(moderator: Api) -> None:
    for number in range(3):
        queue_job("PRUNE")  # type: ignore[arg-type]
        outcomes.fail(claim("maintenance"), f"No answer within {number} seconds.", reason="timeout")
    listed = moderator.get("admin/sync/errors", window="7d").json()
    (group,) = listed["errors"]
    assert (listed["totalErrors"], group["count"]) == (3, 3)
    assert group["errorPattern"] == "No answer within <n> seconds."
    assert group["errorMessage"] == group["sample"] == "No answer within 2 seconds."
    assert moderator.post(f"admin/sync/errors/{group['fingerprint']}/acknowledge", {"note": "seen"}).status_code == 200
    assert moderator.get("admin/sync/errors", acknowledged="false").json()["errors"] == []
    assert moderator.get("admin/sync/errors", acknowledged="true").json()["totalErrors"] == 3
    assert moderator.get("admin/sync-jobs", error=group["fingerprint"]).json()["total"] == 3
    assert moderator.get("admin/sync-jobs", search="within 1 sec").json()["total"] == 1
    retried = moderator.post(f"admin/sync/errors/{group['fingerprint']}/retry").json()
    assert len(retried["retried"]) == 3
    assert moderator.post("admin/sync/errors/0000/retry").status_code == 404
    assert moderator.get("admin/sync/errors", window="soon").json()["errors"][0]["field"] == "window"
    assert error_operations.unretried_jobs().count() == 0


def test_a_recurring_error_is_no_longer_acknowledged(moderator: Api) -> None:
    def fails() -> None:
        queue_job("PRUNE")  # type: ignore[arg-type]
        outcomes.fail(claim("maintenance"), "It broke.", reason="broken")

    def is_listed(acknowledged: str) -> bool:
        return bool(moderator.get("admin/sync/errors", window="all", acknowledged=acknowledged).json()["errors"])

    fails()
    (group,) = moderator.get("admin/sync/errors").json()["errors"]
    address = f"admin/sync/errors/{group['fingerprint']}/acknowledge"
    moderator.post(address, {"note": "a bug"})
    assert (is_listed("true"), is_listed("false")) == (True, False)
    fails()
    assert (is_listed("true"), is_listed("false")) == (False, True)
    (group,) = moderator.get("admin/sync/errors").json()["errors"]
    assert (group["hasComeBack"], group["note"], group["acknowledgedBy"]) == (True, "a bug", "MODERATOR")
    moderator.post(address)
    (group,) = moderator.get("admin/sync/errors").json()["errors"]
    assert (group["hasComeBack"], group["note"], is_listed("true")) == (False, "a bug", True)
    assert moderator.send("DELETE", address).status_code == 204
    (group,) = moderator.get("admin/sync/errors").json()["errors"]
    assert (group["acknowledgedAt"], group["note"], is_listed("false")) == (None, "a bug", True)


def test_groups_are_resolved_ignored_assigned_and_discussed(moderator: Api) -> None:
    (key,) = {JobError.objects.get(job=job).group_id for job in failed_jobs(2, "It broke.")}
    address = f"admin/sync/errors/{key}"

    def counts(**filters: str) -> dict[str, int]:
        return {name: n for name, n in moderator.get("admin/sync/errors", **filters).json()["states"].items() if n}

    assert moderator.get("admin/sync/errors", isNew="true").json()["newGroups"] == 1
    note = moderator.post(f"{address}/notes", {"note": "Looking at it."})
    assert (note.status_code, note.json()["author"], note.json()["text"]) == (201, "MODERATOR", "Looking at it.")
    resolved = moderator.post(f"{address}/resolve", {"note": "Fixed."})
    assert (resolved.json()["state"], resolved.json()["resolvedBy"], counts()) == (
        "resolved",
        "MODERATOR",
        {"resolved": 1},
    )
    assert [each["action"] for each in resolved.json()["notes"]] == ["resolved", ""]
    until = (timezone.now() + dt.timedelta(days=2)).isoformat()
    for verb, body in (("resolve", {}), ("acknowledge", {}), ("ignore", {"until": until})):
        refused = moderator.post(f"{address}/{verb}", body)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "conflict"), verb
    failed_jobs(1, "It broke.")
    assert (moderator.get(address).json()["state"], counts(state="open")) == ("regressed", {"regressed": 1})
    for states in ("regressed,open", ",", ""):
        assert moderator.get("admin/sync/errors", state=states).json()["totalErrors"] == 3
    assert moderator.get("admin/sync/errors", state="regressed", acknowledged="true").json()["totalErrors"] == 0
    assert moderator.get("admin/sync/errors", acknowledged="false").json()["totalErrors"] == 3
    assert moderator.post(f"{address}/ignore", {"until": until}).json()["state"] == "ignored"
    wrong = moderator.post(f"{address}/ignore", {"until": "2020-01-01T00:00:00Z"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "until")
    assert moderator.post(f"{address}/assign", {"assignee": "MODERATOR"}).json()["assignee"] == "MODERATOR"
    assert moderator.get("admin/sync/errors", assignee="MODERATOR").json()["totalErrors"] == 3
    assert moderator.get("admin/sync/errors", assignee="nobody").json()["errors"] == []
    for value, status in (("who", 404), ("", 400)):
        wrong = moderator.post(f"{address}/assign", {"assignee": value})
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (status, "assignee")
    assert moderator.get("admin/sync/errors", assignee="who").json()["errors"] == []
    assert moderator.post(f"{address}/assign", {"assignee": None}).json()["assignee"] is None
    assert moderator.send("DELETE", f"{address}/acknowledge").status_code == 204
    assert counts() == {"open": 1}
    assert moderator.get("admin/sync/errors/0000").status_code == 404


def test_an_error_group_has_its_bands_jobs_and_hours(moderator: Api) -> None:
    band = Band.objects.create(name="A", slug="a")
    queue_job(band=band)
    outcomes.fail(claim(), "Odd 1.", reason="odd")
    newest = failed_jobs(7, "It broke.")[-1]
    for window in ("24h", "all"):
        result = moderator.get("admin/sync/errors", window=window).json()
        assert result["totalErrors"] == 8
        first, second = result["errors"]
        assert (first["count"], first["affectedBands"], first["recentJobIds"][0]) == (7, [], str(newest.pk))
        assert len(first["recentJobIds"]) == 5
        assert sum(first["perHour"].values()) == 7
        assert (second["count"], second["affectedBands"], second["errorMessage"]) == (1, ["A"], "Odd 1.")
        assert (first["affectedBandCount"], second["affectedBandCount"], second["errorPattern"]) == (0, 1, "Odd <n>.")


@pytest.mark.parametrize("is_folded", [True, False])
@pytest.mark.parametrize("sampled", [2000, 2])
def test_the_affected_bands_are_named_newest_first(
    moderator: Api, monkeypatch: pytest.MonkeyPatch, is_folded: bool, sampled: int
) -> None:
    monkeypatch.setattr(stats, "_SAMPLED", sampled)
    monkeypatch.setattr(stats, "MAX_BAND_NAMES", 3)
    for number, slug in enumerate(("a", "b", "c", "d", "b")):
        band, _is_new = Band.objects.get_or_create(slug=slug, defaults={"name": slug.upper()})
        queue_job(band=band)
        outcomes.fail(claim(), f"Odd {number}.", reason="odd")
    for ago, error in enumerate(JobError.objects.order_by("-pk")):
        JobError.objects.filter(pk=error.pk).update(created_at=timezone.now() - dt.timedelta(hours=10 * ago))
    if is_folded:
        counters.fold()
    names = {}
    for window in ("24h", "all"):
        (group,) = moderator.get("admin/sync/errors", window=window).json()["errors"]
        names[window] = (group["affectedBands"], group["affectedBandCount"])
    assert names["24h"] == (["B", "D", "C"], 3)
    # Of all time, bands without one of the newest errors follow by name, once their counts are folded.
    by_name = ["B", "D", "A"] if is_folded else ["B", "D"]
    assert names["all"] == (["B", "D", "C"] if sampled > 2 else by_name, 4)
