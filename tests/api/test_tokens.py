"""Logging in with tokens."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from syncjobs.api.core import tokens
from syncjobs.choices import Role
from syncjobs.models import AuditEntry, EndedLogIn
from syncjobs.operations import cleanup
from tests.clients import NOBODY, PASSWORD, Api
from tests.factories import PERSON

pytestmark = pytest.mark.django_db


def test_refreshing_rotates_the_token_and_logging_out_revokes_it(moderator: Api) -> None:
    rotated = moderator.post("auth/token/refresh", {"refresh": moderator.refresh}).json()
    assert moderator.post("auth/token/refresh", {"refresh": moderator.refresh}).status_code == 401
    assert moderator.post("auth/logout", {"refresh": rotated["refresh"]}).status_code == 200
    assert moderator.post("auth/token/refresh", {"refresh": rotated["refresh"]}).status_code == 401


def test_me_has_the_role_and_the_permissions(moderator: Api) -> None:
    me = moderator.get("auth/me").json()
    assert (me["name"], me["role"]) == ("MODERATOR", "MODERATOR")
    assert "syncjobs.retry_job" in me["permissions"]


def _code(answer: Any) -> str:
    assert answer.status_code == 401
    return str(answer.json()["errors"][0]["code"])


def _log_in() -> tuple[Api, str]:
    """Log the moderator in once more; return the client and its refresh token."""
    other = Api(NOBODY)
    pair = other.post("auth/token", {"username": Role.MODERATOR, "password": PASSWORD}).json()
    other.headers = {"Authorization": f"Bearer {pair['access']}"}
    return other, pair["refresh"]


def test_logging_out_ends_the_access_tokens_of_that_log_in_only(moderator: Api) -> None:
    other, _refresh = _log_in()
    rotated = moderator.post("auth/token/refresh", {"refresh": moderator.refresh}).json()
    assert moderator.post("auth/logout", {"refresh": rotated["refresh"]}).status_code == 200
    assert _code(moderator.get("auth/me")) == "logged_out"
    moderator.headers = {"Authorization": f"Bearer {rotated['access']}"}
    assert _code(moderator.get("admin/queue/status")) == "logged_out"
    assert other.get("auth/me").status_code == 200


def test_a_refresh_token_that_is_used_twice_ends_its_log_in(moderator: Api) -> None:
    other, _refresh = _log_in()
    rotated = moderator.post("auth/token/refresh", {"refresh": moderator.refresh}).json()
    assert _code(moderator.post("auth/token/refresh", {"refresh": moderator.refresh})) == "token_used"
    moderator.headers = {"Authorization": f"Bearer {rotated['access']}"}
    assert _code(moderator.get("auth/me")) == "logged_out"
    assert _code(moderator.post("auth/token/refresh", {"refresh": rotated["refresh"]})) == "logged_out"
    assert other.get("auth/me").status_code == 200
    moderator.post("auth/token/refresh", {"refresh": moderator.refresh})
    assert AuditEntry.objects.filter(action="reuse_token").count() == 1


def test_of_two_people_who_use_a_token_at_once_neither_stays_logged_in(
    moderator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_of, pairs = tokens.user_of, []

    def overtaken(token: Any) -> Any:
        """Let another request exchange the token after this one has read it."""
        monkeypatch.setattr(tokens, "user_of", user_of)
        pairs.append(tokens.rotate(moderator.refresh, "192.0.2.7"))
        return user_of(token)

    monkeypatch.setattr(tokens, "user_of", overtaken)
    assert _code(moderator.post("auth/token/refresh", {"refresh": moderator.refresh})) == "token_used"
    moderator.headers = {"Authorization": f"Bearer {pairs[0]['access']}"}
    assert _code(moderator.get("auth/me")) == "logged_out"
    assert AuditEntry.objects.filter(action="reuse_token").count() == 1


def test_an_ended_log_in_is_forgotten_when_its_tokens_have_expired(moderator: Api) -> None:
    moderator.post("auth/logout", {"refresh": moderator.refresh})
    assert cleanup.delete_expired(PERSON)["log_ins"] == 0
    EndedLogIn.objects.update(expires_at=timezone.now())
    assert cleanup.delete_expired(PERSON)["log_ins"] == 1


def test_answers_with_personal_data_are_not_stored(moderator: Api) -> None:
    answers = [
        moderator.get(path) for path in ("auth/me", "bands", "admin/schedules", "admin/filter-presets", "nothing")
    ]
    answers += [
        moderator.post("auth/token", {"username": Role.MODERATOR, "password": PASSWORD}),
        moderator.post("auth/token/refresh", {"refresh": moderator.refresh}),
        moderator.post("auth/token", {"username": "x", "password": "y"}),
    ]
    assert [answer.headers.get("Cache-Control") for answer in answers[:4] + answers[5:]] == ["no-store"] * 7
    assert moderator.get("admin/sync-jobs").headers["Cache-Control"] == "private, no-cache"


def test_password_guesses_are_rate_limited() -> None:
    answers = [Api(NOBODY).post("auth/token", {"username": "x", "password": "y"}) for _ in range(21)]
    assert answers[0].status_code == 401
    assert answers[-1].status_code == 429
    assert int(answers[-1]["Retry-After"]) > 0
