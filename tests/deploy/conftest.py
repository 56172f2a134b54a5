from __future__ import annotations

from tests.faults.conftest import broker, workers

__all__ = ["broker", "workers"]
