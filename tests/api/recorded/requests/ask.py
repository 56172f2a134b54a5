"""A request whose answer is recorded, and short ways to write one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MODERATOR, ADMIN, SUPER_ADMIN, PLAIN, NOBODY = "MODERATOR", "ADMIN", "SUPER_ADMIN", "plain", "nobody"
JOBS, ERRORS, PRESETS = "admin/sync-jobs", "admin/sync/errors", "admin/filter-presets"


@dataclass
class Ask:
    """A request. `ids_only` records only the ids of a list's rows."""

    method: str
    path: str
    body: Any = None
    who: str = MODERATOR
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    content_type: str = "application/json"
    ids_only: bool = False
    times: int = 1

    def __str__(self) -> str:
        """Return its name in the recording."""
        parts = [self.who, self.method, self.path, *(f"{name}: {value}" for name, value in self.headers.items())]
        if self.raw is not None:
            parts += [self.content_type, repr(self.raw[:60])]
        return " ".join(parts) + (f" × {self.times}" if self.times > 1 else "")


def get(path: str, who: str = MODERATOR, **more: Any) -> Ask:
    return Ask("GET", f"/api/{path}", who=who, **more)


def ids(path: str, who: str = MODERATOR) -> Ask:
    return get(path, who, ids_only=True)


def head(path: str, who: str = MODERATOR) -> Ask:
    return Ask("HEAD", f"/api/{path}", who=who)


def post(path: str, body: Any = None, who: str = MODERATOR, **more: Any) -> Ask:
    return Ask("POST", f"/api/{path}", body, who, **more)


def patch(path: str, body: Any = None, who: str = ADMIN) -> Ask:
    return Ask("PATCH", f"/api/{path}", body, who)


def delete(path: str, who: str = ADMIN, body: Any = None) -> Ask:
    return Ask("DELETE", f"/api/{path}", body, who)


def each(make: Any, path: str, values: str, who: str = MODERATOR) -> list[Any]:
    """Return a request for each of the query strings, one per line."""
    return [make(f"{path}?{value.strip()}", who) for value in values.strip().splitlines()]


def fresh(path: str, who: str = MODERATOR) -> list[Ask]:
    """Ask twice; the second answer is 304."""
    return [ids(path, who), get(path, who, headers={"If-None-Match": "{last.etag}"})]
