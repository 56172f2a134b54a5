"""Checks and parsers for text that people send, and the two spellings of names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

MAX_ID = 2**63 - 1
"""Highest primary key (bigint)."""
ID_PATTERN = "[1-9][0-9]{0,17}"
"""An id as requests write it."""
VISIBLE = r"[^\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028\u2029\u202f\u205f\u2060\u3000\ufeff]"
"""A pattern for one character that isn't a space of any kind."""
_CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
"""Control characters, rare line breaks, and what turns the direction of text around (Unicode's Bidi_Control)."""
LINES = f"[^{_CONTROL}]*"
"""A pattern for text that a page or a terminal shows as what it is."""
ONE_LINE = f"[^\\t\\n\\r{_CONTROL}]*"
"""The same for text on one line."""
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
_CONTROLS = re.compile(f"[\\t\\n\\r{_CONTROL}]")


def is_storable(value: Any) -> bool:
    """Return False if a string in this JSON value, at any depth, has a NUL or a lone surrogate: PostgreSQL refuses them."""
    remaining = [value]
    while remaining:
        item = remaining.pop()
        if isinstance(item, str):
            if _UNSTORABLE.search(item):
                return False
        elif isinstance(item, dict):
            remaining += [*item, *item.values()]
        elif isinstance(item, list):
            remaining += item
    return True


def escape_controls(text: str) -> str:
    """Write line breaks, control characters and direction marks as JSON does, so that no terminal obeys them."""
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def parse_number(text: str, maximum: int = MAX_ID) -> int | None:
    """Parse a whole number written in ASCII digits; return None for any other text or a number above `maximum`."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_ID))):
        return None
    number = int(text)
    return number if number <= maximum else None


def parse_numbers(texts: Iterable[str]) -> list[int]:
    """Parse each text as `parse_number` does, and skip what is not a number."""
    return [number for text in texts if (number := parse_number(text)) is not None]


def camel_case(name: str) -> str:
    """Spell a snake_case name in camelCase: job_type becomes jobType."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def snake_case(name: str) -> str:
    """Spell a camelCase name in snake_case: jobType becomes job_type."""
    return re.sub(r"(?<=[a-z0-9])[A-Z]", lambda letter: f"_{letter[0]}", name).lower()


def respell_keys(value: Any, spell: Callable[[str], str]) -> Any:
    """Return a JSON value in which `spell` has been applied to the keys of all objects, at any depth."""
    if isinstance(value, dict):
        return {spell(key): respell_keys(item, spell) for key, item in value.items()}
    return [respell_keys(item, spell) for item in value] if isinstance(value, list) else value
