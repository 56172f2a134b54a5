"""Redirects from the admin's old addresses to the current pages."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import resolve

from syncjobs import urls

OBJECT = re.compile(r"<(\w+):\w+>")
SAMPLES = {"id": "7", "slug": "0123456789abcdef", "str": "video-sync"}


@pytest.mark.parametrize("route", urls._MOVED)
def test_an_old_address_redirects_with_its_query_string(route: str) -> None:
    value = "".join(SAMPLES[kind] for kind in OBJECT.findall(route))
    answer = Client().get(f"/admin/{OBJECT.sub(value, route)}?status=FAILED&page=2")
    path, _, query = answer.headers["Location"].partition("?")
    assert (answer.status_code, query) == (302, "status=FAILED&page=2")
    found = resolve(path)
    assert found.view_name == f"admin:{urls._MOVED[route]}"
    assert "".join(map(str, found.kwargs.values())) == value


def test_an_unknown_address_does_not_redirect() -> None:
    for path in ("jobs/x/", "bands/-1/", "queues/", "errors/a b/"):
        assert "/syncjobs/" not in Client().get(f"/admin/{path}").headers.get("Location", ""), path
