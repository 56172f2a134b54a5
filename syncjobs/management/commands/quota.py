from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.db.models import Count, Q, Sum

from syncjobs.engine import clock, quota
from syncjobs.management import base
from syncjobs.models import QuotaCall
from syncjobs.operations.quota import reopen_bucket
from syncjobs.youtube.costs import Bucket, quota_day

_FIRST_DAY = dt.date(2005, 1, 1)


class Command(base.Command):
    help = (
        "Show the usage of YouTube's daily quota by bucket and operation. A day begins at midnight Pacific time. With --reopen, "
        "ask YouTube again about a bucket that it has closed, and wake the jobs that wait for it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--day", metavar="YYYY-MM-DD", type=_date, help="default: today")
        parser.add_argument("--reopen", metavar="BUCKET", choices=list(map(str, Bucket)), help=", ".join(Bucket))
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        if options["reopen"]:
            if options["day"] or options["json"]:
                self.refuse_arguments("Use --reopen without --day and --json.")
            reopened = reopen_bucket(self.actor, options["reopen"])
            self.print(f"Reopened: {options['reopen']}." if reopened else "The bucket is not closed.")
            return
        today = quota_day(clock.now())
        day = options["day"] or today
        if not _FIRST_DAY <= day <= today:
            self.refuse_arguments(f"Give a --day from {_FIRST_DAY} to {today}.")
        states = quota.on(day)
        calls = (
            QuotaCall.objects.filter(day=day)
            .values("bucket", "operation")
            .order_by("bucket", "operation")
            .annotate(calls=Count("pk"), spent=Sum("units"), failed=Count("pk", filter=~Q(reason="")))
        )
        if options["json"]:
            buckets = [bucket_as_json(state) for state in states]
            self.print_json({"day": day, "buckets": buckets, "operations": list(calls)})
            return
        for state in states:
            self.print(describe_bucket(state))
        for row in calls:
            self.print(
                f"  {row['operation']:<24}{row['spent']:>8} units  {row['calls']:>8} calls  {row['failed']:>6} failed"
            )


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a date. Write it as YYYY-MM-DD.") from None


def describe_bucket(state: quota.BucketState) -> str:
    """Return a line with the usage of a bucket."""
    usage = f"{state.bucket}: {state.used} of {state.limit} used, {state.left_for_manual_syncs} left"
    if state.reserved:
        usage += f", {state.left_of_reserved} of them reserved for manual syncs"
    closed = f"  closed by YouTube at {state.closed_at:%H:%M} UTC: {state.closed_reason}" if state.closed_at else ""
    if state.probe_at:
        closed = f"  waiting until YouTube accepts a call; next try at {state.probe_at:%H:%M} UTC"
    return f"{usage}, resets {state.resets_at:%Y-%m-%d %H:%M} UTC{closed}"


def bucket_as_json(state: quota.BucketState) -> dict[str, Any]:
    """Return the usage of a bucket for --json."""
    return {
        "bucket": state.bucket,
        "used": state.used,
        "limit": state.limit,
        "reserved": state.reserved,
        "left": state.left_for_manual_syncs,
        "left_for_automatic": state.left_for_automatic_syncs,
        "closed_at": state.closed_at,
        "probe_at": state.probe_at,
        "resets_at": state.resets_at,
    }
