"""What helps with an error group: advice and links, for as long as its bands have the problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bands.models import Band

from ..choices import ErrorState
from ..engine import error_reasons
from ..operations import errors as operations
from ..stats import errors as stats_errors
from ..stats.errors import GroupFigures
from .core import advice, fixes, links
from .core.fixes import Fix

Named = tuple[int, str]
"""A band's id and name."""


@dataclass(frozen=True, slots=True)
class Help:
    """What to do about a group, and the links for it. It `is_over` if none of its bands has the problem any more."""

    advice: str
    fixes: Sequence[Fix] = ()
    is_over: bool = False


def of_group(request: HttpRequest, group: GroupFigures, bands: Sequence[tuple[int | None, str | None]]) -> Help:
    """Return what helps with a group; `bands` are those with most of its errors, without a name if they are deleted."""
    meaning = error_reasons.explain(group.reason)
    named = [(band_id, name) for band_id, name in bands if band_id and name]
    left = affected(group.fingerprint, group.reason, named)
    is_complete = len(bands) >= group.bands and all(band_id for band_id, _name in bands)
    if named and is_complete and not left:
        return _over(request, group, named)
    offers = fixes.of(request, group.reason, left[: fixes.MOST_BANDS]) if group.is_permanent else ()
    return Help(advice.for_user(request.user, str(meaning.advice), meaning.needs), offers)


def affected(fingerprint: str, reason: str, bands: Sequence[Named]) -> list[Named]:
    """Return those of the bands that still have the problem, as far as known; all of them if it isn't about a channel."""
    if not fixes.is_about_channel(reason):
        return list(bands)
    left = stats_errors.still_affected(fingerprint, [pk for pk, _name in bands])
    return [(pk, name) for pk, name in bands if pk in left]


def _over(request: HttpRequest, group: GroupFigures, bands: Sequence[Named]) -> Help:
    is_resolved = group.state == ErrorState.RESOLVED
    text = since(bands) if is_resolved else f"{since(bands)} {_next_step(bands)}"
    offers = []
    if not is_resolved and request.user.has_perm(operations.MAY_ACT):
        url = links.object_page("syncjobs_errorgroup_resolve", group.fingerprint)
        offers = [Fix(_("Resolve"), url, "resolve", is_dialog=True)]
    return Help(text, offers, is_over=True)


def since(bands: Sequence[Named]) -> str:
    """Say what has happened to bands that no longer have the problem: they were synced, or have another channel."""
    found = Band.objects.in_bulk([pk for pk, _name in bands])
    synced = [name for pk, name in bands if pk in found and found[pk].synced_at(full=False)]
    changed = [name for pk, name in bands if pk in found and not found[pk].synced_at(full=False)]
    sentences = []
    if synced:
        text = ngettext("%(bands)s was synced since.", "%(bands)s were synced since.", len(synced))
        sentences.append(text % {"bands": ", ".join(synced)})
    if changed:
        text = ngettext(
            "The channel of %(bands)s was changed since.", "The channels of %(bands)s were changed since.", len(changed)
        )
        sentences.append(text % {"bands": ", ".join(changed)})
    return " ".join(sentences)


def _next_step(bands: Sequence[Named]) -> str:
    return ngettext(
        "If its syncs succeed, resolve this error.", "If their syncs succeed, resolve this error.", len(bands)
    )
