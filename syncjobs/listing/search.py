"""Finds jobs by text: the number of the job, part of its band's name, or part of the text of one of its errors.

Ten million jobs are not read for it. Names of bands are counted, so those that hold the text are few rows. An error's text
is looked for in the messages of the error groups, of which there are hundreds: where the text stands in what all errors of
a group share, all of its jobs are found, and counted by the group. Where it may stand in what varies (ids, numbers,
URLs: the placeholders of the group's message), the errors of just those groups are read. Case doesn't matter, and any
white space is like any other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from bands.text import parse_number

from .. import counters
from ..engine.fingerprints import MAX_MESSAGE
from ..models import SyncJob
from ..models.querysets import SyncJobQuerySet
from .pages import Order

_PLACEHOLDER = re.compile(r"<(?:url|id|handle|n)>")
_MANY_NAMES = 20
_SQL = tuple[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Found:
    """Where the jobs are that match: none of these needs the whole table of jobs to be read."""

    job_id: int | None = None
    names: tuple[tuple[str, int], ...] = ()
    """Jobs with these names of bands, of which there are so many."""
    groups: tuple[tuple[str, int], ...] = ()
    """All jobs with an error of these groups, of which each has so many."""
    doubtful: tuple[str, ...] = ()
    """Jobs with an error of these groups that holds `text`."""
    text: str = ""

    def narrow(self, jobs: QuerySet[SyncJob]) -> QuerySet[SyncJob]:
        """Those of these jobs that are among them."""
        sql, values = self._union()
        if not sql:
            return jobs.none()
        return jobs.filter(pk__in=RawSQL(f"SELECT id FROM ({sql}) AS found", values))  # noqa: S608, S611

    def count(self) -> int:
        """How many jobs that are; by what is counted already where sets can't overlap."""
        if not self.doubtful and not self.groups:
            return sum(n for _, n in self.names) + self._is_alone()
        if not self.doubtful and not self.names and len(self.groups) == 1:
            return self.groups[0][1] + self._is_alone()
        sql, values = self._union()
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(DISTINCT id) FROM ({sql}) AS found", values)  # noqa: S608
            return int(cursor.fetchone()[0])

    def page(self, order: Order, offset: int, limit: int) -> SyncJobQuerySet:
        """The jobs of a page by time of creation, unsorted: merged from what each index has in that order."""
        direction = "DESC" if order.descending else "ASC"
        ordering = f"ORDER BY created_at {direction}, id {direction}"
        runs = [
            (f"(SELECT DISTINCT created_at, id FROM ({sql}) AS one {ordering} LIMIT %s)", [*values, offset + limit])  # noqa: S608
            for sql, values in self._runs()
        ]
        if not runs:
            return SyncJob.objects.none()
        merged = " UNION ALL ".join(sql for sql, _ in runs)
        values = [value for _, given in runs for value in given]
        ids = f"SELECT id FROM (SELECT DISTINCT created_at, id FROM ({merged}) AS run) AS found {ordering} OFFSET %s LIMIT %s"  # noqa: S608
        condition = f'"syncjobs_syncjob"."id" = ANY(ARRAY({ids}))'
        return SyncJob.objects.filter(RawSQL(condition, [*values, offset, limit], output_field=BooleanField()))  # noqa: S611

    def _is_alone(self) -> int:
        """1 if the job of that number exists and none of the other sets has it."""
        if self.job_id is None:
            return 0
        job = SyncJob.objects.filter(pk=self.job_id)
        return int(job.exists() and not replace(self, job_id=None).narrow(job).exists())

    def _union(self) -> _SQL:
        runs = self._runs()
        sql = " UNION ALL ".join(f"SELECT id FROM ({sql}) AS one" for sql, _ in runs)  # noqa: S608
        return sql, [value for _, given in runs for value in given]

    def _runs(self) -> list[_SQL]:
        of_jobs = "SELECT created_at, id FROM syncjobs_syncjob WHERE"
        of_errors = "SELECT job_created_at AS created_at, job_id AS id FROM syncjobs_joberror WHERE"
        runs: list[_SQL] = []
        if self.job_id is not None:
            runs.append((f"{of_jobs} id = %s", [self.job_id]))
        if len(self.names) > _MANY_NAMES:
            runs.append((f"{of_jobs} band_name <> '' AND band_name = ANY(%s)", [[name for name, _ in self.names]]))
        else:
            runs += [(f"{of_jobs} band_name <> '' AND band_name = %s", [name]) for name, _ in self.names]
        runs += [(f"{of_errors} group_id = %s", [group]) for group, _ in self.groups]
        if self.doubtful:
            # Most errors are told apart by a word, a tenth of what it takes to put their white space right.
            word = max(self.text.split(), key=len)
            holds = (
                "strpos(lower(message), %s) > 0 AND strpos(lower(regexp_replace(message, '\\s+', ' ', 'g')), %s) > 0"
            )
            runs.append((f"{of_errors} group_id = ANY(%s) AND {holds}", [list(self.doubtful), word, self.text]))
        return runs


def search(text: str) -> Found:
    """The jobs with this number, or whose band's name, or an error's text, holds this."""
    sought = " ".join(text.lower().split())
    names, groups = counters.searchable(sought)
    whole, doubtful = [], []
    for fingerprint, message, jobs in groups:
        held = _held_by(message, sought)
        if held:
            whole.append((fingerprint, jobs))
        elif held is None:
            doubtful.append(fingerprint)
    return Found(
        parse_number(text.strip().removeprefix("#")),
        tuple(names),
        tuple(whole),
        tuple(doubtful),
        sought,
    )


def with_error(fingerprint: str) -> Found:
    """The jobs with an error of this group."""
    return Found(groups=((fingerprint, counters.jobs_of_group(fingerprint)),))


def _held_by(message: str, sought: str) -> bool | None:
    """Whether every error of a group with this message holds the text; None if some may."""
    template = _template(message)
    if any(sought in part for part in template.constant):
        return True
    if len(message) >= MAX_MESSAGE:  # There is more of it than the group knows.
        return None
    # Each bit is a place in the template where the text may go on; a placeholder takes any characters but blanks.
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
