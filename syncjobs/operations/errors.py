"""What people do with error groups, and the failed jobs that nobody has retried."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db.models import DateTimeField, Exists, F, Func, OuterRef, Q, QuerySet
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _

from ..audit.actors import Actor
from ..audit.record import audited, details
from ..choices import AlertSubject, ErrorState
from ..engine import clock
from ..exceptions import Conflict, InvalidInput, NotFound
from ..models import AlertRound, ErrorGroup, ErrorNote, JobError, SyncJob
from ..models.querysets import SyncJobQuerySet
from .queues import ALL_QUEUES, queue_names
from .texts import check_text

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_NOTE = 2000
SHORTEST_IGNORE, LONGEST_IGNORE = dt.timedelta(minutes=1), dt.timedelta(days=366)
MAY_ACT = "syncjobs.acknowledge_errors"
"""The permission to change groups, and to have them assigned."""
Action = ErrorNote.Action
_NOT_RESOLVED = [state for state in ErrorState if state is not ErrorState.RESOLVED]
_DECIDED = Q(acknowledged_at__isnull=False) | Q(resolved_at__isnull=False) | Q(ignored_until__isnull=False)


def unretried_jobs(*, queue: str = ALL_QUEUES, fingerprint: str = "") -> SyncJobQuerySet:
    """Return failed jobs that nobody has retried, oldest first.

    `queue` limits them to one queue, `fingerprint` to jobs that failed with an error of that group.
    Raises InvalidInput for an unknown queue.
    """
    jobs = SyncJob.objects.failed().not_retried()
    if queue != ALL_QUEUES:
        jobs = jobs.filter(queue_id__in=queue_names(queue))
    if fingerprint:
        jobs = jobs.filter(Exists(JobError.objects.filter(job=OuterRef("pk"), group_id=fingerprint, will_retry=False)))
    return jobs.order_by("pk")


def acknowledge_errors(actor: Actor, fingerprint: str, note: str | None = None) -> bool:
    """Mark an error group as acknowledged by the actor until its next error that isn't retried.

    A group that is acknowledged stays as it is, unless there is a note. Return whether it was changed.
    Raises NotFound, InvalidInput, and Conflict if the group is resolved.
    """
    changes = {"acknowledged_at": _now(), "acknowledged_by": actor.label[:200], "resolved_at": None, "resolved_by": ""}
    changes |= {"ignored_until": None, "ignored_by": ""}
    unless = None if (note or "").strip() else ErrorState.ACKNOWLEDGED
    return _decide(actor, "acknowledge_errors", fingerprint, Action.ACKNOWLEDGED, changes, note=note, unless=unless)


def resolve_errors(actor: Actor, fingerprint: str, note: str | None = None) -> None:
    """Mark an error group as resolved by the actor. Its next error that isn't retried makes it regressed.

    Raises NotFound, InvalidInput, and Conflict if the group is resolved already.
    """
    changes = {"resolved_at": _now(), "resolved_by": actor.label[:200], "ignored_until": None, "ignored_by": ""}
    _decide(actor, "resolve_errors", fingerprint, Action.RESOLVED, changes, note=note)


def ignore_errors(actor: Actor, fingerprint: str, until: dt.datetime, note: str | None = None) -> None:
    """Keep an error group out of what is to do until then, whatever occurs.

    Raises NotFound, InvalidInput, and Conflict if the group is resolved.
    """
    if not SHORTEST_IGNORE <= until - clock.now() <= LONGEST_IGNORE:
        raise InvalidInput(_("Must be in the future, and at most one year from now."), field="until")
    changes = {"ignored_until": until, "ignored_by": actor.label[:200], "resolved_at": None, "resolved_by": ""}
    moment = until.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    data = {"until": moment}
    _decide(actor, "ignore_errors", fingerprint, Action.IGNORED, changes, note=note, data=data, subject=moment)


def reopen_errors(actor: Actor, fingerprint: str) -> bool:
    """Undo what people have decided about an error group, and keep its thread and assignee.

    Return whether there was anything to undo. Raises NotFound.
    """
    with audited(actor, "reopen_errors", "error", fingerprint[:16]):
        get_error_group(fingerprint)
        changes = dict.fromkeys(("acknowledged_at", "resolved_at", "ignored_until"))
        labels = dict.fromkeys(("acknowledged_by", "resolved_by", "ignored_by"), "")
        is_changed = bool(ErrorGroup.objects.filter(_DECIDED, pk=fingerprint).update(**changes, **labels))
        if is_changed:
            _add_entry(actor, fingerprint, Action.REOPENED)
    return is_changed


def assign_errors(actor: Actor, fingerprint: str, username: str) -> bool:
    """Assign an error group to a person who may act on it; to nobody if the name is empty.

    Return whether it was assigned otherwise before. Raises NotFound, also for any other person.
    """
    with audited(actor, "assign_errors", "error", fingerprint[:16]) as span:
        person = assignable().filter(username=username).first() if username and "\x00" not in username else None
        if username and person is None:
            raise NotFound(_("Nobody who may handle errors has this name."), field="assignee")
        get_error_group(fingerprint)
        span.data = details({"assignee": username})
        groups = ErrorGroup.objects.filter(pk=fingerprint)
        is_changed = bool(groups.exclude(assignee=person).update(assignee=person))
        if is_changed:
            action = Action.ASSIGNED if person else Action.UNASSIGNED
            _add_entry(actor, fingerprint, action, subject=username)
    return is_changed


def add_error_note(actor: Actor, fingerprint: str, text: str) -> ErrorNote:
    """Add a note to the thread of an error group. Raises NotFound and InvalidInput."""
    with audited(actor, "add_error_note", "error", fingerprint[:16]) as span:
        if not text.strip():
            raise InvalidInput(_("Write something."), field="note")
        get_error_group(fingerprint)
        span.message = text
        return _add_entry(actor, fingerprint, Action.NONE, text)


def assignable() -> QuerySet[User]:
    """Return the people who can be assigned error groups, by name."""
    people = get_user_model()._default_manager.with_perm(MAY_ACT).filter(is_active=True, is_staff=True)
    return people.order_by("username")


def assignees() -> QuerySet[User]:
    """Return the people who can be assigned error groups, and those who have any from when they could, by name."""
    assigned = ErrorGroup.objects.filter(assignee__isnull=False).values("assignee")
    people = get_user_model()._default_manager.filter(Q(pk__in=assignable().values("pk")) | Q(pk__in=assigned))
    return people.order_by("username")


def get_error_group(fingerprint: str, groups: QuerySet[ErrorGroup] | None = None) -> ErrorGroup:
    """Return the group with this fingerprint. Raises NotFound."""
    group = (ErrorGroup.objects if groups is None else groups).filter(pk=fingerprint).first()
    if group is None:
        raise _not_found(fingerprint)
    return group


def _not_found(fingerprint: str) -> NotFound:
    message = _("There is no error group %(fingerprint)s.") % {"fingerprint": fingerprint[:16]}
    return NotFound(message, field="fingerprint")


def _decide(
    actor: Actor,
    action: str,
    fingerprint: str,
    done: ErrorNote.Action,
    changes: Mapping[str, Any],
    *,
    note: str | None,
    data: Mapping[str, Any] | None = None,
    subject: str = "",
    unless: ErrorState | None = None,
) -> bool:
    """Change a group that isn't resolved, in one transaction with its thread and audit entry.

    Return False, and change nothing, if it is in the state `unless`.
    """
    states = [state for state in _NOT_RESOLVED if state is not unless]
    groups = ErrorGroup.objects.filter(pk=fingerprint)
    with audited(actor, action, "error", fingerprint[:16]) as span:
        if not groups.in_states(states).update(**changes):
            if unless and groups.in_states([unless]).exists():
                return False
            raise _already_resolved(fingerprint)
        span.message, span.data = note or "", details(data or {})
        _add_entry(actor, fingerprint, done, note or "", subject)
        AlertRound.objects.request_about(AlertSubject.ERROR, fingerprint)
    return True


def decide_problem(fingerprint: str) -> Conflict | None:
    """Return why nothing more can be decided about a group, if so: it is resolved. Raises NotFound."""
    if ErrorGroup.objects.filter(pk=fingerprint).in_states(_NOT_RESOLVED).exists():
        return None
    return _already_resolved(fingerprint)


def reopen_problem(fingerprint: str) -> Conflict | None:
    """Return why a group can't be reopened, if so: nobody has decided about it."""
    if ErrorGroup.objects.filter(_DECIDED, pk=fingerprint).exists():
        return None
    return Conflict(_("Nobody has decided about this error, or it was reopened already."))


def _already_resolved(fingerprint: str) -> Conflict:
    resolved_by = get_error_group(fingerprint).resolved_by
    return Conflict(_("%(person)s has already resolved this error.") % {"person": resolved_by})


def _add_entry(
    actor: Actor, fingerprint: str, action: ErrorNote.Action, text: str = "", subject: str = ""
) -> ErrorNote:
    """Add an entry to the thread of a group. Raises InvalidInput, and NotFound if the group has just been deleted."""
    if len(text) > MAX_NOTE:
        raise InvalidInput(_("A note has at most %(most)s characters.") % {"most": MAX_NOTE}, field="note")
    check_text(text, "note", is_one_line=False)
    text = text.strip()
    # This locks the group, so the newest note of the thread is the group's.
    if text and not ErrorGroup.objects.filter(pk=fingerprint).update(note=text):
        raise _not_found(fingerprint)
    return ErrorNote.objects.create(
        group_id=fingerprint, author=actor.label[:200], action=action, subject=subject[:200], text=text
    )


def _now() -> Greatest:
    """Return the time of a decision, once the statement has locked the group's row: not before the errors so far."""
    return Greatest(Func(function="clock_timestamp", output_field=DateTimeField()), F("last_seen_at"))
