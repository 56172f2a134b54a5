"""Saved filters: everybody has their own, and sees those that are shared."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth.models import AnonymousUser, User
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from ..audit.actors import Actor
from ..audit.record import audited
from ..exceptions import Conflict, InvalidInput, NotFound, NotPermitted
from ..models import FilterPreset

MAX_NAME = 80
MOST = 200
"""Presets one person may have, and that may be shared."""
_SHARE = "syncjobs.share_filterpreset"


def list_presets(user: User | AnonymousUser) -> QuerySet[FilterPreset]:
    """The user's own and the shared ones, the shared ones first."""
    return FilterPreset.objects.filter(Q(owner=user.pk) | Q(owner=None)).order_by(
        F("owner").asc(nulls_first=True), "name"
    )


def get(user: User | AnonymousUser, preset_id: int) -> FilterPreset:
    """One that the user may see. Raises NotFound."""
    preset = list_presets(user).filter(pk=preset_id).first()
    if preset is None:
        raise NotFound(_("There is no filter preset %(id)s.") % {"id": preset_id}, field="id")
    return preset


def save(
    actor: Actor,
    user: User | AnonymousUser,
    preset_id: int | None = None,
    *,
    name: str | None = None,
    filters: Mapping[str, str] | None = None,
    shared: bool | None = None,
) -> FilterPreset:
    """Create a preset, or change of one (`preset_id`) what is given.

    `filters` are the list's query parameters, as `api.listing.filters_of` has checked them. Raises NotFound,
    InvalidInput, NotPermitted to whoever shares, or changes what is shared, without the right to, and Conflict when
    the name is taken.
    """
    action = "create_preset" if preset_id is None else "change_preset"
    with audited(actor, action, "preset", preset_id) as span:
        preset = FilterPreset(owner_id=user.pk, created_by=actor.label) if preset_id is None else get(user, preset_id)
        if preset.is_shared or shared:
            _check_may_share(user)
        if name is not None:
            preset.name = name.strip()
        if filters is not None:
            preset.filters = dict(filters)
        if shared is not None:
            preset.owner_id = None if shared else user.pk
        _check(preset)
        _store(preset)
        span.target_id = str(preset.pk)
        span.message = preset.name
        span.data = {"filters": preset.filters, "shared": preset.is_shared}
    return preset


def delete(actor: Actor, user: User | AnonymousUser, preset_id: int) -> None:
    """Raises NotFound, and NotPermitted when it is shared and the user may not share."""
    with audited(actor, "delete_preset", "preset", preset_id) as span:
        preset = get(user, preset_id)
        if preset.is_shared:
            _check_may_share(user)
        span.message = preset.name
        preset.delete()


def _check(preset: FilterPreset) -> None:
    if not preset.name or len(preset.name) > MAX_NAME or "\x00" in preset.name:
        raise InvalidInput(
            _("Must be from 1 to %(most)s characters, not only spaces.") % {"most": MAX_NAME}, field="name"
        )
    if preset.pk is None and FilterPreset.objects.filter(owner=preset.owner_id).count() >= MOST:
        raise Conflict(_("There are %(count)s presets already. Delete one first.") % {"count": MOST}, field="name")


def _store(preset: FilterPreset) -> None:
    try:
        with transaction.atomic():
            preset.save()
    except IntegrityError:
        taken = (
            _("A shared preset is called “%(name)s” already.")
            if preset.is_shared
            else _("A preset of yours is called “%(name)s” already.")
        )
        raise Conflict(taken % {"name": preset.name}, field="name") from None


def _check_may_share(user: User | AnonymousUser) -> None:
    if not user.has_perm(_SHARE):
        raise NotPermitted(_("Shared presets are for admins to create, change and delete."), field="shared")
