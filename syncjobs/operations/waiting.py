"""What keeps a queued job from starting although it is due: the pause of its queue, or of its band."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..choices import JobStatus, QueueName
from ..models import Queue, SyncJob


def pauses(job_ids: Collection[int]) -> str:
    """Return sentences that say which pauses the queued ones of these jobs and of their child jobs wait for; else ""."""
    if not job_ids:
        return ""
    family = Q(pk__in=job_ids) | Q(parent__in=job_ids)
    jobs = SyncJob.objects.filter(family, status=JobStatus.QUEUED).order_by()
    paused = Queue.objects.filter(paused_at__isnull=False, pk__in=jobs.values("queue")).order_by("pk")
    sentences = [
        _("The queue %(queue)s is paused, so its jobs wait.") % {"queue": QueueName(queue.name).label}
        for queue in paused
    ]
    if number := jobs.of_paused_bands().count():
        many = ngettext(
            "%(n)s of them waits, because its band is paused.",
            "%(n)s of them wait, because their bands are paused.",
            number,
        )
        one = _("It waits, because its band is paused.")
        sentences.append(one if len(job_ids) == jobs.count() == 1 else many % {"n": number})
    return " ".join(sentences)
