"""The people who may watch the feed of changes, and for how long."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken

from syncjobs.admin.events import events
from syncjobs.choices import Role
from syncjobs.live import hub
from syncjobs.operations import people
from tests.clients import PASSWORD
from tests.factories import PERSON, wait_for
from tests.live.watchers import PageWatcher, Watch, Watcher, access_token

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_unauthorized_or_invalid_request_is_refused(site: str) -> None:
    def ask(token: Any = None, **headers: str) -> httpx.Response:
        given = {"Authorization": f"Bearer {token}"} if token else {}
        accept = {"Accept": "text/event-stream"}
        return httpx.get(f"{site}/api/admin/events", headers=given | accept | headers, timeout=30)

    assert ask().status_code == 401
    plain = get_user_model().objects.create_user("plain")
    refused = ask(AccessToken.for_user(plain))
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, "permission_denied")
    for nonsense in ("x", "1:2", "1:2:3,", "1:٣:", "1" * 30 + ":2:"):
        answer = ask(access_token(), **{"Last-Event-ID": nonsense.encode()})  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "Last-Event-ID")
    authorization = {"Authorization": f"Bearer {access_token()}"}
    assert httpx.get(f"{site}/api/admin/events?since=1", headers=authorization, timeout=30).status_code == 400


@pytest.mark.parametrize("lost", ["account", "role"])
def test_the_stream_ends_when_the_permission_is_revoked(watch: Watch, lost: str) -> None:
    watcher, other = watch(), watch(token=access_token(Role.ADMIN))
    person = get_user_model().objects.get(username=Role.MODERATOR)
    if lost == "role":
        person.groups.clear()
    else:
        person.is_active = False
        person.save()
    wait_for(lambda: watcher.has_ended, what="the end")
    assert not other.has_ended


def test_the_stream_ends_when_the_token_expires(watch: Watch) -> None:
    token = access_token()
    token.set_exp(lifetime=timedelta(seconds=2) - api_settings.LEEWAY)
    watcher = watch(token=token)
    wait_for(lambda: watcher.has_ended, what="the end")


@pytest.mark.parametrize("ends_by", ["logging out", "expiring", "a new password"])
def test_the_stream_of_a_page_ends_with_its_session(site: str, ends_by: str) -> None:
    access_token()
    person = get_user_model().objects.get(username=Role.MODERATOR)
    tab, elsewhere = Client(), Client()
    for browser in (tab, elsewhere):
        browser.force_login(person)
    key = tab.session.session_key
    with PageWatcher(site, str(key)) as watcher, PageWatcher(site, str(elsewhere.session.session_key)) as other:
        if ends_by == "logging out":
            tab.post("/admin/logout/")
        elif ends_by == "expiring":
            Session.objects.filter(pk=key).update(expire_date=timezone.now())
        else:
            person.set_password("another correct horse")
            person.save()
        wait_for(lambda: watcher.has_ended, what="the end")
        assert httpx.get(f"{site}/admin/events", headers={"Cookie": f"sessionid={key}"}, timeout=30).status_code == 403
        if ends_by == "a new password":
            wait_for(lambda: other.has_ended, what="the end of the other too")
        else:
            assert not other.has_ended


def test_the_stream_ends_when_the_password_changes(watch: Watch) -> None:
    watcher, other = watch(), watch(token=access_token(Role.ADMIN))
    person = get_user_model().objects.get(username=Role.MODERATOR)
    person.set_password("another correct horse")
    person.save()
    wait_for(lambda: watcher.has_ended, what="the end")
    assert not other.has_ended


def test_the_stream_ends_when_its_log_in_does(site: str) -> None:
    people.save_user(PERSON, "mo", PASSWORD, Role.MODERATOR)
    who = {"username": "mo", "password": PASSWORD}
    pairs = [httpx.post(f"{site}/api/auth/token", json=who, timeout=30).json() for _ in range(2)]
    with Watcher(site, pairs[0]["access"]) as watcher, Watcher(site, pairs[1]["access"]) as other:
        refresh = {"refresh": pairs[0]["refresh"]}
        assert httpx.post(f"{site}/api/auth/logout", json=refresh, timeout=30).status_code == 200
        wait_for(lambda: watcher.has_ended, what="the end")
        assert not other.has_ended


def test_the_permissions_of_all_viewers_are_checked_in_one_query() -> None:
    for role in Role:
        access_token(role)
    everybody = list(get_user_model().objects.values_list("pk", flat=True))
    with CaptureQueriesContext(connection) as queries:
        rights = hub._rights(everybody, {"some", "keys"}, {"some", "families"})
    assert (len(queries), set(rights.people), rights.sessions, rights.ended) == (1, set(everybody), set(), set())


def test_admin_pages_watch_with_their_session() -> None:
    client = Client()

    def status() -> int:
        return events(client.get("/admin/login/").wsgi_request).status_code

    assert status() == 403
    access_token()
    person = get_user_model().objects.get(username=Role.MODERATOR)
    client.force_login(person)
    assert status() == 200
    person.groups.clear()
    assert status() == 403
    person.groups.set(Group.objects.filter(name=Role.MODERATOR))
    assert status() == 200
    get_user_model().objects.update(is_staff=False)
    assert status() == 403
