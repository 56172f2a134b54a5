"""Suggested channels."""

from __future__ import annotations

from typing import Any

from tests.api.recorded.requests.ask import ADMIN, MODERATOR, NOBODY, PLAIN, each, get, head, ids, post

SUGGESTIONS = "suggestions"
_NEW = {"bandId": "15", "youtubeChannel": "@CadenceNow"}
REQUESTS: list[Any] = [
    get(SUGGESTIONS),
    head(SUGGESTIONS),
    *each(ids, SUGGESTIONS, "state=open\nstate=accepted\nbandId=15&state=declined\nbandId=11\nlimit=1&page=2"),
    *each(get, SUGGESTIONS, "state=new\nbandId=x\nsort=x"),
    get(SUGGESTIONS, NOBODY),
    get(SUGGESTIONS, PLAIN),
    get(f"{SUGGESTIONS}/99"),
    get(f"{SUGGESTIONS}/9999"),
    ids("bands?suggestion=open"),
    [
        post(SUGGESTIONS, _NEW | {"note": "They said so"}),
        post(SUGGESTIONS, _NEW),
        post(f"{SUGGESTIONS}/{{last.id}}/accept", who=MODERATOR),
    ],
    [post(SUGGESTIONS, _NEW), post(f"{SUGGESTIONS}/{{last.id}}/accept", who=ADMIN), get("bands/15"), get(f"{SUGGESTIONS}/98")],
    [
        post(SUGGESTIONS, _NEW),
        *[post(f"{SUGGESTIONS}/98/accept", {"bandYoutubeChannel": seen}, ADMIN) for seen in ("@another", "", None, 7)],
        post(f"{SUGGESTIONS}/98/accept", {"bandYoutubeChannel": "{kept.bandYoutubeChannel}"}, ADMIN),
    ],
    [
        post(f"{SUGGESTIONS}/98/decline", {"reason": "Not theirs"}, ADMIN),
        post(f"{SUGGESTIONS}/98/decline", {"reason": "Not theirs"}, ADMIN),
        post(f"{SUGGESTIONS}/98/accept", who=ADMIN),
    ],
    *[
        post(SUGGESTIONS, _NEW | wrong)
        for wrong in (
            {"youtubeChannel": "x y"}, {"youtubeChannel": "https://youtu.be/dQw4w9WgXcQ"}, {"youtubeChannel": "@herons"},
            {"youtubeChannel": ""}, {"bandId": "9999"}, {"bandId": 15}, {"note": "x" * 501}, {"note": "a\nb"}, {"why": "x"},
        )
    ],
    [post(SUGGESTIONS, _NEW), post(f"{SUGGESTIONS}/{{last.id}}/withdraw")],
    [post(SUGGESTIONS, _NEW), post(f"{SUGGESTIONS}/{{last.id}}/withdraw", who=ADMIN)],
    post(SUGGESTIONS, {"bandId": "15"}),
    post(SUGGESTIONS, _NEW, PLAIN),
    *[post(f"{SUGGESTIONS}/98/decline", body, ADMIN) for body in (None, {"reason": " "}, {"reason": "x" * 501}, {"x": 1})],
    post(f"{SUGGESTIONS}/98/accept", {"x": 1}, ADMIN),
    post(f"{SUGGESTIONS}/9999/accept", who=ADMIN),
]  # fmt: skip
