"""A backup that is restored into another cluster, whose transaction ids have nothing to do with the backup's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from syncjobs.live import changes
from syncjobs.models import SyncJob
from syncmonitor import embedded
from tests.factories import claim, queue_job, wait_for
from tests.live.watchers import Watch, Watcher, access_token
from tests.migrations.databases import created
from tests.processes import ROOT, environment, web_server

pytestmark = pytest.mark.django_db(transaction=True)
AHEAD = 10**9


@pytest.fixture(autouse=True)
def _keep_the_horizon(transactional_db: None) -> Iterator[None]:
    """Restore the row that all tests share."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT xact, origin FROM syncjobs_jobchangehorizon")
        before = cursor.fetchone()
        yield
        cursor.execute("UPDATE syncjobs_jobchangehorizon SET xact = %s, origin = %s", before)


def _pretend_a_cluster_with_larger_ids() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE syncjobs_jobchange SET xact = xact + %s", [AHEAD])
        cursor.execute("UPDATE syncjobs_jobchangehorizon SET xact = %s, origin = 'elsewhere'", [AHEAD])


def test_open_pages_reload_once_if_the_ids_of_changes_are_ahead(watch: Watch) -> None:
    before = changes.position()
    job = queue_job("PRUNE")  # type: ignore[arg-type]
    _pretend_a_cluster_with_larger_ids()
    watchers = [watch(before), watch(f"{AHEAD + 5}:{AHEAD + 5}:")]
    for watcher in watchers:
        wait_for(watcher.events, what="the reload")
    watchers.append(watch(changes.position()))
    for status in ("FAILED", "CANCELLED"):
        SyncJob.objects.filter(pk=job.pk).update(status=status)
    for watcher in watchers:
        wait_for(lambda watcher=watcher: len(watcher.jobs()) == 2, what="both changes")  # type: ignore[misc]
    assert [watcher.events() for watcher in watchers] == [["reset", "job", "job"]] * 2 + [["job", "job"]]
    later = watch(watchers[0].id)
    SyncJob.objects.filter(pk=job.pk).update(status="QUEUED")
    wait_for(later.events, what="a change after reconnecting")
    assert later.jobs() == [(str(job.pk), "QUEUED")]


def test_a_long_transaction_does_not_make_pages_reload_again(watch: Watch) -> None:
    """It began before the feed started anew, and its changes are sent when it commits."""
    before = changes.position()
    early, late = (queue_job("PRUNE").pk for _ in range(2))  # type: ignore[arg-type]
    database = connection.settings_dict
    with psycopg.connect(host=database["HOST"], dbname=database["NAME"], user="postgres") as other:
        other.execute("UPDATE syncjobs_syncjob SET status = 'FAILED' WHERE id = %s", [early])
        _pretend_a_cluster_with_larger_ids()
        watcher = watch(before)
        wait_for(watcher.events, what="the reload")
        SyncJob.objects.filter(pk=late).update(status="FAILED")
        wait_for(watcher.jobs, what="the change of another transaction")
        other.commit()
    wait_for(lambda: len(watcher.jobs()) == 2, what="the change of the long transaction")
    assert watcher.events() == ["reset", "job", "job"]


def documented_steps() -> list[str]:
    """Return the commands of the pages on backing up and restoring, in their order."""
    page = (ROOT / "docs/operations.md").read_text()
    chapter = page.split("\n## Back up\n")[1].split("\n## PgBouncer\n")[0]
    blocks: list[str] = re.findall(r"```console\n(.*?)```", chapter, re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def run_steps(steps: list[str], folder: Path, variables: dict[str, str]) -> None:
    """Run the commands in a shell, with the programs of the embedded PostgreSQL. Fail if one fails."""
    path = f"{embedded._programs()}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    for step in steps:
        command = step.replace("manage.py", str(ROOT / "manage.py"))
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=folder,
            env=variables | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{step}\n{done.stdout}{done.stderr}"


def test_a_restored_backup_works(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> None:
    token = access_token()
    waiting, running = queue_job("PRUNE"), queue_job()  # type: ignore[arg-type]
    claim()
    _pretend_a_cluster_with_larger_ids()
    variables = environment("http://127.0.0.1:9")
    with created("restored", django_db_blocker) as restored:
        run_steps(documented_steps(), tmp_path, variables | {"RESTORED_URL": restored.url})
        assert restored.ask("SELECT id, status FROM syncjobs_syncjob ORDER BY id") == [
            (waiting.pk, "QUEUED"),
            (running.pk, "QUEUED" if _is_lost(restored.ask("SELECT outcome FROM syncjobs_attempt")) else "IN_PROGRESS"),
        ]
        with web_server(variables | {"DATABASE_URL": restored.url}, tmp_path / "web.log") as url:
            watcher = Watcher(url, token, f"{AHEAD + 5}:{AHEAD + 5}:")
            wait_for(watcher.events, what="the reload")
            with psycopg.connect(restored.url) as session:
                session.execute("UPDATE syncjobs_syncjob SET status = 'FAILED' WHERE id = %s", [waiting.pk])
            wait_for(watcher.jobs, what="a change in the restored database")
            watcher.close()
        assert watcher.events() == ["reset", "job"]
        assert watcher.jobs() == [(str(waiting.pk), "FAILED")]


def _is_lost(outcomes: list[tuple[str]]) -> bool:
    return outcomes == [("LOST",)]
