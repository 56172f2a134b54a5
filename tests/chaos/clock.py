"""Move the clocks of a run: the site passes the end of YouTube's day, and the clocks of some processes are wrong.

A small library that is loaded before the C library changes what every program reads, PostgreSQL too. It needs a C
compiler; without one, all clocks of a run are right.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from syncjobs.youtube.costs import next_reset

_SECONDS = "CHAOS_CLOCK_SECONDS"


def move(*, to_reset_in: float) -> None:
    """Restart this program with a clock that makes YouTube's day end after that many seconds of load."""
    if _SECONDS in os.environ or shutil.which("cc") is None:
        return
    folder = Path(tempfile.mkdtemp(prefix="chaos-clock-"))
    folder.chmod(0o755)  # PostgreSQL's user must be able to read it.
    library = compile_library(folder)
    now = dt.datetime.now(dt.UTC)
    # Setting up takes a while: the load begins about 20 seconds after the start.
    seconds = int((next_reset(now) - now).total_seconds() - to_reset_in - 20)
    os.environ |= {"LD_PRELOAD": str(library), _SECONDS: str(seconds)}
    os.execv(sys.executable, [sys.executable, "-m", "tests.chaos", *sys.argv[1:]])


def compile_library(folder: Path) -> Path:
    """Compile clock.c into the folder; return the library."""
    library = folder / "clock.so"
    source = Path(__file__).with_suffix(".c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"], check=True)
    return library


def shifted(seconds: int) -> dict[str, str]:
    """Return the environment of a process whose clock is wrong by so many seconds."""
    return {_SECONDS: str(int(os.environ[_SECONDS]) + seconds)} if _SECONDS in os.environ else {}


def described() -> str:
    """Return what is done to clocks, in a few words."""
    if _SECONDS not in os.environ:
        return "all clocks are right"
    now = dt.datetime.now(dt.UTC)
    return f"YouTube's day ends in {(next_reset(now) - now).total_seconds():.0f} s"


def remove() -> None:
    """Delete the library. The processes of the run must have ended."""
    if _SECONDS in os.environ:
        shutil.rmtree(Path(os.environ["LD_PRELOAD"]).parent, ignore_errors=True)
