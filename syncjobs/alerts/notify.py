"""What follows from the transitions of a round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..choices import AlertStep as Step
from ..models import Alert


@dataclass(frozen=True, slots=True)
class Transition:
    """An alert as it is after the step."""

    step: Step
    alert: Alert


def notify(transitions: Sequence[Transition]) -> None:
    """Act on all transitions of a round at once.

    This runs in the transaction that writes them, so that what it writes exists if and only if they do. It must make no
    network call, and is not called for a round without transitions. Messages need nothing here: the transition is written
    together with `Alert.needs_routing`.
    An alert that is snoozed or acknowledged has its transitions too: `alert.snoozed_until`, `alert.acknowledged_at`.
    """
