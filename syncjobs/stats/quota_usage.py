"""What used the quota of a day: its calls by operation, job type, band or person, and by hour."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncHour
from django.utils.translation import gettext as _

from bands.models import Band

from ..choices import JobType, Origin
from ..engine import clock, quota
from ..exceptions import InvalidInput
from ..models import QuotaCall
from ..youtube.costs import QUOTA_TIMEZONE, Bucket, next_reset, quota_day
from .quota import Spent
from .snapshot import one_snapshot

FIRST_DAY = dt.date(2005, 1, 1)
"""Before it, there was no YouTube."""


class Grouping(StrEnum):
    """What calls are grouped by."""

    OPERATION = "operation"
    JOB_TYPE = "job_type"
    BAND = "band"
    PERSON = "person"


class Kind(StrEnum):
    """What a group stands for. UNRECORDED are units whose calls have been deleted since, with old jobs."""

    OPERATION = "operation"
    JOB_TYPE = "job_type"
    BAND = "band"
    PERSON = "person"
    SCHEDULE = "schedule"
    SYSTEM = "system"
    DELETED_JOB = "deleted_job"
    NONE = "none"
    UNRECORDED = "unrecorded"


class Member(NamedTuple):
    """What the calls of a group have in common. `key` is its code, id or label; empty if it has none.

    Only a band may not exist any more.
    """

    kind: Kind
    key: str
    name: str
    exists: bool = True


@dataclass(slots=True)
class Group:
    """The calls of a member of the grouping, by bucket."""

    member: Member
    spent: dict[Bucket, Spent] = field(default_factory=dict)

    @property
    def units(self) -> int:
        """The units of all buckets."""
        return sum(each.units for each in self.spent.values())

    @property
    def failed(self) -> int:
        """The failed calls of all buckets."""
        return sum(each.failed for each in self.spent.values())


@dataclass(frozen=True, slots=True)
class Usage:
    """The use of a day. The groups have most units first, and those of a bucket sum to its `used`."""

    day: dt.date
    grouping: Grouping
    used: dict[Bucket, int]
    groups: list[Group]
    as_of: dt.datetime


def parse_day(text: str) -> dt.date:
    """Return the quota day that the text names, as YYYY-MM-DD. Raises InvalidInput, also for days that are yet to come."""
    today = quota_day(clock.now())
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        day = dt.date.max
    if not FIRST_DAY <= day <= today:
        message = _("Must be a day from %(first)s to %(last)s.")
        raise InvalidInput(message % {"first": FIRST_DAY, "last": today}, field="day")
    return day


def usage(grouping: Grouping, day: dt.date | None = None) -> Usage:
    """Return what used the quota of a day (default: today), by members of the grouping."""
    with one_snapshot():
        now = clock.now()
        day = day or quota_day(now)
        used = {state.bucket: state.used for state in quota.on(day)}
        with connection.cursor() as cursor:
            # A day has few calls: to start parallel workers takes longer than they save.
            cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        groups = _groups(grouping, day)
    for bucket, units in used.items():
        missing = units - sum(group.spent[bucket].units for group in groups if bucket in group.spent)
        if missing > 0:
            _group(groups, Member(Kind.UNRECORDED, "", _("No longer recorded"))).spent[bucket] = Spent(units=missing)
    groups.sort(key=lambda group: (group.member.kind is Kind.UNRECORDED, -group.units, group.member.name))
    return Usage(day, grouping, used, groups, now)


def hours(day: dt.date) -> dict[Bucket, dict[dt.datetime, int]]:
    """Return the units that each bucket used in each hour of the day, by the start of the hour. A day has 23 to 25."""
    start = dt.datetime.combine(day, dt.time(), QUOTA_TIMEZONE).astimezone(dt.UTC)
    count = round((next_reset(start) - start) / dt.timedelta(hours=1))
    found = {bucket: {start + dt.timedelta(hours=n): 0 for n in range(count)} for bucket in Bucket}
    rows = QuotaCall.objects.filter(day=day).order_by().values_list("bucket", TruncHour("at", tzinfo=dt.UTC))
    for name, hour, units in rows.annotate(Sum("units")):
        # A call of the day's first or last moment may have been written in the hour beside it.
        begins = min(max(hour, start), start + dt.timedelta(hours=count - 1))
        found[Bucket(name)][begins] += units
    return found


def _groups(grouping: Grouping, day: dt.date) -> list[Group]:
    columns, members_of = _GROUPINGS[grouping]
    rows = QuotaCall.objects.filter(day=day).order_by().values_list("bucket", *columns)
    rows = rows.annotate(Sum("units"), Count("pk"), failed=Count("pk", filter=~Q(reason="")))
    split = [(Bucket(bucket), tuple(rest[: len(columns)]), rest[len(columns) :]) for bucket, *rest in rows]
    members = members_of({key for _bucket, key, _figures in split})
    groups: dict[Member, Group] = {}
    for bucket, key, figures in split:
        group = groups.setdefault(members[key], Group(members[key]))
        group.spent.setdefault(bucket, Spent()).add(*figures)
    return list(groups.values())


def _group(groups: list[Group], member: Member) -> Group:
    """Return the member's group, which is added if it is missing."""
    found = next((group for group in groups if group.member == member), None)
    if found is None:
        found = Group(member)
        groups.append(found)
    return found


# ---- Members: by the columns of the calls, what they have in common

_Key = tuple[Any, ...]


def _operations(keys: Iterable[_Key]) -> dict[_Key, Member]:
    return {key: Member(Kind.OPERATION, key[0], key[0]) for key in keys}


def _job_types(keys: Iterable[_Key]) -> dict[_Key, Member]:
    return {
        key: Member(Kind.JOB_TYPE, key[0], str(JobType(key[0]).label)) if key[0] else _without_job() for key in keys
    }


def _bands(keys: Iterable[_Key]) -> dict[_Key, Member]:
    names = dict(Band.objects.filter(pk__in=[key[0] for key in keys if key[0]]).values_list("pk", "name"))
    deleted = _("Deleted band")

    def member(band_id: int | None) -> Member:
        if band_id is None:
            return Member(Kind.NONE, "", _("No band"))
        return Member(Kind.BAND, str(band_id), names.get(band_id, deleted), band_id in names)

    return {key: member(*key) for key in keys}


def _people(keys: Iterable[_Key]) -> dict[_Key, Member]:
    return {key: _person(*key) for key in keys}


def _person(origin: str | None, label: str | None, job_type: str) -> Member:
    if origin is None or label is None:
        return Member(Kind.DELETED_JOB, "", _("Deleted job")) if job_type else _without_job()
    if origin == Origin.SCHEDULE:
        name = label.removeprefix("schedule").removeprefix(": ")
        return Member(Kind.SCHEDULE, name, _("Schedule “%(name)s”") % {"name": name} if name else _("Schedule"))
    if origin == Origin.SYSTEM:
        return Member(Kind.SYSTEM, "", str(Origin.SYSTEM.label))
    return Member(Kind.PERSON, label, label)


def _without_job() -> Member:
    return Member(Kind.NONE, "", _("Not part of a job"))


_GROUPINGS: dict[Grouping, tuple[tuple[str, ...], Callable[[Iterable[_Key]], dict[_Key, Member]]]] = {
    Grouping.OPERATION: (("operation",), _operations),
    Grouping.JOB_TYPE: (("job_type",), _job_types),
    Grouping.BAND: (("band_id",), _bands),
    Grouping.PERSON: (("job__origin", "job__requested_by_label", "job_type"), _people),
}
