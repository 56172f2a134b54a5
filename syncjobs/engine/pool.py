"""Shared memory in which a worker's processes count failed tasks. It works while files or the database don't.

Each process has a byte of it. The main process makes it before it forks them.
"""

from __future__ import annotations

import mmap

from billiard.process import current_process

FAILURES = 2
"""A process that failed this often in a row is broken; a single failure may be the task's own."""
_SIZE = 4096
_failures = mmap.mmap(-1, _SIZE)


def _index() -> int:
    """Return the process's place in the pool, which its successor takes over."""
    return int(getattr(current_process(), "index", None) or 0) % _SIZE


def failed() -> None:
    """Count a failure of this process's task."""
    _failures[_index()] = min(_failures[_index()] + 1, FAILURES)


def succeeded() -> None:
    """Forget this process's failures, also those of an earlier process in its place."""
    _failures[_index()] = 0


def is_failing() -> bool:
    """Whether the tasks of any process of the pool fail."""
    return any(count >= FAILURES for count in _failures[:])
