from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncjobs.youtube.references import (
    ChannelReference,
    MalformedReference,
    parse_channel,
    parse_playlist,
    parse_video,
)

ID = "UCabcdefghijklmnopqrstuv"


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (ID, "id", ID),
        (f"  {ID}\n", "id", ID),
        ("@HumanJukebox", "handle", "@HumanJukebox"),
        ("https://www.youtube.com/@HumanJukebox", "handle", "@HumanJukebox"),
        ("https://www.youtube.com/@HumanJukebox/videos?view=0#x", "handle", "@HumanJukebox"),
        ("youtube.com/@HumanJukebox", "handle", "@HumanJukebox"),
        ("http://m.youtube.com/@caf%C3%A9band", "handle", "@caféband"),
        (f"https://youtube.com/channel/{ID}/about", "id", ID),
        (f"music.youtube.com/channel/{ID}", "id", ID),
        ("https://www.youtube.com/c/SonicBoom", "handle", "@SonicBoom"),
        ("https://www.youtube.com/SonicBoom", "handle", "@SonicBoom"),
        ("https://www.youtube.com/user/olduser1", "username", "olduser1"),
        (f"https://www.youtube.com/feeds/videos.xml?channel_id={ID}", "id", ID),
        (f"https://studio.youtube.com/channel/{ID}/videos/upload", "id", ID),
        (f"https://www.youtubekids.com/channel/{ID}", "id", ID),
        (f"https://www.youtube.com/embed/live_stream?channel={ID}", "id", ID),
        ("https://www.youtube.com/profile?user=olduser1", "username", "olduser1"),
        ("https://www.youtube.com/subscription_center?add_user=olduser1", "username", "olduser1"),
        ("https://www.youtube.com/feeds/videos.xml?user=olduser1", "username", "olduser1"),
        (f"https://www.youtube.com/playlist?list=UU{ID[2:]}", "id", ID),
        (f"https://www.youtube.com/feeds/videos.xml?playlist_id=UU{ID[2:]}", "id", ID),
        ("//youtube.com/@HumanJukebox", "handle", "@HumanJukebox"),
        ("HTTPS://WWW.YouTube.com/@HumanJukebox", "handle", "@HumanJukebox"),
        ("youtube.com/@HumanJukebox?next=https://example.org", "handle", "@HumanJukebox"),
        ("youtube.com/%40HumanJukebox", "handle", "@HumanJukebox"),
        ("%40HumanJukebox", "handle", "@HumanJukebox"),
        ("\u200b<https://www.youtube.com/@HumanJukebox>\ufeff", "handle", "@HumanJukebox"),
        ("@cafe\u0301band", "handle", "@caféband"),
        ("@मार्चिंगबैंड", "handle", "@मार्चिंगबैंड"),
        ("@פרקתזמורת", "handle", "@פרקתזמורת"),
        ("@樂隊", "handle", "@樂隊"),
        ("@李", "handle", "@李"),
        ("@音楽", "handle", "@音楽"),
        ("@한국", "handle", "@한국"),
        ("@あ", "handle", "@あ"),
        ("@マーチ・バンド", "handle", "@マーチ・バンド"),
        ("@می‌خواهم", "handle", "@می‌خواهم"),
        ("@गर्‍ल", "handle", "@गर्‍ल"),
        ("@l·l", "handle", "@l·l"),
        ("@" + "音" * 40, "handle", "@" + "音" * 40),
        ("%40%E6%9D%8E", "handle", "@李"),
        ("@%E6%9D%8E", "handle", "@李"),
        ("https://www.youtube.com/@%E6%9D%8E?si=x", "handle", "@李"),
        ("https://www.youtube.com/@%25E6%259D%258E", "handle", "@李"),
        ("youtube.com/@あ/featured", "handle", "@あ"),
        ("https://www.youtube.com/c/李", "handle", "@李"),
        ("youtube.com/c/%E9%9F%B3%E6%A5%BD/videos", "handle", "@音楽"),
        ("HTTPS://WWW.YOUTUBE.COM/C/Band", "handle", "@Band"),
        ("youtube.com/c/ab", "handle", "@ab"),
        ("youtube.com/李", "handle", "@李"),
        ("youtube.com/user/李", "username", "李"),
    ],
)
def test_channel_references_are_parsed(text: str, kind: str, value: str) -> None:
    assert parse_channel(text) == ChannelReference(kind, value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "Give a channel ID"),
        ("HumanJukebox", "write “@HumanJukebox”"),
        ("@ab", "3 to 30"),
        ("UCtooshort", "UC and 22 more"),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ", "is a video"),
        ("https://youtu.be/dQw4w9WgXcQ", "is a video"),
        ("youtube.com/shorts/dQw4w9WgXcQ", "is a video"),
        ("youtube.com/playlist?list=PLabcdefghijkl", "is a playlist"),
        ("https://www.youtube.com/redirect?q=https://example.org", "is not a channel"),
        ("https://www.youtube.com/channel", "is not a channel"),
        ("https://www.youtube.com/profile", "is not a channel"),
        ("https://www.youtube.com", "is not a channel"),
        ("https://youtube.com.example.org/@band", "not a YouTube channel"),
        ("@two words", "not a handle"),
        ("@二 語", "not a handle"),
        ("@李/x", "not a handle"),
        ("@%FF", "not a handle"),
        ("@", "not a handle: @ and 3 to 30 letters, digits, or _ - . (fewer in scripts other than Latin)."),
        ("李", "write “@李”"),
        ("https://vimeo.com/@band", "not a YouTube channel"),
        ("https://www.youtube.com/channel/UC123", "UC and 22 more"),
        ("https://[broken", "not a YouTube channel"),
        ("javascript:alert(1)", "not a YouTube channel"),
    ],
)
def test_an_invalid_channel_error_shows_valid_forms(text: str, expected: str) -> None:
    with pytest.raises(MalformedReference) as error:
        parse_channel(text)
    assert expected in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "dQw4w9WgXcQ",
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=3s",
        "https://www.youtube.com/watch?app=desktop&v=dQw4w9WgXcQ",
        "youtu.be/dQw4w9WgXcQ?si=abc",
        "https://www.youtube.com/shorts/dQw4w9WgXcQ",
        "https://www.youtube.com/live/dQw4w9WgXcQ?feature=share",
        "https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ",
        "m.youtube.com/v/dQw4w9WgXcQ",
    ],
)
def test_video_references_are_parsed(text: str) -> None:
    assert parse_video(text) == "dQw4w9WgXcQ"


def test_playlist_references_are_parsed() -> None:
    assert parse_playlist("https://www.youtube.com/playlist?list=PLabcdefghijkl") == "PLabcdefghijkl"
    with pytest.raises(MalformedReference, match="not a playlist"):
        parse_playlist("PL")


@given(st.text())
def test_any_input_is_parsed_or_refused_with_a_short_message(text: str) -> None:
    for parse in (parse_channel, parse_video, parse_playlist):
        assert len(_refusal(parse, text)) < 300


def _refusal(parse: Callable[[str], object], text: str) -> str:
    try:
        parse(text)
    except MalformedReference as error:
        return str(error)
    return ""
