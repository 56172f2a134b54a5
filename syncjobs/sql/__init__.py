"""SQL that the ORM can't express, in files that can be read whole.

The files of this folder define the current functions, triggers and storage settings; migrations read frozen copies
(`migrations/sql/`).
To change a function, add it here under its next version and write a migration that replaces the old one.
`queries/` holds statements with named parameters.
"""

from functools import cache
from pathlib import Path


@cache
def query(name: str) -> str:
    """Return the text of `queries/<name>.sql`."""
    return (Path(__file__).parent / "queries" / f"{name}.sql").read_text(encoding="utf-8")
