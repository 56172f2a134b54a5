"""Clients for tests: the API with a token, the admin with a session, and management commands."""

from __future__ import annotations

import asyncio
import io
import json
import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from syncjobs.choices import Role
from syncjobs.operations import people
from tests.factories import PERSON

PASSWORD = "correct horse battery"
NOBODY, PLAIN = "nobody", "plain"
WHO = (NOBODY, PLAIN, *Role.values)
# Headers of htmx's requests: for a dialog, and for a part of a page.
DIALOG = {"HX-Request": "true", "X-Dialog": "1"}
PART = {"HX-Request": "true"}
# The most queries that a page of the admin may make.
MOST_QUERIES = 15


class Api:
    """An API client with a person's token."""

    def __init__(self, who: str) -> None:
        self._client = Client(raise_request_exception=False)
        self.headers: dict[str, str] = {}
        if who == NOBODY:
            return
        if who == PLAIN:
            get_user_model().objects.create_user(PLAIN, password=PASSWORD)
        else:
            people.save_user(PERSON, who, PASSWORD, Role(who))
        tokens = self._client.post(
            "/api/auth/token", {"username": who, "password": PASSWORD}, "application/json"
        ).json()
        self.headers = {"Authorization": f"Bearer {tokens['access']}"}
        self.refresh = tokens["refresh"]

    def get(self, path: str, **parameters: Any) -> Any:
        return self._client.get(f"/api/{path}", parameters, headers=self.headers)

    def post(self, path: str, body: Any = None) -> Any:
        return self.send("POST", path, body)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        if method == "GET":
            return self.get(path)
        text = json.dumps({} if body is None else body)
        return self._client.generic(method, f"/api/{path}", text, "application/json", headers=self.headers)


def logged_in(role: str = "") -> Client:
    """Return a client logged in as a staff member with this role, or with no role."""
    user = get_user_model().objects.create_user(f"{role or 'none'}@example", is_staff=True)
    if role:
        user.groups.set([Group.objects.get(name=role)])
    client = Client()
    client.force_login(user)
    return client


def listed_jobs(page: Any) -> list[int]:
    """Return the ids of the jobs on a page of the admin's list, in its order."""
    return [int(number) for number in re.findall(r'<tr id="row-(\d+)"', page.content.decode())]


def exported(answer: Any) -> str:
    """Return the whole text of a streamed file."""

    async def whole() -> bytes:
        return b"".join([part async for part in answer.streaming_content])

    return asyncio.run(whole()).decode()


def run_command(*arguments: str) -> str:
    """Run a management command and return its output."""
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def command_error(*arguments: str) -> str:
    """Run a management command that must fail, and return its error message."""
    with pytest.raises(CommandError) as error:
        run_command(*arguments)
    return str(error.value)
