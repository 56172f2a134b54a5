"""Filter presets."""

from __future__ import annotations

from typing import Any

from tests.api.recorded.requests.ask import ADMIN, MODERATOR, NOBODY, PLAIN, PRESETS, delete, get, head, patch, post

REQUESTS: list[Any] = [
    get(PRESETS),
    get(PRESETS, ADMIN),
    head(PRESETS),
    get(f"{PRESETS}?x=1"),
    get(PRESETS, NOBODY),
    get(PRESETS, PLAIN),
    *[
        post(PRESETS, body)
        for body in (
            {"name": "Today", "filters": {"status": ["FAILED", "CANCELLED"], "bandId": "11"}},
            {"name": " Spaces ", "filters": {}, "shared": False},
            {"name": "Mine", "filters": {}},
            {"name": "Ours", "filters": {}, "shared": True},
            {"name": "", "filters": {}},
            {"name": "   ", "filters": {}},
            {"name": "x" * 81, "filters": {}},
            {"name": 1, "filters": {}},
            {"name": "N"},
            {"filters": {}},
            {"name": "N", "filters": []},
            {"name": "N", "filters": {"nonsense": "1"}},
            {"name": "N", "filters": {"status": "BROKEN"}},
            {"name": "N", "filters": {"bandId": 11}},
            {"name": "N", "filters": {"search": ""}},
            {"name": "N", "filters": {}, "shared": "yes"},
            {"name": "N", "filters": {}, "owner": 1},
            {},
            None,
        )
    ],
    post(PRESETS, {"name": "Ours", "filters": {"due": "now"}, "shared": True}, ADMIN),
    post(PRESETS, {"name": "Failed", "filters": {}, "shared": True}, ADMIN),
    post(PRESETS, {"name": "N", "filters": {}}, NOBODY),
    post(PRESETS, {"name": "N", "filters": {}}, PLAIN),
    *[
        patch(f"{PRESETS}/62", body, MODERATOR)
        for body in (
            {"name": "Renamed"},
            {"filters": {"due": "later"}},
            {"shared": True},
            {"filters": {"due": "x"}},
            {"what": 1},
            {},
        )
    ],
    patch(f"{PRESETS}/61", {"name": "N"}, MODERATOR),
    patch(f"{PRESETS}/63", {"name": "N"}, MODERATOR),
    patch(f"{PRESETS}/61", {"name": "N"}),
    patch(f"{PRESETS}/61", {"shared": False}),
    patch(f"{PRESETS}/999", {"name": "N"}),
    patch(f"{PRESETS}/62", {"name": "N"}, NOBODY),
    patch(f"{PRESETS}/62", {"name": "N"}, PLAIN),
    [delete(f"{PRESETS}/62", MODERATOR), delete(f"{PRESETS}/62", MODERATOR), get(PRESETS)],
    delete(f"{PRESETS}/61", MODERATOR),
    delete(f"{PRESETS}/61"),
    delete(f"{PRESETS}/63", MODERATOR),
    delete(f"{PRESETS}/62", MODERATOR, {"x": 1}),
    delete(f"{PRESETS}/62", NOBODY),
    get(f"{PRESETS}/62"),
]
