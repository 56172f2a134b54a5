"""Hashing passwords: a few at a time, without a database connection, outside of transactions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import PBKDF2PasswordHasher, check_password, make_password
from django.db import connection
from django.db.backends.postgresql.base import DatabaseWrapper

from syncjobs import limits
from syncjobs.choices import Role
from syncjobs.exceptions import Busy
from syncjobs.operations import people
from syncmonitor import passwords
from tests.clients import PASSWORD, Api, logged_in
from tests.factories import PERSON

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hashing(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Use the project's hasher; return a function that sets what happens while it hashes."""
    settings.PASSWORD_HASHERS = ["syncmonitor.passwords.Hasher"]

    def during(act: Callable[[], None]) -> None:
        def encode(self: Any, password: str, salt: str, iterations: int | None = None) -> str:
            act()
            return f"pbkdf2_sha256${self.iterations}${salt}${password}"

        monkeypatch.setattr(PBKDF2PasswordHasher, "encode", encode)

    return during


def test_a_hash_is_one_of_django_s(settings: LazySettings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    old = make_password(PASSWORD)
    settings.PASSWORD_HASHERS = ["syncmonitor.passwords.Hasher"]
    assert check_password(PASSWORD, old)
    assert not check_password("guess", old)


def test_few_passwords_are_hashed_at_once(hashing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, enough = [], [], threading.Event()

    def act() -> None:
        running.append(1)
        most.append(len(running))
        enough.wait(0.02)
        running.pop()

    hashing(act)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(make_password, ["x"] * 10))
    assert len(most) == 10
    assert max(most) <= passwords._AT_ONCE
    monkeypatch.setattr(passwords, "_TURN_SECONDS", 0.01)
    for _ in range(passwords._AT_ONCE):
        passwords._turns.acquire()
    try:
        with pytest.raises(Busy):
            make_password("x")
        answer = Api("nobody").post("auth/token", {"username": "x", "password": "y"})
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    finally:
        for _ in range(passwords._AT_ONCE):
            passwords._turns.release()


def test_a_password_that_nobody_looked_at_is_not_counted(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PASSWORD_HASHERS = ["syncmonitor.passwords.Hasher"]
    client = logged_in(Role.MODERATOR)
    get_user_model().objects.update(password=make_password(PASSWORD))
    client.force_login(get_user_model().objects.get())
    monkeypatch.setattr(passwords, "_TURN_SECONDS", 0.0)
    monkeypatch.setattr(passwords, "_turns", threading.BoundedSemaphore(1))
    form = {
        "old_password": PASSWORD,
        "new_password1": "another horse battery",
        "new_password2": "another horse battery",
    }
    with passwords._turns:
        for _ in range(limits.MOST_FAILURES + 1):
            assert client.post("/admin/password_change/", form).status_code == 503
    assert client.post("/admin/password_change/", form).status_code == 302


def test_no_connection_is_kept_while_a_password_is_hashed(hashing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    people.save_user(PERSON, "mo", PASSWORD, Role.MODERATOR)
    get_user_model().objects.filter(username="mo").update(password=f"pbkdf2_sha256$1000000$salt${PASSWORD}")
    closed = []
    hashing(lambda: closed.append(connection.connection is None))
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "pool", True)
    monkeypatch.setattr(DatabaseWrapper, "pool", None)
    answer = Api("nobody").post("auth/token", {"username": "mo", "password": PASSWORD})
    assert (answer.status_code, set(closed)) == (200, {True})


def test_no_transaction_is_open_while_a_password_is_hashed(hashing: Any) -> None:
    open_transactions = []
    hashing(lambda: open_transactions.append(connection.in_atomic_block))
    person = people.add_person(PERSON, "mo", PASSWORD, Role.MODERATOR)
    people.set_password(PERSON, person.pk, "another horse battery")
    people.save_user(PERSON, "mo", PASSWORD, Role.ADMIN)
    assert open_transactions == [False] * 3
