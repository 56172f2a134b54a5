"""Pause and resume bands: the jobs of a paused band wait, and all other jobs go on."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.db.models import Count
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from bands.models import Band

from ..audit.actors import Actor
from ..audit.record import audited
from ..choices import AlertSubject, JobStatus
from ..engine import broker, outcomes
from ..exceptions import InvalidInput, NotFound
from ..live import changes
from ..models import AlertRound, Queue, SyncJob
from .queues import MAX_REASON
from .texts import check_text


def pause_band(actor: Actor, band_id: int, reason: str = "") -> bool:
    """Start no more jobs of a band until it is resumed. Running jobs finish, and all-bands jobs go on without the band.

    Work that is not a job of the band goes on too: push and feeds report new videos for no quota, and one job for all bands
    fetches the details of new videos.

    If a person gives a reason for a band that is already paused, it replaces the recorded one. Return whether the band was
    not paused before. Raises NotFound and InvalidInput.
    """
    reason = reason.strip()
    if len(reason) > MAX_REASON:
        raise InvalidInput(_("A reason has at most %(most)s characters.") % {"most": MAX_REASON}, field="reason")
    check_text(reason, "reason")
    with audited(actor, "pause_band", "band", band_id) as span:
        band = lock_band(band_id)
        # A claim that has begun makes this wait, so none commits after the pause.
        list(Queue.objects.order_by("name").select_for_update(no_key=True))
        is_new = band.paused_at is None
        author = {"paused_by": actor.label[:150], "pause_reason": reason}
        if is_new:
            Band.objects.filter(pk=band_id, paused_at=None).update(paused_at=Now(), **author)
            _complete_parents(band_id)
        elif reason and actor.is_personal:
            Band.objects.filter(pk=band_id).update(**author)
        _note_changes(band_id)
        AlertRound.objects.request_about(AlertSubject.BAND, band_id)
        span.message, span.data = reason, {"band": band.name, "paused": is_new}
    return is_new


def resume_band(actor: Actor, band_id: int) -> bool:
    """Start the jobs of a band again, and wake up workers for those that wait.

    Return whether the band was paused. Raises NotFound.
    """
    with audited(actor, "resume_band", "band", band_id) as span:
        band = lock_band(band_id)
        values = {"paused_at": None, "paused_by": "", "pause_reason": "", "resumed_at": Now()}
        resumed = bool(Band.objects.filter(pk=band_id, paused_at__isnull=False).update(**values))
        waiting = SyncJob.objects.waiting().filter(band=band_id).order_by().values_list("queue").annotate(n=Count("pk"))
        for queue, count in waiting:
            broker.notify_on_commit(queue, count)
        _note_changes(band_id)
        AlertRound.objects.request_about(AlertSubject.BAND, band_id)
        span.data = {"band": band.name, "resumed": resumed}
    return resumed


def lock_band(band_id: int) -> Band:
    """Lock the band's row, but not against jobs that refer to it. Raises NotFound."""
    band = Band.objects.select_for_update(no_key=True).filter(pk=band_id).first()
    if band is None:
        raise NotFound(_("There is no band %(id)s.") % {"id": band_id}, field="id")
    return band


def _complete_parents(band_id: int) -> None:
    """After the commit, complete the all-bands jobs that only waited for the band."""
    queued = SyncJob.objects.filter(band=band_id, status=JobStatus.QUEUED, parent__isnull=False)
    for parent_id in sorted(set(queued.values_list("parent_id", flat=True))):
        transaction.on_commit(partial(outcomes.complete_parents, parent_id))


def _note_changes(band_id: int) -> None:
    """Let live pages show the queued jobs of the band anew."""
    changes.note_jobs(SyncJob.objects.filter(band=band_id, status=JobStatus.QUEUED))
