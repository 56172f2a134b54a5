"""The lists of a job's and of a band's fields agree, except where a test names the difference."""

from __future__ import annotations

import datetime as dt

from bands.models import Band
from bands.text import camel_case
from syncjobs.admin.band_form import BandForm, initial_of
from syncjobs.api.serializers.bands import BandBody, BandSerializer, NewBandBody
from syncjobs.api.serializers.jobs import JobSerializer, ProgressSerializer, job_as_json
from syncjobs.listing import export
from syncjobs.listing.rows import JobRow
from syncjobs.operations import band_fields

TIMES = ("started_at", "completed_at", "created_at", "run_at", "cancel_requested_at")


def test_a_job_has_the_same_fields_in_lists_and_by_itself() -> None:
    now = dt.datetime.now(dt.UTC)
    row = JobRow(**{name: now if name in TIMES else 1 for name in JobRow._fields})
    assert list(job_as_json(row)) == list(JobSerializer().fields)


def test_rows_have_what_the_serializer_reads() -> None:
    fields = [*JobSerializer().fields.values(), *ProgressSerializer().fields.values()]
    read = {field.source for field in fields if field.source != "*"}  # The others are computed from these.
    only_in_the_admin = {"fans_out", "error_count", "child_sums", "covered_by_id"}
    assert set(JobRow._fields) == read | only_in_the_admin


def test_exported_jobs_have_the_fields_of_the_api() -> None:
    names = set(JobSerializer().fields) - {"queuePosition"}  # It changes with every claim.
    in_csv = {camel_case(name) for name, csv, _json in export._JOB_COLUMNS if csv is not None}
    in_json = {camel_case(name) for name, _csv, json in export._JOB_COLUMNS if json is not None}
    assert in_json == names
    assert in_csv == names - {"progress"} | {"progressDone", "progressTotal"}  # A cell can't hold an object.


def test_the_fields_of_a_band_that_people_set_are_the_same_everywhere() -> None:
    columns = set(band_fields.COLUMNS)
    assert {field.source for field in BandBody().fields.values()} == columns
    assert list(NewBandBody().fields) == list(BandBody().fields)
    assert set(BandForm.base_fields) == columns
    assert set(initial_of(Band())) == columns


def test_the_api_shows_every_field_of_a_band_that_people_set() -> None:
    shown = set(BandSerializer().fields)
    assert set(BandBody().fields) <= shown
    assert {camel_case(column) for column in band_fields.COLUMNS} == set(BandBody().fields)
