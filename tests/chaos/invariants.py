"""What must be true once a run is over. Each check returns a sentence for each violation."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.models import Count, F, Sum

from bands.models import Availability, Band, Video
from syncjobs import counters
from syncjobs.choices import TERMINAL_STATUSES, JobStatus, Origin
from syncjobs.models import Attempt, AuditEntry, JobError, QuotaCall, QuotaDay, SyncJob

from .load import Actions
from .viewer import State

_MOST_SHOWN = 5
_PAGE = 50


def jobs() -> Iterator[str]:
    """Every job has ended, with every attempt of it, and none failed by a bug of ours."""
    for job in SyncJob.objects.active()[:_MOST_SHOWN]:
        yield f"job #{job.pk} ({job.job_type}) is still {job.status}, due {job.run_at:%H:%M:%S}, {job.delay_reason or 'not delayed'}"
    for attempt in Attempt.objects.running().filter(job__status__in=TERMINAL_STATUSES)[:_MOST_SHOWN]:
        yield f"attempt {attempt.number} of job #{attempt.job_id} is running, though the job has ended"
    ours = JobError.objects.filter(job__status=JobStatus.FAILED, reason="internalError", will_retry=False)
    for error in ours[:_MOST_SHOWN]:
        yield f"job #{error.job_id} failed by a bug of ours: {error.message[:200]}"


def videos(world: Iterable[Mapping[str, Any]], resources: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Each band has each readable video of its channel once, equal to the server's, and no other that seems available.

    `world` is the simulator's list of channels; `resources` has what its videos.list returns, by id.
    """
    playlists = {channel["id"]: set(channel["videos"]) for channel in world}
    for band in Band.objects.filter(is_active=True).exclude(channel_reference=""):
        stored = {video.youtube_id: video for video in Video.objects.filter(band=band)}
        available = {name for name, video in stored.items() if video.availability == Availability.AVAILABLE}
        expected = playlists.get(band.channel_id, set()) & resources.keys()
        if missing := sorted(expected - available):
            yield f"{band} lacks {len(missing)} of {len(expected)} videos, such as {missing[0]}"
        if surplus := sorted(available - expected):
            yield f"{band} has {len(surplus)} videos that the server does not have, such as {surplus[0]}"
        different = [name for name in expected & available if _stored(stored[name]) != _served(resources[name])]
        if different:
            yield f"{len(different)} videos of {band} differ from the server's: {_stored(stored[different[0]])}, {_served(resources[different[0]])}"
        if band.channel_problem:
            yield f"{band} is flagged {band.channel_problem}, but its channel is fine"
    if pending := Video.objects.filter(details_pending=True).count():
        yield f"{pending} videos still wait for their details"


def _stored(video: Video) -> tuple[Any, ...]:
    return video.title, video.description, video.view_count, video.like_count, video.comment_count


def _served(resource: Mapping[str, Any]) -> tuple[Any, ...]:
    counts = resource["statistics"]
    numbers = (int(counts[name]) if name in counts else None for name in ("viewCount", "likeCount", "commentCount"))
    return resource["snippet"]["title"], resource["snippet"]["description"], *numbers


def fetch_resources(youtube: str, key: str, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Ask the simulator's videos.list for videos; return those it has, by id. This adds to its log."""
    found: dict[str, dict[str, Any]] = {}
    names = list(ids)
    for first in range(0, len(names), _PAGE):
        query = urllib.parse.urlencode(
            {"part": "snippet,statistics", "id": ",".join(names[first : first + _PAGE]), "key": key}
        )
        with urllib.request.urlopen(f"{youtube}/youtube/v3/videos?{query}", timeout=10) as answer:
            found |= {item["id"]: item for item in json.load(answer)["items"]}
    return found


def ledger(log: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Every call that the server logged is in the ledger, and what else is there has no response.

    A call is written to the ledger before it is sent, so there may be more: of processes that were killed in between,
    and of requests that got lost.
    """
    logged = Counter(entry["operation"] for entry in log)
    rows = QuotaCall.objects.order_by().values("operation").annotate(n=Count("pk"), answered=Count("http_status"))
    written = {row["operation"]: row for row in rows}
    for operation, calls in sorted(logged.items()):
        row = written.get(operation, {"n": 0, "answered": 0})
        if row["n"] < calls:
            yield f"the server logged {calls} calls of {operation}, the ledger has {row['n']}"
        if row["answered"] > calls:
            yield f"the ledger has {row['answered']} responses to {operation}, the server sent {calls}"
    sums = {
        (row["bucket"], row["day"]): row["total"]
        for row in QuotaCall.objects.order_by().values("bucket", "day").annotate(total=Sum("units"))
    }
    for day in QuotaDay.objects.all():
        if day.used != sums.get((day.bucket, day.day), 0):
            yield f"bucket {day.bucket} says {day.used} units, its calls add up to {sums.get((day.bucket, day.day), 0)}"
    for job in SyncJob.objects.annotate(units=Sum("quota_calls__units")).exclude(quota_used=F("units"))[:_MOST_SHOWN]:
        if job.quota_used or job.units:
            yield f"job #{job.pk} says {job.quota_used} units, its calls add up to {job.units}"


def counts() -> Iterator[str]:
    """Every count of jobs equals COUNT(*)."""
    if wrong := counters.wrong_cells():
        yield f"{wrong} counts differ from COUNT(*)"


def secrets(key: str, folder: Path) -> Iterator[str]:
    """The API key is in no row and in no log."""
    with connection.cursor() as cursor:
        models = [model for config in apps.get_app_configs() for model in config.get_models()]
        for table in sorted({model._meta.db_table for model in models}):
            cursor.execute(f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s", [f"%{key}%"])
            if found := cursor.fetchone()[0]:
                yield f"{found} rows of {table} contain the API key"
    for path in sorted(folder.glob("*.log")):
        if key in path.read_text(errors="replace"):
            yield f"{path.name} contains the API key"


def audit(actions: Actions, after: int) -> Iterator[str]:
    """Each accepted action has its own audit entry, and no other entry exists but of actions without a clear response."""
    rows = AuditEntry.objects.filter(pk__gt=after, origin__in=(Origin.API, Origin.COMMAND), result="ok").order_by()
    entries: Counter[tuple[str, str]] = Counter()
    for action, target in rows.values_list("action", "target_id"):
        entries[action, target] += 1
    totals: defaultdict[str, int] = defaultdict(int)
    for (action, target), number in actions.accepted.items():
        totals[action] += number
        if entries[action, target] < number:
            yield f"{number} accepted actions {action} {target}, but {entries[action, target]} audit entries"
    for action in {name for name, _ in entries}:
        written = sum(number for (name, _), number in entries.items() if name == action)
        if written > totals[action] + actions.unknown[action]:
            yield f"{written} audit entries {action}, but {totals[action]} accepted actions and {actions.unknown[action]} without a response"


def pages(shown: Mapping[str, Mapping[str, State]]) -> Iterator[str]:
    """Each open page shows every job as it is. `shown` has what each viewer shows."""
    now = {}
    for job in SyncJob.objects.with_child_sums():
        job.add_child_sums()
        now[str(job.pk)] = (job.status, job.videos_found)
    for viewer, seen in shown.items():
        different = [pk for pk in now.keys() | seen.keys() if seen.get(pk) != now.get(pk)]
        if different:
            pk = different[0]
            yield f"{viewer} shows {len(different)} of {len(now)} jobs wrongly: #{pk} as {seen.get(pk)}, but it is {now.get(pk)}"


def answers(actions: Actions) -> Iterator[str]:
    """No request was answered with an error of ours, or with one that doesn't say what is wrong."""
    for answer, number in actions.wrong_answers.items():
        yield f"{number} × {answer}"


def tracebacks(folder: Path) -> Iterator[str]:
    """No log has a traceback: whatever is away is reported in one line. Returns the last line of each kind."""
    for path in sorted(folder.glob("*.log")):
        ends: Counter[str] = Counter()
        lines = iter(path.read_text(errors="replace").splitlines())
        for line in lines:
            if line.startswith("Traceback"):
                ends[next((each for each in lines if each and not each.startswith(" ")), "")[:200]] += 1
        for end, number in ends.most_common(_MOST_SHOWN):
            yield f"{path.name} has {number} tracebacks of {end}"
