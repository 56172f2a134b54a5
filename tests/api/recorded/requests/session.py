"""Logging in and out."""

from __future__ import annotations

from typing import Any

from tests.api.recorded.requests.ask import ADMIN, MODERATOR, NOBODY, PLAIN, SUPER_ADMIN, get, head, post
from tests.api.recorded.world import PASSWORD

_LOGIN = {"username": "MODERATOR", "password": PASSWORD}
REQUESTS: list[Any] = [
    *[
        post("auth/token", body, NOBODY)
        for body in (
            _LOGIN,
            _LOGIN | {"password": "wrong"},
            _LOGIN | {"username": "unknown"},
            _LOGIN | {"username": "gone"},
            _LOGIN | {"username": "plain"},
            _LOGIN | {"more": 1},
            _LOGIN | {"password": ""},
            {"username": 1},
            {},
            [],
            None,
        )
    ],
    post("auth/token?x=1", _LOGIN, NOBODY),
    post("auth/token", _LOGIN, NOBODY, headers={"Authorization": "Bearer nonsense"}),
    [post("auth/token", _LOGIN | {"password": "x"}, NOBODY, times=20), post("auth/token", _LOGIN, NOBODY)],
    *[
        post(f"auth/{path}", body, NOBODY)
        for path in ("token/refresh", "logout")
        for body in ({"refresh": "nonsense"}, {"refresh": ""}, {"refresh": 1}, {"refresh": "a", "b": 1}, {}, [], None)
    ],
    [
        post("auth/token", _LOGIN, NOBODY),
        post("auth/token/refresh", {"refresh": "{last.access}"}, NOBODY),
    ],
    [post("auth/token", _LOGIN, NOBODY), get("auth/me", NOBODY, headers={"Authorization": "Bearer {last.refresh}"})],
    [post("auth/token", _LOGIN, NOBODY), get("auth/me", NOBODY, headers={"Authorization": "bearer {last.access}"})],
    [
        post("auth/token", _LOGIN, NOBODY),
        post("auth/token/refresh", {"refresh": "{last.refresh}"}, NOBODY),
        post("auth/logout", {"refresh": "{last.refresh}"}, NOBODY),
        post("auth/logout", {"refresh": "{kept.refresh}"}, NOBODY),
        post("auth/token/refresh", {"refresh": "{kept.refresh}"}, NOBODY),
    ],
    *[get("auth/me", who) for who in (NOBODY, PLAIN, MODERATOR, ADMIN, SUPER_ADMIN)],
    head("auth/me"),
    get("auth/me?x=1"),
]
