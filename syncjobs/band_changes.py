"""Bands written one at a time by people; files of them are `importing`'s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from bands.models import Band

from . import band_fields, channels
from .actors import Actor
from .audit import audited
from .exceptions import Conflict, InvalidFields, NotFound
from .models import SyncJob
from .youtube.types import Channel


def create(actor: Actor, values: dict[str, Any], channel: Channel | None = None) -> Band:
    """A new band, of the fields that `band_fields` knows; name and slug must be there.

    `channel` is what YouTube has said of the `youtubeChannel` given, if it was asked.

    Raises InvalidFields with all that is wrong, and Conflict when another band has the slug or the channel.
    """
    with audited(actor, "create_band", "band") as span:
        channels.lock()
        band = Band()
        _apply(band, values)
        _know(band, channel)
        channels.refuse_taken(band, channels.Holders(), field="youtubeChannel")
        _store(band)
        span.target_id = str(band.pk)
        span.message, span.data = band.name, {"values": values}
    return band


def change(actor: Actor, band_id: int, values: dict[str, Any], channel: Channel | None = None) -> Band:
    """Change what is given; the rest stays. Another channel starts with nothing known of it but `channel`.

    Raises NotFound, InvalidFields with all that is wrong, and Conflict when another band has the slug or the channel.
    """
    with audited(actor, "change_band", "band", band_id) as span:
        channels.lock()
        band = _locked(band_id)
        before = {field.attname: getattr(band, field.attname) for field in Band._meta.concrete_fields}
        _apply(band, values)
        _know(band, channel)
        changed = [name for name, value in before.items() if getattr(band, name) != value]
        if {"channel_reference", "channel_id"} & set(changed):
            channels.refuse_taken(band, channels.Holders(), field="youtubeChannel")
        if changed:
            # A worker may write its columns of the row just before and after; it must find them as it left them.
            _store(band, update_fields=[*changed, "updated_at"])
        span.message, span.data = band.name, {"changed": changed}
    return band


def set_active(actor: Actor, band_ids: Sequence[int], *, active: bool) -> list[str]:
    """Have schedules keep these bands up to date, or no more; returns the names of those that were not so before."""
    with audited(actor, "activate_bands" if active else "deactivate_bands", "bands") as span:
        rows = Band.objects.select_for_update().filter(pk__in=band_ids).exclude(is_active=active).order_by("pk")
        names = {band.pk: band.name for band in rows}
        Band.objects.filter(pk__in=names).update(is_active=active, updated_at=Now())
        span.data = {"count": len(band_ids), "bands": sorted(names)}
    return list(names.values())


def delete(actor: Actor, band_id: int) -> None:
    """Delete a band with its videos; its ended jobs stay, under its name.

    Raises NotFound, and Conflict while a job of the band is queued or running: cancel that first.
    """
    with audited(actor, "delete_band", "band", band_id) as span:
        band = _locked(band_id)
        job = SyncJob.objects.active().filter(band=band).order_by("pk").first()
        if job is not None:
            said = _("Job %(job)s of %(band)s is queued or running. Cancel it, then delete the band.")
            raise Conflict(said % {"job": job, "band": band.name})
        span.message = band.name
        band.delete()


def _locked(band_id: int) -> Band:
    """Its row stays locked, also against jobs that would come to refer to it."""
    band = Band.objects.select_for_update().filter(pk=band_id).first()
    if band is None:
        raise NotFound(_("There is no band %(id)s.") % {"id": band_id}, field="id")
    return band


def _apply(band: Band, values: dict[str, Any]) -> None:
    problems = band_fields.apply(band, values)
    if problems:
        raise InvalidFields(problems)


def _know(band: Band, channel: Channel | None) -> None:
    if channel is not None:
        channels.give_channel(band, band.channel_reference, channel_id=channel.id)
        band.channel_handle, band.channel_title = channel.handle[:120], channel.title[:200]


def _store(band: Band, update_fields: list[str] | None = None) -> None:
    try:
        with transaction.atomic():
            band.save(update_fields=update_fields)
    except IntegrityError:
        raise Conflict(_("Another band has the slug “%(slug)s”.") % {"slug": band.slug}, field="slug") from None
