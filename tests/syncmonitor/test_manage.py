"""`manage.py` in a shell pipeline."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("help", "sync_status --help", "--version", "diffsettings")
RUN_EACH = """
import gc, io, os, sys
import django
import manage

django.setup()
gc.freeze()  # Otherwise each child examines all objects at its end.
for command in sys.argv[1:]:
    for unbuffered in (False, True):
        child = os.fork()
        if not child:
            # The shell's `manage.py help | head` after head has ended. Unbuffered is what PYTHONUNBUFFERED makes of it.
            reader, writer = os.pipe()
            os.close(reader)
            sys.stdout = io.TextIOWrapper(open(writer, "wb", 0 if unbuffered else -1), write_through=unbuffered)
            sys.argv = ["manage.py", *command.split()]
            manage.main()
            sys.exit()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_a_closed_pipe_is_not_an_error() -> None:
    """Each command runs in a fork of one process, because starting Django takes most of the time."""
    command = [sys.executable, "-c", RUN_EACH, *COMMANDS]
    ended = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stderr == ""
    codes = ended.stdout.split()
    assert len(codes) == 2 * len(COMMANDS)
    assert set(codes) <= {"0", "1"}  # 0: argparse, which prints the help, handles a closed pipe itself
