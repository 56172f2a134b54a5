"""Tokens take one query, and revoked permissions take effect immediately."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.utils.translation import gettext_lazy
from rest_framework.renderers import JSONRenderer
from rest_framework.utils.serializer_helpers import ReturnDict
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from syncjobs.api.core import tokens
from syncjobs.api.core.authentication import TokenAuthentication
from syncjobs.api.core.renderers import OrjsonRenderer
from syncjobs.authentication import SessionBackend
from syncjobs.choices import JobStatus, Role
from syncjobs.operations import people
from tests.factories import PERSON

pytestmark = pytest.mark.django_db


def _person(role: Role) -> Any:
    people.save_user(PERSON, "somebody", "correct horse battery", role)
    return get_user_model().objects.get(username="somebody")


def _status(token: AccessToken, path: str = "/api/admin/sync-jobs") -> int:
    return Client().get(path, headers={"Authorization": f"Bearer {token}"}).status_code


@pytest.mark.parametrize("role", [*Role, "SUPERUSER"])
def test_permissions_equal_those_of_django_and_take_one_query(role: Any, django_assert_num_queries: Any) -> None:
    person = _person(Role.MODERATOR if role == "SUPERUSER" else role)
    person.user_permissions.add(Permission.objects.get(codename="add_session"))
    if role == "SUPERUSER":
        get_user_model().objects.filter(pk=person.pk).update(is_superuser=True)
    token = AccessToken.for_user(person)
    with django_assert_num_queries(1):
        user = TokenAuthentication().get_user(token)
        assert user.has_perm("syncjobs.view_syncjob")
        assert user.has_perm("sessions.add_session")
        assert user.has_perm("syncjobs.pause_queue") is (role != Role.MODERATOR)
    assert user == person
    assert not user._state.adding
    expected = get_user_model().objects.get(pk=person.pk)
    assert user.get_all_permissions() == expected.get_all_permissions()
    assert user.get_group_permissions() == expected.get_group_permissions()
    assert user.get_user_permissions() == expected.get_user_permissions()
    assert user.password == expected.password


def test_a_session_loads_its_user_and_permissions_in_one_query(django_assert_num_queries: Any) -> None:
    person = _person(Role.ADMIN)
    with django_assert_num_queries(1):
        user = SessionBackend().get_user(person.pk)
        assert user.has_perm("syncjobs.pause_queue")
    assert user.get_all_permissions() == get_user_model().objects.get(pk=person.pk).get_all_permissions()
    get_user_model().objects.filter(pk=person.pk).update(is_active=False)
    assert SessionBackend().get_user(person.pk) is None
    assert SessionBackend().get_user(0) is None


def test_revoked_permissions_take_effect_immediately() -> None:
    person = _person(Role.ADMIN)
    token = AccessToken.for_user(person)
    assert (_status(token), _status(token, "/api/admin/audit")) == (200, 200)
    person.groups.set(Group.objects.filter(name=Role.MODERATOR))
    assert (_status(token), _status(token, "/api/admin/audit")) == (200, 403)
    person.groups.clear()
    assert _status(token) == 403
    person.groups.set(Group.objects.filter(name=Role.ADMIN))
    assert _status(token) == 200
    person.is_active = False
    person.save()
    assert _status(token) == 401
    person.delete()
    assert _status(token) == 401


@pytest.mark.parametrize(
    "data",
    [
        {"at": dt.datetime(2026, 11, 24, 9, 30, 0, 120, tzinfo=dt.UTC), "n": None, "list": [1, 2.5, "ü\u2028"]},
        {
            "at": dt.datetime(2026, 11, 24, 9, 30, tzinfo=dt.UTC),
            "day": dt.date(2026, 11, 24),
            "took": dt.timedelta(seconds=3),
        },
        {"decimal": Decimal("1.50"), "lazy": gettext_lazy("name"), JobStatus.FAILED: JobStatus.QUEUED, 7: True},
        {"big": 2**70},
        ReturnDict({"a": [{}]}, serializer=None),
    ],
)
def test_the_json_equals_that_of_the_framework(data: Any) -> None:
    assert json.loads(OrjsonRenderer().render(data)) == json.loads(JSONRenderer().render(data))


def test_an_empty_response_has_no_body_and_json_is_indented_on_request() -> None:
    assert OrjsonRenderer().render(None) == b""
    assert OrjsonRenderer().render({"a": 1}, "application/json; indent=2") == b'{\n  "a": 1\n}'


def _post(path: str, refresh: Any) -> Any:
    body = json.dumps({"refresh": str(refresh)})
    return Client(raise_request_exception=False).post(f"/api/auth/{path}", body, "application/json")


def _me(authorization: str) -> Any:
    return Client().get("/api/auth/me", headers={"Authorization": authorization})


def _assert_rejected(answer: Any, code: str) -> None:
    """Assert a 401 with exactly one error in the common shape."""
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer ")
    body = answer.json()
    (error,) = body["errors"]
    assert (body["type"], error["code"], error["field"]) == ("client_error", code, None)
    assert error["message"].endswith(".")


def _expired(kind: Any, person: Any) -> Any:
    token = kind.for_user(person)
    token.set_exp(lifetime=dt.timedelta(hours=-1))
    return token


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (lambda person: f"Bearer {_expired(AccessToken, person)}", "token_expired"),
        (lambda person: f"Bearer {RefreshToken.for_user(person)}", "token_wrong_type"),
        (lambda person: f"Bearer {AccessToken.for_user(person)}x", "token_invalid"),
        (lambda person: f"Bearer {AccessToken.for_user(person)} more", "token_invalid"),
        (lambda person: "Bearer rubbish", "token_invalid"),
        (lambda person: "Bearer \xff\xfe", "token_invalid"),
        (lambda person: "Bearer", "token_invalid"),
        (lambda person: "bearer ", "token_invalid"),
        (lambda person: "Basic YTpi", "not_authenticated"),
        (lambda person: "", "not_authenticated"),
    ],
)
def test_an_invalid_authorization_header_is_explained(header: Callable[[Any], str], code: str) -> None:
    _assert_rejected(_me(header(_person(Role.MODERATOR))), code)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_name_of_the_scheme_is_case_insensitive(scheme: str) -> None:
    me = _me(f"{scheme}  {AccessToken.for_user(_person(Role.MODERATOR))}")
    assert (me.status_code, me.json()["username"], me.json()["name"]) == (200, "somebody", "somebody")


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (lambda person: _expired(RefreshToken, person), "token_expired"),
        (AccessToken.for_user, "token_wrong_type"),
        (lambda person: f"{RefreshToken.for_user(person)}x", "token_invalid"),
        (lambda person: "rubbish", "token_invalid"),
    ],
)
@pytest.mark.parametrize("path", ["token/refresh", "logout"])
def test_an_invalid_refresh_token_is_explained(path: str, token: Callable[[Any], Any], code: str) -> None:
    _assert_rejected(_post(path, token(_person(Role.MODERATOR))), code)


def test_a_refresh_token_works_once() -> None:
    first = RefreshToken.for_user(_person(Role.MODERATOR))
    pair = _post("token/refresh", first).json()
    assert _me(f"Bearer {pair['access']}").status_code == 200
    _assert_rejected(_post("token/refresh", first), "token_used")
    assert _post("token/refresh", pair["refresh"]).status_code == 200


def test_only_one_of_two_simultaneous_refreshes_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    refresh, others = RefreshToken.for_user(_person(Role.MODERATOR)), []

    def meanwhile(token: Any) -> Any:
        monkeypatch.setattr(tokens, "user_of", user_of)
        others.append(_post("token/refresh", refresh))
        return user_of(token)

    user_of = tokens.user_of
    monkeypatch.setattr(tokens, "user_of", meanwhile)
    _assert_rejected(_post("token/refresh", refresh), "token_used")
    assert [other.status_code for other in others] == [200]


def test_logging_out_twice_succeeds() -> None:
    refresh = RefreshToken.for_user(_person(Role.MODERATOR))
    assert [_post("logout", refresh).status_code for _ in range(2)] == [200, 200]
    _assert_rejected(_post("token/refresh", refresh), "token_used")


def _switch_off(person: Any) -> None:
    get_user_model().objects.filter(pk=person.pk).update(is_active=False)


@pytest.mark.parametrize(
    ("what_happens", "code"),
    [
        (lambda person: person.delete(), "user_not_found"),
        (_switch_off, "user_inactive"),
        (lambda person: people.set_password(PERSON, person.pk, "another horse battery"), "password_changed"),
    ],
)
def test_tokens_end_with_the_account_or_the_password(what_happens: Callable[[Any], None], code: str) -> None:
    person = _person(Role.MODERATOR)
    refresh = RefreshToken.for_user(person)
    assert _me(f"Bearer {refresh.access_token}").status_code == 200
    what_happens(person)
    _assert_rejected(_me(f"Bearer {refresh.access_token}"), code)
    _assert_rejected(_post("token/refresh", refresh), code)
    assert _post("logout", refresh).status_code == 200


def test_tokens_work_after_a_password_change() -> None:
    person = _person(Role.MODERATOR)
    people.set_password(PERSON, person.pk, "another horse battery")
    assert _status(AccessToken.for_user(get_user_model().objects.get(pk=person.pk))) == 200


def test_forwarded_addresses_do_not_evade_the_login_limit() -> None:
    body = json.dumps({"username": "somebody", "password": "guess"})
    answers = [
        Client().post("/api/auth/token", body, "application/json", headers={"X-Forwarded-For": f"192.0.2.{number}"})
        for number in range(25)
    ]
    assert [answer.status_code for answer in answers].count(401) == 20


def test_a_superuser_has_the_role_super_admin() -> None:
    person = _person(Role.MODERATOR)
    get_user_model().objects.update(is_superuser=True)
    me = Client().get("/api/auth/me", headers={"Authorization": f"Bearer {AccessToken.for_user(person)}"}).json()
    assert me["role"] == "SUPER_ADMIN"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("sync-jobs/trigger", {"\ud800": 1}),
        ("sync-jobs/bulk", {"action": "retry", "filter": {"\ud800": "x"}}),
        *(
            ("sync-jobs/bulk", {"action": "retry", "filter": {name: "\ud800"}})
            for name in ("status", "search", "error")
        ),
        ("filter-presets", {"name": "x", "filters": {"requestedBy": "\ud800"}}),
        ("schedules", {"name": "x", "jobType": "PRUNE", "cron": {"\ud800": "1"}}),
    ],
)
def test_a_lone_surrogate_is_refused_everywhere(path: str, body: dict[str, Any]) -> None:
    token = AccessToken.for_user(_person(Role.ADMIN))
    answer = Client().post(
        f"/api/admin/{path}", json.dumps(body), "application/json", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 400
    assert answer.json()["errors"]


@pytest.mark.parametrize("minutes", [-5, 5])
def test_a_token_of_a_server_whose_clock_is_wrong_is_accepted(minutes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    person = _person(Role.MODERATOR)
    now = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
    with monkeypatch.context() as patch:
        patch.setattr("rest_framework_simplejwt.tokens.aware_utcnow", lambda: now)
        token = AccessToken.for_user(person)
    assert _status(token) == 200
