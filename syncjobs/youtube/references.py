"""Parse references to channels, videos and playlists: ids, handles and all forms of URLs."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

_CHANNEL_ID = re.compile(r"UC[A-Za-z0-9_-]{22}\Z")
_VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}\Z")
_PLAYLIST_ID = re.compile(r"(?:PL|UU|FL|LL|OL|RD|EC|UL|PU)[A-Za-z0-9_-]{10,62}\Z")
# support.google.com/youtube/answer/11585688: 3 to 30 letters, digits, _ - . and ·. In other scripts than Latin a handle may
# be shorter and have other characters, which the page does not list: YouTube decides, for one unit.
_HANDLE_LENGTH = range(3, 31)
_OTHER_LENGTH = range(1, 101)
_JOINERS = "\u200c\u200d"
"""Invisible characters that words of some scripts need: the zero-width non-joiner and joiner."""
_NAME = re.compile(r"[\w.·-]{1,100}\Z")
_HOSTS = {"youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com", "gaming.youtube.com",
          "youtube-nocookie.com", "www.youtube-nocookie.com", "youtu.be", "www.youtu.be",
          "studio.youtube.com", "youtubekids.com", "www.youtubekids.com"}  # fmt: skip
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|//")
# Characters that pages and messengers add around a copied link: byte order mark, zero-width spaces, direction marks, <…>
_WRAPPING = "\ufeff\u200b\u200e\u200f\u2060<> \t\r\n\u00a0"
_NOT_NAMES = {"watch", "shorts", "live", "embed", "v", "playlist", "feed", "feeds", "results", "hashtag", "gaming", "about",
              "channel", "user", "c", "e", "clip", "post", "redirect", "attribution_link", "account", "premium", "profile",
              "subscription_center", "subscriptions", "trending", "upload", "signin", "oops", "tv", "t"}  # fmt: skip
_OF_USER = {"profile": "user", "feeds": "user", "subscription_center": "add_user"}
"""Old addresses that name a user in their query, and the parameter that does."""


def _(pattern: str) -> str:
    """Mark a sentence for translation. This package needs no Django, so `operations.texts.translated` translates it."""
    return pattern


class MalformedReference(ValueError):
    """The text is not a valid reference; the message says what is valid: `pattern` with `text` in it."""

    def __init__(self, pattern: str, text: str = "") -> None:
        self.pattern, self.text = pattern, _short(text)
        super().__init__(pattern % {"text": self.text})


@dataclass(frozen=True, slots=True)
class ChannelReference:
    """A channel's id, @handle or legacy user name."""

    kind: Literal["id", "handle", "username"]
    value: str


def unwrap(text: str) -> str:
    """Remove what pages and messengers add around a copied link."""
    return text.strip(_WRAPPING)


def parse_channel(text: str) -> ChannelReference:
    """Parse a channel's id, @handle or URL of any form. Raises MalformedReference.

    A custom URL (/c/Name or /Name) is taken for the handle @Name, because YouTube made handles of custom URLs. All forms
    of URLs: support.google.com/youtube/answer/6180214.
    """
    text = unwrap(text)
    if _CHANNEL_ID.match(text):
        return ChannelReference("id", text)
    if text.startswith(("@", "%40")):
        return _handle(text)
    url = _youtube_url(text)
    if url is None:
        raise _bare_word(text)
    return _channel_of_url(text, url)


def _bare_word(text: str) -> MalformedReference:
    if not text:
        expected = _("Give a channel ID (UC and 22 more characters), an @handle, or the URL of the channel's page.")
        return MalformedReference(expected)
    if _is_handle("@" + text) and not text.startswith("UC"):
        return MalformedReference(_("“%(text)s” is not a channel. If it is a handle, write “@%(text)s”."), text)
    pattern = _(
        "“%(text)s” is not a YouTube channel. Give a channel ID (UC and 22 more characters), an @handle, or the URL of the"
        " channel's page."
    )
    return MalformedReference(pattern, text)


def _channel_of_url(text: str, url: SplitResult) -> ChannelReference:
    parts = [unquote(part) for part in url.path.split("/") if part]
    query = parse_qs(url.query)
    playlist = (query.get("list") or query.get("playlist_id") or [""])[0]
    named = query.get("channel_id") or (query.get("channel") if parts[:1] == ["embed"] else None)
    candidate = (named or [""])[0] or _channel_of_uploads(playlist)
    head, rest = (parts[0], parts[1:]) if parts else ("", [])
    head = head.lower() if head.lower() in _NOT_NAMES else head
    if head == "channel" and rest:
        candidate = rest[0]
    if candidate:
        if _CHANNEL_ID.match(candidate):
            return ChannelReference("id", candidate)
        raise MalformedReference(_("“%(text)s” is not a channel ID (UC and 22 more characters)."), candidate)
    if head.startswith("@"):
        return _handle(head)
    user = rest[0] if head == "user" and rest else (query.get(_OF_USER.get(head, "")) or [""])[0]
    if _NAME.match(user):
        return ChannelReference("username", user)
    if head == "c" and rest:
        return _handle("@" + rest[0], _OTHER_LENGTH)
    if head and head not in _NOT_NAMES and url.hostname not in {"youtu.be", "www.youtu.be"}:
        return _handle("@" + head, _OTHER_LENGTH)
    if _video_of(url):
        raise MalformedReference(_("“%(text)s” is a video. Give the URL of the channel's own page."), text)
    if playlist:
        raise MalformedReference(_("“%(text)s” is a playlist. Give the URL of the channel's own page."), text)
    raise MalformedReference(_("“%(text)s” is not a channel. Give the URL of the channel's own page."), text)


def _channel_of_uploads(playlist_id: str) -> str:
    return "UC" + playlist_id[2:] if playlist_id.startswith("UU") and len(playlist_id) == 24 else ""


def _handle(text: str, lengths: range = _HANDLE_LENGTH) -> ChannelReference:
    """Parse a handle. `lengths` are those of a name in ASCII."""
    handle = unicodedata.normalize("NFC", unquote(text))
    if not _is_handle(handle, lengths):
        pattern = _(
            "“%(text)s” is not a handle: @ and 3 to 30 letters, digits, or _ - . (fewer in scripts other than Latin)."
        )
        raise MalformedReference(pattern, handle)
    return ChannelReference("handle", handle)


def _is_handle(text: str, lengths: range = _HANDLE_LENGTH) -> bool:
    """Whether the text is @ and a name, in Latin letters or in another script with its marks and punctuation."""
    name = text.removeprefix("@")
    if not name.isascii():
        lengths = _OTHER_LENGTH
    fits = all(c in "_-." or c in _JOINERS or _is_letter(c) for c in name)
    return text.startswith("@") and len(name) in lengths and fits


def _is_letter(character: str) -> bool:
    """Whether this is a letter, digit or combining mark, or punctuation that is not in ASCII, such as · and ・."""
    kinds = "LNM" if character.isascii() else "LNMP"
    return unicodedata.category(character)[0] in kinds


def parse_video(text: str) -> str:
    """Parse a video's id, from the id itself or any URL that plays it. Raises MalformedReference."""
    text = unwrap(text)
    if _VIDEO_ID.match(text):
        return text
    url = _youtube_url(text)
    candidate = _video_of(url) if url else ""
    if not candidate:
        pattern = _("“%(text)s” is not a video. Give its ID (11 characters) or its page's URL.")
        raise MalformedReference(pattern, text)
    return candidate


def _video_of(url: SplitResult) -> str:
    parts = [unquote(part) for part in url.path.split("/") if part]
    if url.hostname in {"youtu.be", "www.youtu.be"}:
        candidate = parts[0] if parts else ""
    elif len(parts) > 1 and parts[0] in {"shorts", "live", "embed", "v", "e", "watch"}:
        candidate = parts[1]
    else:
        candidate = (parse_qs(url.query).get("v") or [""])[0]
    return candidate if _VIDEO_ID.match(candidate) else ""


def parse_playlist(text: str) -> str:
    """Parse a playlist's id, from the id itself or a URL with list=. Raises MalformedReference."""
    text = unwrap(text)
    url = _youtube_url(text)
    candidate = text if url is None else (parse_qs(url.query).get("list") or [""])[0]
    if not _PLAYLIST_ID.match(candidate):
        raise MalformedReference(_("“%(text)s” is not a playlist. Give its ID (PL…) or its page's URL."), text)
    return candidate


def _youtube_url(text: str) -> SplitResult | None:
    try:
        url = urlsplit(text if _SCHEME.match(text) else f"https://{text}", scheme="https")
        return url if url.scheme in {"http", "https"} and (url.hostname or "").lower() in _HOSTS else None
    except ValueError:
        return None


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
