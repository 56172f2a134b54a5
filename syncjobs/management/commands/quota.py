from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.db.models import Count, Q, Sum
from django.utils import timezone

from syncjobs.engine import quota
from syncjobs.management import base
from syncjobs.models import QuotaCall
from syncjobs.youtube.costs import quota_day


class Command(base.Command):
    help = "Show the usage of YouTube's daily quota by bucket and operation. A day begins at midnight Pacific time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--day", metavar="YYYY-MM-DD", type=_date, help="default: today")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        day = options["day"] or quota_day(timezone.now())
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
    usage = f"{state.bucket}: {state.used} of {state.limit} used, {state.reserved} reserved for manual syncs"
    closed = f"  closed by YouTube at {state.closed_at:%H:%M} UTC: {state.closed_reason}" if state.closed_at else ""
    return f"{usage}, resets {state.resets_at:%Y-%m-%d %H:%M} UTC{closed}"


def bucket_as_json(state: quota.BucketState) -> dict[str, Any]:
    """Return the usage of a bucket for --json."""
    return {
        "bucket": state.bucket,
        "used": state.used,
        "limit": state.limit,
        "reserved": state.reserved,
        "closed_at": state.closed_at,
        "resets_at": state.resets_at,
    }
