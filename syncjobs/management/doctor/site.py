"""What can be wrong with the site's own processes, its files and its mail."""

from __future__ import annotations

import os
import smtplib
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage
from django.core import mail as django_mail

from ...engine import clock
from ...models import Worker
from ...operations import people, schedules
from ...stats import queues as stats_queues
from .findings import Finding, Level, good

_SMTP = "django.core.mail.backends.smtp.EmailBackend"
_NO_HOST = "localhost"
"""Django's default of EMAIL_HOST."""


def clocks() -> Iterator[Finding]:
    """Compare this host's clock, and those of workers and beat, with the database's."""
    found = {"this host": clock.skew()}
    found |= {each.name: each.clock_skew for each in Worker.objects.exclude(clock_skew=None) if each.clock_skew}
    wrong = {name: seconds for name, seconds in found.items() if clock.is_wrong(seconds)}
    for name, seconds in wrong.items():
        side = "ahead of" if seconds > 0 else "behind"
        message = f"The clock of {name} is {abs(seconds):.1f} s {side} the database's."
        yield Finding("clock", Level.WARNING, message, "Run NTP on every host.")
    if not wrong:
        yield good("clock", f"The clocks agree within {clock.TOLERATED_SECONDS:g} s.")


def workers() -> Iterator[Finding]:
    """Look for workers that stopped reporting or whose tasks fail."""
    states, _unknown = stats_queues.workers()
    for each in states:
        if each.state == "silent":
            message = f"The worker {each.worker.name} has not reported since {each.worker.heartbeat_at:%Y-%m-%d %H:%M:%S} UTC."
            advice = (
                "Check its process. If it is gone on purpose, run: python manage.py remove_worker " + each.worker.name
            )
            yield Finding("workers", Level.WARNING, message, advice)
        elif each.state == "failing":
            message = f"The tasks of the worker {each.worker.name} fail, although it reports."
            yield Finding("workers", Level.ERROR, message, "Read its log and restart it.")
    alive = sum(each.state in ("alive", "stopping") for each in states)
    if alive:
        yield good("workers", f"{alive} worker{' is' if alive == 1 else 's are'} alive.")
    else:
        advice = "Start one: celery -A syncmonitor worker -Q video-sync,video-processing,maintenance"
        yield Finding("workers", Level.ERROR, "No worker is alive, so no job runs.", advice)


def queues() -> Iterator[Finding]:
    """Look for queues that no live worker consumes, and for paused ones."""
    for queue in stats_queues.queues():
        if not queue.workers:
            waiting = (
                f"{queue.waiting} job{'' if queue.waiting == 1 else 's'} of it wait{'s' if queue.waiting == 1 else ''}"
            )
            message = f"No live worker consumes the queue {queue.name}; {waiting}."
            yield Finding("queues", Level.ERROR, message, f"Start a worker with -Q {queue.name}.")
        elif queue.is_paused:
            reason = f": {queue.pause_reason}" if queue.pause_reason else ""
            message = f"The queue {queue.name} is paused by {queue.paused_by}{reason}."
            advice = f"When the reason is gone, run: python manage.py resume_queue {queue.name}"
            yield Finding("queues", Level.WARNING, message, advice)
        else:
            yield good("queues", f"The queue {queue.name} has {queue.workers} consumer(s).")


def scheduler() -> Iterator[Finding]:
    """Look for a live scheduler, for more than one, and for schedules that are overdue."""
    alive = [each.worker.name for each in stats_queues.schedulers() if each.state == "alive"]
    now = clock.now()
    overdue = [each.name for each in schedules.list_schedules() if schedules.is_overdue(each, now)]
    if not alive:
        message = "No scheduler (beat) is alive, so schedules trigger nothing."
        yield Finding("scheduler", Level.ERROR, message, "Start one: celery -A syncmonitor beat")
    elif len(alive) > 1:
        message = f"{len(alive)} schedulers run: {', '.join(alive)}."
        yield Finding("scheduler", Level.WARNING, message, "Run exactly one.")
    if overdue:
        message = f"Schedules were due, but did not run: {', '.join(overdue[:5])}."
        advice = "Read the log of beat; run a schedule now on the schedules page of the admin."
        yield Finding("scheduler", Level.ERROR, message, advice)
    if len(alive) == 1 and not overdue:
        yield good("scheduler", f"The scheduler {alive[0]} is alive, and no schedule is overdue.")


def roles() -> Iterator[Finding]:
    """Look for roles that lack permissions, perhaps because a release has added some."""
    missing = people.missing_permissions()
    for role, number in missing.items():
        message = (
            f"The role {role} lacks {number} of its permissions, so people don't see or can't do what they should."
        )
        yield Finding("roles", Level.WARNING, message, "Run: python manage.py setup_roles")
    if not missing:
        yield good("roles", "The roles have their permissions.")


def static_files() -> Iterator[Finding]:
    """Compare what `collectstatic` has collected with the files of this release."""
    if not isinstance(staticfiles_storage, ManifestFilesMixin):
        yield good("static", "Static files are served from their sources.")
        return
    collected = Path(str(settings.STATIC_ROOT))
    manifest = staticfiles_storage.hashed_files
    problems = []
    for finder in get_finders():
        for name, storage in finder.list([]):
            if name not in manifest or not (collected / manifest[name]).is_file():
                problems.append(f"{name} is missing")
            elif name.startswith("syncjobs/") and _differs(Path(storage.path(name)), collected / name):
                problems.append(f"{name} is of another release")
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        message = f"Static files in {collected} are not those of this release: {problems[0]}{more}."
        yield Finding("static", Level.ERROR, message, "Run: python manage.py collectstatic --no-input, and restart.")
    elif not os.access(collected, os.R_OK):
        yield Finding("static", Level.ERROR, f"{collected} can't be read.", "Let the site's user read it.")
    else:
        yield good("static", f"{len(manifest)} static files are collected.")


def _differs(source: Path, collected: Path) -> bool:
    return not collected.is_file() or source.read_bytes() != collected.read_bytes()


def has_mail_server() -> bool:
    """Whether a mail server other than this host's is configured, or another way to send mail."""
    return settings.EMAIL_BACKEND != _SMTP or settings.EMAIL_HOST != _NO_HOST


def mail() -> Iterator[Finding]:
    """Connect to the mail server, if one is configured."""
    if settings.EMAIL_BACKEND != _SMTP:
        yield good("mail", f"Mail is sent by {settings.EMAIL_BACKEND}.")
    elif not has_mail_server():
        yield good("mail", "No mail server is configured.")
    else:
        yield from mail_server()


def mail_server() -> Iterator[Finding]:
    """Connect to the mail server, and log in."""
    address = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    server = django_mail.get_connection(timeout=10)
    try:
        server.open()
    except smtplib.SMTPAuthenticationError:
        message = f"The mail server {address} refuses the user name or the password."
        yield Finding("mail", Level.ERROR, message, "Correct EMAIL_HOST_USER and EMAIL_HOST_PASSWORD.")
    except (smtplib.SMTPException, OSError) as error:
        message = (
            f"The mail server {address} does not answer ({type(error).__name__}: {' '.join(str(error).split())[:200]})."
        )
        yield Finding("mail", Level.ERROR, message, "Correct EMAIL_HOST, EMAIL_PORT and the kind of encryption.")
    else:
        yield good("mail", f"The mail server {address} takes our connection.")
    finally:
        server.close()
