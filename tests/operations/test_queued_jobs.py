"""Delaying jobs, changing their priority and moving them to the front: one by one, in bulk, in every skin, and in races."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F
from django.test import Client
from django.utils import translation

from syncjobs.choices import MAX_FRONT, DelayReason, JobStatus, JobType, Priority, Role
from syncjobs.engine import clock
from syncjobs.engine.claim import claim_next
from syncjobs.exceptions import DomainError, InvalidInput, NotFound, WrongState
from syncjobs.models import AuditEntry, BulkAction, SyncJob
from syncjobs.operations import bulk, jobs, queued_jobs, queues
from syncjobs.operations.queued_jobs import Change
from tests.clients import DIALOG, Api, logged_in
from tests.concurrency import in_parallel, in_thread, start_and_wait_for_lock
from tests.factories import PERSON, claim, fanned_out, queue_job, worker

HOUR = dt.timedelta(hours=1)
QUEUE = "video-sync"


def _order() -> list[int]:
    return list(SyncJob.objects.filter(status=JobStatus.QUEUED).in_claim_order().values_list("pk", flat=True))


def _claimed() -> int | None:
    attempt = claim_next(QUEUE, worker())
    return attempt and attempt.job_id


def _delayed(job: SyncJob) -> bool:
    return SyncJob.objects.delayed().filter(pk=job.pk, delay_reason=DelayReason.SCHEDULED).exists()


@pytest.mark.django_db
def test_changes_of_a_queued_job_are_noted_and_audited() -> None:
    first, second, urgent = queue_job(), queue_job(), queue_job(priority=Priority.URGENT)
    queued_jobs.prioritize(PERSON, second.pk, Priority.HIGH)
    assert _order() == [urgent.pk, second.pk, first.pk]
    queued_jobs.move_to_front(PERSON, first.pk)
    assert _order() == [first.pk, urgent.pk, second.pk]
    moved = queued_jobs.move_to_front(PERSON, second.pk)
    assert _order() == [second.pk, first.pk, urgent.pk]
    assert (moved.is_in_front, moved.priority_label) == (True, "First in its queue")
    positions = dict(SyncJob.objects.with_queue_position().values_list("pk", "queue_position"))
    assert positions == {second.pk: 1, first.pk: 2, urgent.pk: 3}
    queued_jobs.delay(PERSON, second.pk, clock.now() + HOUR)
    assert _delayed(second)
    assert _claimed() == first.pk
    # It keeps its place, for when it is due.
    queued_jobs.run_now(PERSON, second.pk)
    assert _claimed() == second.pk
    notes = list(second.events.order_by("pk").values_list("kind", "message"))[1:]
    assert notes[:2] == [("NOTE", "pat: priority High"), ("NOTE", "pat: moved to the front")]
    assert notes[2][0] == "DELAYED"
    assert notes[2][1].startswith("pat: until 2")
    entries = AuditEntry.objects.filter(target_id=str(second.pk)).order_by("pk")
    assert list(entries.values_list("action", "result")) == [
        (name, "ok") for name in ("prioritize_job", "move_job", "delay_job", "run_job")
    ]
    # The next one moved is first, and not behind the highest that ever was.
    queued_jobs.prioritize(PERSON, urgent.pk, Priority.LOW)
    assert SyncJob.objects.get(pk=urgent.pk).priority == Priority.LOW


@pytest.mark.django_db
def test_the_last_one_moved_is_first_however_many_were_moved_before() -> None:
    """The column of the priority holds numbers up to 32,767, and each move takes the next one."""
    tied, *others, urgent = (queue_job(priority=Priority.URGENT) for _ in range(6))
    for job in (*others, tied):
        queued_jobs.move_to_front(PERSON, job.pk)
    SyncJob.objects.filter(priority__gt=Priority.URGENT).update(priority=F("priority") + MAX_FRONT - 45)
    assert SyncJob.objects.get(pk=tied.pk).priority == MAX_FRONT
    for job in (others[2], others[0]):
        queued_jobs.move_to_front(PERSON, job.pk)
    assert _order() == [pk.pk for pk in (others[0], others[2], tied, others[3], others[1], urgent)]
    assert SyncJob.objects.get(pk=others[0].pk).priority < 50
    assert SyncJob.objects.get(pk=urgent.pk).priority == Priority.URGENT


@pytest.mark.django_db
def test_only_queued_jobs_are_changed() -> None:
    job = queue_job()
    claim()
    later = clock.now() + HOUR
    changes: list[Callable[[int], SyncJob]] = [
        lambda pk: queued_jobs.delay(PERSON, pk, later),
        lambda pk: queued_jobs.prioritize(PERSON, pk, Priority.HIGH),
        lambda pk: queued_jobs.move_to_front(PERSON, pk),
        lambda pk: queued_jobs.run_now(PERSON, pk),
    ]
    before = SyncJob.objects.filter(pk=job.pk).values().get()
    for change in changes:
        with pytest.raises(WrongState, match=f"Job #{job.pk} is in progress; only a"):
            change(job.pk)
        with pytest.raises(NotFound):
            change(99999)
    for status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED):
        SyncJob.objects.filter(pk=job.pk).update(status=status)
        for change in changes:
            with pytest.raises(WrongState):
                change(job.pk)
    assert SyncJob.objects.filter(pk=job.pk).values().get() == before | {"status": JobStatus.CANCELLED}
    waiting = queue_job()
    for until in (clock.now() - HOUR, clock.now() + dt.timedelta(days=31)):
        with pytest.raises(InvalidInput, match="within the next 30 days"):
            queued_jobs.delay(PERSON, waiting.pk, until)
    with pytest.raises(InvalidInput, match="Priority must be one of"):
        queued_jobs.prioritize(PERSON, waiting.pk, 41)
    assert not SyncJob.objects.delayed().exists()


@pytest.mark.django_db
def test_a_change_of_an_all_bands_job_changes_its_queued_children() -> None:
    parent, children = fanned_out(3)
    other = queue_job(priority=Priority.URGENT)
    SyncJob.objects.filter(pk=children[0].pk).update(status=JobStatus.COMPLETED)
    queued_jobs.move_to_front(PERSON, parent.pk)
    assert _order() == [children[1].pk, children[2].pk, other.pk]
    queued_jobs.delay(PERSON, parent.pk, clock.now() + HOUR)
    assert [_delayed(child) for child in children] == [False, True, True]
    result = queued_jobs.change_jobs(PERSON, [parent.pk], Change("run"))[parent.pk]
    assert isinstance(result, queued_jobs.Changed)
    assert result.children == {children[1].pk, children[2].pk}
    queued_jobs.prioritize(PERSON, parent.pk, Priority.LOW)
    assert _order() == [other.pk, children[1].pk, children[2].pk]
    SyncJob.objects.filter(parent=parent).update(status=JobStatus.COMPLETED)
    with pytest.raises(WrongState):
        queued_jobs.move_to_front(PERSON, parent.pk)


@pytest.mark.django_db
def test_a_retry_of_a_moved_job_is_urgent_and_not_in_front() -> None:
    job = queue_job(JobType.STATS_REFRESH)
    queued_jobs.move_to_front(PERSON, job.pk)
    SyncJob.objects.filter(pk=job.pk).update(status=JobStatus.FAILED)
    assert jobs.retry_job(PERSON, job.pk).job.priority == Priority.URGENT


@pytest.mark.django_db
@pytest.mark.parametrize("in_background", [False, True])
def test_jobs_that_are_moved_together_keep_their_order(in_background: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_CHUNK", 2)
    if in_background:
        monkeypatch.setattr(bulk, "MAX_FOREGROUND", 1)
    urgent = queue_job(priority=Priority.URGENT)
    moved = [queue_job().pk for _ in range(5)]
    ended = queue_job()
    SyncJob.objects.filter(pk=ended.pk).update(status=JobStatus.COMPLETED)
    result = bulk.start(PERSON, "front", [moved[2], ended.pk, *moved])
    if isinstance(result, BulkAction):
        bulk.run_pending()
        result.refresh_from_db()
        assert (result.succeeded, list(result.refused)) == (5, [str(ended.pk)])
    else:
        assert bulk.summary("front", result) == "5 moved to the front; 1 had ended."
    assert _order() == [*moved, urgent.pk]


@pytest.mark.django_db
@pytest.mark.parametrize("in_background", [False, True])
def test_children_that_are_selected_with_their_parent_are_changed_and_not_refused(
    in_background: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_CHUNK", 2)
    if in_background:
        monkeypatch.setattr(bulk, "MAX_FOREGROUND", 1)
    parent, _children = fanned_out(4)
    due = queue_job()
    queued_jobs.delay(PERSON, parent.pk, clock.now() + HOUR)
    ids = [*bulk.eligible_ids(SyncJob.objects.all(), "run"), due.pk]
    result = bulk.start(PERSON, "run", ids)
    if isinstance(result, BulkAction):
        bulk.run_pending()
        result.refresh_from_db()
        refused = [int(job_id) for job_id in result.refused]
    else:
        refused = list(result.refused)
    assert (result.succeeded, refused) == (5, [due.pk])
    assert SyncJob.objects.runnable().count() == 5


@pytest.mark.django_db
def test_timelines_are_written_in_one_language() -> None:
    job = queue_job()
    with translation.override("es"):
        queued_jobs.prioritize(PERSON, job.pk, Priority.LOW)
    assert job.events.latest("pk").message == "pat: priority Low"


@pytest.mark.django_db
def test_a_delay_in_the_background_keeps_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_FOREGROUND", 1)
    waiting, until = [queue_job() for _ in range(2)], clock.now() + HOUR
    stored = bulk.start(PERSON, "delay", [job.pk for job in waiting], Change("delay", until=until))
    # A worker of an older release would cancel the jobs. It must find none.
    assert isinstance(stored, BulkAction)
    assert max(stored.job_ids) < 0
    bulk.run_pending()
    assert set(SyncJob.objects.values_list("run_at", flat=True)) == {until}
    bulk.start(PERSON, "priority", [job.pk for job in waiting], Change("priority", priority=40))
    bulk.run_pending()
    assert set(SyncJob.objects.values_list("priority", flat=True)) == {40}
    assert bulk.eligible_ids(SyncJob.objects.all(), "run") == [job.pk for job in waiting]
    queued_jobs.run_now(PERSON, waiting[0].pk)
    assert bulk.eligible_ids(SyncJob.objects.all(), "run") == [waiting[1].pk]


# ---- Skins


def _by_api(job: SyncJob) -> None:
    api = Api(Role.MODERATOR)
    for verb, body in (("front", {}), ("priority", {"priority": 10}), ("delay", {"minutes": 60})):
        answer = api.post(f"admin/sync-jobs/{job.pk}/{verb}", body)
        assert (answer.status_code, answer.json()["jobId"]) == (202, str(job.pk))
        if verb == "front":
            shown = api.get(f"admin/sync-jobs/{job.pk}").json()
            assert (shown["priority"], shown["isInFront"], shown["queuePosition"]) == (40, True, 1)
            assert api.get("admin/sync-jobs").json()["data"][0]["priority"] == 40
    assert api.post(f"admin/sync-jobs/{job.pk}/delay", {}).status_code == 400
    assert api.post(f"admin/sync-jobs/{job.pk}/priority", {"priority": 41}).status_code == 400
    assert api.post("admin/sync-jobs/99999/front").status_code == 404
    assert Api("nobody").post(f"admin/sync-jobs/{job.pk}/front").status_code == 401


def _by_admin(job: SyncJob) -> None:
    client, address = logged_in(Role.MODERATOR), f"/admin/syncjobs/syncjob/{job.pk}"
    page = client.get(f"{address}/change/").content.decode()
    for verb, body in (("front", {}), ("priority", {"priority": 10}), ("delay", {"hours": 1})):
        assert f"{address}/{verb}/" in page
        assert client.get(f"{address}/{verb}/").status_code == 200
        assert client.post(f"{address}/{verb}/", body).status_code == 302
    assert client.post(f"{address}/delay/", {}, headers=DIALOG).status_code == 422
    assert client.post(f"{address}/delay/", {"until": "2020-01-01T10:00"}, headers=DIALOG).status_code == 422


@pytest.mark.django_db
def test_of_a_running_all_bands_job_the_admin_says_that_its_children_are_changed() -> None:
    parent, _children = fanned_out(2)
    queues.pause_queue(PERSON, QUEUE)
    client = logged_in(Role.MODERATOR)
    address = f"/admin/syncjobs/syncjob/{parent.pk}"
    assert (
        "It runs already, so this applies to its queued child jobs." in client.get(f"{address}/front/").content.decode()
    )
    for verb, body, said in (
        ("front", {}, "are at the front of their queue. The queue Video sync is paused"),
        ("priority", {"priority": 10}, "have the priority"),
        ("delay", {"hours": 1}, "are delayed until"),
        ("run", {}, "are no longer delayed. The queue Video sync is paused"),
    ):
        toast = client.post(f"{address}/{verb}/", body, headers=DIALOG).headers["HX-Trigger"]
        assert f"child jobs of job #{parent.pk} {said}" in toast, verb


@pytest.mark.django_db
@pytest.mark.parametrize("change", [_by_api, _by_admin])
def test_every_skin_changes_a_queued_job(change: Callable[[SyncJob], None]) -> None:
    job = queue_job()
    change(job)
    job.refresh_from_db()
    assert job.priority == Priority.LOW
    assert _delayed(job)
    assert set(AuditEntry.objects.filter(result="ok").values_list("action", flat=True)) >= {
        "move_job", "prioritize_job", "delay_job"
    }  # fmt: skip


def _bulk_by_api(action: str, ids: list[int], values: dict[str, int]) -> None:
    body = {"action": action, "ids": [str(job_id) for job_id in ids]}
    api = Api(Role.MODERATOR)
    names = {"hours": "minutes", "priority": "priority"}
    answer = api.post("admin/sync-jobs/bulk", body | {names[name]: value for name, value in values.items()})
    assert set(answer.json()["changed"]) == {str(job_id) for job_id in ids}
    if values:
        assert api.post("admin/sync-jobs/bulk", body).status_code == 400
    else:
        assert api.post("admin/sync-jobs/bulk", body | {"minutes": 5}).status_code == 400


def _bulk_by_admin(action: str, ids: list[int], values: dict[str, int]) -> None:
    client = Client() if get_user_model().objects.exists() else logged_in(Role.MODERATOR)
    client.force_login(get_user_model().objects.get())
    url = f"/admin/syncjobs/bulkaction/add/?{urlencode({'action': action, 'job': ids}, doseq=True)}"
    page = client.get(url, headers=DIALOG).content.decode()
    asked = re.search(r'name="asked" value="([^"]+)"', page)
    assert asked is not None
    if action == "delay":
        assert client.post(url, {"asked": asked[1]}, headers=DIALOG).status_code == 422
    answer = client.post(url, {"asked": asked[1], **values}, headers=DIALOG)
    assert json.loads(answer["HX-Trigger"])["toast"]["level"] == "success"


@pytest.mark.django_db
@pytest.mark.parametrize("change", [_bulk_by_api, _bulk_by_admin])
def test_every_skin_changes_many_queued_jobs(change: Callable[[str, list[int], dict[str, int]], None]) -> None:
    ids = [queue_job().pk for _ in range(3)]
    for action, values in (("front", {}), ("priority", {"priority": 10}), ("delay", {"hours": 1}), ("run", {})):
        change(action, ids[:2], values)
    assert set(SyncJob.objects.filter(pk__in=ids[:2]).values_list("priority", "delay_reason")) == {(10, "")}
    assert SyncJob.objects.runnable().count() == 3
    assert SyncJob.objects.get(pk=ids[2]).priority == Priority.NORMAL


@pytest.mark.django_db
def test_the_list_offers_what_lets_a_job_start_sooner_and_stops_syncs_of_all_bands() -> None:
    parent, children = fanned_out(2)
    first, second = queue_job(priority=Priority.URGENT), queue_job()
    queued_jobs.delay(PERSON, children[1].pk, clock.now() + HOUR)
    client = logged_in(Role.MODERATOR)
    html = client.get("/admin/syncjobs/syncjob/").content.decode()
    address = "/admin/syncjobs/syncjob/"
    assert f"{address}{children[1].pk}/run/" in html
    assert f"{address}{second.pk}/front/" in html
    assert f"{address}{first.pk}/front/" not in html
    assert f'aria-label="Stop this sync #{parent.pk}"' in html
    assert f'aria-label="Cancel #{second.pk}"' in html
    question = client.get(f"{address}{parent.pk}/cancel/").content.decode()
    assert f"Stop the sync #{parent.pk}?" in question
    assert "2 child jobs that have not ended are cancelled too." in question
    assert client.post(f"{address}{parent.pk}/cancel/").status_code == 302
    assert not SyncJob.objects.active().filter(parent=parent).exists()


# ---- Races


@pytest.mark.django_db(transaction=True)
def test_a_claim_passes_over_a_job_that_is_being_delayed() -> None:
    first, second = queue_job(), queue_job()
    with transaction.atomic():
        queued_jobs.delay(PERSON, first.pk, clock.now() + HOUR)
        assert in_thread(_claimed) == second.pk
    assert _claimed() is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("action", ["delay", "priority", "front"])
def test_a_change_that_waits_for_a_claim_is_refused(action: str) -> None:
    job = queue_job()
    change = Change(action, until=clock.now() + HOUR if action == "delay" else None, priority=40)
    with transaction.atomic():
        assert _claimed() == job.pk
        waiting = start_and_wait_for_lock(lambda: queued_jobs.change_jobs(PERSON, [job.pk], change))
    assert isinstance(waiting.result(20)[job.pk], WrongState)
    job.refresh_from_db()
    assert (job.status, job.priority, job.delay_reason) == (JobStatus.IN_PROGRESS, Priority.NORMAL, "")


@pytest.mark.django_db(transaction=True)
def test_a_claim_that_waits_for_a_move_takes_the_moved_job() -> None:
    queue_job(priority=Priority.URGENT)
    last = queue_job(priority=Priority.LOW)
    with transaction.atomic():
        queued_jobs.move_to_front(PERSON, last.pk)
        claiming = start_and_wait_for_lock(_claimed)
    assert claiming.result(20) == last.pk


@pytest.mark.django_db(transaction=True)
def test_simultaneous_moves_give_each_job_a_place_of_its_own() -> None:
    ids = [queue_job(JobType.STATS_REFRESH).pk for _ in range(6)]

    def move(number: int) -> object:
        mine = ids[number % 2 :: 2]
        return [queued_jobs.change_jobs(PERSON, chosen, Change("front")) for chosen in (mine, mine[::-1])]

    for results in in_parallel(4, move):
        assert not any(isinstance(one, DomainError) for each in results for one in each.values())  # type: ignore[attr-defined]
    places = dict(SyncJob.objects.values_list("pk", "priority"))
    assert len({places[ids[0]], places[ids[1]]}) == 2
    assert {places[job_id] for job_id in ids[::2]} == {places[ids[0]]}


@pytest.mark.django_db(transaction=True)
def test_of_a_move_and_a_cancel_one_sees_the_other() -> None:
    job = queue_job()
    with transaction.atomic():
        jobs.cancel_job(PERSON, job.pk)
        moving = start_and_wait_for_lock(lambda: queued_jobs.change_jobs(PERSON, [job.pk], Change("front")))
    assert isinstance(moving.result(20)[job.pk], WrongState)
    assert SyncJob.objects.get(pk=job.pk).priority == Priority.NORMAL
