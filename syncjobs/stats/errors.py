"""Figures of error groups, in a window of time or over all time."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Now, TruncDay
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..choices import UNHANDLED_STATES, ErrorState, JobStatus
from ..engine import clock
from ..exceptions import NotFound
from ..models import ErrorGroup, ErrorNote, JobError
from ..sql import query

_RECENT_JOBS = 5
MAX_BAND_NAMES = 100
"""A group names this many of its bands."""
NEW_HOURS = 24
"""An open group is new for so long after its first error."""
_SAMPLED = 2000
_DAY = dt.timedelta(hours=24)
LENGTH = "[1-9][0-9]{0,3}[hd]"
"""The pattern of a number of hours (24h) or days (7d)."""
WINDOW = f"all|{LENGTH}"
"""The pattern of a window of time: a length back from now, or all."""
BAD_WINDOW = gettext_lazy("Must be a number of hours (24h) or days (7d) up to 9999, or all.")


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """An error group and its figures in the window. `per_hour` has the last 24 hours, without hours that have no errors."""

    fingerprint: str
    reason: str
    message: str
    sample: str
    is_permanent: bool
    acknowledged_at: dt.datetime | None
    acknowledged_by: str
    note: str
    first_seen_at: dt.datetime
    count: int
    last_at: dt.datetime
    bands: int
    band_names: list[str]
    """The bands with the newest errors first, at most MAX_BAND_NAMES."""
    recent_jobs: list[int]
    per_hour: dict[str, int]
    has_come_back: bool
    """Whether an error occurred after the group was acknowledged or resolved."""
    state: str
    """One of ErrorState."""
    is_new: bool
    """Whether the group is open and first occurred within the last NEW_HOURS."""
    resolved_at: dt.datetime | None
    resolved_by: str
    ignored_until: dt.datetime | None
    ignored_by: str
    assignee: str | None


@dataclass(frozen=True, slots=True)
class GroupFilter:
    """Selects error groups; None stands for any."""

    since: dt.datetime | None = None
    """Only groups with errors since then. None: all time."""
    states: Sequence[str] | None = None
    reason: str | None = None
    assignee: int | None = None
    """A person's id; 0 for groups that are assigned to nobody."""
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class GroupPage:
    """A page of groups. All counts are from the same snapshot as the groups."""

    groups: list[GroupFigures]
    total: int
    """Errors of all selected groups."""
    by_state: dict[str, int]
    """Groups that match the filter apart from its `states` and `is_new`, by state."""
    new: int
    """New ones among these."""


def length(text: str) -> dt.timedelta:
    """Return the length of time that a text which matches LENGTH stands for."""
    return dt.timedelta(**{"hours" if text.endswith("h") else "days": int(text[:-1])})


def start_of(window: str) -> dt.datetime | None:
    """Return when a window begins, which is a text that matches WINDOW; None: all time."""
    return None if window == "all" else clock.now() - length(window)


def groups(selection: GroupFilter, *, limit: int = 20, offset: int = 0) -> GroupPage:
    """Return a page of the selected groups, the most frequent first."""
    return _read(selection, limit=limit, offset=offset)


def to_do(since: dt.datetime | None = None) -> int:
    """Return how many groups with errors, since then or of all time, nobody has dealt with since their last occurrence."""
    by_state = groups(GroupFilter(since=since), limit=0).by_state
    return sum(by_state[state] for state in UNHANDLED_STATES)


def group(fingerprint: str) -> GroupFigures:
    """Return a group with its figures of all time, even if none of its errors is left. Raises NotFound."""
    groups = _read(GroupFilter(), fingerprint=fingerprint).groups
    if not groups:
        raise NotFound(
            _("There is no error group %(fingerprint)s.") % {"fingerprint": fingerprint[:16]}, field="fingerprint"
        )
    return groups[0]


def notes(fingerprint: str, limit: int) -> list[ErrorNote]:
    """Return the newest entries of a group's thread, the newest first."""
    return list(ErrorNote.objects.filter(group=fingerprint).order_by("-pk")[:limit])


def word_of(note: ErrorNote) -> str:
    """Return what the author of an entry did, as the end of a sentence that begins with their name."""
    subject = note.subject
    if note.action == ErrorNote.Action.IGNORED:
        subject = f"{dt.datetime.fromisoformat(subject):%Y-%m-%d %H:%M} UTC"
    return {
        ErrorNote.Action.NONE.value: _("wrote"),
        ErrorNote.Action.ACKNOWLEDGED.value: _("acknowledged it"),
        ErrorNote.Action.RESOLVED.value: _("resolved it"),
        ErrorNote.Action.IGNORED.value: _("ignored it until %(subject)s"),
        ErrorNote.Action.REOPENED.value: _("reopened it"),
        ErrorNote.Action.ASSIGNED.value: _("assigned it to %(subject)s"),
        ErrorNote.Action.UNASSIGNED.value: _("assigned it to nobody"),
    }[note.action] % {"subject": subject}


def assignee_id(name: str) -> int:
    """Return the id of the person with this username; 0 for "nobody", and -1 if there is no such person."""
    if name == "nobody":
        return 0
    person: int | None = get_user_model()._default_manager.filter(username=name).values_list("pk", flat=True).first()
    return -1 if person is None else person


def with_permanent_error(job_ids: Collection[int]) -> set[int]:
    """Return those of the jobs that ended with an error that a retry alone does not solve.

    A job whose band has got another channel since is not among them: nobody knows yet whether that one works.
    """
    ends = JobError.objects.filter(job_id__in=job_ids, will_retry=False, group__is_permanent=True)
    ends = ends.exclude(job__band__channel_changed_at__gt=F("job__completed_at"))
    return set(ends.filter(job__status=JobStatus.FAILED).values_list("job_id", flat=True))


def retryable(fingerprints: Sequence[str]) -> set[str]:
    """Return those of the groups of which a failed job can be retried, as far as their newest errors say."""
    with connection.cursor() as cursor:
        cursor.execute(query("retryable_groups"), {"groups": list(fingerprints), "sampled": _SAMPLED})
        return {fingerprint for (fingerprint,) in cursor.fetchall()}


def last_reason(job_id: int) -> str:
    """Return the reason of the error that ended the job; "" if it has none."""
    ends = JobError.objects.filter(job_id=job_id, will_retry=False).order_by("-pk")
    return ends.values_list("reason", flat=True).first() or ""


def reasons() -> list[str]:
    """Return the reasons of all groups, sorted."""
    return list(ErrorGroup.objects.order_by("reason").values_list("reason", flat=True).distinct())


def per_day(fingerprints: Sequence[str], since: dt.datetime) -> dict[str, dict[dt.date, int]]:
    """Return how many errors each group had on each day (UTC) since then, without days that have none."""
    days: dict[str, dict[dt.date, int]] = {fingerprint: {} for fingerprint in fingerprints}
    rows = (
        JobError.objects.filter(group_id__in=fingerprints, created_at__gte=since)
        .order_by()
        .values_list("group_id", TruncDay("created_at", tzinfo=dt.UTC))
        .annotate(Count("pk"))
    )
    for fingerprint, day, count in rows:
        days[fingerprint][day.date()] = count
    return days


def bands(fingerprint: str, limit: int) -> list[tuple[int | None, str | None, int]]:
    """Return the bands with most of a group's errors: id, name, errors. Id and name are None for no or a deleted band."""
    with connection.cursor() as cursor:
        cursor.execute(query("error_group_bands"), {"fingerprint": fingerprint, "limit": limit})
        return [(band_id, name, int(n)) for band_id, name, n in cursor.fetchall()]


def still_affected(fingerprint: str, band_ids: Collection[int]) -> set[int]:
    """Return those of the bands that had an error of the group since their channel was changed or they were last synced.

    A sync completes although an item of it can't be read, so it says nothing about errors of items.
    """
    is_current = Q(band__channel_changed_at=None) | Q(created_at__gt=F("band__channel_changed_at"))
    for column in ("band__last_full_sync_at", "band__last_incremental_sync_at"):
        is_current &= ~Q(item_id="") | Q(**{column: None}) | Q(created_at__gt=F(column))
    errors = JobError.objects.filter(is_current, group=fingerprint, band__in=band_ids)
    return set(errors.order_by().values_list("band", flat=True).distinct())


def log(selection: GroupFilter, *, fingerprint: str | None = None) -> QuerySet[JobError]:
    """Return the errors of the selected groups, newest first."""
    errors = JobError.objects.order_by("-created_at", "-pk")
    if selection.since:
        errors = errors.filter(created_at__gte=selection.since)
    if fingerprint is not None:
        return errors.filter(group_id=fingerprint)
    groups = ErrorGroup.objects.all()
    if selection.states is not None:
        groups = groups.in_states(selection.states)
    if selection.is_new:
        newest = groups.filter(first_seen_at__gt=Now() - dt.timedelta(hours=NEW_HOURS))
        groups = newest.in_states([ErrorState.OPEN])
    if selection.reason is not None:
        groups = groups.filter(reason=selection.reason)
    if selection.assignee is not None:
        groups = groups.filter(assignee=selection.assignee or None)
    is_any = GroupFilter(since=selection.since) == selection
    return errors if is_any else errors.filter(group_id__in=groups.values("pk"))


def _read(selection: GroupFilter, *, fingerprint: str | None = None, limit: int = 1, offset: int = 0) -> GroupPage:
    values = {name: getattr(selection, name) for name in ("since", "reason", "assignee", "is_new")}
    values |= {"states": None if selection.states is None else list(selection.states), "new_hours": NEW_HOURS}
    values |= {"fingerprint": fingerprint, "limit": limit, "offset": offset, "day": _start_of_hours(selection.since)}
    values |= {"newest": _RECENT_JOBS, "names": MAX_BAND_NAMES, "sampled": _SAMPLED}
    with connection.cursor() as cursor:
        cursor.execute(query("error_groups"), values)
        columns = [column.name for column in cursor.description or ()]
        rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    states, total, new = rows[0]["states"], rows[0]["total"], rows[0]["new"]
    by_state = {state.value: json.loads(states).get(state.value, 0) for state in ErrorState}
    return GroupPage([_figures(**row) for row in rows if row["fingerprint"]], int(total), by_state, int(new))


def _start_of_hours(since: dt.datetime | None) -> dt.datetime:
    """Return where the last 24 hours begin; at `since` if that means the same, so that `per_hour` sums to the count."""
    day_ago = clock.now() - _DAY
    return since if since is not None and abs(since - day_ago) < dt.timedelta(hours=1) else day_ago


def _figures(
    *, hours: list[list[int]], total: Any, states: Any, new: Any, count: Any, bands: Any, **columns: Any
) -> GroupFigures:
    per_hour = {_hour_label(hour): errors for hour, errors in hours}
    return GroupFigures(count=int(count), bands=int(bands), per_hour=per_hour, **columns)


@lru_cache(maxsize=64)
def _hour_label(hours: int) -> str:
    """Return the start of an hour, counted since 1970."""
    return time.strftime("%Y-%m-%dT%H:00:00Z", time.gmtime(hours * 3600))
