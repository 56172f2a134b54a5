"""import_bands"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from bands.models import Band
from bands.text import camel_case, respell_keys
from syncjobs.youtube.simulator import Simulator
from tests.clients import command_error, run_command

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("spell", [str, camel_case])
def test_import_bands_twice_changes_nothing(tmp_path: Path, spell: Callable[[str], str]) -> None:
    """Files may still name the columns in camelCase."""
    values = {"founded": 1900, "search_keywords": ["x", "y"], "youtube_channel": "@aaaa"}
    rows = [
        respell_keys({"name": "A", "slug": "a", "is_active": True, **values}, spell),
        respell_keys({"name": "B", "slug": "b", "primary_color": "#660000", "playlists": ["PLabcdefghijkl"]}, spell),
    ]
    path = tmp_path / "bands.json"
    path.write_text(json.dumps(rows))
    assert json.loads(run_command("import_bands", str(path), "--json"))["created"] == 2
    before = list(Band.objects.values())
    assert json.loads(run_command("import_bands", str(path), "--json"))["unchanged"] == 2
    assert list(Band.objects.values()) == before
    csv = tmp_path / "bands.csv"
    names = map(spell, ("slug", "city", "search_keywords", "is_featured", "youtube_channel"))
    csv.write_text(f"{','.join(names)}\na,Ribe,x;y,yes,https://youtube.com/@aaaa\n")
    assert "1 updated" in run_command("import_bands", str(csv))
    band = Band.objects.get(slug="a")
    assert (band.city, band.search_keywords, band.is_featured, band.name) == ("Ribe", ["x", "y"], True, "A")
    assert "1 unchanged" in run_command("import_bands", str(csv))


def test_import_bands_refuses_single_rows_and_imports_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"slug": "good", "name": "Good"},
        {"name": "No slug"},
        {"slug": "bad", "name": "Bad", "founded": "long ago", "primaryColor": "red", "youtubeChannel": "nonsense here"},
        {"slug": "odd", "name": "Odd", "instruments": 7},
        "text",
        {"slug": "good", "name": "Twice"},
        {"slug": "nameless"},
    ]
    path = tmp_path / "bands.json"
    path.write_text(json.dumps(rows))
    out = io.StringIO()
    with pytest.raises(CommandError, match="6 of 7"):
        call_command("import_bands", str(path), stdout=out)
    text = out.getvalue()
    for expected in (
        "Row 2 refused: slug:",
        "founded: must be a year",
        "not a YouTube channel",
        "instruments: is not a column",
        "not an object",
        "earlier row",
        "name:",
    ):
        assert expected in text
    assert list(Band.objects.values_list("slug", flat=True)) == ["good"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("half.json", b'[{"slug": "a", "name": "A"}, {"slu', "line 1"),
        ("latin.csv", "slug,name\na,Café\n".encode("latin-1"), "line 2 has the byte 0xE9"),
        ("object.json", b"{}", "JSON list"),
        ("noslug.csv", b"name\nA\n", "slug"),
        ("bands.xls", b"", "must end in .json or .csv"),
    ],
)
def test_import_bands_refuses_unreadable_files(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert expected in command_error("import_bands", str(path))
    assert "can't be read" in command_error("import_bands", str(tmp_path / "none.json"))
    assert Band.objects.count() == 0


@pytest.mark.parametrize("reference", ["@李", "https://www.youtube.com/c/%E6%9D%8E"])
def test_a_handle_in_another_script_can_be_imported_and_resolved(
    youtube: Simulator, tmp_path: Path, reference: str
) -> None:
    channel = youtube.world.add_channel("@李")
    path = tmp_path / "bands.json"
    path.write_text(json.dumps([{"slug": "li", "name": "Li", "youtube_channel": reference}]))
    assert json.loads(run_command("import_bands", str(path), "--json"))["created"] == 1
    found = json.loads(run_command("resolve_channel", reference, "--band", "li", "--json"))
    assert (found["id"], found["handle"]) == (channel.id, "@李")
    assert Band.objects.get().channel_handle == "@李"
