"""The pages for 403, 404 and 500, and the login page."""

from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.template.loader import render_to_string
from django.test import Client, RequestFactory

from syncjobs.choices import Role
from syncmonitor.errors import server_error
from tests.clients import logged_in


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.django_db(transaction=True)
def test_an_unknown_address_shows_the_404_page(settings: LazySettings, debug: bool) -> None:
    settings.DEBUG = debug
    moderator, nobody = logged_in(Role.MODERATOR), Client(enforce_csrf_checks=True)
    for answer in (
        moderator.get("/admin/bands/band/999/change/"),
        moderator.get("/admin/nowhere/"),
        nobody.get("/nowhere/"),
        nobody.get("/nowhere"),
        nobody.post("/nowhere"),
    ):
        assert answer.status_code == 404
        page = answer.content.decode()
        assert "Page not found" in page
        assert "DEBUG" not in page
    for answer in (nobody.get("/api"), nobody.get("/api/nowhere"), nobody.post("/api/nowhere/")):
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "not_found")
    assert nobody.get("/admin").headers["Location"] == "/admin/"
    assert moderator.get("/admin/bands/band").headers["Location"] == "/admin/bands/band/"


@pytest.mark.django_db(transaction=True)
def test_the_403_page_names_the_role() -> None:
    answer = logged_in(Role.MODERATOR).get("/admin/syncjobs/auditentry/")
    assert answer.status_code == 403
    assert "You are logged in as MODERATOR@example." in answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_an_expired_form_shows_that_nothing_was_changed() -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/admin/login/", {"username": "x", "password": "y"})
    assert answer.status_code == 403
    assert "Nothing was changed" in answer.content.decode()


def test_the_500_page_makes_no_database_query() -> None:
    """Without the `db` fixture, pytest-django refuses every query."""
    answer = server_error(RequestFactory().get("/admin/"))
    assert answer.status_code == 500
    assert "The error has been logged" in answer.content.decode()
    assert "<h1>" in render_to_string("500.html")


@pytest.mark.django_db(transaction=True)
def test_people_can_log_in_and_out() -> None:
    page = Client().get("/admin/login/").content.decode()
    assert "components.css" in page
    client = logged_in(Role.ADMIN)
    page = client.get("/admin/password_change/").content.decode()
    assert page.count('type="password"') == 3
    assert "&lt;ul&gt;" not in page
    wrong = client.post("/admin/password_change/", {"old_password": "x", "new_password1": "a", "new_password2": "b"})
    assert wrong.content.decode().count('class="error"') >= 2
    assert "Your password has been changed" in client.get("/admin/password_change/done/").content.decode()
    assert "You are logged out" in logged_in(Role.MODERATOR).post("/admin/logout/").content.decode()
