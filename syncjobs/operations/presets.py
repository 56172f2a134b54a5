"""Filter presets: each person has their own, and everyone sees the shared ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.contrib.auth.models import AnonymousUser, User
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from bands.text import camel_case, snake_case

from ..audit.actors import Actor
from ..audit.record import audited
from ..exceptions import Conflict, InvalidInput, NotFound, NotPermitted
from ..models import FilterPreset
from .texts import check_text

MAX_NAME = 80
MAX_PRESETS = 200
"""Maximum number of presets of one person, and of shared presets."""
_SHARE = "syncjobs.share_filterpreset"


def list_presets(user: User | AnonymousUser) -> QuerySet[FilterPreset]:
    """Return the shared presets and then the user's own, each by name."""
    return FilterPreset.objects.filter(Q(owner=user.pk) | Q(owner=None)).order_by(
        F("owner").asc(nulls_first=True), "name"
    )


def get(user: User | AnonymousUser, preset_id: int) -> FilterPreset:
    """Return a shared preset or one of the user's own. Raises NotFound."""
    preset = list_presets(user).filter(pk=preset_id).first()
    if preset is None:
        raise NotFound(_("There is no filter preset %(id)s.") % {"id": preset_id}, field="id")
    return preset


def _lock(user: User | AnonymousUser, preset_id: int) -> FilterPreset:
    """Return the preset with its row locked, because it is saved whole. Raises NotFound."""
    FilterPreset.objects.select_for_update().filter(pk=preset_id).first()
    return get(user, preset_id)


def save(
    actor: Actor,
    user: User | AnonymousUser,
    preset_id: int | None = None,
    *,
    name: str | None = None,
    filters: Mapping[str, str] | None = None,
    shared: bool | None = None,
    check: Callable[[FilterPreset], None] = lambda preset: None,
) -> FilterPreset:
    """Create a preset, or change the given fields of the one with `preset_id`.

    `check` gets the one that is changed, with its row locked, and raises Outdated if it isn't the one that the person saw.
    `filters` are validated query parameters of the job list. Raises NotFound, InvalidInput, Conflict if the name is
    taken, and NotPermitted if the preset is or becomes shared and the user may not share.
    """
    action = "create_preset" if preset_id is None else "change_preset"
    with audited(actor, action, "preset", preset_id) as span:
        preset = FilterPreset(owner_id=user.pk, created_by=actor.label) if preset_id is None else _lock(user, preset_id)
        check(preset)
        if preset.is_shared or shared:
            _check_may_share(user)
        if name is not None:
            preset.name = name.strip()
        if filters is not None:
            preset.filters = dict(filters)
        if shared is not None:
            preset.owner_id = None if shared else user.pk
        _check(preset)
        _save(preset)
        span.target_id = str(preset.pk)
        span.message = preset.name
        span.data = {"filters": respell(preset.filters, camel_case), "shared": preset.is_shared}
    return preset


def respell(filters: Mapping[str, str], spell: Callable[[str], str]) -> dict[str, str]:
    """Spell the names of filters, and the name of the field that they sort by."""
    return {spell(name): spell(value) if snake_case(name) == "sort_by" else value for name, value in filters.items()}


def delete(
    actor: Actor,
    user: User | AnonymousUser,
    preset_id: int,
    *,
    check: Callable[[FilterPreset], None] = lambda preset: None,
) -> None:
    """Delete a preset that passes `check`. Raises NotFound, and NotPermitted if it is shared and the user may not share."""
    with audited(actor, "delete_preset", "preset", preset_id) as span:
        preset = _lock(user, preset_id)
        check(preset)
        if preset.is_shared:
            _check_may_share(user)
        span.message = preset.name
        preset.delete()


def _check(preset: FilterPreset) -> None:
    check_text(preset.name, "name")
    for value in preset.filters.values():
        check_text(value, "filters")
    if not preset.name or len(preset.name) > MAX_NAME:
        raise InvalidInput(_("Must have 1 to %(most)s characters, not only spaces.") % {"most": MAX_NAME}, field="name")
    if preset.pk is None and FilterPreset.objects.filter(owner=preset.owner_id).count() >= MAX_PRESETS:
        message = _("There are already %(count)s presets. Delete one first.")
        raise Conflict(message % {"count": MAX_PRESETS}, field="name")


def _save(preset: FilterPreset) -> None:
    try:
        with transaction.atomic():
            preset.save()
    except IntegrityError:
        message = (
            _("There is already a shared preset called “%(name)s”.")
            if preset.is_shared
            else _("You already have a preset called “%(name)s”.")
        )
        raise Conflict(message % {"name": preset.name}, field="name") from None


def _check_may_share(user: User | AnonymousUser) -> None:
    if not user.has_perm(_SHARE):
        raise NotPermitted(_("Only admins can create, change and delete shared presets."), field="shared")
