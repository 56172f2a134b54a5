"""`manage.py` among other commands of a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["help"], ["sync_status", "--help"], ["--version"], ["diffsettings"]])
def test_a_reader_that_has_had_enough_is_no_error(arguments: list[str], unbuffered: str) -> None:
    """As in `manage.py help | head`, when head has ended already."""
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
    assert ended.returncode in (0, 1)  # 0: argparse, which prints the help, gives way to it by itself
