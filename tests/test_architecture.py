"""Architecture rules that import-linter (pyproject.toml) can't check."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from syncjobs.engine import error_reasons

ROOT = Path(__file__).resolve().parents[1]
MAX_ROOT_MODULES = 10
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
CAMEL_CASE = re.compile(r"[a-z]+[0-9]*(?:[A-Z][a-z0-9]*)+")
PARAMETER = re.compile(r"""(?:[?&]|\bname="|\bform\.|\bvalues\.)(\w+)(?![\w(])""")


def _sources(*packages: str) -> list[Path]:
    paths = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    return [path for path in paths if "migrations" not in path.parts]


def _imported(path: Path) -> Iterator[str]:
    """Yield the dotted names of absolute imports: `a.b` and `a.b.name` for `from a.b import name`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_only_the_broker_uses_the_celery_app() -> None:
    users = {path.name for path in _sources("syncjobs") if {"celery.current_app", "celery.app"} & set(_imported(path))}
    assert users == {"broker.py"}


def test_the_api_does_not_import_the_admin_framework() -> None:
    users = [
        p for p in _sources("syncjobs/api") if any(name.startswith("django.contrib.admin") for name in _imported(p))
    ]
    assert users == []


def test_the_root_of_syncjobs_stays_small() -> None:
    assert len(list((ROOT / "syncjobs").glob("*.py"))) <= MAX_ROOT_MODULES


def test_files_and_functions_stay_short() -> None:
    long = []
    for path in _sources("syncjobs", "bands", "syncmonitor"):
        source = path.read_text()
        lines = len(source.splitlines())
        if lines > MAX_FILE_LINES:
            long.append(f"{path.relative_to(ROOT)}: {lines} lines")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {lines} lines")
    assert long == []


def test_every_command_has_a_test() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests/management").rglob("test_*.py"))
    commands = [path.stem for path in (ROOT / "syncjobs/management/commands").glob("[!_]*.py")]
    assert len(commands) > 14
    assert [name for name in commands if f'"{name}"' not in tests] == []


def test_the_hosts_clock_decides_nothing_that_two_hosts_must_agree_on() -> None:
    """The database's clock does: `engine.clock` and `Now()`. These are the places that may read the host's."""
    clocks = re.compile(
        r"\b(timezone\.now|time\.time|date(?:time)?\.(?:now|today|utcnow)|localtime|localdate|tz_now)\(|\bauto_now"
    )
    found = {
        str(path.relative_to(ROOT))
        for path in _sources("syncjobs", "bands", "syncmonitor")
        if clocks.search(path.read_text())
    }
    assert found == {
        "bands/models.py",  # When a band was last edited: shown only.
        "syncjobs/engine/clock.py",
        "syncjobs/youtube/errors.py",  # A date in Retry-After is YouTube's time.
        "syncjobs/youtube/simulator/server.py",
    }


def test_templates_have_no_inline_scripts_or_styles() -> None:
    inline = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE)
    assert [path for path in (ROOT / "templates").rglob("*.html") if inline.search(path.read_text())] == []


def _names(path: Path) -> Iterator[str]:
    """Yield the names that a module gives or passes, its strings, and the parameters of addresses in them."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Constant(value=str(text)):
                yield from (text, *PARAMETER.findall(text))
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.arg(arg=name)
                | ast.keyword(arg=str(name))
            ):
                yield name


def test_camel_case_names_exist_only_in_the_api() -> None:
    """YouTube's JSON has them too. Reasons of errors are YouTube's words, or ours beside them in the same list."""
    found = {
        (path.name, name)
        for path in _sources("syncjobs", "bands", "syncmonitor")
        if not {"api", "youtube"} & set(path.relative_to(ROOT).parts)
        for name in _names(path)
        if CAMEL_CASE.fullmatch(name) and name not in error_reasons._MEANINGS
    }
    for path in [*(ROOT / "templates").rglob("*.html"), *(ROOT / "syncjobs/static/syncjobs").glob("*.js")]:
        found |= {(path.name, name) for name in PARAMETER.findall(path.read_text()) if CAMEL_CASE.fullmatch(name)}
    assert found == {
        ("labels.py", "jobType"),  # Stored in the audit log, whose entries are never changed.
        ("live.js", "lastEventId"),  # EventSource's.
        ("stream.py", "lastEventId"),
        ("monitor.py", "outerHTML"),  # htmx's.
    }
