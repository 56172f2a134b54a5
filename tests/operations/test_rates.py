"""One rate for everything that makes jobs, whichever skin a person uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.cache import cache

from bands.models import Band
from syncjobs.audit.actors import for_user
from syncjobs.choices import JobType, Origin, Role
from syncjobs.exceptions import DomainError, TooMany
from syncjobs.models import AuditEntry, SyncJob
from syncjobs.operations import bulk, channels, jobs, people, rates, schedules, triggers
from tests.clients import Api, logged_in, run_command
from tests.concurrency import in_parallel
from tests.factories import PERSON, failed_job, make_band

pytestmark = pytest.mark.django_db
MOST = 3


@pytest.fixture(autouse=True)
def rate(settings: LazySettings) -> None:
    settings.TRIGGERS_PER_MINUTE = MOST
    cache.clear()


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "trigger_sync": lambda actor: triggers.trigger_sync(actor, None, full=True),
    "trigger_bands": lambda actor: triggers.trigger_bands(actor, list(Band.objects.all()), full=True),
    "trigger_video": lambda actor: triggers.trigger_video(actor, "dQw4w9WgXcQ"),
    "trigger_maintenance": lambda actor: triggers.trigger_maintenance(actor, JobType.PRUNE),
    "retry_job": lambda actor: jobs.retry_job(actor, SyncJob.objects.earliest("pk").pk),
    "bulk": lambda actor: bulk.start(actor, "cancel", [1, 2]),
    "retry_group": lambda actor: bulk.retry_group(actor, "none"),
    "resolve_channel": lambda actor: channels.resolve_channel(actor, "not a channel"),
    "run_schedule": lambda actor: schedules.run_now(actor, schedules.list_schedules().earliest("pk").pk),
}


def _try(operation: Callable[[Any], Any], actor: Any) -> bool:
    """Return whether the operation was let through, whatever came of it."""
    try:
        operation(actor)
    except DomainError as error:
        return not isinstance(error, TooMany)
    return True


@pytest.mark.parametrize("origin", [Origin.ADMIN, Origin.API])
@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_counts_once_and_is_refused_past_the_rate(name: str, origin: Origin) -> None:
    for slug in ("a", "b"):
        make_band(slug, channel_id="UC" + slug * 22)
    failed_job()
    schedules.save(PERSON, None, {"name": "Often", "job_type": "ENRICH", "interval": {"every": 6, "period": "hours"}})
    mo, other = (
        for_user(people.add_person(PERSON, who, "correct horse battery", Role.ADMIN), origin) for who in ("mo", "pat")
    )
    assert [_try(OPERATIONS[name], mo) for _ in range(MOST + 1)] == [True] * MOST + [False]
    entries = AuditEntry.objects.count()
    assert not _try(OPERATIONS["trigger_sync"], mo)
    assert AuditEntry.objects.count() == entries
    assert _try(OPERATIONS[name], other)


def test_commands_and_schedules_have_no_rate() -> None:
    for _ in range(MOST + 1):
        run_command("sync_bands", "--all")
        run_command("prune_jobs")


def test_the_rate_is_shared_by_the_api_and_the_admin() -> None:
    band = make_band(channel_id="UC" + "a" * 22)
    api = Api(Role.ADMIN)
    page = logged_in()
    user = people.list_people().get(username=Role.ADMIN)
    page.force_login(user)
    url = f"/admin/bands/band/{band.pk}/sync/"
    assert [page.post(url).status_code for _ in range(MOST)] == [302] * MOST
    refused = api.post("admin/sync-jobs/trigger", {"bandId": str(band.pk), "syncType": "FULL"})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (429, "throttled")
    assert 1 <= int(refused["Retry-After"]) <= rates.MINUTE
    toast = page.post(url, headers={"HX-Request": "true"})
    assert toast.status_code == 204
    assert "times a minute" in toast["HX-Trigger"]
    form = page.post("/admin/syncjobs/syncjob/add/", {"bands": "all", "type": "FULL_SYNC"})
    assert "times a minute" in form.content.decode()


@pytest.mark.django_db(transaction=True)
def test_parallel_requests_do_not_pass_together() -> None:
    mo = for_user(people.add_person(PERSON, "mo", "correct horse battery", Role.ADMIN), Origin.API)
    passed = in_parallel(12, lambda _number: _try(OPERATIONS["trigger_maintenance"], mo))
    assert sum(passed) == MOST


def test_a_bulk_action_on_jobs_that_do_not_exist_leaves_one_entry() -> None:
    failed = failed_job().pk
    before = AuditEntry.objects.count()
    result = bulk.start(PERSON, "cancel", [*range(10**9, 10**9 + 400), failed])
    assert len(result.refused) == 401  # type: ignore[union-attr]
    entries = AuditEntry.objects.order_by("pk")[before:]
    assert [(entry.action, entry.result) for entry in entries] == [("bulk_cancel", "ok"), ("cancel_job", "wrong_state")]
    bulk.start(PERSON, "retry", list(range(10**9, 10**9 + 400)))
    assert AuditEntry.objects.count() == before + 3
