"""The SQL that the ORM can't express, in files that can be read whole.

`triggers/` holds the current functions and triggers; migrations read frozen copies of them (`migrations/sql/`).
`queries/` holds statements with named parameters.
"""

from functools import cache
from pathlib import Path

_DIRECTORY = Path(__file__).parent


@cache
def query(name: str) -> str:
    """Return the text of `queries/<name>.sql`."""
    return (_DIRECTORY / "queries" / f"{name}.sql").read_text(encoding="utf-8")
