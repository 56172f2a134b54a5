"""Importing bands in the admin: a preview, then the import of the same content."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from bands.models import Band
from syncjobs.choices import Role
from syncjobs.models import AuditEntry
from syncjobs.operations import band_fields
from syncjobs.operations.band_files import MAX_BYTES
from tests.clients import logged_in

pytestmark = pytest.mark.django_db
URL = "/admin/import/"
CSV = "slug,name,founded\nherons,Herons,1908\nblue-tide,Blue Tide,\nbad one,Bad,99\nold,Old,\n"


@pytest.fixture
def admin() -> Client:
    return logged_in(Role.ADMIN)


def upload(client: Client, content: str | bytes, name: str = "bands.csv") -> Any:
    raw = content.encode() if isinstance(content, str) else content
    return client.post(URL, {"file": SimpleUploadedFile(name, raw)})


def token_of(page: Any) -> str:
    (token,) = re.findall(r'name="token" value="([^"]+)"', page.content.decode())
    return token


def test_a_preview_changes_nothing_and_the_import_applies_it(admin: Client) -> None:
    Band.objects.create(slug="old", name="Old")
    Band.objects.create(slug="herons", name="Herons", city="Ashby")
    preview = upload(admin, CSV)
    assert preview.context["counts"] == {"created": 1, "updated": 1, "unchanged": 1, "refused": 1}
    shown = [(row.row, row.outcome) for row in preview.context["results"]]
    assert shown == [(3, "refused"), (1, "updated"), (2, "created")]
    assert [row.name for row in preview.context["results"]] == ["Bad", "Herons", "Blue Tide"]
    page = preview.content.decode()
    assert "Import 2 bands" in page
    for problem in preview.context["results"][0].problems:
        assert problem.split(":")[0] in page
    text = re.sub(r"<[^>]+>|\s", " ", page)
    assert re.search(r"Herons +herons +Changed +Founded +empty +→ +1908 ", text)
    assert re.search(r"Blue Tide +blue-tide +New +Name +Blue Tide ", text)
    assert Band.objects.count() == 2
    done = admin.post(URL, {"token": token_of(preview)}, follow=True).content.decode()
    assert "bands.csv: 1 created, 1 updated, 1 unchanged. 1 row was refused." in done
    herons = Band.objects.get(slug="herons")
    assert (herons.founded, herons.city, Band.objects.count()) == (1908, "Ashby", 3)
    entries = AuditEntry.objects.filter(action="import_bands").order_by("pk")
    assert [entry.data["dry_run"] for entry in entries] == [True, False]


def test_json_is_accepted_and_an_unchanged_file_has_nothing_to_import(admin: Client) -> None:
    rows = [{"slug": "herons", "name": "Herons"}]
    admin.post(URL, {"token": token_of(upload(admin, json.dumps(rows), "bands.json"))})
    again = upload(admin, json.dumps(rows), "bands.json").content.decode()
    assert "Nothing to import" in again
    assert "Import 0" not in again
    assert Band.objects.get().name == "Herons"


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (CSV, "bands.txt", "must end in .json or .csv"),
        ("[{", "bands.json", "not valid JSON"),
        ('{"slug": "a"}', "bands.json", "must contain a JSON list"),
        ("name\nHerons\n", "bands.csv", "including “slug”"),
        ("slug,name\nherons,Caf\u00e9\n".encode("latin-1"), "bands.csv", "not UTF-8: line 2"),
        ("", "bands.csv", "empty"),
    ],
)
def test_an_unreadable_file_shows_the_reason(admin: Client, content: str | bytes, name: str, message: str) -> None:
    answer = upload(admin, content, name)
    assert answer.status_code == 422
    assert message in answer.content.decode()
    assert Band.objects.count() == 0


def test_a_missing_or_too_large_file_is_refused(admin: Client) -> None:
    assert admin.post(URL, {}).status_code == 422
    answer = upload(admin, b"x" * (MAX_BYTES + 1))
    assert answer.status_code == 422
    (message,) = answer.context["form"].errors["file"]
    assert "larger than 20 MB" in message
    answer = upload(admin, b"x" * (MAX_BYTES + 1_000_000))
    assert (answer.status_code, "larger than 20 MB" in answer.content.decode()) == (413, True)


def test_only_its_author_can_import_a_preview_and_only_once(admin: Client) -> None:
    first = token_of(upload(admin, "slug,name\na,A\n"))
    other = logged_in(Role.SUPER_ADMIN)
    assert "preview has expired" in other.post(URL, {"token": first}, follow=True).content.decode()
    second = token_of(upload(admin, "slug,name\nb,B\n"))
    assert "preview has expired" in admin.post(URL, {"token": first}, follow=True).content.decode()
    assert Band.objects.count() == 0
    admin.post(URL, {"token": second})
    assert "preview has expired" in admin.post(URL, {"token": second}, follow=True).content.decode()
    assert list(Band.objects.values_list("slug", flat=True)) == ["b"]
    assert "preview has expired" in admin.post(URL, {"token": ""}, follow=True).content.decode()


def test_the_rows_of_a_preview_are_paged_by_outcome(admin: Client) -> None:
    Band.objects.create(slug="old", name="Old", channel_reference="@old", search_keywords=["a"], is_featured=True)
    rows = [f"band-{number},Band {number},@b{number:03},,yes" for number in range(300)]
    rows += ["bad slug,Bad,,,", "old,Older,@older,b;c,no"]
    preview = upload(admin, "slug,name,youtube_channel,search_keywords,is_featured\n" + "\n".join(rows))
    results = preview.context["results"]
    assert (results[0].outcome, len(results), preview.context["page"].paginator.num_pages) == ("refused", 50, 7)
    page = preview.content.decode()
    assert "Import 300 bands" not in page
    assert "Import 301 bands" in page
    counts = re.findall(r'id="chip-outcome-(\w+)"(?:(?!</a>).)*chip-count">(\d+)', page)
    assert counts == [("all", "302"), ("refused", "1"), ("created", "300"), ("updated", "1"), ("unchanged", "0")]
    address = f"{URL}?token={token_of(preview)}"
    assert f'href="?token={token_of(preview)}&amp;page=7"' in page
    last = admin.get(f"{address}&page=7").context["results"]
    assert [each.row for each in last] == [300, 302]
    (old,) = admin.get(f"{address}&outcome=updated").context["results"]
    assert (old.name, [tuple(change) for change in old.changes]) == (
        "Older",
        [
            ("name", "Old", "Older"),
            ("youtube_channel", "@old", "@older"),
            ("search_keywords", "a", "b; c"),
            ("is_featured", "yes", "no"),
        ],
    )
    assert "No row has this outcome" in admin.get(f"{address}&outcome=unchanged").content.decode()
    swapped = admin.get(f"{address}&page=2", headers={"HX-Request": "true", "X-List": "1"}).content.decode()
    assert ("<html" in swapped, 'id="list"' in swapped) == (False, True)
    # Pages are of the newest upload alone, of the person who uploaded it, until it is imported.
    assert "preview has expired" in logged_in(Role.SUPER_ADMIN).get(address, follow=True).content.decode()
    admin.post(URL, {"token": token_of(preview)})
    assert "preview has expired" in admin.get(address, follow=True).content.decode()
    assert Band.objects.count() == 301


def test_markup_in_rows_is_escaped(admin: Client) -> None:
    page = upload(admin, "slug,name\n<script>alert(1)</script>,A\n").content.decode()
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page


@pytest.mark.parametrize(("role", "may"), [("", False), (Role.MODERATOR, False), (Role.ADMIN, True)])
def test_permissions(role: str, may: bool) -> None:
    client = logged_in(role)
    assert client.get(URL).status_code == (200 if may else 403)
    assert upload(client, CSV).status_code == (200 if may else 403)
    assert client.post(URL, {"token": "x"}).status_code == (302 if may else 403)
    assert Band.objects.count() == 0


def test_whitespace_around_a_slug_is_ignored(admin: Client) -> None:
    Band.objects.create(slug="old", name="Old")
    preview = upload(admin, "slug,name\nold ,Older\nold,Oldest\n")
    assert preview.context["counts"] == {"created": 0, "updated": 1, "unchanged": 0, "refused": 1}
    admin.post(URL, {"token": token_of(preview)})
    assert list(Band.objects.values_list("slug", "name")) == [("old", "Older")]


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_a_row_that_cannot_be_stored_is_refused_and_the_rest_imported(admin: Client, text: str) -> None:
    rows = [
        {"slug": text, "name": "A"},
        {"slug": "one", "name": text},
        {"slug": "two", "name": "Two", "searchKeywords": [text]},
        {"slug": "three", "name": "Three", "playlists": [text]},
        {"slug": "four", "name": "Four", text: "x"},
        {"slug": "five", "name": "Five"},
    ]
    preview = upload(admin, json.dumps(rows), "bands.json")
    assert preview.context["counts"]["refused"] == 5
    assert admin.post(URL, {"token": token_of(preview)}).status_code == 302
    assert list(Band.objects.values_list("slug", flat=True)) == ["five"]


def test_unreadable_files_and_invalid_tokens_are_refused(admin: Client) -> None:
    assert upload(admin, "[" * 200_000, "bands.json").status_code == 422
    token_of(upload(admin, CSV))
    assert admin.post(URL, {"token": "é"}).status_code == 302
    assert not Band.objects.exists()


def test_an_import_keeps_values_that_workers_wrote(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    band = Band.objects.create(slug="old", name="Old")
    apply = band_fields.apply

    def meanwhile(*given: Any) -> Any:
        Band.objects.filter(pk=band.pk).update(consecutive_failures=3)
        return apply(*given)

    monkeypatch.setattr(band_fields, "apply", meanwhile)
    admin.post(URL, {"token": token_of(upload(admin, "slug,name\nold,Older\n"))})
    band.refresh_from_db()
    assert (band.name, band.consecutive_failures) == ("Older", 3)
