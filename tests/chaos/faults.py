"""What a run does to the site. Each fault begins, lasts and ends by itself; `Site.heal` ends what it left behind."""

from __future__ import annotations

import datetime as dt
import os
import signal

from syncjobs.youtube.costs import next_reset
from syncjobs.youtube.simulator.faults import CONNECTION_FAULTS

from .plan import Step
from .site import WORKERS, Site

_NONSENSE = [name for name in CONNECTION_FAULTS if name != "hang"]
_ERRORS = ("backendError", "unavailable", "rateLimitExceeded", "userRateLimitExceeded", "perMinute429")


def run(site: Site, step: Step) -> None:
    """Do what the step says, for as long as it says."""
    globals()[f"_{step.part}"](site, step)


def _last(site: Site, step: Step) -> None:
    site.is_ending.wait(step.lasts)


def _worker(site: Site, step: Step) -> None:
    _process(site, step, WORKERS[step.pick % len(WORKERS)])


def _web(site: Site, step: Step) -> None:
    _process(site, step, site.webs[step.pick % len(site.webs)])


def _beat(site: Site, step: Step) -> None:
    _process(site, step, "beat")


def _process(site: Site, step: Step, name: str) -> None:
    if step.name == "kill_child":
        site.kill_child(name, step.pick)
    elif step.name == "freeze":
        site.signal(name, signal.SIGSTOP)
        # Longer than a lease, so that its jobs go to others before it wakes up.
        site.is_ending.wait(step.lasts * 3)
        site.signal(name, signal.SIGCONT)
    else:
        (site.kill if step.name == "kill" else site.terminate)(name)
        _last(site, step)
        site.start(name)


def _redis(site: Site, step: Step) -> None:
    if step.name == "flush":
        with site.redis() as client:
            client.flushall()
    elif step.name in ("freeze", "kill"):
        pid = site.redis_pid()
        os.kill(pid, signal.SIGSTOP if step.name == "freeze" else signal.SIGKILL)
        _last(site, step)
        if step.name == "freeze":
            os.kill(pid, signal.SIGCONT)
    else:
        with site.redis() as client:
            if step.name == "fill":
                client.config_set("maxmemory", 1)
            elif step.name == "make_readonly":
                client.replicaof("127.0.0.1", "1")  # type: ignore[no-untyped-call]
            else:
                client.shutdown(nosave=True)
        _last(site, step)
    site.heal_redis()


def _postgres(site: Site, step: Step) -> None:
    if step.name == "disconnect":
        site.disconnect_all()
    elif step.name == "make_readonly":
        site.set_read_only(True)
        _last(site, step)
        site.set_read_only(False)
    elif step.name == "freeze":
        # Connections are neither answered nor refused.
        site.signal_postgres(signal.SIGSTOP)
        _last(site, step)
        site.signal_postgres(signal.SIGCONT)
    else:
        site.stop_postgres("immediate" if step.name == "crash" else "fast")
        if step.name == "stop":
            _last(site, step)
        site.start_postgres()


def _youtube(site: Site, step: Step) -> None:
    if step.name == "cut":
        # Packets go nowhere: connections are neither answered nor refused.
        site.signal("youtube", signal.SIGSTOP)
        _last(site, step)
        site.signal("youtube", signal.SIGCONT)
        return
    if step.name == "answer_nonsense":
        faults = [{"name": name, "probability": 0.15, "echo_key": True} for name in _NONSENSE]
        site.control("POST", "faults", {"faults": [*faults, {"name": "hang", "times": 2}]})
    elif step.name == "answer_errors":
        faults = [{"name": name, "probability": 0.15, "echo_key": True} for name in _ERRORS]
        site.control("POST", "faults", {"faults": [*faults, {"name": "invalidPageToken", "times": 1}]})
    elif step.name == "slow_down":
        site.control("POST", "faults", {"latency": 0.8})
    elif step.name == "refuse_key":
        site.control("POST", "faults", {"faults": [{"name": "apiKeyInvalid", "times": 1, "echo_key": True}]})
    else:
        _pass_midnight(site, step)
    _last(site, step)
    site.clear_faults()


def _pass_midnight(site: Site, step: Step) -> None:
    """Let YouTube's day end with its units used up: a moment before midnight, nothing is left."""
    now = dt.datetime.now(dt.UTC)
    until_reset = (next_reset(now) - now).total_seconds()
    used = site.control("POST", "quota", {"clockOffset": until_reset - step.lasts})["main"]["used"]
    site.control("POST", "quota", {"limits": {"main": used + step.pick % 10}})
