"""Parsing of valid and invalid items from YouTube."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncjobs.youtube import parsing


def _video(**parts: Any) -> dict[str, Any]:
    item: dict[str, Any] = {"id": "dQw4w9WgXcQ", "snippet": {"title": "t"}, "contentDetails": {"duration": "PT1S"}}
    return item | parts


@pytest.mark.parametrize(
    ("value", "count"),
    [("0", 0), ("5234567890", 5_234_567_890), (str(2**63 - 1), 2**63 - 1), (7, 7), (None, None)],
)
def test_counts_are_parsed(value: object, count: int | None) -> None:
    [video], _ = parsing.parse_items([_video(statistics={"viewCount": value})], parsing.video)
    assert video.view_count == count
    assert video.like_count is None


@pytest.mark.parametrize(
    "value", [str(2**63), "-1", "1_000", "٣", "1e3", " 1", "", "9" * 5000, True, 1.5, math.inf, math.nan, [], {}]
)
def test_an_invalid_count_makes_the_item_unreadable(value: object) -> None:
    good, [bad] = parsing.parse_items([_video(statistics={"viewCount": value})], parsing.video)
    assert good == []
    assert bad.item_id == "dQw4w9WgXcQ"
    assert "viewCount" in bad.message
    assert len(bad.message) < 200


@pytest.mark.parametrize("value", ["yesterday", 5, "0001-01-01T00:00:00+14:00", "2026-02-30T00:00:00Z", "9" * 5000])
def test_an_invalid_time_makes_the_item_unreadable(value: object) -> None:
    good, bad = parsing.parse_items([_video(snippet={"publishedAt": value})], parsing.video)
    assert (good, len(bad)) == ([], 1)


@pytest.mark.parametrize("value", ["2026-11-24T12:00:00Z", "2026-11-24T12:00:00.000Z", "2026-11-24T13:00:00+01:00"])
def test_times_are_utc(value: str) -> None:
    [video], _ = parsing.parse_items([_video(snippet={"publishedAt": value})], parsing.video)
    assert video.published_at == dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
    assert video.published_at.utcoffset() == dt.timedelta()


@pytest.mark.parametrize(
    "text", ["P" + "9" * 5000 + "D", "PT1H2", "PT", "P1DT", "PT٣S", "-PT1S", "1e3s", "PT1.5S", "s"]
)
def test_an_invalid_duration_makes_the_item_unreadable(text: str) -> None:
    good, bad = parsing.parse_items([_video(contentDetails={"duration": text})], parsing.video)
    assert (good, len(bad)) == ([], 1)


@pytest.mark.parametrize(
    ("state", "stored"), [("live", "live"), ("upcoming", "upcoming"), ("completed", "none"), (None, "none")]
)
def test_live_states_are_parsed(state: str | None, stored: str) -> None:
    [video], _ = parsing.parse_items([_video(snippet={"liveBroadcastContent": state})], parsing.video)
    assert video.live_state == stored


def test_characters_that_postgresql_cannot_store_are_removed() -> None:
    snippet = json.loads('{"title": "a\\u0000b\\ud83dc \\ud83e\\udd41", "tags": ["\\u0000"]}')
    [video], _ = parsing.parse_items([_video(snippet=snippet)], parsing.video)
    assert (video.title, video.tags) == ("abc 🥁", [""])


@pytest.mark.parametrize("video_id", ["", "a,b", "a b", "x" * 33, "<script>"])
def test_an_entry_must_name_a_video(video_id: str) -> None:
    good, bad = parsing.parse_items([{"contentDetails": {"videoId": video_id}}], parsing.playlist_item)
    assert (good, len(bad)) == ([], 1)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
_fields = st.sampled_from(
    ["title", "duration", "videoId", "viewCount", "publishedAt", "thumbnails", "tags", "resourceId"]
)
_part = st.dictionaries(_fields, _json, max_size=4) | _json
_item = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("id", "snippet", "contentDetails", "statistics", "status"), _part)
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # A busy machine generates slowly.
@given(st.lists(_item | _json, max_size=4))
def test_every_item_is_parsed_or_reported(items: list[Any]) -> None:
    for parse in (parsing.video, parsing.playlist_item, parsing.stats, parsing.channel):
        good, bad = parsing.parse_items(items, parse)
        assert len(good) + len(bad) == len(items)
        for value in [*good, *bad]:
            assert "\x00" not in repr(value)
