"""Every page of the admin in a browser: no errors, no accessibility violations, no horizontal overflow, also when enlarged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from syncjobs.choices import Role

from . import saved_world, world
from .conftest import LogIn
from .driver import STOCK, addresses
from .names import CUT, UNCLEAR, UNSEEN

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE = Axe().axe_script
WIDTHS = (360, 768, 1280)
ZOOMED = ((640, 400), (320, 256))
"""The size of a laptop's window at 200 % and at 400 %."""
# Elements that observe their size, such as charts, follow in one of the next frames.
OVERFLOW = """async () => {
    const root = document.documentElement, frame = () => new Promise(requestAnimationFrame);
    await frame();
    for (let frames = 0; frames < 120; frames++) {
        await frame();
        if (root.scrollWidth <= root.clientWidth) break;
    }
    return root.scrollWidth - root.clientWidth;
}"""

# Tables that are cut off at the right edge, where their buttons are.
CUT_OFF = """() => [...document.querySelectorAll(".table-wrap")]
    .filter(each => each.checkVisibility() && each.scrollWidth > each.clientWidth)
    .map(each => `${each.scrollWidth} in ${each.clientWidth}: ${each.textContent.trim().slice(0, 40)}`)"""


def _violations(page: Page, kind: str, rules: list[str]) -> dict[str, list[str]]:
    """Return the elements that break rules of axe, by rule."""
    # Without `resultTypes`, axe describes every element that breaks none.
    options = {"resultTypes": ["violations"], "runOnly": {"type": kind, "values": rules}}
    violations = page.evaluate("options => axe.run(options)", options)["violations"]
    return {each["id"]: [node["html"][:160] for node in each["nodes"]][:3] for each in violations}


def _problems(page: Page) -> dict[str, Any]:
    """Return what is wrong with the open page in each color scheme and at each width."""
    found: dict[str, Any] = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        over = page.evaluate(OVERFLOW)
        found |= {f"{width} pixels": f"wider by {over}"} if over > 0 else {}
        for what, script in (("cut off", CUT_OFF), ("cut text", CUT)):
            cut = page.evaluate(script)
            found |= {f"{what} at {width} pixels": cut} if cut else {}
    found |= {"unclear": unclear} if (unclear := page.evaluate(UNCLEAR)) else {}
    for width, height in ZOOMED:
        page.set_viewport_size({"width": width, "height": height})
        over, unseen = page.evaluate(OVERFLOW), page.evaluate(UNSEEN)
        found |= {f"{width} × {height} pixels": [over, *unseen]} if over > 0 or unseen else {}
    page.set_viewport_size({"width": WIDTHS[-1], "height": 900})
    page.evaluate(AXE)
    found |= _violations(page, "tag", RULES)
    # Nothing else depends on the scheme.
    page.emulate_media(color_scheme="dark")
    dark = _violations(page, "rule", ["color-contrast"])
    page.emulate_media(color_scheme="light")
    return found | ({"dark": dark} if dark else {})


def test_people_log_in_and_out_by_forms(log_in: LogIn) -> None:
    visitor = log_in(Role.MODERATOR)
    page = visitor.page
    visitor.context.clear_cookies()
    visitor.log_in("moderator")
    expect(page.locator("h1")).to_have_count(1)
    page.locator("#logout-form button").click()
    visitor.go("/admin/")
    page.wait_for_url("**/admin/login/?next=/admin/")
    assert visitor.problems == []


THIRDS = tuple(slice(first, None, 3) for first in range(3))


@pytest.mark.parametrize(
    ("role", "part"),
    [(Role.MODERATOR, slice(None)), (Role.ADMIN, slice(None)), *((Role.SUPER_ADMIN, third) for third in THIRDS)],
    ids=["moderator", "admin", "super-admin-1", "super-admin-2", "super-admin-3"],
)
def test_each_page_opens_without_errors(log_in: LogIn, role: str, part: slice) -> None:
    """Expect no console error, no violation of the content security policy and no failed request, or a refusal.

    The super admin sees every page and also checks the layout. Processes share these pages, because that takes long.
    """
    saved_world.fill()
    world.add_markup()
    visitor = log_in(role, viewport={"width": WIDTHS[0], "height": 900}, reduced_motion="reduce")
    opened, found = 0, {}
    for address in list(addresses().values())[part]:
        visitor.problems.clear()
        answer = visitor.page.goto(visitor.base + address)
        assert answer is not None
        if answer.status in (403, 405):
            assert address not in STOCK
            continue
        visitor.page.wait_for_load_state("load")
        if role == Role.SUPER_ADMIN and (problems := _problems(visitor.page)):
            found[address] = problems
        visitor.page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        assert (address, answer.status, visitor.problems) == (address, 200, [])
        assert visitor.page.locator("h1").count() == 1, address
        opened += 1
    assert opened > 10
    assert found == {}, json.dumps(found, indent=1)
