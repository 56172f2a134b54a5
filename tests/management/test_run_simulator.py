"""run_simulator"""

from __future__ import annotations

from pathlib import Path

import pytest

from syncjobs.youtube.simulator import Simulator
from tests.clients import command_error

pytestmark = pytest.mark.django_db


def test_run_simulator_refuses_a_bad_file_and_a_taken_port(tmp_path: Path, youtube: Simulator) -> None:
    assert "can't be used" in command_error("run_simulator", "--videos", str(tmp_path / "none.json"))
    assert "Can't listen" in command_error("run_simulator", "--port", youtube.url.rpartition(":")[2])
