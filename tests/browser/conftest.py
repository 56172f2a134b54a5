"""A real browser against a real web server, on the test's database. `worker` adds a Celery worker, `youtube` a simulated YouTube."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connections
from playwright.sync_api import Browser, expect, sync_playwright
from pytest_django import DjangoDbBlocker

from syncjobs.choices import Role
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.world import World
from tests.processes import Workers, environment, web_server

from .driver import FLAGS, Visitor, headless_path

LogIn = Callable[..., Visitor]
# As long as a visitor waits for anything else. On a busy machine, a page may take longer than the default of 5 s.
expect.set_options(timeout=15_000)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Start the machine's Chromium. CI must have one; elsewhere, these tests are skipped without it."""
    path = headless_path()
    if path is None:
        message = "There is no Chromium on the PATH: install Debian's chromium, or Google Chrome."
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    # Django opens another connection in Playwright's event loop; a test that kills its workers closes this one.
    connections.close_all()
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread; Django's ORM would refuse to work there.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def simulated_youtube() -> Iterator[Simulator]:
    with Simulator(key=os.environ["YOUTUBE_API_KEY"]) as simulator:
        yield simulator


@pytest.fixture
def youtube(simulated_youtube: Simulator) -> Simulator:
    """The simulator that the web server and the workers talk to, with an empty world and no faults."""
    simulated_youtube.world = World()
    simulated_youtube.faults.clear()
    simulated_youtube.faults.latency = 0.0
    return simulated_youtube


@pytest.fixture(scope="package")
def base_url(
    simulated_youtube: Simulator,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Serve the site with uvicorn during the package's tests, and return its base URL.

    Not longer: the server evaluates the rules of alerts and sends messages, also in the database of a test elsewhere.
    """
    with django_db_blocker.unblock():
        variables = environment(simulated_youtube.url)
    with web_server(variables, tmp_path_factory.mktemp("web") / "web.log") as base:
        yield base


@pytest.fixture
def worker(transactional_db: None, youtube: Simulator, tmp_path: Path) -> Iterator[Workers]:
    started = Workers(environment(youtube.url), tmp_path)
    started.start("w1")
    yield started
    started.kill_all()


@pytest.fixture
def log_in(browser: Browser, base_url: str, transactional_db: None) -> Iterator[LogIn]:
    """Return a function that logs a person with the given role in; it also takes the options of a browser context."""
    visitors: list[Visitor] = []

    def visit(role: str = Role.MODERATOR, **options: object) -> Visitor:
        visitors.append(Visitor(browser, base_url, role, **options))
        return visitors[-1]

    yield visit
    for visitor in visitors:
        visitor.context.close()
