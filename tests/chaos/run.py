"""A run: start the site, carry out the plan, heal everything, wait for quiet, check the invariants, report."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for_all
from pathlib import Path

from django.core.management import call_command
from django.db import close_old_connections, connections
from django.db.models import Count

from bands.models import Band, Video
from syncjobs.audit.actors import Actor
from syncjobs.choices import Origin, Role
from syncjobs.models import AuditEntry, JobError, QuotaCall, SyncJob
from syncjobs.operations import imports, people, triggers

from . import clock, faults, invariants
from .load import EDITED_PEOPLE, PEOPLE, People
from .plan import LONG_SECONDS, Step, make_plan
from .site import CHANNELS, Log, Site, write_world
from .viewer import Viewer

CHAOS = Actor(label="chaos", origin=Origin.SYSTEM)
VIEWERS = 2
_START_SECONDS = 120.0
_LATE_SECONDS = 30.0
_QUIET_SECONDS = 180.0
_PAGES_SECONDS = 60.0
_STOPPED_SECONDS = 75.0
"""If nothing at all has changed for this long after everything was healed, jobs have stopped moving."""


class Run:
    """One run of the plan of a seed."""

    def __init__(self, seed: int, seconds: float) -> None:
        self._log = Log()
        self._seed = seed
        self._seconds = seconds
        self._folder = Path(tempfile.mkdtemp(prefix="chaos-"))
        self._site = Site(self._folder, self._log, webs=1 if seconds < LONG_SECONDS else 2)
        self._done: Counter[str] = Counter()
        self._violations: list[str] = []

    def run(self) -> bool:
        """Return whether all invariants hold. Logs and data of a run with violations are kept."""
        self._log(f"seed {self._seed}, {self._seconds:g} s; logs in {self._folder}")
        try:
            self._prepare()
            self._carry_out(make_plan(self._seed, self._seconds))
            self._end()
        finally:
            self._site.is_ending.set()
            self._site.stop_all()
            connections.close_all()
        if not self._violations:
            shutil.rmtree(self._folder)
        return not self._violations

    def _prepare(self) -> None:
        bands = write_world(self._folder / "world.json", self._seed)
        call_command("migrate", verbosity=0)
        people.setup_roles()
        for name in EDITED_PEOPLE:
            people.add_person(CHAOS, name, f"Chaos-{self._seed}-password", Role.MODERATOR)
        imports.import_bands(CHAOS, bands)
        self._people = People(self._site)
        self._first_audit = AuditEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        connections.close_all()
        self._site.start_all()
        if not self._site.wait_until(self._site.answers, _START_SECONDS):
            raise SystemExit(f"The web server did not start. See {self._folder}.")
        if not self._site.wait_until(
            lambda: len(self._site.query("SELECT name FROM syncjobs_worker WHERE NOT is_scheduler")) == 2,
            _START_SECONDS,
        ):
            raise SystemExit(f"The workers did not start. See {self._folder}.")
        self._people.prepare()
        self._viewers = [
            Viewer(f"viewer {number + 1}", self._site.urls[number % len(self._site.urls)], self._people.tokens[number])
            for number in range(VIEWERS)
        ]
        for viewer in self._viewers:
            viewer.start()
        self._log(f"{CHANNELS} bands, {len(PEOPLE)} people, {VIEWERS} viewers; {clock.described()}; the load begins")

    # ---- The plan

    def _carry_out(self, plan: list[Step]) -> None:
        """Begin each step at its time. Faults have threads of their own, so that a slow one delays no other."""
        began, running, actions = time.monotonic(), list[threading.Thread](), list[Future[None]]()
        with ThreadPoolExecutor(8) as crowd:
            for step in plan:
                while (wait := began + step.at - time.monotonic()) > 0:
                    self._site.restart_ended()
                    time.sleep(min(wait, 0.5))
                if step.is_fault:
                    thread = threading.Thread(target=self._fault, args=(step,))
                    thread.start()
                    running.append(thread)
                else:
                    actions.append(crowd.submit(self._action, step))
            # People don't go on for long after the last fault, however slow the site was.
            wait_for_all(actions, timeout=_LATE_SECONDS)
            crowd.shutdown(wait=False, cancel_futures=True)
        for thread in running:
            thread.join()

    def _fault(self, step: Step) -> None:
        self._log(f"{step.part}: {step.name}" + (f" for {step.lasts:.1f} s" if step.lasts else ""))
        self._done[f"{step.part} {step.name}"] += 1
        try:
            faults.run(self._site, step)
        except Exception as error:
            # Another fault is in its way, such as a stopped PostgreSQL that can't be made read-only. Healing repairs it.
            self._log(f"{step.part}: {step.name} ended early: {type(error).__name__}: {str(error).splitlines()[:1]}")

    def _action(self, step: Step) -> None:
        if self._site.is_ending.is_set():
            return
        try:
            result = self._people.act(step)
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
            self._people.actions.wrong_answers[f"{step.name} ended with {result}"] += 1
        self._done[step.name] += 1
        self._log(f"    {step.name}: {result}")

    # ---- The end

    def _end(self) -> None:
        self._site.is_ending.set()
        self._log("heal everything")
        self._site.heal()
        if not self._site.wait_until(self._site.answers, _START_SECONDS):
            self._violations.append(f"the web server does not answer {_START_SECONDS:g} s after everything was healed")
        self._repair_as_people_do()
        # A schedule that is due would call YouTube while the calls are counted.
        self._site.terminate("beat")
        self._become_quiet("the load")
        # Reads all videos once more: now the healed site must bring everything up to date.
        triggers.trigger_sync(CHAOS, None, full=True, force=True)
        self._become_quiet("a full sync of all bands")
        self._check()

    def _repair_as_people_do(self) -> None:
        close_old_connections()
        for queue in self._site.query("SELECT name FROM syncjobs_queue WHERE paused_at IS NOT NULL"):
            self._people.do("resume_queue", queue[0], 0, "POST", "admin/queue/resume", {"queue": queue[0]})
        for bucket in ("main", "stats"):
            self._people.reopen_quota(bucket, 0)
        for pk in Band.objects.filter(is_active=False).values_list("pk", flat=True):
            self._people.do("change_band", str(pk), 0, "PATCH", f"bands/{pk}", {"isActive": True})

    def _become_quiet(self, what: str) -> None:
        """Wait until no job is active. If jobs stop moving, print what everything is doing and record a violation."""
        began = changed = time.monotonic()
        before: object = None
        while active := SyncJob.objects.active().count() or Video.objects.filter(details_pending=True).count():
            state = (active, QuotaCall.objects.count(), SyncJob.objects.count(), Video.objects.count())
            if state != before:
                before, changed = state, time.monotonic()
            if time.monotonic() - changed > _STOPPED_SECONDS or time.monotonic() - began > _QUIET_SECONDS:
                self._violations.append(f"{active} jobs have stopped moving after {what}")
                self._site.dump()
                return
            self._site.restart_ended()
            time.sleep(0.3)
        self._log(f"all jobs have ended {time.monotonic() - began:.1f} s after {what}")

    def _check(self) -> None:
        site = self._site
        log = site.control("GET", "log", timeout=30)
        world = site.control("GET", "world", timeout=30)
        ids = [video for channel in world for video in channel["videos"]]
        key = os.environ["YOUTUBE_API_KEY"]
        resources = invariants.fetch_resources(site.youtube, key, ids)
        site.wait_until(lambda: not list(self._pages()), _PAGES_SECONDS)
        checks = {
            "every job has ended": invariants.jobs(),
            "each video is there once, equal to the server's": invariants.videos(world, resources),
            "every call the server logged is in the ledger": invariants.ledger(log),
            "every count equals COUNT(*)": invariants.counts(),
            "the key is in nothing that was written": invariants.secrets(key, self._folder),
            "each accepted action has one audit entry": invariants.audit(self._people.actions, self._first_audit),
            "open pages are true": self._pages(),
            "no answer was a 500 or without a sentence": invariants.answers(self._people.actions),
            "no log has a traceback": invariants.tracebacks(self._folder),
            "no process ended by itself": iter(self._site.unexpected_ends),
        }
        for viewer in self._viewers:
            viewer.stop()
        results = {name: list(found) for name, found in checks.items()}
        self._violations += [violation for found in results.values() for violation in found]
        self._report(results, len(log))

    def _pages(self) -> Iterator[str]:
        return invariants.pages({viewer.name: dict(viewer.jobs) for viewer in self._viewers})

    def _report(self, results: dict[str, list[str]], calls: int) -> None:
        actions = self._people.actions
        done = ", ".join(f"{name} {number}" for name, number in sorted(self._done.items()))
        outcomes = ", ".join(f"{number} × {outcome}" for outcome, number in sorted(actions.outcomes.items()))
        by_status = SyncJob.objects.order_by().values_list("status").annotate(n=Count("pk"))
        errors = JobError.objects.order_by().values_list("reason").annotate(n=Count("pk")).order_by("-n")
        lines = [
            f"\nReport of seed {self._seed}, {self._seconds:g} s",
            f"done        {done}",
            f"responses   {outcomes}",
            f"jobs        {', '.join(f'{number} {status}' for status, number in by_status)}",
            f"errors      {', '.join(f'{number} × {reason}' for reason, number in errors)}",
            f"calls       {calls} in the server's log, {QuotaCall.objects.count()} in the ledger, of which {QuotaCall.objects.filter(http_status=None).count()} without a response",
            f"slowest     {actions.slowest[0]:.2f} s: {actions.slowest[1]}",
            f"viewers     {', '.join(f'{v.connections} connections, {v.reloads} loads, {v.events} events' for v in self._viewers)}",
        ]
        for name, found in results.items():
            lines.append(f"{'FAILS' if found else 'holds'}       {name}")
            lines += [f"            {violation}" for violation in found]
        verdict = f"{len(self._violations)} violations; see {self._folder}" if self._violations else "0 violations"
        sys.stdout.write("\n".join([*lines, verdict, ""]))
        sys.stdout.flush()
