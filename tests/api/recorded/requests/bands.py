"""Bands."""

from __future__ import annotations

from typing import Any

from tests.api.recorded.requests.ask import (
    ADMIN,
    JOBS,
    MODERATOR,
    NOBODY,
    PLAIN,
    delete,
    each,
    get,
    head,
    ids,
    patch,
    post,
)
from tests.api.recorded.world import HTML

_NEW_BAND = {"name": "Port Marlow", "slug": "port-marlow"}
REQUESTS: list[Any] = [
    [
        post("bands/11/pause", {"reason": "Moving"}),
        post("bands/11/pause"),
        get("bands/11"),
        get("bands?health=paused"),
        ids(f"{JOBS}?due=paused"),
        post("bands/11/resume"),
        post("bands/11/resume"),
    ],
    post("bands/11/pause", {"reason": "x" * 501}),
    post("bands/11/pause", {"why": "x"}),
    post("bands/11/pause", who=NOBODY),
    post("bands/11/pause", who=PLAIN),
    post("bands/9999/resume"),
    get("bands"),
    head("bands"),
    *each(
        ids,
        "bands",
        """
        search=brass
        search=nothing
        health=active
        health=inactive
        health=problem
        health=failing
        health=never
        health=no-channel
        health=stale
        health=healthy
        health=active&search=c&limit=2
        state=ga
        conference=Coastal
        state=active
        push=off
        push=trusted
        feed=missing
        late=1
        page=2&limit=3
        page=9
        """,
    ),
    *each(
        get,
        "bands",
        """
        health=x
        push=x
        feed=off
        late=0
        page=0
        limit=101
        nonsense=1
        search=%00
        """,
    ),
    get("bands", NOBODY),
    get("bands", PLAIN),
    get("bands/11"),
    get("bands/12"),
    get("bands/15"),
    head("bands/11"),
    get("bands/999"),
    get("bands/x"),
    get("bands/11?x=1"),
    get("bands/11", NOBODY),
    get("bands/11", PLAIN),
    *[
        post("bands", body, ADMIN)
        for body in (
            _NEW_BAND,
            _NEW_BAND
            | {
                "schoolName": "Marlow",
                "nickname": "M",
                "city": "Ashby",
                "state": "GA",
                "conference": "C",
                "founded": 1990,
                "bandType": "HS",
                "searchKeywords": ["a", "b"],
                "isActive": False,
                "isFeatured": True,
                "primaryColor": "#123456",
                "secondaryColor": "",
                "youtubeChannel": "https://www.youtube.com/@marlow",
                "playlists": ["https://www.youtube.com/playlist?list=PLabcdefghijkl"],
            },
            _NEW_BAND | {"youtubeChannel": f"UC{11:022}"},
            _NEW_BAND | {"youtubeChannel": "@herons"},
            _NEW_BAND | {"youtubeChannel": "not a channel"},
            _NEW_BAND | {"youtubeChannel": "https://example.org/@marlow"},
            _NEW_BAND | {"playlists": ["x"]},
            _NEW_BAND | {"playlists": "x"},
            _NEW_BAND | {"slug": "herons"},
            _NEW_BAND | {"slug": "herons", "youtubeChannel": "@wren", "founded": 1},
            _NEW_BAND | {"slug": "a b"},
            _NEW_BAND | {"name": " "},
            _NEW_BAND | {"name": HTML},
            _NEW_BAND | {"name": "x" * 201, "slug": "x" * 121},
            _NEW_BAND | {"founded": "1990"},
            _NEW_BAND | {"founded": 1990.0},
            _NEW_BAND | {"primaryColor": "red"},
            _NEW_BAND | {"isActive": 1},
            _NEW_BAND | {"searchKeywords": [1]},
            _NEW_BAND | {"id": "1", "videoCount": 2},
            {"name": "N"},
            {"slug": "n"},
            {},
            [],
            None,
        )
    ],
    post("bands", _NEW_BAND),
    post("bands", _NEW_BAND, NOBODY),
    *[
        patch("bands/11", body)
        for body in (
            {"city": "Marlow"},
            {"isActive": False, "founded": None},
            {"youtubeChannel": "@other"},
            {"youtubeChannel": ""},
            {"youtubeChannel": f"UC{12:022}"},
            {"slug": "brass"},
            {"slug": ""},
            {"name": ""},
            {"founded": 3000},
            {"channelId": "x"},
            {"videoCount": 1, "founded": "x"},
            {},
            [],
        )
    ],
    patch("bands/999", {"city": "Marlow"}),
    patch("bands/11", {"city": "Marlow"}, MODERATOR),
    patch("bands/11", {"city": "Marlow"}, NOBODY),
    [patch("bands/17", {"youtubeChannel": "@wrens"}), get("bands/17"), get("admin/audit?limit=1", ADMIN)],
    [delete("bands/16"), delete("bands/16"), get("bands/16"), ids("bands")],
    delete("bands/11"),
    delete("bands/999"),
    delete("bands/16", ADMIN, {"x": 1}),
    delete("bands/16", MODERATOR),
    delete("bands/16", NOBODY),
]
