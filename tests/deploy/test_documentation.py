"""Follow the section "On Debian" of docs/operations.md to the letter, up to a site that syncs.

What is not done: packages and users are not installed; systemd's part is played by tests/deploy/systemd.py; and the folders
/opt, /etc and /var are in the test's own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

from syncjobs.youtube.simulator import Simulator
from syncmonitor import embedded
from tests.clients import PASSWORD
from tests.deploy.postgres import DEBIAN, PSQL, Cluster
from tests.deploy.systemd import Systemd
from tests.deploy.web import HOST, NGINX, OPENSSL, nginx
from tests.factories import wait_for
from tests.processes import ROOT, free_port, kill_group

SECTION = "On Debian"
KEY = "AIza-from-a-file"
COMMANDS = (
    *("sync_status", "quota", "reconcile", "reconcile --counts --rebuild", "prune_jobs", "cleanup", "setup_roles"),
    *(
        "pause_queue video-sync --reason test",
        "resume_queue all",
        "retry_jobs --failed",
        "clear_failed video-sync --yes",
    ),
)
FORBIDDEN = (
    "CREATE TABLE anything (id int)",
    "DROP TABLE syncjobs_syncjob",
    "TRUNCATE syncjobs_auditentry",
    "ALTER TABLE syncjobs_auditentry DISABLE TRIGGER ALL",
    "CREATE TEMPORARY TABLE anything (id int)",
)
"""What the role of the site may not do."""
NOT_RUN = ("apt-get ", "adduser ", "python3 -m venv ", "/opt/syncmonitor/.venv/bin/pip ", "systemctl daemon-reload")
"""Commands that would change the machine."""
STUBS = {
    # Files get their mode, but belong to whoever runs the test.
    "install": 'for a; do case "$skip$a" in --owner|--group) skip=1;; 1*) skip=;; *) set -- "$@" "$a";; esac; shift; done; exec /usr/bin/install "$@"',
    "chgrp": ":",
    "runuser": 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"',
}
pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not (NGINX and OPENSSL and PSQL), reason="nginx, openssl or psql is not installed."),
]


def documented(section: str) -> list[str]:
    """Return the lines of the console blocks in a section of docs/operations.md."""
    text = (ROOT / "docs/operations.md").read_text()
    (body,) = re.findall(rf"^### {section}$(.*?)^##", text, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^ *```console\n(.*?)^ *```", body, re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines()]


class Machine:
    """A shell, and the folders of a machine within a folder."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.folder = folder
        self._variables = variables
        self.systemd = Systemd(self.path("/etc/systemd/system"), self.moved, variables, folder / "log")
        stubs = folder / "stubs"
        for each in (stubs, folder / "log", self.path("/usr/local/bin"), self.path("/etc/systemd/system")):
            each.mkdir(parents=True)
        for each in ("sites-available", "sites-enabled"):
            self.path(f"/etc/nginx/{each}").mkdir(parents=True)
        self.path("/var/lib").mkdir(parents=True)
        self.path("/opt/syncmonitor").mkdir(parents=True)
        for name in ("bands", "syncjobs", "syncmonitor", "templates", "locale", "deploy", "docs", "manage.py"):
            self.path(f"/opt/syncmonitor/{name}").symlink_to(ROOT / name)
        self.path("/opt/syncmonitor/.venv").symlink_to(sys.prefix)
        for name, code in STUBS.items():
            (stubs / name).write_text(f"#!/bin/sh\n{code}\n")
            (stubs / name).chmod(0o755)
        path = f"{stubs}:{self.path('/usr/local/bin')}:{os.environ['PATH']}"
        self._shell = subprocess.Popen(
            ["bash"],
            env=variables | {"PATH": path},
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def path(self, path: str) -> Path:
        return self.folder / path.removeprefix("/")

    def moved(self, text: str) -> str:
        """Return a text with the paths of a machine replaced by those within the folder."""
        return re.sub(r"(?<![\w.])/(?=opt/|etc/|var/lib|run/credentials|usr/local)", f"{self.folder}/", text)

    def run(self, line: str) -> str:
        """Run a line in the shell. Fail if it fails."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f'{self.moved(line)}\necho "[$?]"\n')
        self._shell.stdin.flush()
        output = ""
        for text in self._shell.stdout:
            if match := re.fullmatch(r"(.*)\[(\d+)\]\n", text, re.DOTALL):
                assert match[2] == "0", f"{line}\n{output}{self.systemd.logs()}"
                return output + match[1]
            output += text
        raise AssertionError(f"{line}\n{output}")

    def close(self) -> None:
        self.systemd.kill_all()
        kill_group(self._shell)


@pytest.fixture
def youtube() -> Iterator[Simulator]:
    with Simulator(key=KEY) as simulator:
        yield simulator


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[int]:
    port = free_port()
    command = [
        embedded._redis_binary(),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(tmp_path),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        with redis.Redis(port=port) as client:
            wait_for(lambda: _pings(client), 30, "Redis")
        yield port
    finally:
        kill_group(process)


def _pings(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """PostgreSQL of Debian if it is installed, unless EMBEDDED=1 asks for ours."""
    with Cluster(is_debian=DEBIAN is not None and "EMBEDDED" not in os.environ) as started:
        yield started


class Site:
    """The site that the documentation leads to."""

    def __init__(self, machine: Machine, youtube: Simulator, stack: ExitStack, redis_port: int) -> None:
        self.machine, self._stack = machine, stack
        self._edits = {
            "redis://localhost:6379": f"redis://localhost:{redis_port}",
            "127.0.0.1:8000": f"127.0.0.1:{free_port()}",
        }
        self._youtube = youtube
        self.client = httpx.Client(timeout=30)

    def follow(self, line: str) -> None:
        """Do what a line of the documentation says."""
        program, *rest = line.split()
        if line.startswith(NOT_RUN):
            return
        if program == "systemctl":
            if "nginx" in line:
                self._start_nginx()
                return
            for unit in (each for each in rest if each.startswith("syncmonitor")):
                name = unit if re.search(r"[.]\w+$", unit) else f"{unit}.service"
                (self.machine.systemd.restart if rest[0] == "restart" else self.machine.systemd.start)(name)
        elif line == "nginx -t":
            return  # The helper starts it with the file that was installed.
        elif program == "curl":
            self.machine.run(
                line.replace("curl ", f"curl --cacert {self.certificate} --connect-to {HOST}:443:{self.address} ")
            )
        elif "create_user" in line:
            self.machine.run(f"echo '{PASSWORD}' | {line} --password-stdin")
        else:
            self.machine.run(line.replace("YOUR-KEY", KEY))
            self._edit()

    def _edit(self) -> None:
        """Write the test's folders and ports into the files that were installed."""
        for folder in ("/usr/local/bin", "/etc/systemd/system", "/etc/syncmonitor", "/etc/nginx/sites-available"):
            for path in self.machine.path(folder).glob("*"):
                before = text = path.read_text()
                if path.name == "environment" and "YOUTUBE_API_ENDPOINT" not in text:
                    text += f"YOUTUBE_API_ENDPOINT={self._youtube.url}\n"
                text = self.machine.moved(text)
                for old, new in self._edits.items():
                    text = text.replace(old, new)
                if text != before:
                    path.write_text(text)

    def _start_nginx(self) -> None:
        folder = self.machine.folder / "nginx"
        installed = self.machine.path("/etc/nginx/sites-enabled/syncmonitor").read_text()
        url, context = self._stack.enter_context(
            nginx(folder, [int(port) for port in re.findall(r"server 127.0.0.1:(\d+)", installed)])
        )
        self.address, self.certificate = url.removeprefix("https://"), folder / "certificate.pem"
        self.client = self._stack.enter_context(
            httpx.Client(base_url=url, verify=context, headers={"Host": HOST}, timeout=60)
        )

    def request(self, method: str, path: str, body: object = None, token: str = "") -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.client.request(method, path, json=body, headers=headers, extensions={"sni_hostname": HOST})


@pytest.fixture
def site(cluster: Cluster, redis_port: int, youtube: Simulator, tmp_path: Path) -> Iterator[Site]:
    """Follow the documentation."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    machine = Machine(tmp_path / "m", kept | cluster.variables)
    with ExitStack() as stack:
        stack.callback(machine.close)
        site = Site(machine, youtube, stack, redis_port)
        lines = documented(SECTION)
        assert len(lines) > 25
        for line in lines:
            site.follow(line)
        yield site


def test_the_documentation_leads_to_a_site(site: Site, cluster: Cluster, youtube: Simulator) -> None:
    """The site serves its pages, syncs a band, and does all of it as a role that owns nothing."""
    channel = youtube.world.add_channel("@herons")
    youtube.world.upload(channel.id, 60)
    page = site.request("GET", "/admin/login/")
    assert page.status_code == 200
    (style, *_) = re.findall(r'href="(/static/[^"]+[.]css)"', page.text)
    assert site.request("GET", style).status_code == 200
    token = site.request("POST", "/api/auth/token", {"username": "admin", "password": PASSWORD}).json()["access"]
    band = site.request(
        "POST", "/api/bands", {"name": "Herons", "slug": "herons", "youtubeChannel": "@herons"}, token
    ).json()
    job = site.request("POST", "/api/admin/sync-jobs/trigger", {"syncType": "FULL", "bandId": band["id"]}, token).json()

    def is_synced() -> bool:
        shown = site.request("GET", f"/api/admin/sync-jobs/{job['jobId']}", token=token).json()
        assert shown["status"] != "FAILED", shown
        return bool(shown["status"] == "COMPLETED")

    wait_for(is_synced, 60, site.machine.systemd.logs)
    # In one process, because each takes seconds to start.
    calls = "; ".join(f"call_command({', '.join(map(repr, command.split()))})" for command in COMMANDS)
    site.machine.run(f'syncmonitor shell --command "from django.core.management import call_command; {calls}"')
    for line in documented("Restart without losing a request"):
        site.follow(line)
    assert site.request("GET", "/readyz").json()["status"] == "ok"
    with cluster.connect() as database:
        roles = database.execute("SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database()")
        assert {row[0] for row in roles.fetchall()} == {"syncmonitor_app", "postgres"}
        owned = database.execute("SELECT count(*) FROM pg_class WHERE pg_get_userbyid(relowner) = 'syncmonitor_app'")
        assert owned.fetchone() == (0,)
        database.execute("SET ROLE syncmonitor_app")
        for statement in FORBIDDEN:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                database.execute(statement)
    for command in ("sync_status", "reconcile --counts"):
        site.machine.run(f"syncmonitor {command}")
    # Our own tries are in the log too.
    refused = [line for line in cluster.log().splitlines() if re.search("permission denied|must be owner", line)]
    assert len(refused) == len(FORBIDDEN), "\n".join(refused)
