"""Channels of alerts, and the messages to them."""

from __future__ import annotations

from typing import Any

from tests.api.recorded.requests.ask import ADMIN, MODERATOR, NOBODY, PLAIN, delete, each, get, head, ids, patch, post

CHANNELS, DELIVERIES = "admin/alert-channels", "admin/alert-deliveries"
NEW = {"name": "New", "kind": "EMAIL", "address": "mo@example.org"}
WHOLE = {
    "name": "Whole", "kind": "WEBHOOK", "address": "https://hooks.example.org/T0/secret", "secret": "a secret of my own",
    "enabled": False, "language": "es", "severities": ["CRITICAL"], "rules": ["no_worker"], "bandIds": ["11"],
    "timeZone": "America/New_York", "quietFrom": "22:00", "quietUntil": "07:00", "quietForCritical": True, "repeatHours": 0,
}  # fmt: skip
REQUESTS: list[Any] = [
    get(CHANNELS),
    head(CHANNELS),
    get(f"{CHANNELS}?x=1"),
    get(CHANNELS, NOBODY),
    get(CHANNELS, PLAIN),
    get(f"{CHANNELS}/95"),
    get(f"{CHANNELS}/99"),
    get(f"{CHANNELS}/x"),
    post(CHANNELS, NEW, ADMIN),
    post(CHANNELS, WHOLE, ADMIN),
    post(CHANNELS, NEW, MODERATOR),
    *[
        post(CHANNELS, NEW | wrong, ADMIN)
        for wrong in (
            {"name": ""},
            {"name": "Operators"},
            {"kind": "FAX"},
            {"kind": "WEBHOOK"},
            {"kind": "WEBHOOK", "address": "http://127.0.0.1/"},
            {"kind": "APPRISE", "address": "syslog://local0"},
            {"address": ""},
            {"secret": "short"},
            {"enabled": 1},
            {"language": "fr"},
            {"severities": []},
            {"severities": ["BAD"]},
            {"rules": ["nosuch"]},
            {"bandIds": [11]},
            {"bandIds": ["999"]},
            {"timeZone": "Mars"},
            {"quietFrom": "24:00", "quietUntil": "07:00"},
            {"quietFrom": "22:00"},
            {"repeatHours": 169},
            {"repeatHours": "1"},
            {"x": 1},
        )
    ],
    post(CHANNELS, {}, ADMIN),
    patch(f"{CHANNELS}/95", {"name": "Renamed", "repeatHours": 4}),
    patch(f"{CHANNELS}/95", {"quietFrom": None, "quietUntil": None, "bandIds": [], "rules": []}),
    patch(f"{CHANNELS}/95", {"kind": "EMAIL"}),
    patch(f"{CHANNELS}/95", {"kind": "EMAIL", "address": "mo@example.org"}),
    patch(f"{CHANNELS}/95", {}),
    patch(f"{CHANNELS}/95", {"name": "N"}, MODERATOR),
    patch(f"{CHANNELS}/99", {"name": "N"}),
    [post(f"{CHANNELS}/95/test", None, ADMIN), ids(f"{DELIVERIES}?kind=TEST&limit=1")],
    post(f"{CHANNELS}/95/test", {"x": 1}, ADMIN),
    post(f"{CHANNELS}/99/test", None, ADMIN),
    [delete(f"{CHANNELS}/95"), get(f"{CHANNELS}/95"), ids(DELIVERIES)],
    delete(f"{CHANNELS}/95", MODERATOR),
    get(DELIVERIES),
    head(DELIVERIES),
    *each(ids, DELIVERIES, "state=FAILED\nstate=PENDING\nkind=TEST\nchannelId=95&limit=1&page=2\nchannelId=96"),
    *each(get, DELIVERIES, "state=x\nkind=x\nchannelId=x\nlimit=0\nsort=x"),
    get(f"{DELIVERIES}/972"),
    get(f"{DELIVERIES}/973"),
    get(f"{DELIVERIES}/99"),
    post(f"{DELIVERIES}/972/retry", None, ADMIN),
    post(f"{DELIVERIES}/973/retry", None, ADMIN),
    post(f"{DELIVERIES}/971/retry", None, ADMIN),
    post(f"{DELIVERIES}/972/retry", None, MODERATOR),
]
