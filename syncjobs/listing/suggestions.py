"""The list of suggested channels: its query parameters."""

from __future__ import annotations

from ..choices import SuggestionState
from .base_filters import Choice, Id, Paged


class SuggestionList(Paged):
    """The query parameters of the suggested channels."""

    state = Choice("state", choices=SuggestionState.values)
    band_id = Id("band_id")
