"""Logging in with tokens."""

from __future__ import annotations

import pytest

from tests.clients import NOBODY, Api

pytestmark = pytest.mark.django_db


def test_refreshing_rotates_the_token_and_logging_out_revokes_it(moderator: Api) -> None:
    rotated = moderator.post("auth/token/refresh", {"refresh": moderator.refresh}).json()
    assert moderator.post("auth/token/refresh", {"refresh": moderator.refresh}).status_code == 401
    assert moderator.post("auth/logout", {"refresh": rotated["refresh"]}).status_code == 200
    assert moderator.post("auth/token/refresh", {"refresh": rotated["refresh"]}).status_code == 401
    me = moderator.get("auth/me").json()
    assert (me["name"], me["role"]) == ("MODERATOR", "MODERATOR")
    assert "syncjobs.retry_job" in me["permissions"]


def test_password_guesses_are_rate_limited() -> None:
    answers = [Api(NOBODY).post("auth/token", {"username": "x", "password": "y"}) for _ in range(21)]
    assert answers[0].status_code == 401
    assert answers[-1].status_code == 429
    assert int(answers[-1]["Retry-After"]) > 0
