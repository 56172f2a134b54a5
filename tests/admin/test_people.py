"""People in the admin: roles, deactivation, and protection of the last super admin."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from syncjobs.audit.actors import for_user
from syncjobs.choices import Origin, Role
from syncjobs.exceptions import Conflict, DomainError
from syncjobs.models import AuditEntry
from syncjobs.operations import people
from tests.clients import logged_in
from tests.concurrency import someone_waits_for_a_lock
from tests.factories import PERSON, wait_for

pytestmark = pytest.mark.django_db
URL = "/admin/auth/user/"
PASSWORD = "correct horse battery"
HTMX = {"HX-Request": "true"}
User = get_user_model()


@pytest.fixture
def boss() -> Client:
    return logged_in(Role.SUPER_ADMIN)


def person(name: str, role: Role = Role.MODERATOR) -> Any:
    return people.add_person(PERSON, name, PASSWORD, role)


def role_of(user: Any) -> Role | None:
    return people.role_of(people.get_person(user.pk))


def new(**fields: str) -> dict[str, str]:
    return {"name": "pat", "password": PASSWORD, "role": "MODERATOR"} | fields


def test_a_new_person_can_log_in(boss: Client) -> None:
    assert boss.post(f"{URL}add/", new(email="pat@example.org")).status_code == 302
    pat = User.objects.get(username="pat")
    assert (pat.email, pat.is_staff, pat.is_superuser, role_of(pat)) == ("pat@example.org", True, False, "MODERATOR")
    page = boss.get(URL).content.decode()
    assert "pat@example.org" in page
    assert "Never" in page
    client = Client()
    assert client.login(username="pat", password=PASSWORD)
    assert client.get("/admin/syncjobs/syncjob/").status_code == 200
    entry = AuditEntry.objects.get(action="add_person")
    assert (entry.target_id, entry.message, entry.actor_label) == (str(pat.pk), "pat", "SUPER_ADMIN@example")
    assert PASSWORD not in str(AuditEntry.objects.values_list("message", "data"))


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": ""}, ["name"]),
        ({"name": "two words"}, ["name"]),
        ({"name": "taken"}, ["name"]),
        ({"email": "nowhere"}, ["email"]),
        ({"role": "KING"}, ["role"]),
        ({"password": "short"}, ["password"]),
        ({"password": "12345678901"}, ["password"]),
        ({"password": ""}, ["password"]),
    ],
)
def test_invalid_values_are_field_errors(boss: Client, fields: dict[str, str], wrong: list[str]) -> None:
    person("taken")
    before = User.objects.count()
    answer = boss.post(f"{URL}add/", new(**fields))
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == wrong
    assert User.objects.count() == before
    assert PASSWORD not in answer.content.decode()


def test_roles_and_passwords_can_be_changed(boss: Client) -> None:
    pat = person("pat")
    pats = Client()
    pats.login(username="pat", password=PASSWORD)
    boss.post(f"{URL}{pat.pk}/role/", {"role": "ADMIN"})
    assert role_of(pat) == Role.ADMIN
    assert pats.get("/admin/syncjobs/auditentry/").status_code == 200
    weak = boss.post(f"{URL}{pat.pk}/password/", {"password": "pat"})
    assert (weak.status_code, list(weak.context["form"].errors)) == (422, ["password"])
    boss.post(f"{URL}{pat.pk}/password/", {"password": "another horse battery"})
    assert pats.get("/admin/syncjobs/auditentry/").status_code == 302
    assert Client().login(username="pat", password="another horse battery")
    done = AuditEntry.objects.filter(target_type="user", target_id=str(pat.pk)).order_by("pk")
    assert list(done.values_list("action", "result")) == [
        ("add_person", "ok"),
        ("change_role", "ok"),
        ("set_password", "invalid"),
        ("set_password", "ok"),
    ]
    assert done[1].data == {"from": "MODERATOR", "to": "ADMIN"}


def test_a_person_can_be_deactivated_and_reactivated(boss: Client) -> None:
    pat = person("pat", Role.ADMIN)
    pats = Client()
    pats.login(username="pat", password=PASSWORD)
    boss.post(f"{URL}{pat.pk}/deactivate/")
    assert pats.get("/admin/syncjobs/syncjob/").status_code == 302
    assert not Client().login(username="pat", password=PASSWORD)
    assert "Deactivated" in boss.get(URL).content.decode()
    boss.post(f"{URL}{pat.pk}/reactivate/")
    assert Client().login(username="pat", password=PASSWORD)
    assert role_of(pat) == Role.ADMIN


def test_people_cannot_change_their_own_role_or_deactivate_themselves(boss: Client) -> None:
    person("other", Role.SUPER_ADMIN)
    me = User.objects.get(username="SUPER_ADMIN@example")
    answer = boss.post(f"{URL}{me.pk}/role/", {"role": "ADMIN"})
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["role"])
    assert "deactivate yourself" in boss.post(f"{URL}{me.pk}/deactivate/", headers=HTMX)["HX-Trigger"]
    me.refresh_from_db()
    assert (me.is_active, role_of(me)) == (True, Role.SUPER_ADMIN)
    assert f"{URL}{me.pk}/role/" not in boss.get(URL).content.decode()


def test_the_last_active_super_admin_cannot_be_removed() -> None:
    boss, locked_out = person("boss", Role.SUPER_ADMIN), person("locked", Role.SUPER_ADMIN)
    people.set_active(PERSON, locked_out.pk, active=False)
    for attempt in (
        lambda: people.change_role(PERSON, boss.pk, Role.ADMIN),
        lambda: people.set_active(PERSON, boss.pk, active=False),
        lambda: people.save_user(PERSON, "boss", PASSWORD, Role.MODERATOR),
    ):
        with pytest.raises(Conflict, match="last active super admin"):
            attempt()
    assert (role_of(boss), people.get_person(boss.pk).is_active) == (Role.SUPER_ADMIN, True)
    people.set_active(PERSON, locked_out.pk, active=True)
    people.change_role(PERSON, boss.pk, Role.ADMIN)
    assert role_of(boss) == Role.ADMIN


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["change_role", "set_active"])
def test_two_super_admins_cannot_demote_each_other_at_once(how: str) -> None:
    ann, bob = person("ann", Role.SUPER_ADMIN), person("bob", Role.SUPER_ADMIN)
    outcomes: list[object] = []

    def unmake(by: Any, whom: Any) -> None:
        actor = for_user(by, Origin.ADMIN)
        if how == "change_role":
            people.change_role(actor, whom.pk, Role.MODERATOR)
        else:
            people.set_active(actor, whom.pk, active=False)

    def bobs() -> None:
        try:
            unmake(bob, ann)
        except DomainError as error:
            outcomes.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=bobs)
    with transaction.atomic():
        unmake(ann, bob)
        thread.start()
        wait_for(someone_waits_for_a_lock, what="the other to wait for the role's row")
    thread.join()
    assert [type(outcome) for outcome in outcomes] == [Conflict]
    left = [user for user in people.list_people() if user.is_active and people.role_of(user) == Role.SUPER_ADMIN]
    assert [user.get_username() for user in left] == ["ann"]


@pytest.mark.django_db(transaction=True)
def test_adding_the_same_name_twice_at_once_creates_one_person() -> None:
    people.setup_roles()
    outcomes: list[object] = []
    start = threading.Barrier(3)

    def add() -> None:
        start.wait()
        try:
            outcomes.append(person("pat"))
        except DomainError as error:
            outcomes.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "Conflict", "User"]


@pytest.mark.parametrize(
    ("role", "may"), [("", False), (Role.MODERATOR, False), (Role.ADMIN, False), (Role.SUPER_ADMIN, True)]
)
def test_permissions(role: str, may: bool) -> None:
    client = logged_in(role)
    pat, gone = person("pat"), person("gone")
    people.set_active(PERSON, gone.pk, active=False)
    ways = ("add/", *(f"{pat.pk}/{way}/" for way in ("role", "password", "deactivate")), f"{gone.pk}/reactivate/")
    for path in ("", *ways):
        assert client.get(URL + path).status_code == (200 if may else 403), path
    assert (URL in client.get("/admin/keys/").content.decode()) is may
    if not may:
        for path in ways:
            assert client.post(URL + path, new(name="eve", role="SUPER_ADMIN")).status_code == 403, path
        assert (role_of(pat), User.objects.filter(username="eve").exists()) == (Role.MODERATOR, False)


def test_stock_pages_cannot_bypass_the_operations(boss: Client) -> None:
    me = User.objects.get(username="SUPER_ADMIN@example").pk
    paths = (f"auth/user/{me}/change/", f"auth/user/{me}/delete/", f"auth/user/{me}/history/", "auth/group/",
             "bands/video/add/", "syncjobs/auditentry/add/", "syncjobs/queue/video-sync/change/")  # fmt: skip
    for path in paths:
        assert boss.get(f"/admin/{path}").status_code == 404, path
        assert boss.post(f"/admin/{path}", {"is_superuser": "on"}).status_code == 404, path
    assert boss.get("/admin/auth/", follow=True).redirect_chain == [("/admin/", 302)]


def test_queries_do_not_grow_with_people(boss: Client) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert boss.get(URL).status_code == 200
        return len(queries)

    count()
    few = count()
    for number in range(10):
        person(f"p{number}", list(Role)[number % 3])
    assert count() == few <= 12


def test_markup_in_names_is_escaped(boss: Client) -> None:
    User.objects.create(username="<b>x</b>", email="<i>@x")
    page = boss.get(URL).content.decode()
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "<b>x" not in page


def test_password_guessing_is_rate_limited_with_a_message() -> None:
    client, wrong = Client(), {"username": "admin", "password": "guess"}
    cache.clear()
    answers = [client.post("/admin/login/", wrong) for _ in range(21)]
    assert {answer.status_code for answer in answers[:20]} == {200}
    assert answers[20].status_code == 429
    assert 1 <= int(answers[20]["Retry-After"]) <= 60
    assert "Wait a minute" in answers[20].content.decode()
    cache.clear()
