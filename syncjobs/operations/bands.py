"""Create, change and delete single bands. `imports` does this with files of bands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from bands import channels
from bands.models import Band

from ..audit.actors import Actor
from ..audit.record import audited, details
from ..choices import AlertSubject
from ..exceptions import Conflict, InvalidFields, NotFound, Taken
from ..freshness.former import forget_former
from ..models import AlertRound, SyncJob
from ..youtube.types import Channel
from . import band_fields
from .channels import channel_index, set_names


def create(actor: Actor, values: dict[str, Any], channel: Channel | None = None) -> Band:
    """Create a band. `values` has columns of `band_fields`, with name and slug.

    `channel` is the channel that `values["youtube_channel"]` refers to, if it has been looked up.

    Raises InvalidFields with all problems, or Taken if the only problem is that another band has the slug or channel.
    """
    with audited(actor, "create_band", "band") as span:
        channels.lock_channels()
        band = Band()
        _fill(band, values, channel)
        _save(band)
        span.target_id = str(band.pk)
        span.message, span.data = band.name, {"values": details(values)}
    return band


def change(
    actor: Actor,
    band_id: int,
    values: dict[str, Any],
    channel: Channel | None = None,
    *,
    check: Callable[[Band], None] = lambda band: None,
) -> Band:
    """Change the given fields of a band. A new channel resets what is known about the old one, and about its push and feed.

    `check` gets the band as it is, with its row locked, and raises Outdated if it is not the one that the person saw.

    Raises NotFound, InvalidFields with all problems, or Taken if the only problem is that another band has the slug or
    channel.
    """
    with audited(actor, "change_band", "band", band_id) as span:
        channels.lock_channels()
        band = _lock_band(band_id)
        check(band)
        changed = _fill(band, values, channel)
        if changed:
            # Only the changed columns: a worker may be writing other columns of the row.
            _save(band, update_fields=[*changed, "updated_at"])
            if "channel_id" in changed:
                forget_former([band.pk])
            AlertRound.objects.request_about(AlertSubject.BAND, band.pk)
        columns = [name for name in changed if name != "channel_changed_at"]
        span.message, span.data = band.name, {"changed": columns}
    return band


def find_problems(
    values: dict[str, Any], band_id: int | None = None, channel: Channel | None = None
) -> list[tuple[str, str]]:
    """Return (field, message) of each problem for which `create` or `change` would fail now. Nothing is saved."""
    band = Band() if band_id is None else Band.objects.filter(pk=band_id).first()
    if band is not None:
        try:
            _fill(band, values, channel)
        except (InvalidFields, Taken) as error:
            return error.problems
    return []


def set_active(actor: Actor, band_ids: Sequence[int], *, active: bool) -> list[str]:
    """Make bands active or inactive; return the names of those that changed. Schedules sync active bands only."""
    with audited(actor, "activate_bands" if active else "deactivate_bands", "bands") as span:
        rows = Band.objects.select_for_update().filter(pk__in=band_ids).exclude(is_active=active).order_by("pk")
        names = {band.pk: band.name for band in rows}
        Band.objects.filter(pk__in=names).update(is_active=active, updated_at=Now())
        AlertRound.objects.request()
        span.data = {"count": len(band_ids), "bands": sorted(names)}
    return list(names.values())


def delete(actor: Actor, band_id: int, *, check: Callable[[Band], None] = lambda band: None) -> None:
    """Delete a band and its videos, if it passes `check`. Its ended jobs stay, and keep its name.

    Raises NotFound, and Conflict while a job of the band is queued or running.
    """
    with audited(actor, "delete_band", "band", band_id) as span:
        band = _lock_band(band_id)
        check(band)
        job = SyncJob.objects.active().filter(band=band).order_by("pk").first()
        if job is not None:
            message = _("Job %(job)s of %(band)s is queued or running. Cancel it, then delete the band.")
            raise Conflict(message % {"job": job, "band": band.name})
        span.message = band.name
        AlertRound.objects.request_about(AlertSubject.BAND, band.pk)
        band.delete()


def _lock_band(band_id: int) -> Band:
    """Return the band with its row locked, which also keeps new jobs from referring to it. Raises NotFound."""
    band = Band.objects.select_for_update().filter(pk=band_id).first()
    if band is None:
        raise NotFound(_("There is no band %(id)s.") % {"id": band_id}, field="id")
    return band


def _fill(band: Band, values: dict[str, Any], channel: Channel | None) -> list[str]:
    """Set the given fields without saving; return the names of the changed columns. Raises InvalidFields, Taken."""
    before = {field.attname: getattr(band, field.attname) for field in Band._meta.concrete_fields}
    invalid = band_fields.apply(band, values)
    if channel is not None:
        if channel.id == before["channel_id"]:
            # It is another reference to the same channel, so what is known about it stays.
            for name in channels.OF_CHANNEL:
                setattr(band, name, before[name])
        channels.set_channel(band, band.channel_reference, channel_id=channel.id)
        set_names(band, channel)
    changed = [name for name, value in before.items() if getattr(band, name) != value]
    taken = _find_taken(band, set(changed))
    if invalid:
        raise InvalidFields([*invalid, *taken])
    if taken:
        raise Taken(taken)
    return changed


def _find_taken(band: Band, changed: set[str]) -> list[tuple[str, str]]:
    problems = []
    if "slug" in changed and Band.objects.filter(slug=band.slug).exclude(pk=band.pk).exists():
        problems.append(("slug", _slug_taken(band)))
    if {"channel_reference", "channel_id"} & changed and (conflict := channels.channel_conflict(band, channel_index())):
        problems.append(("youtube_channel", conflict))
    return problems


def _slug_taken(band: Band) -> str:
    return _("Another band has the slug “%(slug)s”.") % {"slug": band.slug}


def _save(band: Band, update_fields: list[str] | None = None) -> None:
    try:
        with transaction.atomic():
            band.save(update_fields=update_fields)
    except IntegrityError:
        raise Taken([("slug", _slug_taken(band))]) from None
