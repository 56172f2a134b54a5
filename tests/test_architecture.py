"""What the layout promises, read from the code itself."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# From the top down: a module may import what stands in its own or a lower line.
LAYERS = (
    (
        "tasks",
        "admin",
        "api",
        "site",
        "urls",
        "views",
        "feed_views",
        "templatetags",
        "keeper",
        "management",
        "context_processors",
    ),
    ("accounts",),
    ("sync",),
    (
        "importing",
        "band_changes",
        "presets",
        "quota_figures",
        "reconcile",
        "housekeeping",
        "roles",
        "status",
        "job_list",
        "job_search",
        "bulk",
        "estimates",
        "exports",
        "feed_hub",
        "error_figures",
        "figures",
        "schedules",
        "schedule_words",
    ),
    ("band_fields",),
    ("operations", "channels"),
    ("lifecycle",),
    ("creation",),
    ("workers", "quota", "error_log", "audit"),
    ("actors", "models", "apps", "counters", "feed"),
    (
        "async_database",
        "audit_words",
        "querysets",
        "choices",
        "converters",
        "exceptions",
        "fingerprints",
        "reasons",
        "storable",
        "youtube",
    ),
)
RANK = {name: rank for rank, names in enumerate(reversed(LAYERS)) for name in names}


def _sources(folder: str) -> list[Path]:
    return [path for path in (ROOT / folder).rglob("*.py") if "migrations" not in path.parts]


def _imports(path: Path) -> set[str]:
    """Absolute dotted names that a module imports."""
    package = list(path.relative_to(ROOT).with_suffix("").parts)
    if package[-1] == "__init__":
        package = [*package[:-1], ""]
    found = set()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body.clear()  # Names for types only; nothing is imported when the code runs.
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: -node.level] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            found |= {name} | {f"{name}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", _sources("bands"), ids=str)
def test_bands_never_imports_syncjobs(path: Path) -> None:
    assert not [name for name in _imports(path) if name.startswith("syncjobs")]


@pytest.mark.parametrize("path", _sources("syncjobs/youtube"), ids=str)
def test_youtube_is_a_leaf(path: Path) -> None:
    allowed = re.compile(r"syncjobs\.youtube")
    foreign = [
        n
        for n in _imports(path)
        if n.split(".")[0] in {"django", "bands", "syncjobs", "celery"} and not allowed.match(n)
    ]
    assert not foreign


@pytest.mark.parametrize("path", _sources("syncjobs"), ids=str)
def test_imports_run_one_way(path: Path) -> None:
    own = path.relative_to(ROOT / "syncjobs").parts[0].removesuffix(".py")
    if own in {"__init__", "youtube"}:
        return
    assert own in RANK, f"say in LAYERS where {own} belongs"
    for name in _imports(path):
        parts = name.split(".")
        if parts[0] == "syncjobs" and len(parts) > 1 and parts[1] in RANK:
            assert RANK[parts[1]] <= RANK[own], f"{own} must not import {parts[1]}"


def test_only_workers_touches_the_celery_app() -> None:
    users = {p.name for p in _sources("syncjobs") if {"celery.current_app", "celery.app"} & _imports(p)}
    assert users == {"workers.py"}


def test_every_command_has_a_test() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_commands*.py"))
    commands = [path.stem for path in (ROOT / "syncjobs/management/commands").glob("[!_]*.py")]
    assert len(commands) > 14
    assert not [name for name in commands if f'"{name}"' not in tests]


@pytest.mark.parametrize("path", list((ROOT / "templates").rglob("*.html")), ids=str)
def test_no_inline_scripts_or_styles(path: Path) -> None:
    assert not re.search(
        r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", path.read_text(), re.IGNORECASE
    )
