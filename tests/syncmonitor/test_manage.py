"""`manage.py` in a shell pipeline."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["help"], ["sync_status", "--help"], ["--version"], ["diffsettings"]])
def test_a_closed_pipe_is_not_an_error(arguments: list[str], unbuffered: str) -> None:
    """Simulate `manage.py help | head` after head has ended."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert ended.stderr == ""
    assert ended.returncode in (0, 1)  # 0: argparse, which prints the help, handles a closed pipe itself
