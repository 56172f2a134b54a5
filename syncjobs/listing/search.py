"""Search jobs by text: their number, part of their band's name, or part of one of their errors' messages.

A search doesn't read ten million jobs. Band names are counted, so few rows are compared with the text. Error messages are
searched in the error groups, of which there are hundreds: if the part that all errors of a group share contains the text,
all of its jobs match, and the group knows how many there are. If the text may be in the part that varies (ids, numbers,
URLs: the placeholders of the group's message), the errors of that group are read. Case and the kind of white space
don't matter.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import Exists, Func, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Lower, StrIndex
from psycopg.sql import SQL, Composable

from bands.text import parse_number

from .. import counters
from ..counters import Kinds, Labeled
from ..engine.fingerprints import MAX_MESSAGE
from ..models import JobError, SyncJob
from ..models.querysets import SyncJobQuerySet
from . import pages
from .pages import Order

_PLACEHOLDER = re.compile(r"<(?:url|id|handle|n)>")
_MANY_NAMES = 20
_MANY_JOBS = 20_000
"""From this number of matches on, it is cheaper to look at each job that the other filters leave."""
_Statement = tuple[Composable, list[Any]]


@dataclass(frozen=True, slots=True)
class Matches:
    """The jobs that match a search, as sets that indexes can read."""

    job_id: int | None = None
    names: tuple[tuple[str, int], ...] = ()
    """Jobs with these band names, each with its number of jobs."""
    groups: tuple[tuple[str, int], ...] = ()
    """All jobs with an error of these groups, each with its number of jobs."""
    doubtful: tuple[str, ...] = ()
    """Jobs with an error of these groups that contains `text`."""
    text: str = ""

    def narrow(self, jobs: QuerySet[SyncJob]) -> QuerySet[SyncJob]:
        """Return those of the jobs that match."""
        union = self._union()
        if union is None:
            return jobs.none()
        if sum(n for _, n in (*self.names, *self.groups)) > _MANY_JOBS:
            return jobs.filter(self._condition())
        ids, values = union
        return jobs.filter(pk__in=RawSQL(ids.as_string(), values))  # noqa: S611 - composed by psycopg

    def _condition(self) -> Q:
        """Return what is true of a job that matches."""
        errors = JobError.objects.filter(job=OuterRef("pk"))
        blanks = Func(
            "message", Value(r"\s+"), Value(" "), Value("g"), function="regexp_replace", output_field=TextField()
        )
        condition = Q(pk=self.job_id) | Q(Exists(errors.filter(group__in=[group for group, _ in self.groups])))
        if self.doubtful:
            texts = errors.filter(group__in=self.doubtful).annotate(place=StrIndex(Lower(blanks), Value(self.text)))
            condition |= Q(Exists(texts.filter(place__gt=0)))
        # A job without a band has no name, and no search finds the empty name.
        return condition | Q(band_name__in=[name for name, _ in self.names])

    def count(self) -> int:
        """Return how many jobs match, from the counts if the sets can't overlap."""
        if not self.doubtful and not self.groups:
            return sum(n for _, n in self.names) + self._is_alone()
        if not self.doubtful and not self.names and len(self.groups) == 1:
            return self.groups[0][1] + self._is_alone()
        union = self._union()
        if union is None:
            return 0
        ids, values = union
        with connection.cursor() as cursor:
            cursor.execute(SQL("SELECT count(DISTINCT id) FROM ({}) AS matches").format(ids).as_string(), values)
            return int(cursor.fetchone()[0])

    def kinds(self, *, with_errors: bool) -> Kinds:
        """Count the jobs that match, or those of them with errors, by status and type.

        Jobs of the bands come from the counts; the others are read.
        """
        names = [name for name, _ in self.names]
        (kinds,) = counters.kinds([Labeled("name", tuple(names), with_errors)]) if names else [Counter()]
        union = replace(self, names=())._union()
        if union is None:
            return kinds
        ids, values = union
        statement = SQL(
            "SELECT status, job_type, count(*) FROM syncjobs_syncjob WHERE id IN ({}) AND NOT (band_name = ANY(%s))"
            " AND (error_count > 0 OR NOT %s) GROUP BY 1, 2"
        )
        with connection.cursor() as cursor:
            cursor.execute(statement.format(ids).as_string(), [*values, names, with_errors])
            for status, job_type, n in cursor.fetchall():
                kinds[status, job_type] += n
        return kinds

    def page(self, order: Order, offset: int, limit: int) -> SyncJobQuerySet:
        """Return the unsorted jobs of a page by time of creation, merged from one index range per set."""
        ordering = SQL("ORDER BY created_at {0}, id {0}").format(SQL("DESC" if order.descending else "ASC"))
        run = SQL("(SELECT DISTINCT created_at, id FROM ({}) AS one {} LIMIT %s)")
        runs = self._runs()
        if not runs:
            return SyncJob.objects.none()
        merged = SQL(" UNION ALL ").join(run.format(sql, ordering) for sql, _ in runs)
        ids = SQL("SELECT id FROM (SELECT DISTINCT created_at, id FROM ({}) AS run) AS matches {} OFFSET %s LIMIT %s")
        values = [value for _, own in runs for value in (*own, offset + limit)]
        return pages.with_ids(ids.format(merged, ordering), [*values, offset, limit])

    def past(self, at: dt.datetime, job_id: int, *, is_down: bool) -> _Statement | None:
        """Select the first match by time of creation and id past these, towards smaller ones if `is_down`."""
        sign, direction = SQL("<" if is_down else ">"), SQL("DESC" if is_down else "ASC")
        ordering = SQL("ORDER BY created_at {0}, id {0} LIMIT 1").format(direction)
        run = SQL("(SELECT created_at, id FROM ({}) AS one WHERE (created_at, id) {} (%s, %s) {})")
        runs = self._runs()
        if not runs:
            return None
        merged = SQL(" UNION ALL ").join(run.format(sql, sign, ordering) for sql, _ in runs)
        values = [value for _, own in runs for value in (*own, at, job_id)]
        return SQL("SELECT id FROM ({}) AS run {}").format(merged, ordering), values

    def _is_alone(self) -> int:
        """Return 1 if the job with that number exists and is in none of the other sets."""
        if self.job_id is None:
            return 0
        job = SyncJob.objects.filter(pk=self.job_id)
        return int(job.exists() and not replace(self, job_id=None).narrow(job).exists())

    def _union(self) -> _Statement | None:
        runs = self._runs()
        if not runs:
            return None
        ids = SQL(" UNION ALL ").join(SQL("SELECT id FROM ({}) AS one").format(sql) for sql, _ in runs)
        return ids, [value for _, values in runs for value in values]

    def _runs(self) -> list[_Statement]:
        def of_jobs(condition: str, value: Any) -> _Statement:
            return SQL("SELECT created_at, id FROM syncjobs_syncjob WHERE {}").format(SQL(condition)), [value]

        def of_errors(condition: str, *values: Any) -> _Statement:
            columns = SQL("SELECT job_created_at AS created_at, job_id AS id FROM syncjobs_joberror WHERE {}")
            return columns.format(SQL(condition)), list(values)

        runs: list[_Statement] = []
        if self.job_id is not None:
            runs.append(of_jobs("id = %s", self.job_id))
        if len(self.names) > _MANY_NAMES:
            runs.append(of_jobs("band_name <> '' AND band_name = ANY(%s)", [name for name, _ in self.names]))
        else:
            runs += [of_jobs("band_name <> '' AND band_name = %s", name) for name, _ in self.names]
        runs += [of_errors("group_id = %s", group) for group, _ in self.groups]
        if self.doubtful:
            # One word rules out most errors, at a tenth of the cost of normalizing their white space.
            word = max(self.text.split(), key=len)
            holds = (
                "group_id = ANY(%s) AND strpos(lower(message), %s) > 0"
                " AND strpos(lower(regexp_replace(message, '\\s+', ' ', 'g')), %s) > 0"
            )
            runs.append(of_errors(holds, list(self.doubtful), word, self.text))
        return runs


def search(text: str) -> Matches:
    """Find the jobs with this number, or whose band name or error messages contain the text."""
    sought = " ".join(text.lower().split())
    names, groups = counters.searchable(sought)
    whole, doubtful = [], []
    for fingerprint, message, jobs in groups:
        contains = _contains(message, sought)
        if contains:
            whole.append((fingerprint, jobs))
        elif contains is None:
            doubtful.append(fingerprint)
    return Matches(parse_number(text.strip().removeprefix("#")), tuple(names), tuple(whole), tuple(doubtful), sought)


def with_error(fingerprint: str) -> Matches:
    """Find the jobs with an error of this group."""
    return Matches(groups=((fingerprint, counters.jobs_of_group(fingerprint)),))


def _contains(message: str, sought: str) -> bool | None:
    """Whether every error of a group with this message contains the text; None if only some may."""
    template = _template(message)
    if any(sought in part for part in template.constant):
        return True
    if len(message) >= MAX_MESSAGE:  # The group stores only the beginning.
        return None
    # Each bit is a place in the template where the text may continue. A placeholder stands for any characters except blanks.
    places = template.everywhere
    for character in sought:
        varying = places & template.varying if character != " " else 0
        places = ((places & template.places_of.get(character, 0)) | varying) << 1 | varying
        if not places:
            return False
    return None


@dataclass(frozen=True, slots=True)
class _Template:
    constant: tuple[str, ...]
    places_of: dict[str, int]
    varying: int
    everywhere: int


@lru_cache(maxsize=4096)
def _template(message: str) -> _Template:
    parts = _PLACEHOLDER.split(message.lower())
    places_of: dict[str, int] = {}
    place = varying = 0
    for number, part in enumerate(parts):
        if number:
            varying |= 1 << place
            place += 1
        for character in part:
            places_of[character] = places_of.get(character, 0) | 1 << place
            place += 1
    return _Template(tuple(parts), places_of, varying, (1 << place) - 1)
