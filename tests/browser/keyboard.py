"""A person who has only a keyboard, a screen magnifier and a screen reader: what has the focus, and what is announced.

`Keyboard` looks at each element that gets the focus: it must be in view and not covered, have an outline, a role and a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from playwright.sync_api import Download, Page
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.factories import wait_for

ZOOMED = {
    "viewport": {"width": 640, "height": 400},
    "device_scale_factor": 2,
    "reduced_motion": "reduce",
    "timezone_id": "UTC",
}
"""A window of 1280 × 800 pixels at 200 %, for somebody who has asked for less motion."""

HEAR = """
window.heard = [];
{
    const LIVE = "[role=status], [role=alert], [role=log], [aria-live]";
    const words = (element) => element.textContent.trim().replace(/\\s+/g, " ");
    const say = (region) => {
        const dialog = document.querySelector("dialog:modal");
        // What is behind a dialog is inert.
        if (region.getAttribute("aria-live") === "off" || region.hidden || (dialog && !dialog.contains(region))) return;
        if (words(region)) window.heard.push(words(region));
    };
    new MutationObserver((changes) => {
        const regions = new Set();
        for (const { target, addedNodes } of changes) {
            const region = (target.nodeType === 1 ? target : target.parentElement)?.closest(LIVE);
            if (region) regions.add(region);
            // A region that comes with its text is not announced, unless it is an alert.
            for (const node of addedNodes) if (node.nodeType === 1) {
                if (node.matches("[role=alert]")) regions.add(node);
                node.querySelectorAll("[role=alert]").forEach((each) => regions.add(each));
            }
        }
        regions.forEach((region) => region.isConnected && say(region));
    }).observe(document, { subtree: true, childList: true, characterData: true, attributeFilter: ["hidden"] });
}
"""

LOOK = """() => {
    const found = [], root = document.scrollingElement;
    if (root.scrollWidth > root.clientWidth) found.push(`the page is wider by ${root.scrollWidth - root.clientWidth}`);
    for (const box of document.querySelectorAll(".dialog-content"))
        if (box.scrollWidth > box.clientWidth) found.push(`the dialog is wider by ${box.scrollWidth - box.clientWidth}`);
    const moving = document.getAnimations().filter((each) => each.playState === "running" && each.effect.getComputedTiming().duration > 0);
    for (const each of moving) found.push(`moves: ${each.animationName ?? each.transitionProperty} of ${each.effect.target?.className}`);
    const element = document.activeElement;
    if (!element || element === document.body) return { html: "", problems: found };
    const html = element.outerHTML.replace(/\\s+/g, " ").slice(0, 140);
    const { left, right, top, bottom, width, height } = element.getClientRects()[0] ?? element.getBoundingClientRect();
    if (width < 8 || height < 8) found.push(`is ${width} × ${height} pixels`);
    const fits = width <= innerWidth && height <= innerHeight;
    const isIn = fits ? left > -1 && top > -1 && right < innerWidth + 1 && bottom < innerHeight + 1 : bottom > 24 && top < innerHeight - 24;
    if (!isIn) found.push(`is out of view: ${[left, top, right, bottom].map(Math.round)}`);
    const [x1, x2] = [Math.max(0, left) + 3, Math.min(innerWidth, right) - 3], [y1, y2] = [Math.max(0, top) + 3, Math.min(innerHeight, bottom) - 3];
    const points = [[(x1 + x2) / 2, (y1 + y2) / 2], [x1, y1], [x2, y1], [x1, y2], [x2, y2]];
    const above = points.map(([x, y]) => document.elementFromPoint(x, y)).filter((hit) => hit && !element.contains(hit) && !hit.contains(element));
    if (fits && above.length > 1) found.push(`is covered by ${above[0].outerHTML.slice(0, 80)}`);
    const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(element);
    const hasOutline = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 && !/, 0\\)$/.test(outlineColor);
    if (!hasOutline && !element.matches("main")) found.push("has no outline");
    return { html, problems: found };
}"""
"""What is wrong with the focused element and the page."""


@dataclass(frozen=True, slots=True)
class Stop:
    """What has the focus, as a screen reader names it."""

    role: str
    name: str
    html: str

    def __str__(self) -> str:
        return f"{self.role} “{self.name}”"


class Keyboard:
    """Presses keys on a page, and collects what a person without a mouse could not have known or reached."""

    MOST_TABS = 60
    """More than that, nobody would press to get to an element."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        self.task = ""
        page.context.add_init_script(HEAR)
        self._tree = page.context.new_cdp_session(page)

    @contextmanager
    def doing(self, task: str) -> Iterator[None]:
        """Note what keeps the person from the task; the next one begins on the dashboard then."""
        self.task = task
        try:
            yield
        except (AssertionError, PlaywrightError) as error:
            self.problems.append(f"{task}: {str(error).partition('Call log:')[0].strip()}")
            self.page.wait_for_timeout(1000)  # It may just be leaving the page.
            self.page.goto(urljoin(self.page.url, "/admin/"))

    def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def move(self, key: str) -> Stop:
        """Press a key that moves the focus, and return what has it then."""
        self.press(key)
        return self.look()

    def write(self, text: str) -> None:
        """Type text into the focused field."""
        self.page.keyboard.type(text)

    def look(self) -> Stop:
        """Return what has the focus, and note what is wrong with it and with the page."""
        seen: dict[str, Any] = self.page.evaluate(LOOK)
        for _ in range(10):
            if not seen["problems"]:
                break
            self.page.wait_for_timeout(100)  # Toasts make room in the next frame.
            seen = self.page.evaluate(LOOK)
        role, name = self._named() if seen["html"] else ("", "")
        stop = Stop(role, name, seen["html"])
        if stop.html and role in ("", "none", "generic"):
            self._note(stop, "has no role")
        if stop.html and not name and role != "main":
            self._note(stop, "has no name")
        for problem in seen["problems"]:
            self._note(stop, problem)
        return stop

    def _note(self, stop: Stop, problem: str) -> None:
        note = f"{self.task}: {stop} {problem}: {stop.html}"
        if note not in self.problems:
            self.problems.append(note)

    def _named(self) -> tuple[str, str]:
        """Return the role and the name of the focused element in Chromium's accessibility tree."""
        found = self._tree.send("Runtime.evaluate", {"expression": "document.activeElement"})["result"]["objectId"]
        asked = {"objectId": found, "fetchRelatives": False}
        node = self._tree.send("Accessibility.getPartialAXTree", asked)["nodes"][0]
        return node.get("role", {}).get("value", ""), node.get("name", {}).get("value", "").strip()

    def tab_to(self, role: str, name: str | re.Pattern[str], *, back: bool = False) -> Stop:
        """Press Tab, or Shift+Tab, until an element with this role and name has the focus."""
        passed = []
        for _ in range(self.MOST_TABS):
            stop = self.move("Shift+Tab" if back else "Tab")
            matches = name == stop.name if isinstance(name, str) else name.search(stop.name)
            if stop.role == role and matches:
                return stop
            passed.append(str(stop))
        raise AssertionError(f"no {role} “{name}” within {self.MOST_TABS} Tabs: {passed}")

    def expect_focus(self, role: str, name: str | re.Pattern[str]) -> Stop:
        """Wait until an element with this role and name has the focus."""
        seen = [Stop("", "", "")]

        def has_focus() -> bool:
            if not self.page.evaluate("document.activeElement !== document.body"):
                return False
            found = self._named()
            seen[0] = Stop(*found, "")
            return found[0] == role and (found[1] == name if isinstance(name, str) else bool(name.search(found[1])))

        try:
            wait_for(has_focus)
        except AssertionError:
            raise AssertionError(f"the focus is on {seen[0]}, not on {role} “{name}”") from None
        return self.look()

    def expect_announced(self, words: str) -> None:
        """Wait until a screen reader has announced something that matches; forget what was announced."""
        try:
            self.page.wait_for_function("words => window.heard.some(each => new RegExp(words).test(each))", arg=words)
        except PlaywrightTimeout:
            raise AssertionError(f"{words!r} was not announced, but {self.page.evaluate('heard')}") from None
        self.page.evaluate("window.heard = []")

    def follow(self, title: str) -> None:
        """Press Enter on the focused link, which leads to a page with this heading."""
        with self.page.expect_navigation():
            self.press("Enter")
        self.page.get_by_role("heading", name=title, level=1).wait_for()

    def go_to(self, text: str, title: str) -> None:
        """Go to a page with the palette."""
        self.press("Control+k")
        self.expect_focus("searchbox", "Job number, band, page or action")
        self.write(text)
        self.expect_announced(r"^\d+ results?$")
        self.follow(title)

    def download(self) -> Download:
        """Press Enter on the focused link, which leads to a file."""
        with self.page.expect_download() as download:
            self.press("Enter")
        return download.value
