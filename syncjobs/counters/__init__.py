"""How many jobs there are, exactly, at any size.

Triggers on the jobs' table append deltas (band, hours, type, status, ±n); `fold` adds them to the counts and removes them
in one transaction; reads add up both in one statement. So a figure is exact in the snapshot it is read in, and writers
never meet at a counter's row. Migration 0004 has the tables and triggers.
"""

from . import errors
from .errors import jobs_of_group, searchable
from .folding import fold, rebuild, wrong_cells
from .jobs import cells, count, hours_of, series, total
from .selection import DAY, HOUR, QUARTER, Cell, Grain, Selection

__all__ = [
    "DAY",
    "HOUR",
    "QUARTER",
    "Cell",
    "Grain",
    "Selection",
    "cells",
    "count",
    "errors",
    "fold",
    "hours_of",
    "jobs_of_group",
    "rebuild",
    "searchable",
    "series",
    "total",
    "wrong_cells",
]
