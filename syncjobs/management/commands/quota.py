from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.db.models import Count, Q, Sum
from django.utils import timezone

from syncjobs.engine import quota
from syncjobs.management import base
from syncjobs.models import QuotaCall
from syncjobs.youtube.costs import quota_day


class Command(base.Command):
    help = (
        "Show what was spent of YouTube's daily quota, per bucket and operation. A day begins at midnight Pacific time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--day", metavar="YYYY-MM-DD", type=dt.date.fromisoformat, help="default: today")
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
            buckets = [
                {
                    "bucket": s.bucket,
                    "used": s.used,
                    "limit": s.limit,
                    "reserved": s.reserved,
                    "closedAt": s.closed_at,
                    "resetsAt": s.resets_at,
                }
                for s in states
            ]
            self.say_json({"day": day, "buckets": buckets, "operations": list(calls)})
            return
        for s in states:
            closed = f"  closed by YouTube at {s.closed_at:%H:%M} UTC: {s.closed_reason}" if s.closed_at else ""
            self.say(
                f"{s.bucket}: {s.used} of {s.limit} used, {s.reserved} reserved, resets {s.resets_at:%Y-%m-%d %H:%M} UTC{closed}"
            )
        for row in calls:
            self.say(
                f"  {row['operation']:<24}{row['spent']:>8} units  {row['calls']:>8} calls  {row['failed']:>6} failed"
            )
