"""Exact counts of jobs and errors, at any size.

Triggers append deltas (band, hours, type, status, ±n; and whether the jobs have errors and who requested them); `fold` adds
them to the counts and deletes them in one transaction;
reads sum both in one statement. So a figure is exact in the snapshot it is read in, and writers never wait for each other
at a counter's row. The tables are in models/counters.py, the triggers in sql/.
"""

from . import errors, metrics
from .errors import jobs_of_group, searchable
from .folding import fold, rebuild, wrong_cells
from .jobs import cells, count, hours_of, series, total
from .kinds import Countable, Kinds, kinds
from .kinds import statement as kinds_statement
from .selection import DAY, HOUR, QUARTER, Cell, Grain, Labeled, Selection, Uncounted

__all__ = [
    "DAY",
    "HOUR",
    "QUARTER",
    "Cell",
    "Countable",
    "Grain",
    "Kinds",
    "Labeled",
    "Selection",
    "Uncounted",
    "cells",
    "count",
    "errors",
    "fold",
    "hours_of",
    "jobs_of_group",
    "kinds",
    "kinds_statement",
    "metrics",
    "rebuild",
    "searchable",
    "series",
    "total",
    "wrong_cells",
]
