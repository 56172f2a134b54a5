"""What PostgreSQL can store of what people send."""

from __future__ import annotations

import re
from typing import Any

VISIBLE = r"[^\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028\u2029\u202f\u205f\u2060\u3000\ufeff]"
"""A pattern for one character that isn't a space of any kind."""
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def is_storable(value: Any) -> bool:
    """Whether no text in it, however deep in lists and objects, has a NUL or half of a surrogate pair."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if _UNSTORABLE.search(each):
                return False
        elif isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, list):
            waiting += each
    return True
