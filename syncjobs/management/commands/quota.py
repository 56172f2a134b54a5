from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from typing import Any

from syncjobs.engine import clock, quota
from syncjobs.management import base
from syncjobs.operations.quota import reopen_bucket
from syncjobs.stats import quota_usage
from syncjobs.stats.quota_usage import FIRST_DAY, Grouping, Kind, Usage
from syncjobs.youtube.costs import Bucket, quota_day


class Command(base.Command):
    help = (
        "Show the usage of YouTube's daily quota by bucket, and by operation, job type, band or person. A day begins at "
        "midnight Pacific time. With --reopen, ask YouTube again about a bucket that it has closed, and wake the jobs that "
        "wait for it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--day", metavar="YYYY-MM-DD", type=_date, help="default: today")
        parser.add_argument(
            "--by", choices=list(map(str, Grouping)), help="what the calls are grouped by (default: operation)"
        )
        parser.add_argument("--reopen", metavar="BUCKET", choices=list(map(str, Bucket)), help=", ".join(Bucket))
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        if options["reopen"]:
            if options["day"] or options["by"] or options["json"]:
                self.refuse_arguments("Use --reopen without --day, --by and --json.")
            reopened = reopen_bucket(self.actor, options["reopen"])
            self.print(f"Reopened: {options['reopen']}." if reopened else "The bucket is not closed.")
            return
        today = quota_day(clock.now())
        day = options["day"] or today
        if not FIRST_DAY <= day <= today:
            self.refuse_arguments(f"Give a --day from {FIRST_DAY} to {today}.")
        states = quota.on(day)
        usage = quota_usage.usage(Grouping(options["by"] or Grouping.OPERATION), day)
        if options["json"]:
            shown = (
                {"by": usage.grouping, "groups": _groups(usage)}
                if options["by"]
                else {"operations": _operations(usage)}
            )
            self.print_json({"day": day, "buckets": [bucket_as_json(state) for state in states], **shown})
            return
        for state in states:
            self.print(describe_bucket(state))
        for row in _groups(usage):
            spent = f"{row['units']:>8} units  {row['calls']:>8} calls  {row['failed']:>6} failed"
            self.print(f"  {row['bucket']:<8}{row['name']:<36}{spent}")


def _groups(usage: Usage) -> list[dict[str, Any]]:
    """Return the groups of each bucket."""
    return [
        {"bucket": bucket, "kind": kind, "key": key, "name": name, **asdict(group.spent[bucket])}
        for bucket in Bucket
        for group in usage.groups
        if bucket in group.spent
        for kind, key, name, _exists in [group.member]
    ]


def _operations(usage: Usage) -> list[dict[str, Any]]:
    """Return the operations of each bucket, as this command always has."""
    rows = [
        {
            "bucket": row["bucket"],
            "operation": row["key"],
            "calls": row["calls"],
            "spent": row["units"],
            "failed": row["failed"],
        }
        for row in _groups(usage)
        if row["kind"] == Kind.OPERATION
    ]
    return sorted(rows, key=lambda row: (row["bucket"], row["operation"]))


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
