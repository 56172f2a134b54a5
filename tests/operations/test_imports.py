"""Reading files of bands as spreadsheets and people write them."""

from __future__ import annotations

import json

import pytest

from bands.models import Band
from syncjobs.exceptions import InvalidInput
from syncjobs.operations.band_files import read_rows
from syncjobs.operations.imports import RowResult, import_bands
from tests.factories import PERSON

pytestmark = pytest.mark.django_db


def imported(content: str | bytes, *, is_csv: bool = True) -> list[RowResult]:
    raw = content.encode() if isinstance(content, str) else content
    return import_bands(PERSON, read_rows(raw, is_csv=is_csv))


def outcomes(results: list[RowResult]) -> list[tuple[int, str, str]]:
    return [(result.row, result.slug, result.outcome) for result in results]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "form", ["plain", "quoted", "byte order mark", "sep line", "trailing separators", "blank line first"]
)
def test_a_csv_file_is_read_as_spreadsheets_write_it(separator: str, end: str, form: str) -> None:
    lines = [["slug", "name", "search_keywords"], ["a", "A, or; Ä", "x;y"], ["b", "B", ""]]
    quoted = form == "quoted"
    rows = [
        separator.join(f'"{cell}"' if quoted or separator in cell or ";" in cell else cell for cell in line)
        + (2 * separator if form == "trailing separators" else "")
        for line in lines
    ]
    before = {"byte order mark": "\ufeff", "sep line": f"sep={separator}{end}", "blank line first": end}.get(form, "")
    assert outcomes(imported(before + end.join(rows) + end)) == [(1, "a", "created"), (2, "b", "created")]
    band = Band.objects.get(slug="a")
    assert (band.name, band.search_keywords) == ("A, or; Ä", ["x", "y"])


def test_empty_rows_are_skipped_and_keep_their_numbers() -> None:
    results = imported("slug,name\n,,\na,A\n , \n\nb,\n,,,,\n")
    assert outcomes(results) == [(2, "a", "created"), (5, "b", "refused")]


@pytest.mark.parametrize(
    "header",
    [
        "slug,name,name",
        "slug;name; name",
        "slug,Name,name",
        "name,slug,slug",
        "name,slug, SLUG",
        "slug,schoolName,school_name",
        "slug,School name,school_name",
    ],
)
def test_a_column_given_twice_is_refused_by_name(header: str) -> None:
    name = "slug" if header.startswith("name") else "school_name" if "school" in header else "name"
    with pytest.raises(InvalidInput, match=f"column {name} is given twice"):
        imported(f"{header}\na,b,c\n")
    assert not Band.objects.exists()


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ('{"slug": "a", "name": "A", "name": "B"}', ["name"]),
        ('{"slug": "a", "name": "A", "slug": "a"}', ["slug"]),
        (
            '{"slug": "a", "name": "A", "schoolName": "x", "school_name": "y", "city": 1, "city": 2}',
            ["school_name", "city"],
        ),
    ],
)
def test_a_key_given_twice_is_refused_by_name_and_the_rest_imported(row: str, names: list[str]) -> None:
    bad, good = imported(f'[{row}, {{"slug": "b", "name": "B"}}]', is_csv=False)
    assert (bad.outcome, bad.problems) == ("refused", [f"{name}: is given twice." for name in names])
    assert (good.outcome, Band.objects.get().slug) == ("created", "b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name|slug\nA|a\n", "commas, semicolons or tabs"),
        ("", "commas, semicolons or tabs"),
        ('slug;name\n"a;A\n', "not valid CSV"),
        ("slug,name\na," + "x" * 900_000, "not valid CSV: field larger"),
        ("slug,name\na,A\n".encode("utf-16"), "not UTF-8: line 1"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(content: str | bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        imported(content)


def test_headings_may_be_written_as_people_write_them() -> None:
    assert outcomes(imported("Slug,NAME,School  name\na,A,Oak High\n")) == [(1, "a", "created")]
    assert Band.objects.get().school_name == "Oak High"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ('{"slug": "a", "name": "A", "founded": NaN}', "four digits"),
        ('{"slug": "a", "name": "A", "founded": "\\u0661\\u0669\\u0665\\u0660"}', "four digits"),
        ('{"slug": "a", "name": "A", "founded": 1e400}', "four digits"),
        ('{"slug": "a", "name": {"x": 1, "x": 2}}', "must be text"),
        ('{"slug": "a", "Name": "A"}', "Name: is not a column"),
        ('{"slug": "a", "name": "\\ud800"}', "can't be stored"),
    ],
)
def test_a_value_of_another_kind_refuses_the_row(row: str, problem: str) -> None:
    [result] = imported(f"[{row}]", is_csv=False)
    assert result.outcome == "refused"
    assert problem in " ".join(result.problems)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"slug": "a"}] [', "line 1, column 17"),
        ('[{"slug": "a", "founded": ' + "9" * 5000 + "}]", "not valid JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_json_file_that_cannot_be_read_is_refused_with_the_reason(content: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        imported(content, is_csv=False)


def test_ids_that_begin_with_a_dash_are_read_from_both_formats() -> None:
    playlist = "PL-_-_-_-_-_-_-x"
    imported(f"slug;name;playlists\n-a;A;{playlist}\n")
    imported(json.dumps([{"slug": "-b", "name": "B", "playlists": [playlist]}]), is_csv=False)
    assert list(Band.objects.order_by("slug").values_list("slug", "extra_playlists")) == [
        ("-a", [playlist]),
        ("-b", [playlist]),
    ]


def test_cells_without_a_column_refuse_the_row() -> None:
    results = imported("slug,name,\na,A,,\nb,B,x\nc,C,,x\n")
    assert outcomes(results) == [(1, "a", "created"), (2, "b", "refused"), (3, "c", "refused")]
    assert {problem for result in results for problem in result.problems} == {"The row has more cells than columns."}


def test_an_empty_object_is_still_refused() -> None:
    assert outcomes(imported(json.dumps([{}]), is_csv=False)) == [(1, "", "refused")]


def test_what_a_row_says_of_itself_neither_fills_nor_turns_around_the_page_that_shows_it() -> None:
    [long] = imported(json.dumps([{"slug": "a" * 10_000, "b" * 10_000: 1}]), is_csv=False)
    assert len(long.slug) <= 100
    assert max(map(len, long.problems)) <= 500
    [turned] = imported(json.dumps([{"slug": "a\u202eb", "name": "A", "c\u202ed": 1}]), is_csv=False)
    assert turned.slug == "a\\u202eb"
    assert "c\\u202ed: is not a column" in " ".join(turned.problems)
    assert "\u202e" not in " ".join(turned.problems)


def test_an_endless_line_is_refused() -> None:
    with pytest.raises(InvalidInput, match="longer than 1,000,000 characters"):
        read_rows(b"slug,name\n" + b"x" * 1_000_001, is_csv=True)
