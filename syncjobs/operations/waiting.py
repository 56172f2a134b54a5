"""What keeps a queued job from starting although it is due: the pause of its queue, or of its band."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bands.models import Band

from ..choices import JobStatus, QueueName
from ..models import Queue, SyncJob


def pauses(job_ids: Collection[int]) -> str:
    """Return sentences that say which pauses the queued ones of these jobs and of their child jobs wait for; else ""."""
    if not job_ids:
        return ""
    family = Q(pk__in=job_ids) | Q(parent__in=job_ids)
    jobs = SyncJob.objects.filter(family, status=JobStatus.QUEUED).order_by()
    paused = Queue.objects.filter(pk__in=jobs.values("queue"))
    number = jobs.of_paused_bands().count()
    return _sentences(paused, number, is_one=number > 0 and len(job_ids) == jobs.count() == 1)


def pauses_of_new(jobs: Iterable[tuple[str, int | None]]) -> str:
    """Return the same sentences about jobs that are yet to be queued; of each, its queue and its band's id."""
    new = list(jobs)
    paused = Queue.objects.filter(pk__in={queue for queue, _band in new})
    bands = set(
        Band.objects.paused().filter(pk__in={band for _queue, band in new if band}).values_list("pk", flat=True)
    )
    return _sentences(paused, sum(band in bands for _queue, band in new), is_one=len(new) == 1)


def _sentences(queues: QuerySet[Queue], of_paused_bands: int, *, is_one: bool) -> str:
    sentences = [
        _("The queue %(queue)s is paused, so its jobs wait.") % {"queue": QueueName(queue.name).label}
        for queue in queues.filter(paused_at__isnull=False).order_by("pk")
    ]
    if of_paused_bands:
        many = ngettext(
            "%(n)s of them waits, because its band is paused.",
            "%(n)s of them wait, because their bands are paused.",
            of_paused_bands,
        )
        sentences.append(_("It waits, because its band is paused.") if is_one else many % {"n": of_paused_bands})
    return " ".join(sentences)
