"""Limits on wrong passwords, for the API and the admin alike."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection, connections
from django.test import Client
from rest_framework.throttling import SimpleRateThrottle

from syncjobs import limits
from syncjobs.choices import Role
from syncjobs.operations import people
from tests.clients import NOBODY, PASSWORD, Api
from tests.factories import PERSON

pytestmark = pytest.mark.django_db(transaction=True)


def log_in(name: str, password: str, address: str = "192.0.2.1") -> Any:
    body = json.dumps({"username": name, "password": password})
    return Client(REMOTE_ADDR=address).post("/api/auth/token", body, "application/json")


def log_in_to_admin(name: str, password: str, address: str = "192.0.2.1") -> int:
    form = {"username": name, "password": password}
    return Client(REMOTE_ADDR=address).post("/admin/login/", form).status_code


@pytest.mark.parametrize("names", [["mo"] * 35, [f"somebody-{number}" for number in range(35)]])
@pytest.mark.parametrize("skin", ["api", "admin"])
def test_parallel_guesses_do_not_pass_the_limit_together(names: list[str], skin: str) -> None:
    people.save_user(PERSON, "mo", PASSWORD, Role.MODERATOR)

    def guess(name: str) -> int:
        try:
            return log_in(name, "guess").status_code if skin == "api" else log_in_to_admin(name, "guess")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(12) as pool:
        answers = Counter(pool.map(guess, names))
    assert answers == {401 if skin == "api" else 200: 20, 429: 15}


def test_right_passwords_do_not_count() -> None:
    people.save_user(PERSON, "mo", PASSWORD, Role.MODERATOR)
    assert {log_in("mo", PASSWORD).status_code for _ in range(25)} == {200}
    assert log_in("mo", "guess").status_code == 401


@pytest.mark.parametrize("name", ["mo", "nobody"])
def test_a_guesser_locks_out_nobody_else_in_the_network(name: str) -> None:
    for who in ("mo", "ada"):
        people.save_user(PERSON, who, PASSWORD, Role.MODERATOR)
    assert [log_in(name, "guess").status_code for _ in range(30)].count(401) == 20
    assert log_in("ada", PASSWORD).status_code == 200
    assert log_in_to_admin("ada", PASSWORD) == 302
    # A wrong password for another account is answered like one for an account that doesn't exist.
    assert [log_in(who, "guess").status_code for who in ("ada", "bob")] == [429, 429]
    assert log_in("mo", PASSWORD, "192.0.2.2").status_code == 200


def test_an_account_under_attack_is_slowed_down_and_never_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    delays: list[float] = []
    monkeypatch.setattr(limits, "_sleep", delays.append)
    people.save_user(PERSON, "mo", PASSWORD, Role.MODERATOR)
    assert {log_in("mo", "guess", f"198.51.100.{number}").status_code for number in range(30)} == {401}
    assert delays == sorted(delays)
    assert (len(delays), delays[0], delays[-1]) == (19, 0.25, limits.SLOWEST_SECONDS)
    assert log_in("mo", PASSWORD, "203.0.113.1").status_code == 200
    assert len(delays) == 20
    log_in("ada", "guess", "203.0.113.1")
    assert len(delays) == 20


def test_even_the_account_under_attack_gets_an_attempt_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    people.save_user(PERSON, "mo", PASSWORD, Role.MODERATOR)
    for _ in range(30):
        log_in("mo", "guess")
    assert log_in("mo", PASSWORD).status_code == 429
    monkeypatch.setattr(limits, "_SLOT_SECONDS", 0)
    cache.clear()
    for _ in range(30):
        log_in("mo", "guess")
    assert log_in("mo", PASSWORD).status_code == 200


def test_the_old_password_can_not_be_guessed_at_a_password_change() -> None:
    people.save_user(PERSON, "mo", PASSWORD, Role.MODERATOR)
    client = Client()
    assert client.login(username="mo", password=PASSWORD)

    def change(old: str) -> Any:
        new = "another horse battery"
        form = {"old_password": old, "new_password1": new, "new_password2": new}
        return client.post("/admin/password_change/", form)

    answers = [change("guess") for _ in range(22)]
    assert [answer.status_code for answer in answers] == [200] * 20 + [429, 429]
    assert int(answers[-1]["Retry-After"]) <= 60
    cache.clear()
    assert [change(PASSWORD).status_code, change(PASSWORD).status_code] == [302, 200]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_addresses_are_limited_by_network(address: str, network: str) -> None:
    assert limits.network_of(address) == network


def test_an_ipv6_network_has_one_limit() -> None:
    answers = [log_in("nobody", "guess", f"2001:db8::{number:x}").status_code for number in range(1, 26)]
    assert answers.count(401) == 20


def test_refreshing_and_logging_out_have_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"login": "3/min", "trigger": None})
    api = Api(NOBODY)
    answers = [api.post(path, {"refresh": "x"}) for path in ("auth/token/refresh", "auth/logout") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert 1 <= int(answers[-1]["Retry-After"]) <= 60
    assert answers[-1].json()["errors"][0]["code"] == "throttled"


def test_many_counters_evict_nothing_else() -> None:
    cache.set("band-import:7", "a preview", 1800)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO syncmonitor_cache (cache_key, value, expires)"
            " SELECT 'limit:account:' || n, '1', now() + interval '15 minutes' FROM generate_series(1, 50000) AS n"
        )
    cache.set("another", "value")
    assert cache.get("band-import:7") == "a preview"
