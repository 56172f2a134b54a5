"""Log-ins, log-outs and password changes leave audit entries, in the API and in the admin."""

from __future__ import annotations

import pytest
from django.test import Client

from syncjobs.choices import Role
from syncjobs.models import AuditEntry
from syncjobs.operations import people
from tests.clients import NOBODY, PASSWORD, Api
from tests.factories import PERSON

pytestmark = pytest.mark.django_db
Entry = tuple[str, str, str, str, str]


def _entries() -> list[Entry]:
    """Return the entries about sessions, oldest first."""
    actions = ("log_in", "log_out", "change_password", "reuse_token")
    rows = AuditEntry.objects.filter(action__in=actions).order_by("pk")
    return list(rows.values_list("action", "actor_label", "origin", "result", "address"))


@pytest.fixture
def mo() -> int:
    return people.add_person(PERSON, "mo", PASSWORD, Role.MODERATOR).pk


def test_the_api(mo: int) -> None:
    api = Api(NOBODY)
    tokens = api.post("auth/token", {"username": "mo", "password": PASSWORD}).json()
    for name in ("mo", "nobody", "my secret\x1b[2J passphrase"):
        api.post("auth/token", {"username": name, "password": "wrong"})
    for _ in range(2):
        api.post("auth/logout", {"refresh": tokens["refresh"]})
    anonymous: Entry = ("log_in", "anonymous", "API", "wrong_credentials", "127.0.0.1")
    assert _entries() == [
        ("log_in", "mo", "API", "ok", "127.0.0.1"),
        *[anonymous] * 3,
        ("log_out", "mo", "API", "ok", "127.0.0.1"),
    ]
    failed = AuditEntry.objects.filter(result="wrong_credentials").order_by("pk")
    assert list(failed.values_list("target_id", "message")) == [
        (str(mo), "mo"),
        ("", "No user has this name."),
        ("", "No user has this name."),
    ]


def test_the_admin(mo: int) -> None:
    client = Client()
    client.post("/admin/login/", {"username": "mo", "password": "wrong"})
    client.post("/admin/login/", {"username": "mo", "password": PASSWORD})
    new = "another correct horse"
    for old in ("wrong", PASSWORD):
        client.post("/admin/password_change/", {"old_password": old, "new_password1": new, "new_password2": new})
    client.post("/admin/password_change/", {"old_password": new, "new_password1": "short", "new_password2": "short"})
    client.get("/admin/password_change/")
    client.post("/admin/logout/")
    client.post("/admin/logout/")
    assert [(action, label, result) for action, label, _origin, result, _address in _entries()] == [
        ("log_in", "anonymous", "wrong_credentials"),
        ("log_in", "mo", "ok"),
        ("change_password", "mo", "wrong_credentials"),
        ("change_password", "mo", "ok"),
        ("log_out", "mo", "ok"),
    ]
    assert {origin for _action, _label, origin, _result, _address in _entries()} == {"ADMIN"}


@pytest.mark.parametrize("form", [{}, {"next": ""}])
def test_a_log_in_that_comes_from_nowhere_ends_on_the_dashboard(mo: int, form: dict[str, str]) -> None:
    answer = Client().post("/admin/login/", {"username": "mo", "password": PASSWORD} | form, follow=True)
    assert answer.redirect_chain == [("/admin/", 302)]
    assert answer.status_code == 200
