"""How the most important pages load on a laptop and a phone, in a real browser: `python -m tests.bench.pages`.

It measures what Lighthouse 12 does, in Chromium alone: each page is loaded with an empty cache, on the phone with Lighthouse's
slow 4G and a processor that is 4 times slower. The score is Lighthouse's, with its curves and weights, but without the Speed
Index, which needs a film of the page. Shifts of the layout and long tasks count from the start until 4 seconds after the page
has loaded. Of the pages after that, axe checks the accessibility; for best practices, Chromium reports its own issues
(deprecated functions, cookies, policies), errors in the console, and the rest is looked up in the page.
"""

from __future__ import annotations

import math
import os
import statistics
import sys
from typing import Any

from . import seed
from .report import Figure, show
from .server import as_in_production, running

ROUNDS = 3
MIN_SCORE, MAX_SHIFT = 95, 0.02
SETTLING = 4000  # milliseconds
# Viewport, slowdown of the processor, latency (ms) and bytes a second; then p10 and median of first and largest paint (ms),
# blocking time (ms) and shift of layout, as in lighthouse-core/config.
PHONE = {"width": 360, "height": 640}, 4, 562.5, 1474.56 * 1024 / 8
LAPTOP = {"width": 1350, "height": 940}, 1, 0, -1
CURVES = {
    "phone": {"fcp": (1800, 3000), "lcp": (2500, 4000), "tbt": (200, 600), "cls": (0.1, 0.25)},
    "laptop": {"fcp": (934, 1600), "lcp": (1200, 2400), "tbt": (150, 350), "cls": (0.1, 0.25)},
}
WEIGHTS = {"fcp": 10, "lcp": 25, "tbt": 30, "cls": 25}
_OBSERVE = """() => {
    window.seen = { cls: 0, lcp: 0, fcp: 0, tasks: [], shifts: [] };
    const observe = (type, each) => new PerformanceObserver((list) => list.getEntries().forEach(each)).observe({ type, buffered: true });
    observe("layout-shift", (shift) => {
        if (shift.hadRecentInput) return;
        seen.cls += shift.value;
        for (const { node } of shift.sources) seen.shifts.push(`${shift.value.toFixed(3)} ${node?.id || node?.className || node?.nodeName}`);
    });
    observe("largest-contentful-paint", (paint) => { seen.lcp = paint.startTime; });
    observe("paint", (paint) => { if (paint.name === "first-contentful-paint") seen.fcp = paint.startTime; });
    observe("longtask", (task) => seen.tasks.push([task.startTime, task.duration]));
}"""
_READ = """() => {
    const tbt = seen.tasks.filter(([start, took]) => start + took > seen.fcp)
        .reduce((sum, [start, took]) => sum + Math.max(0, start + took - Math.max(start, seen.fcp) - 50), 0);
    return { cls: seen.cls, lcp: seen.lcp, fcp: seen.fcp, tbt, shifts: seen.shifts };
}"""
# What Lighthouse's best practices look up in a page.
_PRACTICES = """() => {
    const bad = [];
    if (document.doctype?.name !== "html") bad.push("no doctype");
    if (document.characterSet !== "UTF-8") bad.push("charset");
    for (const each of document.images) {
        if (!each.complete || !each.naturalWidth) continue;
        const { width, height } = each.getBoundingClientRect(), fit = getComputedStyle(each).objectFit;
        if (fit === "fill" && width && Math.abs(width / height - each.naturalWidth / each.naturalHeight) > 0.05) bad.push(`aspect ratio ${each.src}`);
    }
    return bad;
}"""


def score(device: str, measured: dict[str, float]) -> float:
    """Lighthouse's performance score, from 0 to 100."""
    points = {name: _points(measured[name], *curve) for name, curve in CURVES[device].items()}
    return 100 * sum(WEIGHTS[name] * each for name, each in points.items()) / sum(WEIGHTS.values())


def _points(value: float, p10: float, median: float) -> float:
    """0.9 at `p10` and 0.5 at `median`, on a log-normal curve."""
    if value <= 0:
        return 1.0
    place = math.log(value / median) / math.log(p10 / median) * -0.9061938024368232
    return max(0.0, min(1.0, (1 - math.erf(place)) / 2))


class _Load:
    """A page as it is loaded for the first time."""

    def __init__(self, browser: Any, state: Any, device: str) -> None:
        size, slowdown, latency, rate = PHONE if device == "phone" else LAPTOP
        options = {"device_scale_factor": 2, "is_mobile": True, "has_touch": True} if device == "phone" else {}
        self.context = browser.new_context(storage_state=state, viewport=size, **options)
        self.page = self.context.new_page()
        self.issues: list[str] = []
        self.bytes = 0.0
        self.page.add_init_script(f"({_OBSERVE})()")
        self.page.on("console", lambda each: self._note(each.text) if each.type == "error" else None)
        self.page.on("pageerror", lambda error: self._note(str(error)))
        chromium = self.context.new_cdp_session(self.page)
        chromium.on("Audits.issueAdded", self._on_issue)
        chromium.on("Network.loadingFinished", self._finished)
        for domain in ("Audits", "Network"):
            chromium.send(f"{domain}.enable")
        network = {"offline": False, "latency": latency, "downloadThroughput": rate, "uploadThroughput": -1}
        chromium.send("Network.emulateNetworkConditions", network)
        chromium.send("Emulation.setCPUThrottlingRate", {"rate": slowdown})
        self._chromium = chromium

    def _on_issue(self, event: Any) -> None:
        # Advice about speed is no problem: the figures show it.
        if event["issue"]["code"] != "PerformanceIssue":
            self._note(event["issue"]["code"])

    def _note(self, problem: str) -> None:
        # Thumbnails are YouTube's, which a bench doesn't call.
        if "ytimg.com" not in problem and "ERR_NAME_NOT_RESOLVED" not in problem:
            self.issues.append(problem)

    def _finished(self, event: Any) -> None:
        self.bytes += event["encodedDataLength"]

    def measure(self, url: str) -> dict[str, Any]:
        self.page.goto(url, wait_until="load")
        self.page.wait_for_timeout(SETTLING)
        return {**self.page.evaluate(_READ), "kB": self.bytes / 1000}

    def problems(self) -> list[str]:
        """What breaks a rule of accessibility or of best practices."""
        from tests.browser.test_pages import AXE, RULES, _violations

        self._chromium.send("Emulation.setCPUThrottlingRate", {"rate": 1})
        self.page.evaluate(AXE)
        found = [f"axe: {name} {nodes[0]}" for name, nodes in _violations(self.page, "tag", RULES).items()]
        return [*found, *self.page.evaluate(_PRACTICES), *self.issues]


def _fill() -> dict[str, str]:
    """Fill the database with the site of the browser tests; return the addresses of the pages."""
    import datetime as dt

    from django.core.management import call_command
    from django.db.models.functions import Now

    from syncjobs.choices import JobStatus, Role
    from syncjobs.models import SyncJob, Worker
    from syncjobs.operations import people
    from tests.browser import world
    from tests.browser.driver import PASSWORD
    from tests.factories import PERSON

    call_command("flush", interactive=False, verbosity=0)
    people.setup_roles()
    world.fill()
    # The workers of this site are only rows.
    Worker.objects.exclude(name="celery@north-2").update(heartbeat_at=Now() + dt.timedelta(hours=1))
    people.save_user(PERSON, "pat", PASSWORD, Role.SUPER_ADMIN)
    failed = SyncJob.objects.filter(status=JobStatus.FAILED, band__isnull=False).latest("pk")
    return {
        "dashboard": "/admin/",
        "jobs": "/admin/syncjobs/syncjob/",
        "job": f"/admin/syncjobs/syncjob/{failed.pk}/change/",
        "errors": "/admin/syncjobs/errorgroup/",
        "bands": "/admin/bands/band/",
    }


def _measure(browser: Any, state: Any, device: str, url: str) -> tuple[dict[str, float], list[str], list[str]]:
    """Medians of the rounds, and the problems and shifts of the last one."""
    rounds = []
    for number in range(ROUNDS + 1):
        load = _Load(browser, state, device)
        measured = load.measure(url)
        shifts = [f"shift {each}" for each in measured.pop("shifts")]
        problems = load.problems() if number == ROUNDS else []
        load.context.close()
        if number:  # The first is to warm up the server.
            rounds.append(measured)
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}, problems, shifts


def main() -> None:
    os.environ |= {"DJANGO_ALLOW_ASYNC_UNSAFE": "true", "LOG_LEVEL": "ERROR"}
    seed.prepare("pages")
    from playwright.sync_api import sync_playwright

    from tests.browser.driver import FLAGS, PASSWORD, chromium_path

    wanted = sys.argv[1:]
    pages = {name: path for name, path in _fill().items() if not wanted or name in wanted}
    figures, found, moved = [], [], []
    with (
        as_in_production() as variables,
        running("syncmonitor.asgi:application", variables) as (port, _pid),
        sync_playwright() as playwright,
    ):
        base = f"http://127.0.0.1:{port}"
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{base}/admin/login/")
        page.fill("#id_username", "pat")
        page.fill("#id_password", PASSWORD)
        page.click("[type=submit]")
        page.wait_for_url(f"{base}/admin/")
        state = context.storage_state()
        context.close()
        for name, path in pages.items():
            for device in CURVES:
                measured, problems, shifts = _measure(browser, state, device, base + path)
                shown = " ".join(f"{each} {value:,.3g}" for each, value in measured.items() if each != "cls")
                figures += [
                    Figure(f"{name}, {device}: score ({shown})", score(device, measured), ">=", MIN_SCORE),
                    Figure(f"{name}, {device}: shift of layout", measured["cls"], "<=", MAX_SHIFT),
                ]
                found += [f"{name}, {device}: {problem}" for problem in problems]
                moved += [f"{name}, {device}: {shift}" for shift in shifts]
        browser.close()
    figures.append(Figure("accessibility, best practices: problems", len(found), "=", 0))
    holds = show("Pages, as they load for the first time", figures)
    sys.stdout.write("\n".join([*found, *moved]) + "\n")
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
