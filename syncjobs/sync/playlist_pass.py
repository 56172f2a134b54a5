"""The position of a pass over a playlist. It notices entries that moved, and pages that lead nowhere.

YouTube's page tokens are positions. If an entry is added, deleted or moved during the pass, the entries in between shift,
and we see one of them twice or never. We notice that when an entry appears twice in one pass, or when the total shrinks.
A video that a playlist lists twice has two entries, each with its own id, so it is not mistaken for one that moved.
"""

from __future__ import annotations

import hashlib
from base64 import b85encode
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from ..youtube.client import PAGE_SIZE
from ..youtube.types import PlaylistPage, Unreadable

EXTRA_PAGES = 3
"""How many pages a pass may read beyond those that its entries fill, whatever a server answers."""
MAX_PAGES = 500
"""The pages of the longest playlist. YouTube lists about 20,000 entries: 400 pages."""
_CHECKPOINT = "walk"
"""The key of a PlaylistPass in a job's checkpoint. Stored jobs use it."""


@dataclass(frozen=True, slots=True)
class SeenOnPage:
    """What a page has for its pass: `new` ids, and how many entries it repeats because they moved."""

    new: int
    moved: int


@dataclass(slots=True)
class PlaylistPass:
    """The position of a pass over one playlist. It is the job's checkpoint, so stored jobs use these names."""

    playlist: int = 0
    number: int = 0
    pages_read: int = 0
    entries: int = 0
    empty_pages: int = 0
    page_token: str | None = None
    tokens: list[str] = field(default_factory=list)
    """Hashes of the page tokens that this pass has followed."""
    total: int | None = None
    moved_up_to: int = 0
    stop_after: int | None = None
    is_done: bool = False
    dead_end: str = ""
    """Why the pass ended before the playlist did, as a clause."""
    rereads: int = 0
    recorded_pages: int = 0
    """The pages from the first one on whose unreadable entries were recorded, by any pass over the playlist."""
    restarted: bool = False
    asked_again: bool = False
    """Whether YouTube refused the page that comes next, and it is asked for a second time."""
    incomplete: bool = False
    """Whether a playlist was not read to its end, so that an absent video proves nothing."""
    unidentified: bool = False
    """Whether an entry could not be read that does not even name its video."""
    uploads_total: int | None = None
    uploads_public: int = 0
    uploads_new: int = 0
    playlists: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, checkpoint: dict[str, Any]) -> Self:
        """Return the position where the last attempt stopped, or the beginning."""
        stored = checkpoint.get(_CHECKPOINT, {})
        # Version 1.0 did not count the entries. A pass that it began is no endless one.
        pages = stored.get("pages_read", 0)
        return cls(**{"entries": pages * PAGE_SIZE, "recorded_pages": pages} | stored)

    def store(self, checkpoint: dict[str, Any]) -> None:
        """Write the position into a checkpoint."""
        checkpoint[_CHECKPOINT] = asdict(self)

    @property
    def is_uploads(self) -> bool:
        """Whether the playlist is the uploads of the channel."""
        return self.playlist == 0

    @property
    def playlist_id(self) -> str:
        """The id of the playlist that is being read."""
        return self.playlists[self.playlist]

    def start_again(self, *, stop_after: int | None = None) -> None:
        """Begin another pass over the same playlist, over all of it or its first `stop_after` pages."""
        self.number += 1
        self.pages_read = self.entries = self.empty_pages = self.moved_up_to = 0
        self.page_token, self.total, self.tokens = None, None, []
        self.stop_after = stop_after
        self.is_done, self.dead_end = False, ""

    def next_playlist(self) -> None:
        """Begin the first pass over the next playlist."""
        if self.is_uploads:
            self.uploads_total = self.total
        self.start_again()
        self.playlist += 1
        self.rereads, self.recorded_pages, self.restarted, self.asked_again = 0, 0, False, False

    def next_token(self, page: PlaylistPage) -> str | None:
        """Return the token to follow after a page that was not observed yet, or None if the pass ends with it."""
        token = page.next_page_token
        is_last = self.stop_after is not None and self.pages_read + 1 >= self.stop_after
        return None if token is None or is_last or _hash(token) in self.tokens else token

    def unrecorded(self, page: PlaylistPage) -> list[Unreadable]:
        """Return the unreadable entries of a page that was not observed yet, unless an earlier pass recorded them."""
        return page.unreadable if self.pages_read >= self.recorded_pages else []

    def observe(self, page: PlaylistPage, seen: SeenOnPage) -> None:
        """Update the position after a page: check whether entries moved, and whether the next page leads anywhere."""
        token = self.next_token(page)
        self.asked_again = False
        self._notice_motion(page, seen.moved)
        self.total = page.total_results if page.total_results is not None else self.total
        is_expected = self.total is not None and self.total > self.pages_read * PAGE_SIZE
        self.empty_pages += is_expected and not page.items and not page.unreadable
        self.pages_read += 1
        self.recorded_pages = max(self.recorded_pages, self.pages_read)
        self.entries += seen.new
        is_whole = self.stop_after is None or self.pages_read < self.stop_after
        self.dead_end = (
            self._dead_end(page.next_page_token, is_repeated=token is None, new=seen.new) if is_whole else ""
        )
        self.is_done = token is None or bool(self.dead_end)
        self.page_token = None if self.is_done else token
        if self.page_token:
            self.tokens.append(_hash(self.page_token))

    def _notice_motion(self, page: PlaylistPage, moved: int) -> None:
        if self.pages_read and moved:
            grown = max(0, (page.total_results or 0) - (self.total or 0))
            # If the playlist grew by as many entries as are repeated, the new ones are on top: on its first page or two.
            top = -(-grown // PAGE_SIZE)
            self.moved_up_to = max(self.moved_up_to, top if grown >= moved else self.pages_read)
        elif self.total is not None and page.total_results is not None and page.total_results < self.total:
            self.moved_up_to = max(self.moved_up_to, self.pages_read)

    def _dead_end(self, token: str | None, *, is_repeated: bool, new: int) -> str:
        """Return why the pass must end although the playlist does not, or an empty string.

        Whatever a server answers, a pass over n entries reads as many pages as the announced entries fill or, if that is
        more, ⌈1.25 × n/50⌉ + EXTRA_PAGES; but at most MAX_PAGES, and one that was fetched ahead. YouTube announces entries
        that it does not show us, so that its pages may have fewer than 50.
        """
        read = self.pages_read * PAGE_SIZE
        if token is None:
            is_short = self.total is not None and read < self.total
            is_partial = is_short or self.empty_pages
            return f"YouTube announced {self.total} entries, but listed {self.entries}" if is_partial else ""
        if is_repeated:
            return "YouTube's next page is one that was read before"
        if not new and self.total is not None and read > self.total:
            return f"YouTube announced {self.total} entries, and its pages have no more entries"
        is_expected = new and self.total is not None and read < self.total
        if not is_expected and self.pages_read >= EXTRA_PAGES - (-5 * self.entries // (4 * PAGE_SIZE)):
            return f"YouTube listed {self.entries} entries on {self.pages_read} pages, and announced more pages"
        if self.pages_read >= MAX_PAGES:
            return f"YouTube listed more than {self.entries} entries"
        return ""


def _hash(token: str) -> str:
    """Return 10 characters for a token: a checkpoint is saved with every page, and tokens may be long."""
    return b85encode(hashlib.blake2b(token.encode(), digest_size=8).digest()).decode()
