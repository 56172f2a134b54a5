"""A set of ids in a form's field: the differences between neighbors, compressed. Ids of jobs lie close together."""

from __future__ import annotations

import binascii
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from itertools import accumulate, pairwise

_MAX_BYTES = 2_000_000


def pack(ids: Sequence[int]) -> str:
    """Return the sorted ids as a text for a hidden field."""
    differences = [*ids[:1], *(after - before for before, after in pairwise(ids))]
    return urlsafe_b64encode(zlib.compress(" ".join(map(str, differences)).encode(), 9)).decode()


def unpack(text: str) -> list[int] | None:
    """Return the ids, or None if the text is not from `pack`."""
    try:
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(urlsafe_b64decode(text), _MAX_BYTES)
        return list(accumulate(map(int, raw.split()))) if unpacker.eof else None
    except (ValueError, binascii.Error, zlib.error):
        return None
