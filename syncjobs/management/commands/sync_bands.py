from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db.models import Q, Sum
from tqdm import tqdm

from syncjobs.choices import BAND_SYNC_TYPES, JobStatus, JobType, Priority
from syncjobs.engine.enqueue import Created
from syncjobs.exceptions import DomainError
from syncjobs.listing.filters import for_display
from syncjobs.management import base
from syncjobs.models import QuotaCall, SyncJob
from syncjobs.operations import triggers
from syncjobs.operations.waiting import pauses
from syncjobs.youtube.costs import Bucket

POLL_SECONDS = 0.25


class Command(base.Command):
    help = (
        "Trigger syncs of some bands or of all active ones, incremental unless --full. The workers run them. With --wait, wait "
        "until they have ended; the exit code is then 0 only if every job is COMPLETED without errors. If one of several bands "
        "is refused, the others are synced, and the exit code is 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--band", action="append", metavar="SLUG", help="a band's slug; can be repeated")
        which.add_argument("--all", action="store_true", help="all active bands that have a channel")
        parser.add_argument("--full", action="store_true", help="read everything, not only what is new")
        parser.add_argument("--force", action="store_true", help="include recently synced bands")
        parser.add_argument("--priority", choices=[p.name.lower() for p in Priority], help="default: normal")
        parser.add_argument("--wait", action="store_true", help="wait for the jobs to end")
        parser.add_argument(
            "--timeout",
            type=base.seconds,
            metavar="SECONDS",
            help="with --wait: stop waiting after this time (exit code 1)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        if options["timeout"] is not None and not options["wait"]:
            self.refuse_arguments("Use --timeout only with --wait.")
        started = time.monotonic()
        created, refused = self._trigger(options)
        if options["wait"]:
            jobs = self._wait(created, options["timeout"])
        else:
            jobs = list(SyncJob.objects.filter(pk__in=[c.job.pk for c in created]).order_by("pk"))
        self._report(options, jobs, created, started)
        failed = [job for job in jobs if job.status != JobStatus.COMPLETED or job.error_count]
        problems = [f"Refused: {refused} of {refused + len(created)} bands."] if refused else []
        if options["wait"] and failed:
            problems.append(f"{len(failed)} of {len(jobs)} jobs did not complete without errors.")
        if problems:
            raise CommandError(" ".join(problems))

    def _trigger(self, options: dict[str, Any]) -> tuple[list[Created], int]:
        """Trigger the syncs. Return those that are queued, and how many bands were refused.

        Raises DomainError if it is the only band, or all bands.
        """
        bands = [None] if options["all"] else [self.band(slug) for slug in dict.fromkeys(options["band"])]
        priority = Priority[options["priority"].upper()] if options["priority"] else None
        chosen = {"full": options["full"], "force": options["force"], "priority": priority}
        created = []
        for band in bands:
            try:
                created.append(triggers.trigger_sync(self.actor, band, **chosen))
            except DomainError as error:
                if band is None or len(bands) == 1:
                    raise
                # A job that was queued before must be reported, and people may wait for it.
                self.warn(f"{band.slug}: {error.message}")
        return created, len(bands) - len(created)

    def _wait(self, created: list[Created], timeout: float | None) -> list[SyncJob]:
        ids = {c.job.pk for c in created}
        deadline = None if timeout is None else time.monotonic() + timeout
        with tqdm(desc="Jobs", disable=not sys.stderr.isatty()) as bar:
            while True:
                jobs = list(SyncJob.objects.filter(Q(pk__in=ids) | Q(parent_id__in=ids)).order_by("pk"))
                ended = sum(job.is_terminal for job in jobs)
                bar.total, bar.n = len(jobs), ended
                bar.refresh()
                if ended == len(jobs):
                    # An ENRICH job fetches the details of what an incremental sync of one band has found.
                    details = set(SyncJob.objects.active().filter(job_type=JobType.ENRICH).values_list("pk", flat=True))
                    if details <= ids:
                        return jobs
                    ids |= details
                if deadline is not None and time.monotonic() > deadline:
                    raise CommandError(
                        f"{len(jobs) - ended} of {len(jobs)} jobs have not ended after {timeout:g} seconds. They keep running."
                    )
                time.sleep(POLL_SECONDS)

    def _report(self, options: dict[str, Any], jobs: list[SyncJob], created: list[Created], started: float) -> None:
        syncs = [job for job in jobs if job.job_type in BAND_SYNC_TYPES and not job.fans_out]
        summary = {
            "videos_found": sum(job.videos_found for job in syncs),
            "videos_added": sum(job.videos_added for job in syncs),
            "videos_updated": sum(job.videos_updated for job in syncs),
            "units": _units(jobs),
            "seconds": round(time.monotonic() - started, 3),
        }
        shown = list(for_display(SyncJob.objects.filter(pk__in=[job.pk for job in jobs])).order_by("pk"))
        for job in shown:
            job.add_child_sums()
        if options["json"]:
            self.print_json({"jobs": [_job(job) for job in shown], **summary})
            return
        for job in shown:
            band = job.band_name or "all bands"
            status = job.get_status_display()
            if job.status == JobStatus.COMPLETED and job.error_count:
                status += " with errors"
            self.print(f"{job}  {job.get_job_type_display()}  {band}  {status}")
        for each in created:
            if not each.is_new:
                self.print(triggers.describe(each))
        if (new := {each.job.pk for each in created if each.is_new}) and (waits := pauses(new)):
            self.print(waits)
        if options["wait"]:
            units = ", ".join(f"{number} {bucket}" for bucket, number in _units(jobs).items())
            self.print(
                f"{summary['videos_found']} videos found, {summary['videos_added']} added, "
                f"{summary['videos_updated']} updated; {units} units; {summary['seconds']} s"
            )


def _units(jobs: list[SyncJob]) -> dict[str, int]:
    """Return the units that the jobs have spent, by bucket."""
    calls = QuotaCall.objects.filter(job_id__in=[job.pk for job in jobs]).order_by("bucket")
    spent = dict(calls.values_list("bucket").annotate(Sum("units")))
    return {str(bucket): spent.get(bucket, 0) for bucket in Bucket}


def _job(job: Any) -> dict[str, Any]:
    return {
        "id": str(job.pk),
        "status": job.status,
        "job_type": job.job_type,
        "band": job.band.slug if job.band else None,
        "parent_id": str(job.parent_id) if job.parent_id else None,
        "videos_found": job.videos_found,
        "videos_added": job.videos_added,
        "videos_updated": job.videos_updated,
        "videos_unavailable": job.videos_unavailable,
        "errors": job.error_texts,
    }
