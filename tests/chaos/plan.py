"""The plan of a run: what happens and when. The same seed and length give the same plan."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

FAULTS = {
    "worker": ("kill", "freeze", "stop", "kill_child"),
    "web": ("kill", "freeze", "stop"),
    "beat": ("kill", "freeze", "stop"),
    "redis": ("stop", "flush", "fill", "make_readonly", "freeze", "kill"),
    "postgres": ("restart", "crash", "disconnect", "make_readonly", "stop", "freeze"),
    "youtube": ("cut", "answer_nonsense", "answer_errors", "slow_down", "refuse_key", "pass_midnight"),
}
"""The faults of each part. A part has at most one fault at a time; faults of several parts overlap."""

PAUSES = {
    "worker": (5, 15), "web": (20, 50), "beat": (10, 30), "redis": (8, 25), "postgres": (12, 35), "youtube": (6, 18)
}  # fmt: skip
"""Seconds between two faults of a part. Web takes seconds to start, and PostgreSQL takes everything with it."""

ACTIONS = {
    "trigger_band": 8, "trigger_all": 2, "retry": 5, "cancel": 3, "edit_band": 4, "run_schedule": 2, "add_band": 1,
    "delete_band": 1, "pause": 1, "resume": 2, "look": 8, "log_in": 1, "clear_failed": 0.5, "import_bands": 0.5,
    "retry_failed": 1, "cancel_matching": 0.3, "retry_group": 1, "acknowledge": 1, "export": 2, "edit_preset": 1,
    "edit_schedule": 1, "edit_person": 0.5, "reopen_quota": 2, "upload": 4, "remove_video": 1, "hide_video": 1,
    "run_now": 2, "sync_video": 0.5, "remove_worker": 0.5,
}  # fmt: skip
"""What people and channels do, with weights."""

ACTIONS_PER_SECOND = 2.5
LONG_SECONDS = 240.0
"""Longer runs have longer faults and pauses, two web servers, and wrong clocks."""


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """A fault or an action. `pick` selects its target among those there are by then."""

    at: float
    part: str
    name: str
    lasts: float
    pick: int

    @property
    def is_fault(self) -> bool:
        return self.part in FAULTS


def make_plan(seed: int, seconds: float) -> list[Step]:
    """Return the steps of a run of this length, in order of time."""
    rng = random.Random(seed)
    steps = list(_actions(random.Random(rng.random()), seconds))
    for part in FAULTS:
        steps += _faults(random.Random(rng.random()), part, seconds)
    return sorted(steps)


def _actions(rng: random.Random, seconds: float) -> Iterator[Step]:
    at = 0.0
    while (at := at + rng.expovariate(ACTIONS_PER_SECOND)) < seconds:
        name = rng.choices(list(ACTIONS), list(ACTIONS.values()))[0]
        yield Step(at, "people", name, 0.0, rng.randrange(1_000_000))


def _faults(rng: random.Random, part: str, seconds: float) -> Iterator[Step]:
    """Yield faults with pauses between them, so that the site sometimes gets somewhere; each name before any comes again."""
    # In a long run, faults and pauses are longer too: the site must survive both a hiccup and an outage.
    stretch = 1.0 if seconds < LONG_SECONDS else 2.0
    at, names = rng.uniform(1, 8), list[str]()
    while True:
        names = names or rng.sample(FAULTS[part], len(FAULTS[part]))
        lasts = rng.uniform(0.5, 4) * stretch
        if at + lasts > seconds:
            return
        yield Step(at, part, names.pop(), lasts, rng.randrange(1_000_000))
        at += lasts + rng.uniform(*PAUSES[part]) * stretch
