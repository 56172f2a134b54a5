"""The icons of actions: each action has one, wherever it is offered, and none looks like another."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUTTON = re.compile(r'{% icon "([\w-]+)" %}\s*(?:<span>)?\s*{% translate "([^"]+)" %}')
SPRITE = re.compile(r'<symbol id="([\w-]+)"')
VERBS = {
    "Add",
    "Cancel",
    "Clear",
    "Delay",
    "Delete",
    "Export",
    "Import",
    "Pause",
    "Read",
    "Resume",
    "Retry",
    "Run",
    "Snooze",
}
"""Verbs that name the same action whatever follows: "Retry anyway", "Retry failed jobs"."""
ALONE = {
    "retry": {"Retry"},
    "unlock": {"Reopen"},
    "power": {"Activate", "Deactivate", "Reactivate", "Enable", "Disable"},
}
"""Icons that only these actions have."""


def _in_templates() -> list[tuple[str, str]]:
    """Return the label and icon of all buttons and links."""
    pages = (ROOT / "templates").rglob("*.html")
    return [(label, icon) for page in pages for icon, label in BUTTON.findall(page.read_text())]


def _in_questions() -> list[tuple[str, str]]:
    """Return the label and icon of the buttons of questions: whatever texts `button` may have, by `icon`."""
    found = []
    for module in (ROOT / "syncjobs" / "admin").glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            given = {each.arg: each.value for each in node.keywords} if isinstance(node, ast.Call) else {}
            if "button" in given and "icon" in given:
                labels, icons = (
                    [str(each.value) for each in ast.walk(given[name]) if isinstance(each, ast.Constant)]
                    for name in ("button", "icon")
                )
                found += [(label, icon) for label in labels for icon in icons]
    return found


def test_an_action_has_one_icon_everywhere() -> None:
    icons = defaultdict(set)
    for label, icon in _in_templates() + _in_questions():
        verb = label.rstrip("…").split()[0]
        icons[verb if verb in VERBS else label].add(icon)
    assert len(icons) > 30
    assert {word: each for word, each in icons.items() if len(each) > 1} == {}
    for icon, words in ALONE.items():
        assert {word for word, each in icons.items() if icon in each} <= words, icon


def test_every_icon_is_in_the_sprite() -> None:
    drawn = set(SPRITE.findall((ROOT / "syncjobs/static/syncjobs/icons.svg").read_text()))
    assert {icon for _label, icon in _in_templates() + _in_questions()} - drawn == set()
