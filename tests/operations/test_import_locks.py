"""What an import locks and for how long, and imports in the background."""

from __future__ import annotations

import json
import zlib
from typing import Any

import httpx
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection, transaction
from django.test import Client

from bands import channels
from bands.models import Band
from syncjobs.choices import Role
from syncjobs.exceptions import InvalidInput
from syncjobs.models import AuditEntry, BandImport
from syncjobs.operations import band_fields, band_files, bands, imports
from syncjobs.tasks import run_bulk_actions
from tests.clients import PART, Api, logged_in
from tests.concurrency import in_thread, start_and_wait_for_lock
from tests.factories import PERSON
from tests.processes import pooled_server

pytestmark = pytest.mark.django_db(transaction=True)


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {"slug": f"b-{number}", "name": f"B {number}", "youtube_channel": f"@band{number}"} for number in range(count)
    ]


def enqueued(some: list[dict[str, Any]]) -> BandImport:
    packed = zlib.compress(json.dumps(some).encode())
    return imports.enqueue(PERSON, "bands.json", packed, some, is_csv=False)


def test_a_preview_waits_for_no_lock_and_takes_none() -> None:
    twice = [*rows(3), {"slug": "twin", "name": "Twin", "youtube_channel": "@Band1"}]
    with transaction.atomic():
        channels.lock_channels()
        results = in_thread(lambda: imports.import_bands(PERSON, twice, dry_run=True))
    assert [result.outcome for result in results] == ["created"] * 3 + ["refused"]
    assert results[3].problems == ["youtube_channel: B 1 already has this channel."]
    assert not Band.objects.exists()


def test_an_import_lets_others_in_between_its_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    locked: list[int] = []
    lock = channels.lock_channels

    def count() -> None:
        lock()
        locked.append(Band.objects.count())

    monkeypatch.setattr(channels, "lock_channels", count)
    imports.import_bands(PERSON, rows(120))
    assert locked == [0, 50, 100]


def test_a_channel_that_another_person_assigns_between_chunks_is_not_assigned_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load = imports._Import.load

    def assign(self: Any, some: Any, *, lock: bool) -> None:
        if some[0]["slug"] == "b-50":
            Band.objects.create(slug="other", name="Other", channel_reference="@band60")
        load(self, some, lock=lock)

    monkeypatch.setattr(imports._Import, "load", assign)
    refused = [result for result in imports.import_bands(PERSON, rows(70)) if result.outcome == "refused"]
    assert [(result.row, result.problems) for result in refused] == [
        (61, ["youtube_channel: Other already has this channel."])
    ]


def test_a_request_waits_for_a_lock_only_for_seconds() -> None:
    admin = Api(Role.ADMIN)
    band = Band.objects.create(slug="herons", name="Herons")
    with pooled_server() as (url, _), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        channels.lock_channels()
        answer = httpx.patch(f"{url}/api/bands/{band.pk}", json={"city": "X"}, headers=admin.headers, timeout=30)
        assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "5")
        assert httpx.get(f"{url}/readyz", timeout=30).status_code == 200


@pytest.mark.parametrize("is_csv", [True, False])
def test_a_file_with_too_many_rows_is_refused(monkeypatch: pytest.MonkeyPatch, is_csv: bool) -> None:
    monkeypatch.setattr(band_files, "MAX_ROWS", 3)

    def read(count: int) -> list[Any]:
        text = "slug,name\n" + "a,A\n" * count if is_csv else json.dumps([{"slug": "a"}] * count)
        return band_files.read_rows(text.encode(), is_csv=is_csv)

    assert len(read(3)) == 3
    with pytest.raises(InvalidInput, match="more than 3 rows"):
        read(4)
    with pytest.raises(InvalidInput, match="more than 3 rows"):
        band_files.read_rows(json.dumps([1] * 4).encode(), is_csv=False)
    monkeypatch.setattr(band_files, "_MAX_CELLS", 5)
    with pytest.raises(InvalidInput, match="more than 3 rows"):
        band_files.read_rows(b"slug,,,,,,,\n", is_csv=is_csv)


def test_a_band_can_not_be_deleted_within_the_chunk_that_changes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    band = Band.objects.create(slug="b-0", name="Old")
    apply, deleting = band_fields.apply, []

    def delete(target: Band, row: Any) -> Any:
        if not deleting:
            deleting.append(start_and_wait_for_lock(lambda: bands.delete(PERSON, band.pk)))
        return apply(target, row)

    monkeypatch.setattr(band_fields, "apply", delete)
    assert [result.outcome for result in imports.import_bands(PERSON, rows(1))] == ["updated"]
    deleting[0].result()
    assert not Band.objects.exists()


def test_bands_are_locked_in_the_order_of_other_actions() -> None:
    first, second = (Band.objects.create(slug=f"b-{number}", name="Old") for number in range(2))
    with transaction.atomic():
        Band.objects.select_for_update().get(pk=first.pk)
        importing = start_and_wait_for_lock(lambda: imports.import_bands(PERSON, rows(2)[::-1]))
        assert Band.objects.select_for_update(nowait=True).get(pk=second.pk) == second
    assert [result.outcome for result in importing.result()] == ["updated", "updated"]


def test_an_import_that_breaks_off_leaves_an_audit_entry_of_what_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    locks = []

    def lock() -> None:
        locks.append(1)
        if len(locks) == 3:
            raise OperationalError("The lock was not free in time.")

    monkeypatch.setattr(channels, "lock_channels", lock)
    with pytest.raises(OperationalError):
        imports.import_bands(PERSON, rows(120))
    counts = {"created": 100, "updated": 0, "unchanged": 0, "refused": 0}
    assert AuditEntry.objects.get(action="import_bands").data == counts | {"dry_run": False, "rows": 120}


# ---- In the background


def test_an_import_in_the_background_refuses_the_rows_that_its_preview_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "_CHUNK", 1)
    text = '[{"slug": "a", "name": "A", "name": "B"}, {"slug": "a", "name": "C"}, {"slug": "b", "name": "\\ud800"}, {"slug": "b"}]'
    some = band_files.read_rows(text.encode(), is_csv=False)
    preview = imports.import_bands(PERSON, some, dry_run=True)
    imports.enqueue(PERSON, "bands.json", zlib.compress(text.encode()), some, is_csv=False)
    imports.run_pending()
    assert BandImport.objects.get().problems == [[r.row, r.slug, " ".join(r.problems)] for r in preview if r.problems]


def test_a_large_file_is_imported_in_the_background_with_progress() -> None:
    admin = logged_in(Role.ADMIN)
    some = [*rows(imports.MAX_FOREGROUND), {"slug": "bad one", "name": "<b>"}]
    file = SimpleUploadedFile("bands.json", json.dumps(some).encode())
    preview = admin.post("/admin/import/", {"file": file})
    answer = admin.post("/admin/import/", {"token": preview.context["token"]})
    band_import = BandImport.objects.get()
    page = f"/admin/import/{band_import.pk}/"
    assert answer["Location"] == page
    assert not Band.objects.exists()
    assert "In progress" in admin.get(page).content.decode()
    run_bulk_actions()
    assert Band.objects.count() == imports.MAX_FOREGROUND
    band_import.refresh_from_db()
    assert (band_import.created, band_import.refused, band_import.packed) == (imports.MAX_FOREGROUND, 1, None)
    part = admin.get(page, headers=PART).content.decode()
    for text in ("Finished", "Row 501 (bad one): slug:"):
        assert text in part
    entries = [entry.data for entry in AuditEntry.objects.filter(action="import_bands").order_by("pk")]
    assert [entry.get("rows") for entry in entries] == [None, 501, None]
    assert entries[-1]["created"] == imports.MAX_FOREGROUND
    assert logged_in(Role.MODERATOR).get(page).status_code == 403
    assert admin.get("/admin/import/999999/").status_code == 404
    assert Client().get(page).status_code == 302


def test_an_import_goes_on_after_a_crash_and_repeats_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    apply, applied = band_fields.apply, []

    def crash(band: Band, row: Any) -> Any:
        applied.append(row["slug"])
        if len(applied) == 70:
            raise OperationalError("The server closed the connection.")
        return apply(band, row)

    monkeypatch.setattr(band_fields, "apply", crash)
    band_import = enqueued([*rows(120), {"slug": "b-3", "name": "Again"}])
    with pytest.raises(OperationalError):
        imports.run_pending()
    assert Band.objects.count() == 50
    imports.run_pending()
    band_import.refresh_from_db()
    assert (band_import.created, band_import.refused, band_import.done) == (120, 1, 121)
    assert band_import.problems == [[121, "b-3", "slug: is already used by an earlier row."]]
    assert len(applied) == 70 + 70


def test_two_workers_share_no_import() -> None:
    enqueued(rows(60))
    with transaction.atomic():
        channels.lock_channels()
        first = start_and_wait_for_lock(imports.run_pending)
        assert imports.run_pending() == 0
    assert first.result() == 60
    assert Band.objects.count() == 60


def test_a_row_that_breaks_blocks_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    apply = band_fields.apply

    def broken(band: Band, row: Any) -> Any:
        if row["slug"] == "b-1":
            raise RuntimeError
        return apply(band, row)

    monkeypatch.setattr(band_fields, "apply", broken)
    enqueued(rows(3))
    imports.run_pending()
    band_import = BandImport.objects.get()
    assert (band_import.created, band_import.refused) == (2, 1)
    assert "Something went wrong" in band_import.problems[0][2]
