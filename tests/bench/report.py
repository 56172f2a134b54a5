"""Figures against their limits, as a table."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass

_SIGNS: dict[str, Callable[[float, float], bool]] = {">=": operator.ge, "<=": operator.le, "=": operator.eq}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that was measured, and what it has to be; without a limit it is only shown."""

    name: str
    measured: float
    sign: str = ""
    limit: float = 0.0
    unit: str = ""

    @property
    def holds(self) -> bool:
        return not self.sign or _SIGNS[self.sign](self.measured, self.limit)


def show(title: str, figures: list[Figure]) -> bool:
    """Print the table; return whether all figures hold."""
    width = max(len(figure.name) for figure in figures)
    lines = [f"\n{title}", f"{'':<{width}}  {'measured':>12}  {'limit':>14}"]
    for figure in figures:
        limit = f"{figure.sign} {_text(figure.limit)}" if figure.sign else ""
        verdict = ("" if not figure.sign else "holds" if figure.holds else "FAILS").rjust(6)
        lines.append(f"{figure.name:<{width}}  {_text(figure.measured):>12}  {limit:>14}  {figure.unit:<8}{verdict}")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    return all(figure.holds for figure in figures)


def _text(number: float) -> str:
    return f"{number:,.0f}" if number == int(number) or abs(number) >= 1000 else f"{number:,.3g}"
