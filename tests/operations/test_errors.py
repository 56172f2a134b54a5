"""States, assignees and threads of error groups, and which of two things that happen at once came first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from syncjobs.choices import ErrorState, Role
from syncjobs.engine import errors as engine_errors
from syncjobs.engine import outcomes
from syncjobs.engine.errors import ErrorReport
from syncjobs.exceptions import Conflict, InvalidInput, NotFound
from syncjobs.models import AuditEntry, ErrorGroup, ErrorNote, JobError, SyncJob
from syncjobs.operations import cleanup, errors
from syncjobs.stats import errors as stats_errors
from syncjobs.stats.errors import GroupFilter
from tests.clients import logged_in
from tests.concurrency import in_parallel, start_and_wait_for_lock
from tests.factories import PERSON, claim, failed_job, queue_job

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


def fail(message: str = "It broke.") -> str:
    """Create a failed job and return the fingerprint of its error."""
    return str(JobError.objects.get(job=failed_job(message)).group_id)


def state(key: str) -> str:
    """Return the state of a group, which must be the same for a page, for queries, and by the rows of its errors."""
    group = stats_errors.group(key)
    assert ErrorGroup.objects.filter(pk=key).in_states([group.state]).exists()
    has_recurred = JobError.objects.filter(group=key, created_at__gt=F("group__resolved_at")).exists()
    assert has_recurred == (group.state == ErrorState.REGRESSED)
    return group.state


def thread(key: str) -> list[tuple[str, str, str]]:
    """Return action, subject and text of the entries of a group, the newest first."""
    return [(each.action, each.subject, each.text) for each in stats_errors.notes(key, 10)]


def ignore(key: str) -> None:
    errors.ignore_errors(PERSON, key, timezone.now() + DAY)


def test_the_states_of_a_group() -> None:
    key = fail()
    assert (state(key), stats_errors.group(key).is_new) == (ErrorState.OPEN, True)
    errors.acknowledge_errors(PERSON, key, "Looking.")
    assert (state(key), stats_errors.group(key).is_new) == (ErrorState.ACKNOWLEDGED, False)
    fail()
    assert (state(key), stats_errors.group(key).has_come_back) == (ErrorState.OPEN, True)
    ignore(key)
    fail()
    assert state(key) == ErrorState.IGNORED
    ErrorGroup.objects.update(ignored_until=timezone.now())
    assert state(key) == ErrorState.OPEN
    errors.resolve_errors(PERSON, key, "Fixed.")
    assert state(key) == ErrorState.RESOLVED
    for act in (errors.resolve_errors, errors.acknowledge_errors):
        with pytest.raises(Conflict, match="pat has already resolved"):
            act(PERSON, key)
    with pytest.raises(Conflict):
        ignore(key)
    fail()
    assert (state(key), stats_errors.group(key).note) == (ErrorState.REGRESSED, "Fixed.")
    errors.acknowledge_errors(PERSON, key)
    assert state(key) == ErrorState.ACKNOWLEDGED
    errors.reopen_errors(PERSON, key)
    errors.reopen_errors(PERSON, key)  # There is nothing to undo.
    assert state(key) == ErrorState.OPEN
    actions = [(action, text) for action, _subject, text in thread(key)]
    assert actions == [
        ("reopened", ""), ("acknowledged", ""), ("resolved", "Fixed."), ("ignored", ""), ("acknowledged", "Looking."),
    ]  # fmt: skip
    assert list(AuditEntry.objects.filter(action="resolve_errors").values_list("result", flat=True)) == [
        "conflict",
        "ok",
    ]


def test_an_error_that_is_deleted_later_does_not_undo_a_regression() -> None:
    key = fail()
    errors.resolve_errors(PERSON, key)
    fail()
    JobError.objects.all().delete()
    assert stats_errors.group(key).state == ErrorState.REGRESSED


@pytest.mark.parametrize(
    ("act", "before", "after"),
    [
        (errors.resolve_errors, ErrorState.RESOLVED, ErrorState.REGRESSED),
        (errors.acknowledge_errors, ErrorState.ACKNOWLEDGED, ErrorState.OPEN),
    ],
)
def test_an_error_that_is_retried_undoes_no_decision(act: Callable[..., None], before: str, after: str) -> None:
    key = fail()
    act(PERSON, key)
    seen = stats_errors.group(key).last_at
    for _time in range(2):
        queue_job("PRUNE")  # type: ignore[arg-type]
        outcomes.retry_later(claim("maintenance"), "It broke.", reason="broken")
        figures = stats_errors.group(key)
        assert (figures.state, figures.has_come_back) == (before, False)
        assert figures.last_at > seen
        assert ErrorGroup.objects.in_states([before]).exists()
    SyncJob.objects.filter(status="QUEUED").update(run_at=timezone.now())
    outcomes.fail(claim("maintenance"), "It broke.", reason="broken", permanent=False)
    figures = stats_errors.group(key)
    assert (figures.state, figures.has_come_back) == (after, True)
    assert ErrorGroup.objects.in_states([after]).exists()


def test_a_rejected_key_brings_its_error_back_although_the_jobs_go_on_later() -> None:
    report = ErrorReport("keyInvalid", "Bad key.", is_permanent=True, will_retry=True)
    for state_after in (ErrorState.OPEN, ErrorState.REGRESSED):
        queue_job("PRUNE")  # type: ignore[arg-type]
        engine_errors.record(claim("maintenance"), [report])
        group = ErrorGroup.objects.get()
        assert stats_errors.group(group.pk).state == state_after
        if state_after == ErrorState.OPEN:
            errors.resolve_errors(PERSON, group.pk)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", [errors.resolve_errors, errors.acknowledge_errors])
def test_an_error_whose_statement_waits_for_a_decision_comes_after_it(act: Callable[..., None]) -> None:
    key = fail()
    queue_job("PRUNE")  # type: ignore[arg-type]
    attempt = claim("maintenance")
    with transaction.atomic():
        ErrorGroup.objects.select_for_update().get()
        failing = start_and_wait_for_lock(lambda: outcomes.fail(attempt, "It broke.", reason="broken"))
        act(PERSON, key)
    failing.result(20)
    assert state(key) == (ErrorState.REGRESSED if act is errors.resolve_errors else ErrorState.OPEN)
    assert stats_errors.group(key).has_come_back


@pytest.mark.django_db(transaction=True)
def test_a_decision_that_waits_for_an_error_comes_after_it() -> None:
    key = fail()
    queue_job("PRUNE")  # type: ignore[arg-type]
    attempt = claim("maintenance")
    with transaction.atomic():
        outcomes.fail(attempt, "It broke.", reason="broken")
        resolving = start_and_wait_for_lock(lambda: errors.resolve_errors(PERSON, key))
    resolving.result(20)
    assert state(key) == ErrorState.RESOLVED


@pytest.mark.django_db(transaction=True)
def test_of_two_people_who_resolve_at_once_one_is_told() -> None:
    key = fail()

    def resolve(_number: int) -> bool:
        try:
            errors.resolve_errors(PERSON, key)
        except Conflict:
            return False
        return True

    assert sorted(in_parallel(2, resolve)) == [False, True]
    assert ErrorNote.objects.count() == 1


def test_a_group_is_ignored_for_at_most_a_year() -> None:
    key = fail()
    for length in (-DAY, dt.timedelta(seconds=30), 367 * DAY):
        with pytest.raises(InvalidInput, match="in the future"):
            errors.ignore_errors(PERSON, key, timezone.now() + length)
    assert (state(key), thread(key)) == (ErrorState.OPEN, [])


def test_a_group_is_assigned_to_people_who_may_handle_errors() -> None:
    key, other = fail(), fail("Something else.")
    logged_in(Role.MODERATOR)
    logged_in()
    mo = "MODERATOR@example"
    for name in ("none@example", "who", "a\x00"):
        with pytest.raises(NotFound) as refused:
            errors.assign_errors(PERSON, key, name)
        assert refused.value.field == "assignee"
    for _time in range(2):
        errors.assign_errors(PERSON, key, mo)
    assert (stats_errors.group(key).assignee, thread(key)) == (mo, [("assigned", mo, "")])
    mine = stats_errors.groups(GroupFilter(assignee=stats_errors.assignee_id(mo)))
    nobodys = stats_errors.groups(GroupFilter(assignee=stats_errors.assignee_id("nobody")))
    assert ([g.fingerprint for g in mine.groups], [g.fingerprint for g in nobodys.groups]) == ([key], [other])
    assert stats_errors.groups(GroupFilter(assignee=stats_errors.assignee_id("who"))).groups == []
    errors.assign_errors(PERSON, key, "")
    assert (stats_errors.group(key).assignee, thread(key)[0]) == (None, ("unassigned", "", ""))


def test_notes_form_a_thread() -> None:
    key = fail()
    errors.add_error_note(PERSON, key, " First.\nSecond line. ")
    errors.add_error_note(PERSON, key, "Next.")
    assert thread(key) == [("", "", "Next."), ("", "", "First.\nSecond line.")]
    assert (stats_errors.group(key).note, state(key)) == ("Next.", ErrorState.OPEN)
    for text in ("", "  \n", "x" * 2001, "a\x00b", "\x1b[31m"):
        with pytest.raises(InvalidInput) as refused:
            errors.add_error_note(PERSON, key, text)
        assert refused.value.field == "note"
    for act in (errors.resolve_errors, errors.acknowledge_errors):
        with pytest.raises(InvalidInput):
            act(PERSON, key, "x" * 2001)
    with pytest.raises(NotFound):
        errors.add_error_note(PERSON, "ffff", "Hello.")
    assert (len(thread(key)), state(key)) == (2, ErrorState.OPEN)


def test_counts_by_state_follow_the_other_filters_and_add_up() -> None:
    keys = [fail(f"Way {letter}.") for letter in "abcdef"]
    errors.acknowledge_errors(PERSON, keys[1])
    ignore(keys[2])
    for key in keys[3:5]:
        errors.resolve_errors(PERSON, key)
    fail("Way e.")
    ErrorGroup.objects.filter(pk=keys[5]).update(first_seen_at=timezone.now() - 2 * DAY, reason="other")
    for since in (None, timezone.now() - DAY):
        page = stats_errors.groups(GroupFilter(since=since))
        assert page.by_state == {"open": 2, "regressed": 1, "acknowledged": 1, "ignored": 1, "resolved": 1}
        assert (len(page.groups), page.new, stats_errors.to_do(since)) == (6, 1, 3)
        new = stats_errors.groups(GroupFilter(since=since, is_new=True))
        assert ([g.fingerprint for g in new.groups], new.by_state) == ([keys[0]], page.by_state)
        for name, count in page.by_state.items():
            one = GroupFilter(since=since, states=[name])
            listed = stats_errors.groups(one)
            assert (len(listed.groups), listed.by_state) == (count, page.by_state)
            assert stats_errors.log(one).count() == listed.total
        assert stats_errors.log(GroupFilter(since=since, is_new=True)).count() == 1
        assert stats_errors.groups(GroupFilter(reason="broken")).by_state["open"] == 1
    # As when failed jobs are cleared: the list of errors has no row for the group any more.
    JobError.objects.filter(group=keys[0]).delete()
    assert (stats_errors.to_do(), len(stats_errors.groups(GroupFilter(states=["open", "regressed"])).groups)) == (2, 2)


def test_a_note_to_a_group_that_is_deleted_meanwhile_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    key = fail()
    JobError.objects.all().delete()
    found = errors.get_error_group

    def found_and_deleted(fingerprint: str) -> ErrorGroup:
        group = found(fingerprint)
        ErrorGroup.objects.all().delete()
        return group

    monkeypatch.setattr(errors, "get_error_group", found_and_deleted)
    with pytest.raises(NotFound):
        errors.add_error_note(PERSON, key, "Too late.")
    assert not ErrorNote.objects.exists()


def test_cleanup_deletes_old_groups_with_their_threads() -> None:
    key = fail()
    errors.add_error_note(PERSON, key, "Gone soon.")
    JobError.objects.all().delete()
    ErrorGroup.objects.update(last_seen_at=timezone.now() - 1000 * DAY)
    assert cleanup._delete_error_groups() == 1
    connection.check_constraints()
    assert ErrorNote.objects.count() == 0
