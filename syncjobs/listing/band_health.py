"""The health of bands' syncs: the query parameter that the API and the admin share, and the count of each state."""

from __future__ import annotations

from bands.models import BandQuerySet, BandState

from .base_filters import Choice, Paged


class BandHealth(Paged):
    """The query parameters that find bands by the health of their syncs."""

    health = Choice(
        method="in_health",
        choices=BandState.values,
        help_text="How its syncs are. A band may match several, such as active and failing.",
    )

    def in_health(self, bands: BandQuerySet, _name: str, state: str) -> BandQuerySet:
        """Return the bands in this state."""
        return bands.in_state(BandState(state))
