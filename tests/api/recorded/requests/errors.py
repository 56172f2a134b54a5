"""Groups of errors."""

from __future__ import annotations

from typing import Any

from tests.api.recorded.requests.ask import ERRORS, MODERATOR, NOBODY, PLAIN, delete, each, get, head, post
from tests.api.recorded.world import BROKEN, GONE, ODD

REQUESTS: list[Any] = [
    get(ERRORS),
    *each(
        get,
        ERRORS,
        """
        window=all
        window=5h
        window=30d&limit=1
        acknowledged=true
        acknowledged=false&window=all
        window=
        window=5
        window=0h
        window=99999d
        limit=0
        limit=101
        acknowledged=yes
        page=1
        """,
    ),
    head(ERRORS),
    get(ERRORS, NOBODY),
    get(ERRORS, PLAIN),
    [get(ERRORS), get(ERRORS, headers={"If-None-Match": "{last.etag}"})],
    *[
        post(f"{ERRORS}/{BROKEN}/acknowledge", body)
        for body in (None, {}, {"note": ""}, {"note": "x" * 2001}, {"note": 1}, {"what": 1}, [])
    ],
    post(f"{ERRORS}/ffff/acknowledge", {"note": "Seen"}),
    post(f"{ERRORS}/{BROKEN}/acknowledge", who=NOBODY),
    post(f"{ERRORS}/{BROKEN}/acknowledge", who=PLAIN),
    [
        post(f"{ERRORS}/{BROKEN}/acknowledge", {"note": "YouTube was down."}),
        get(f"{ERRORS}?acknowledged=true"),
        post(f"{ERRORS}/{BROKEN}/acknowledge"),
        delete(f"{ERRORS}/{BROKEN}/acknowledge", MODERATOR),
        get(f"{ERRORS}?acknowledged=false"),
    ],
    delete(f"{ERRORS}/{GONE}/acknowledge", MODERATOR),
    delete(f"{ERRORS}/{ODD}/acknowledge", MODERATOR),
    delete(f"{ERRORS}/ffff/acknowledge", MODERATOR),
    delete(f"{ERRORS}/{GONE}/acknowledge", MODERATOR, {"note": "x"}),
    delete(f"{ERRORS}/{GONE}/acknowledge", NOBODY),
    delete(f"{ERRORS}/{GONE}/acknowledge", PLAIN),
    *[
        get(f"{ERRORS}?{query}")
        for query in ("state=regressed,open", "state=closed", "assignee=nobody", "assignee=who", "isNew=true")
    ],
    [
        post(f"{ERRORS}/{ODD}/notes", {"note": "Asked the school."}),
        post(f"{ERRORS}/{ODD}/assign", {"assignee": "ADMIN"}),
        post(f"{ERRORS}/{ODD}/resolve", {"note": "Fixed."}),
        post(f"{ERRORS}/{ODD}/resolve"),
        get(f"{ERRORS}/{ODD}"),
    ],
    [
        post(f"{ERRORS}/{GONE}/ignore", {"until": "{day+30}T10:20:30Z", "note": "Next month."}),
        get(f"{ERRORS}?state=ignored"),
    ],
    *[get(f"{ERRORS}/{key}") for key in (GONE, "ffff")],
    get(f"{ERRORS}/{GONE}", PLAIN),
    *[post(f"{ERRORS}/{GONE}/ignore", {"until": until}) for until in ("2020-01-01T00:00:00Z", "soon", None)],
    *[post(f"{ERRORS}/{GONE}/assign", {"assignee": name}) for name in ("who", None, 7)],
    post(f"{ERRORS}/{GONE}/notes", {"note": ""}),
    *[post(f"{ERRORS}/{GONE}/{verb}", who=PLAIN) for verb in ("resolve", "ignore", "assign", "notes")],
    *[post(f"{ERRORS}/{key}/retry") for key in (BROKEN, GONE, ODD, "ffff", "a.b")],
    post(f"{ERRORS}/{BROKEN}/retry", {"what": 1}),
    post(f"{ERRORS}/{BROKEN}/retry", who=NOBODY),
    post(f"{ERRORS}/{BROKEN}/retry", who=PLAIN),
    [post(f"{ERRORS}/{GONE}/retry"), post(f"{ERRORS}/{GONE}/retry")],
]
