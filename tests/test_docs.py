"""Checks of README, CONTRIBUTING and docs/. `tests/api/test_docs.py` runs the calls of docs/api.md."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import call_command, load_command_class

ROOT = Path(__file__).resolve().parents[1]
PAGES = {path: path.read_text() for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))}
ALL = "\n".join(PAGES.values())
COMMANDS = [shlex.split(line, comments=True)[2:] for line in re.findall(r"^python manage\.py .+$", ALL, re.MULTILINE)]
RUN = {
    "sync_status",
    "quota",
    "reconcile",
    "setup_roles",
    "pause_queue",
    "resume_queue",
    "prune_jobs",
    "cleanup",
    "clear_failed",
}
"""Commands that the test can run as written; the others need data, YouTube or a person."""


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.django_db(transaction=True)
def test_every_command_is_valid(arguments: list[str]) -> None:
    name, *rest = arguments
    command = load_command_class("syncjobs", name)
    command.create_parser("manage.py", name).parse_args(rest)
    if name in RUN:
        out = io.StringIO()
        call_command(name, *rest, stdout=out)
        assert out.getvalue()


def test_operations_shows_every_command() -> None:
    shown = {name for name, *_ in COMMANDS}
    assert shown == {path.stem for path in (ROOT / "syncjobs/management/commands").glob("[!_]*.py")}


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(
        re.findall(r"`?make ([a-z-]+)(?=[` \n])", "\n".join(re.findall(r"`make [^`]+`|^make .+$", ALL, re.MULTILINE)))
    )
    assert {"run", "test"} <= targets
    assert [target for target in sorted(targets) if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


def test_every_cited_test_exists() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    cited = re.findall(r"`(test_\w+)`", ALL)
    assert cited
    assert [name for name in cited if f"def {name}(" not in tests] == []


def test_every_link_has_a_target() -> None:
    broken = []
    for page, text in PAGES.items():
        for target in re.findall(r"\]\(([^):]+)\)|src=\"([^\":]+)\"", text):
            path, _, anchor = "".join(target).partition("#")
            file = page.parent / path if path else page
            if not file.is_file() or (anchor and anchor not in _anchors(PAGES[file.resolve()])):
                broken.append(f"{page.name}: {''.join(target)}")
    assert broken == []


def _anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives the headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_mentioned_path_exists() -> None:
    """Paths in backticks: `a/b.py` from the root, and `a/` or `b.py` from the root or one of some folders."""
    paths = set(re.findall(r"`([\w.][\w./-]*(?:\.(?:py|md|sql|toml|po|yaml)|/))`", ALL)) - {".local/", "test-results/"}
    assert len(paths) > 30
    folders = ("syncjobs", "syncjobs/models", "syncjobs/api", "tests", "deploy/kubernetes")
    bases = (ROOT, *(ROOT / folder for folder in folders))
    assert [path for path in sorted(paths) if not any((base / path).exists() for base in bases)] == []


def test_every_screenshot_is_shown() -> None:
    shown = set(re.findall(r"docs/screenshots/([\w-]+\.png)", PAGES[ROOT / "README.md"]))
    assert shown == {path.name for path in (ROOT / "docs/screenshots").iterdir()}


def test_the_readme_stays_short() -> None:
    assert len(PAGES[ROOT / "README.md"].splitlines()) <= 150


def test_every_message_quoted_in_operations_exists() -> None:
    source = "".join(path.read_text() for folder in ("syncjobs", "bands") for path in (ROOT / folder).rglob("*.py"))
    quoted = re.findall("“([^”]+)”", PAGES[ROOT / "docs/operations.md"])
    assert len(quoted) > 3
    assert [text for text in quoted if text not in source] == []


def test_every_label_in_the_tour_exists() -> None:
    folders = ("syncjobs", "bands", "templates")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".html")]
    source = "".join(path.read_text() for path in files)
    labels = set(re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", PAGES[ROOT / "README.md"]))
    assert len(labels) > 8
    assert [label for label in sorted(labels) if f'"{label}"' not in source and f'"{label} ' not in source] == []
