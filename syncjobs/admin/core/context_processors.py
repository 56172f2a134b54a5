from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def simulated(request: HttpRequest) -> dict[str, bool]:
    """Whether what is shown comes from the simulator: every page says so."""
    return {"youtube_simulated": settings.YOUTUBE_SIMULATED}
