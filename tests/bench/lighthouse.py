"""Lighthouse's scores of the most important pages of a running site: `python -m tests.bench.lighthouse http://127.0.0.1:8000 admin`.

The password is asked for, or read from LIGHTHOUSE_PASSWORD. It needs Node and Chromium, in CHROME_PATH if it has an
unusual name. Lighthouse comes from npm; a command in LIGHTHOUSE takes its place. Names of pages after the user's name select pages.
"""

from __future__ import annotations

import getpass
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from typing import Any

from .report import Figure, show

VERSION = "12.2.3"
CATEGORIES = {"performance": 95, "accessibility": 100, "best-practices": 100}
MAX_SHIFT = 0.02
DEVICES = {"phone": [], "laptop": ["--preset=desktop"]}
PAGES = {
    "dashboard": "/admin/",
    "jobs": "/admin/syncjobs/syncjob/",
    "job": "",  # The newest failed one.
    "errors": "/admin/syncjobs/errorgroup/",
    "bands": "/admin/bands/band/",
}


def _log_in(base: str, name: str, password: str, profile: str) -> str:
    """Log in, in a new profile of Chromium. Return the path of the newest failed job."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("CHROME_PATH") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"]
        context = playwright.chromium.launch_persistent_context(profile, executable_path=path, args=flags)
        page = context.new_page()
        page.goto(f"{base}/admin/login/")
        page.fill("#id_username", name)
        page.fill("#id_password", password)
        page.click("[type=submit]")
        page.wait_for_url(f"{base}/admin/")
        page.goto(f"{base}{PAGES['jobs']}?status=FAILED")
        job = page.locator("#job-rows [data-key=open]").first.get_attribute("href") or ""
        context.close()
    return job.partition("?")[0]


def _run(url: str, options: list[str], profile: str) -> dict[str, Any]:
    """Return Lighthouse's report. It empties the browser's cache, and leaves the cookies."""
    command = shlex.split(os.environ.get("LIGHTHOUSE", f"npx --yes lighthouse@{VERSION}"))
    command += [url, *options, f"--only-categories={','.join(CATEGORIES)}", "--output=json", "--quiet"]
    command.append(f"--chrome-flags=--headless=new --no-sandbox --user-data-dir={profile}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def _failed(report: dict[str, Any]) -> list[str]:
    """Return the audits that cost points."""
    weights = {each["id"]: each["weight"] for name in CATEGORIES for each in report["categories"][name]["auditRefs"]}
    return [
        f"{name} {audit['score']} {audit.get('displayValue', '')}"
        for name, audit in report["audits"].items()
        if weights.get(name) and audit["score"] is not None and audit["score"] < 0.9
    ]


def _figures(page: str, report: dict[str, Any]) -> list[Figure]:
    audits = report["audits"]
    shown = {"LCP": "largest-contentful-paint", "TBT": "total-blocking-time", "SI": "speed-index"}
    times = " ".join(f"{name} {audits[audit].get('displayValue')}" for name, audit in shown.items())
    scores = {name: report["categories"][name]["score"] or 0 for name in CATEGORIES}  # None: it could not measure.
    figures = [
        Figure(f"{page}: {name}" + f" ({times})" * (name == "performance"), 100 * scores[name], ">=", least)
        for name, least in CATEGORIES.items()
    ]
    shift = audits["cumulative-layout-shift"].get("numericValue", 1.0)
    return [*figures, Figure(f"{page}: shift of layout", shift, "<=", MAX_SHIFT)]


def main() -> None:
    base, name, *wanted = sys.argv[1:]
    figures, problems = [], []
    with tempfile.TemporaryDirectory() as profile:
        job = _log_in(base, name, os.environ.get("LIGHTHOUSE_PASSWORD") or getpass.getpass(), profile)
        for page, path in (PAGES | {"job": job}).items():
            for device, options in DEVICES.items():
                if not wanted or page in wanted:
                    report = _run(base + path, options, profile)
                    figures += _figures(f"{page}, {device}", report)
                    problems += [f"{page}, {device}: {problem}" for problem in _failed(report)]
    holds = show(f"Lighthouse {VERSION}", figures)
    sys.stdout.write("\n".join(problems) + "\n")
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
