"""Every page of the admin in a browser: no errors, no accessibility violations, no horizontal overflow."""

from __future__ import annotations

import json
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from syncjobs.choices import Role

from . import world
from .conftest import LogIn
from .driver import STOCK, addresses

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(280)]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.mark.parametrize("role", [Role.MODERATOR, Role.ADMIN, Role.SUPER_ADMIN])
def test_each_page_opens_without_errors(log_in: LogIn, role: str) -> None:
    """Expect no console error, no violation of the content security policy and no failed request, or a refusal."""
    world.fill()
    world.add_markup()
    visitor = log_in(role)
    opened = 0
    for address in addresses().values():
        visitor.problems.clear()
        answer = visitor.page.goto(visitor.base + address)
        assert answer is not None
        if answer.status in (403, 405):
            assert address not in STOCK
            continue
        visitor.page.wait_for_load_state("load")
        assert (address, answer.status, visitor.problems) == (address, 200, [])
        assert visitor.page.locator("h1").count() == 1, address
        opened += 1
    assert opened > 10


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violations(log_in: LogIn, scheme: str) -> None:
    world.fill()
    world.add_markup()
    visitor = log_in(Role.SUPER_ADMIN, color_scheme=scheme)
    found: dict[str, Any] = {}
    for address in addresses().values():
        answer = visitor.page.goto(visitor.base + address)
        if answer is None or answer.status != 200:
            continue
        results = Axe().run(visitor.page, options={"runOnly": {"type": "tag", "values": RULES}})
        broken = {v["id"]: [node["html"][:160] for node in v["nodes"]][:3] for v in results.response["violations"]}
        if broken:
            found[address] = broken
    assert found == {}, json.dumps(found, indent=1)


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_no_page_is_wider_than_the_window(log_in: LogIn, width: int) -> None:
    world.fill()
    world.add_markup()
    visitor = log_in(Role.SUPER_ADMIN, viewport={"width": width, "height": 900})
    wide = {}
    for address in addresses().values():
        answer = visitor.page.goto(visitor.base + address)
        if answer is None or answer.status != 200:
            continue
        over = visitor.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if over > 0:
            wide[address] = over
    assert wide == {}
