"""What keeps a queued job from starting although it is due: the pause of its queue, or of its band."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bands.models import Band

from ..choices import QueueName
from ..models import Queue
from ..sql import query


def pauses(job_ids: Collection[int]) -> str:
    """Return sentences that say which pauses the queued ones of these jobs and of their child jobs wait for; else ""."""
    return _sentences_about(job_ids)


def pauses_of_retries(job_ids: Collection[int]) -> str:
    """Return the same sentences about the jobs that will be queued if these are retried."""
    return _sentences_about(job_ids, is_retry=True)


def pauses_of_new(queue: str, band_id: int | None = None) -> str:
    """Return the same sentences about a job that is yet to be queued."""
    waits = band_id is not None and Band.objects.paused().filter(pk=band_id).exists()
    return _sentences([queue], int(waits), is_one=True)


def _sentences_about(job_ids: Collection[int], *, is_retry: bool = False) -> str:
    """Ask with arrays, because a bulk action may be about MAX_JOBS: `IN` with as many values takes half a minute."""
    if not job_ids:
        return ""
    with connection.cursor() as cursor:
        cursor.execute(query("waiting_jobs"), {"jobs": list(job_ids), "is_retry": is_retry})
        rows = cursor.fetchall()
    is_one = len(job_ids) == sum(jobs for _queue, jobs, _of_paused_bands in rows) == 1
    return _sentences([row[0] for row in rows], sum(row[2] for row in rows), is_one=is_one)


def _sentences(queues: Sequence[str], of_paused_bands: int, *, is_one: bool) -> str:
    sentences = [
        _("The queue %(queue)s is paused, so its jobs wait.") % {"queue": QueueName(queue.name).label}
        for queue in Queue.objects.filter(pk__in=queues, paused_at__isnull=False).order_by("pk")
    ]
    if of_paused_bands:
        many = ngettext(
            "%(n)s of them waits, because its band is paused.",
            "%(n)s of them wait, because their bands are paused.",
            of_paused_bands,
        )
        sentences.append(_("It waits, because its band is paused.") if is_one else many % {"n": of_paused_bands})
    return " ".join(sentences)
